import SwageGraph
import SwagePlan
import SwageRuntime
import SwageTensor

/// Runs nodes by their reference definitions in host memory.
public struct ReferenceDevice: Device {
  public let name = "reference"

  public init() {}

  public func prepare(
    payload: String, instruction: Instruction, objects: ObjectStore
  ) throws -> any DeviceProgram {
    try ReferenceProgram(
      GraphPayload(parsing: payload), isPresent: instruction.operands.map { $0 != nil }, objects: objects)
  }
}

/// One node, read once.
final class ReferenceProgram: DeviceProgram {
  private let payload: GraphPayload
  private let objects: ObjectStore
  /// Whether each operand of the instruction is there; the graph has inputs for those only.
  private let inputs: [Int]
  private let resources: [Int]
  /// nil until the resources, which are operands, have been seen.
  private var graph: Graph?

  init(_ payload: GraphPayload, isPresent: [Bool], objects: ObjectStore) throws {
    self.payload = payload
    self.objects = objects
    guard payload.resourceCount <= isPresent.count else {
      throw RuntimeError.unsupportedPlan(reason: "a node names \(payload.resourceCount) resources that are not there")
    }
    let count = isPresent.count - payload.resourceCount
    inputs = (0..<count).filter { isPresent[$0] }
    resources = Array(count..<isPresent.count)
    if resources.isEmpty { graph = try read([]) }
  }

  private func read(_ tensors: [Tensor]) throws -> Graph {
    let graph = try GraphParser.parse(payload.graph, resources: tensors)
    guard graph.inputs.count == inputs.count else {
      throw RuntimeError.unsupportedPlan(
        reason: "\(graph.name) takes \(graph.inputs.count) operands, the instruction has \(inputs.count)")
    }
    return graph
  }

  func run(operands: [Tensor?], sizes: [Int]) throws -> [Tensor] {
    let graph = try self.graph ?? read(resources.map { try Self.copy(operands[$0]) })
    self.graph = graph
    guard sizes.count == payload.symbols.count else {
      throw RuntimeError.unsupportedPlan(
        reason: "\(graph.name) needs \(payload.symbols.count) sizes, got \(sizes.count)")
    }
    var context = EvaluationContext(
      symbols: Dictionary(zip(payload.symbols, sizes), uniquingKeysWith: { $1 }), objects: objects)
    return try Evaluator.run(graph, inputs.compactMap { operands[$0] }, &context)
  }

  /// Operands are lent for one run only.
  private static func copy(_ tensor: Tensor?) throws -> Tensor {
    guard let tensor else { throw RuntimeError.unsupportedPlan(reason: "a resource of a node is missing") }
    let storage = Storage(zeroed: tensor.byteCount)
    tensor.withBytes { bytes in
      if let base = bytes.baseAddress { storage.base.copyMemory(from: base, byteCount: bytes.count) }
    }
    guard let copy = Tensor(tensor.elementType, tensor.shape, storage: storage) else {
      throw RuntimeError.unsupportedPlan(reason: "a resource of a node has no valid type")
    }
    return copy
  }
}
