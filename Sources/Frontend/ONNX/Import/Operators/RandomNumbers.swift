import SwageGraph
import SwageTensor

/// Operators that draw random numbers. Every run of a plan draws the same ones: those of NumPy's generator for the node's
/// seed, or for one made of the node's name where it has none. Inside a loop each iteration draws others.
enum RandomOperators {
  static let table: [String: Handler] = [
    "RandomUniform": { try draw($0, .uniform, like: false) }, "RandomNormal": { try draw($0, .normal, like: false) },
    "RandomUniformLike": { try draw($0, .uniform, like: true) },
    "RandomNormalLike": { try draw($0, .normal, like: true) },
    "Bernoulli": bernoulli, "Multinomial": multinomial, "Dropout": dropout,
  ]

  private static func draw(_ call: Call, _ distribution: Random.Distribution, like: Bool) throws -> [ImportedValue?] {
    let model = like ? try call.input(0).type : TensorType(.f32)
    let type = try call.elementType("dtype") ?? model.elementType
    var shape = model.shape
    if !like {
      guard let given = try call.ints("shape") else { throw NodeFault.invalid("attribute shape is missing") }
      try call.require(given.allSatisfy { $0 >= 0 }, "a shape of \(given)")
      shape = given.map { Dim($0) }
    }
    let (offset, scale): (Double, Double)
    switch distribution {
    case .uniform:
      offset = try call.float("low", default: 0)
      scale = try call.float("high", default: 1) - offset
    case .normal: (offset, scale) = (try call.float("mean", default: 0), try call.float("scale", default: 1))
    }
    return [try numbers(call, distribution, TensorType(type, shape), offset: offset, scale: scale)]
  }

  /// Numbers of the seed that the node has, or of one made for it.
  private static func numbers(
    _ call: Call, _ distribution: Random.Distribution, _ type: TensorType, offset: Double = 0, scale: Double = 1
  ) throws -> ImportedValue {
    try call.require(type.elementType.isFloat, "random numbers of \(type.elementType.name)")
    let op = Random(distribution, type: type, seed: try seed(call), offset: offset, scale: scale)
    return try call.emit(.random(op), [try stream(call)])
  }

  private static func seed(_ call: Call) throws -> UInt32 {
    switch call.attribute("seed") {
    case nil: break
    case .int(let value): return UInt32(truncatingIfNeeded: value)
    case .float(let value):
      if let whole = Int64(exactly: value.rounded(.towardZero)) { return UInt32(truncatingIfNeeded: whole) }
    case .some(let other): throw NodeFault.invalid("attribute seed is of kind \(other.kind)")
    }
    return call.importer.freshSeed(for: call.importer.label(call.node))
  }

  /// The iterations of the loops around the node as one number; nil outside loops.
  private static func stream(_ call: Call) throws -> ImportedValue? {
    var stream: ImportedValue?
    var builder: RegionBuilder? = call.builder
    while let current = builder {
      if let iteration = current.iteration {
        stream =
          try stream.map { inner in
            let outer = try call.binary(.mul, iteration, 1_000_003)
            return try call.binary(.add, inner, outer)
          } ?? iteration
      }
      builder = current.parent
    }
    return stream
  }

  /// One where a uniform number is below the probability.
  private static func bernoulli(_ call: Call) throws -> [ImportedValue?] {
    let p = try call.input(0)
    let type = try call.elementType("dtype") ?? p.type.elementType
    let uniform = try numbers(call, .uniform, TensorType(.f64, p.type.shape))
    return [try call.cast(try call.binary(.less, uniform, try call.cast(p, to: .f64)), to: type)]
  }

  /// The class whose share of the running sum of probabilities a uniform number falls into.
  private static func multinomial(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    try call.require(x.type.rank == 2, "log-probabilities of \(x.type)")
    let type = try call.elementType("dtype") ?? .i32
    let count = try call.int("sample_size", default: 1)
    try call.require(count >= 0, "sample_size is \(count)")
    let (batch, classes) = (x.type.shape[0], x.type.shape[1])
    let weights = try call.emit(.softmax(Softmax(axis: 1)), [try call.cast(x, to: .f64)])
    let sums = try call.emit(
      .cumulative(Cumulative(.sum, axis: 1, isExclusive: false, isReverse: false)), [weights])
    let uniform = try numbers(call, .uniform, TensorType(.f64, [batch, Dim(count), 1]))
    let isPast = try call.binary(.greaterOrEqual, uniform, try call.reshape(sums, [batch, 1, classes]))
    let index = try call.reduce(.sum, try call.cast(isPast, to: .i64), axes: [2], keeps: false)
    let last = ImportedValue(.scalar(classes - 1), .i64, sources: [call.source])
    return [try call.cast(try call.binary(.min, index, last), to: type)]
  }

  /// In inference the identity and a mask of ones. In training elements are kept where a uniform number is not below
  /// the ratio, and scaled by 1 / (1 - ratio).
  private static func dropout(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let type: ElementType = call.opset >= 10 ? .bool : x.type.elementType
    var training = call.opset >= 12 ? call.optional(2) : nil
    if call.opset < 7, !(try call.flag("is_test")) { training = call.constant(Tensor(.bool, [], integers: [1])) }
    guard let training, training.known?.constants != [0] else {
      guard call.wants(output: 1) else { return [x] }
      return [x, try call.broadcast(call.constant(Tensor(type, [], integers: [1])), x.type.shape)]
    }
    let given = call.opset >= 12 ? call.optional(1) : call.scalar(try call.float("ratio", default: 0.5), .f32)
    let ratio = try call.reshape(given ?? call.scalar(0.5, .f32), [])
    let isTraining = try call.reshape(training, [])
    let uniform = try numbers(call, .uniform, TensorType(.f64, x.type.shape))
    let isDrawn = try call.binary(.greaterOrEqual, uniform, try call.cast(ratio, to: .f64))
    let mask = try call.binary(.or, isDrawn, try call.unary(.not, isTraining))
    let one = call.scalar(1, ratio.type.elementType)
    let scale = try call.binary(.div, one, try call.binary(.sub, one, ratio))
    let scaled = try call.binary(.mul, x, try call.cast(scale, to: x.type.elementType))
    let kept = try call.emit(.select(Select()), [mask, scaled, call.scalar(0, x.type.elementType)])
    return [try call.emit(.select(Select()), [isTraining, kept, x]), try call.cast(mask, to: type)]
  }
}
