import SwagePartition
import SwageTensor

/// What there is to choose in placed graphs.
enum TuningTasks {
  /// A task for each signature of which a target has several choices, in order of appearance, nested graphs included;
  /// sizes must be known: `unknown` counts those
  /// of which they are not. `weightBytes` are those of all constants.
  static func collect(
    _ graphs: [Graph], targets: [any Target]
  ) -> (tasks: [TuningTask], weightBytes: Int, unknown: Int) {
    var unknown: Set<String> = []
    var tasks: [TuningTask] = []
    var places: [String: Int] = [:]
    var weightBytes = 0
    func visit(_ graph: Graph) {
      for node in graph.nodes {
        if case .constant(let constant) = node.op { weightBytes += constant.value.byteCount }
        for region in node.regions { visit(region) }
        guard let target = targets.first(where: { $0.name == node.target }) else { continue }
        let choices = target.choices(for: node, in: graph)
        guard choices.count > 1 else { continue }
        // Alone, a node may lack what relates its sizes: the cost model decides then.
        guard let signature = try? NodeSignature(node, in: graph) else { continue }
        guard signature.isStatic else {
          unknown.insert(signature.text)
          continue
        }
        if let place = places[signature.text] {
          tasks[place].count += 1
        } else {
          places[signature.text] = tasks.count
          tasks.append(TuningTask(signature: signature, target: target.name, choices: choices))
        }
      }
    }
    for graph in graphs { visit(graph) }
    return (tasks, weightBytes, unknown.count)
  }
}
