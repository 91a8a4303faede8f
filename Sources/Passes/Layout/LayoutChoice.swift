import SwageGraph
import SwageTensor

/// Chooses which nodes work channels-last, so that transposes move the fewest bytes in total.
///
/// Each node that has both forms picks a side. The cost is
/// - for a value whose reader is on the other side than its producer: the value's bytes, once in each direction. Inputs,
///   outputs and all other nodes are on the first side. Constants, and values whose channel axis moves past axes of
///   size one only, cost nothing;
/// - for a convolution that stays channels-first: the bytes of its input and output, as its kernel would have to
///   reorder both, and a trifle where its filters are constant and dense: those kernels are the fastest, but for filters
///   of f32 that look at one point, whose product the library takes in either layout;
/// - for an elementwise operation on another side than what it reads: a trifle, so that it can join its producer's
///   kernel;
/// - for a transpose that is there already: nothing beyond its own bytes, since it takes any layout and gives any,
///   and those too where it would move nothing any more.
///
/// The cheapest choice is a minimum cut. Of equally cheap ones it is the one with the fewest nodes channels-last. Sizes
/// that are symbols count as `NominalSizes` says.
struct LayoutChoice {
  private let graph: Graph
  private let sizes: NominalSizes
  private var cut = MinimumCut()
  private let last: Int
  private let first: Int
  private var vertices: [NodeID: Int] = [:]

  static func channelsLastNodes(of graph: Graph, forms: [NodeID: ChannelsLastForm]) -> Set<NodeID> {
    var choice = LayoutChoice(graph)
    return choice.solve(forms)
  }

  private init(_ graph: Graph) {
    self.graph = graph
    sizes = NominalSizes(graph)
    last = cut.addVertex()
    first = cut.addVertex()
  }

  /// What moving the channel axis of a value costs.
  private func bytes(_ value: ValueID) -> Int {
    ImageAxes.movesData(graph.type(of: value).shape) ? allBytes(value) : 0
  }

  /// Bytes in units that leave room for a trifle below one byte.
  private func allBytes(_ value: ValueID) -> Int {
    Checked.multiply(sizes.bytes(graph.type(of: value)), Self.unit) ?? MinimumCut.infinity
  }

  private static let unit = 256

  private mutating func solve(_ forms: [NodeID: ChannelsLastForm]) -> Set<NodeID> {
    for node in graph.nodes {
      if forms[node.id] != nil {
        vertices[node.id] = cut.addVertex()
      } else if case .transpose(let op) = node.op, op.permutation.count >= 3 {
        vertices[node.id] = cut.addVertex()
      }
    }
    for node in graph.nodes {
      addPreference(of: node)
      for result in node.results { addCost(of: result, producer: node, forms) }
    }
    for input in graph.inputs { addCost(of: input, producer: nil, forms) }
    let side = cut.sourceSide(source: last, sink: first)
    return Set(forms.keys.filter { id in vertices[id].map { side[$0] } ?? false })
  }

  /// What a node costs by itself on either side.
  private mutating func addPreference(of node: Node) {
    guard let vertex = vertices[node.id], let x = node.operands[0] else { return }
    switch node.op {
    case .convolution(let op):
      let weights = node.operands[1].flatMap { graph.constant($0) }
      let looksAround = weights.map { $0.elementType != .f32 || $0.shape.dropFirst(2).contains { $0 > 1 } } ?? false
      let trifle = op.groups == 1 && looksAround ? Self.unit : 0
      cut.addEdge(from: last, to: vertex, capacity: allBytes(x) + allBytes(node.results[0]) + trifle)
    case .transpose(let op):
      let axes = ImageAxes(rank: op.permutation.count)
      if op.permutation == axes.toFirst { cut.addEdge(from: last, to: vertex, capacity: bytes(node.results[0])) }
      if op.permutation == axes.toLast, let producer = graph.producer(of: x), let before = vertices[producer.id] {
        cut.addEdge(from: last, to: before, capacity: bytes(x))
      }
    default: break
    }
  }

  private mutating func addCost(of value: ValueID, producer: Node?, _ forms: [NodeID: ChannelsLastForm]) {
    if let producer, case .constant = producer.op { return }
    guard graph.type(of: value).rank >= 3 else { return addSmallCost(of: value, forms) }
    var source = first
    if let producer, let vertex = vertices[producer.id], forms[producer.id]?.resultIsImage ?? true { source = vertex }
    for id in Set(graph.users(of: value)).sorted() where graph[id].op.isElementwise {
      guard let vertex = vertices[id] else { continue }
      cut.addEdge(from: source, to: vertex, capacity: 1)
      cut.addEdge(from: vertex, to: source, capacity: 1)
    }
    let cost = bytes(value)
    guard cost > 0 else { return }
    var readers: Set<Int> = graph.isOutput(value) ? [first] : []
    for id in Set(graph.users(of: value)).sorted() {
      let user = graph[id]
      if case .transpose = user.op { continue }
      guard let form = forms[id], let vertex = vertices[id] else {
        readers.insert(first)
        continue
      }
      for (operand, role) in zip(user.operands, form.roles) where operand == value {
        switch role {
        case .image, .broadcast: readers.insert(vertex)
        case .same: break
        }
      }
    }
    // One transpose serves all readers on the other side.
    let away = cut.addVertex()
    let back = cut.addVertex()
    cut.addEdge(from: source, to: away, capacity: cost)
    cut.addEdge(from: back, to: source, capacity: cost)
    for reader in readers.sorted() {
      cut.addEdge(from: away, to: reader, capacity: MinimumCut.infinity)
      cut.addEdge(from: reader, to: back, capacity: MinimumCut.infinity)
    }
  }

  /// Values of rank two or less have one layout; a reader that spreads them over an image may have to move them.
  private mutating func addSmallCost(of value: ValueID, _ forms: [NodeID: ChannelsLastForm]) {
    for id in Set(graph.users(of: value)).sorted() {
      guard let form = forms[id], let vertex = vertices[id] else { continue }
      for (operand, role) in zip(graph[id].operands, form.roles) where operand == value {
        guard case .broadcast = role else { continue }
        let shape = graph.type(of: value).shape
        let padded = Array(repeating: Dim(1), count: form.rank - shape.count) + shape
        guard ImageAxes.movesData(padded) else { continue }
        cut.addEdge(from: vertex, to: first, capacity: allBytes(value))
      }
    }
  }
}
