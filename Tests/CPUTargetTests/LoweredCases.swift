import SwageCPUTarget
import SwageGraph
import SwagePartition
import SwagePlan
import SwageRuntime
import SwageTensor
import Testing

/// Graphs that are lowered into one plan, an entry point each, run through a session, and compared with the reference
/// evaluator.
final class LoweredCases {
  struct Case {
    var name: String
    var graph: Graph
    var inputs: [String: Tensor]
    var tolerance: Double
  }

  private(set) var cases: [Case] = []

  /// One operation over inputs and constants. `tolerance` is relative to the largest magnitude of the result, in f32;
  /// narrower types add their own rounding.
  func add(_ name: String, _ graph: Graph, _ inputs: [String: Tensor], tolerance: Double = 2e-5) {
    cases.append(Case(name: "\(name) #\(cases.count)", graph: graph, inputs: inputs, tolerance: tolerance))
  }

  /// Operand of `single`.
  enum Operand {
    case input(Tensor)
    /// An input whose type has these sizes instead of the tensor's own.
    case symbolic(Tensor, [Dim])
    case constant(Tensor)
    case absent
  }

  func single(_ name: String, _ op: Op, _ operands: [Operand], tolerance: Double = 2e-5) throws {
    var graph = Graph(name: name)
    var inputs: [String: Tensor] = [:]
    var values: [SwageGraph.ValueID?] = []
    for (index, operand) in operands.enumerated() {
      switch operand {
      case .input(let tensor), .symbolic(let tensor, _):
        var type = tensor.type
        if case .symbolic(_, let sizes) = operand { type.shape = sizes }
        values.append(graph.addInput(name: "x\(index)", type: type))
        inputs["x\(index)"] = tensor
      case .constant(let tensor): values.append(try graph.constant(tensor, name: "c\(index)"))
      case .absent: values.append(nil)
      }
    }
    let results = try graph.append(op, values, sources: [Source(name: name, operatorName: "Test")])
    for (index, result) in results.enumerated() { graph.addOutput(result, name: "y\(index)") }
    add(name, graph, inputs, tolerance: tolerance)
  }

  /// The plan of all cases.
  func plan(threads: Int = 2) throws -> Plan {
    let builder = PlanBuilder()
    let target = CPUTarget(threads: threads)
    let lowering = target.makeLowering(LoweringOptions(threads: threads))
    let entries = try cases.map { item in
      let entry = EntryPointBuilder(name: item.name, plan: builder)
      for input in item.graph.inputs { entry.addInput(input, in: item.graph) }
      for node in item.graph.nodes {
        if case .constant(let constant) = node.op {
          entry.bind(node.results[0], toConstant: constant.value, name: item.graph[node.results[0]].name)
          continue
        }
        if case .no(let refusal) = target.support(for: node, in: item.graph) {
          Issue.record("\(item.name): \(refusal.reason)")
        }
        try lowering.lower(node, in: item.graph, into: entry)
      }
      for (output, name) in zip(item.graph.outputs, item.graph.outputNames) {
        entry.addOutput(entry.value(output), name: name)
      }
      return Self.placed(entry.finish())
    }
    try lowering.finish(builder)
    let plan = Plan(
      provenance: Provenance(toolVersion: "test"), host: builder.host, weights: builder.weights,
      modules: builder.modules, entryPoints: entries)
    try PlanValidator.validate(plan)
    return plan
  }

  /// Every buffer gets memory of its own when sizes are known.
  static func placed(_ entry: EntryPoint) -> EntryPoint {
    var entry = entry
    entry.body.instructions = entry.body.instructions.map {
      var instruction = $0
      instruction.inPlace = []
      return instruction
    }
    for (index, range) in Lifetimes(entry).buffers.enumerated() {
      guard let range else { continue }
      entry.buffers[index].first = range.lowerBound
      entry.buffers[index].last = range.upperBound
      entry.buffers[index].placement = .dynamic
    }
    return entry
  }

  /// Runs every case of a plan for so many threads, in turn with as many and with one.
  func check(threads: Int = 2) throws {
    let plan = try plan(threads: threads)
    for (index, item) in cases.enumerated() {
      let session = try Session(
        plan: plan, entryPoint: item.name, options: SessionOptions(threads: index % 2 == 0 ? threads : 1))
      let got = try session.run(item.inputs)
      let want = try Evaluator.run(item.graph, inputs: item.inputs)
      for (name, expected) in want.sorted(by: { $0.key < $1.key }) {
        guard let result = got[name] else {
          Issue.record("\(item.name): no result \(name)")
          continue
        }
        Self.compare("\(item.name) \(name)", result, expected, item.tolerance)
      }
    }
  }

  static func compare(_ name: String, _ got: Tensor, _ want: Tensor, _ tolerance: Double) {
    #expect(got.type == want.type, "\(name)")
    guard got.type == want.type else { return }
    guard want.elementType.isFloat else {
      let (a, b) = (got.integers, want.integers)
      if let index = a.indices.first(where: { a[$0] != b[$0] }) {
        Issue.record("\(name): element \(index) is \(a[index]), not \(b[index])")
      }
      return
    }
    let rounding: Double =
      switch want.elementType {
      // The reference rounds before an epilogue, and split work between its parts.
      case .bf16: 0x1p-6
      case .f16: 0x1p-9
      default: 0
      }
    let relative = tolerance == 0 ? 0 : (want.elementType == .f64 ? 1e-11 : tolerance) + rounding
    let (a, b) = (got.doubles, want.doubles)
    let largest = b.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    for index in a.indices {
      let (x, y) = (a[index], b[index])
      if x == y || (x.isNaN && y.isNaN) { continue }
      if abs(x - y) <= relative * max(abs(y), largest * 0.25) { continue }
      Issue.record("\(name): element \(index) of \(a.count) is \(x), not \(y)")
      return
    }
  }
}
