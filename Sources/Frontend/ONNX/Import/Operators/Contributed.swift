import SwageGraph
import SwageTensor

/// Elementwise operators of ONNX Runtime's own domain, `com.microsoft`, and operators there that the standard has too.
enum ContributedOperators {
  static let table: [String: Handler] = [
    "Gelu": { [try $0.unary(.gelu, try $0.input(0))] }, "BiasGelu": biasGelu, "FastGelu": fastGelu,
    "QuickGelu": { [try $0.unary(.silu, try $0.input(0), alpha: try $0.float("alpha", default: 1.702))] },
    "ScaledSiLU": scaledSiLU, "BiasSplitGelu": biasSplitGelu, "BiasAdd": biasAdd, "BiasDropout": biasDropout,
    "BitmaskBiasDropout": biasDropout, "BitmaskDropout": dropout, "BiasSoftmax": biasSoftmax, "GatedAdd": gatedAdd,
    "IsAllFinite": isAllFinite, "ComplexMul": { try complexProduct($0, isConjugate: false) },
    "ComplexMulConj": { try complexProduct($0, isConjugate: true) }, "SampleOp": { [try $0.input(0)] },
    "Trilu": { try $0.standard("Trilu", opset: 14) }, "GatherND": { try $0.standard("GatherND", opset: 13) },
    "GridSample": { try $0.standard("GridSample", opset: 16) }, "Unique": unique, "Range": range, "Pad": pad,
    "ExpandDims": expandDims,
  ]

  private static func biasGelu(_ call: Call) throws -> [ImportedValue?] {
    [try call.unary(.gelu, try call.binary(.add, try call.input(0), try call.input(1)))]
  }

  private static func fastGelu(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    return [try call.unary(.geluTanh, try call.optional(1).map { try call.binary(.add, x, $0) } ?? x)]
  }

  /// z · sigmoid(z) for a scaled z.
  private static func scaledSiLU(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let alpha = try call.float("alpha", default: 1)
    guard let scale = call.optional(1) else { return [try call.unary(.silu, try scaled(call, x, alpha))] }
    try call.require(scale.type.elementCount == 1, "the scale is \(scale.type)")
    let factor = try call.cast(try call.reshape(scale, []), to: x.type.elementType)
    return [try call.unary(.silu, try call.binary(.mul, x, factor))]
  }

  static func scaled(_ call: Call, _ x: ImportedValue, _ alpha: Double) throws -> ImportedValue {
    alpha == 1 ? x : try call.unary(.linear, x, alpha: alpha)
  }

  /// The left half of the channels times the gelu of the right half.
  private static func biasSplitGelu(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.binary(.add, try call.input(0), try call.input(1))
    let axis = x.type.rank - 1
    try call.require(axis >= 0, "halves of a scalar")
    var (starts, sizes) = ([Dim](repeating: 0, count: x.type.rank), x.type.shape)
    sizes[axis] = sizes[axis].floorDivided(by: 2)
    let left = try MovementOperators.take(call, x, starts: starts, sizes: sizes)
    starts[axis] = sizes[axis]
    let right = try MovementOperators.take(call, x, starts: starts, sizes: sizes)
    return [try call.binary(.mul, left, try call.unary(.gelu, right))]
  }

  private static func biasAdd(_ call: Call) throws -> [ImportedValue?] {
    let sum = try call.binary(.add, try call.input(0), try call.input(1))
    return [try call.binary(.add, sum, try call.input(2))]
  }

  /// Nothing is dropped: inference alone is supported.
  private static func biasDropout(_ call: Call) throws -> [ImportedValue?] {
    try requireInference(call, 4)
    var y = try call.binary(.add, try call.input(0), try call.input(1))
    if let residual = call.optional(2) { y = try call.binary(.add, y, residual) }
    return try withMask(call, y)
  }

  private static func dropout(_ call: Call) throws -> [ImportedValue?] {
    try requireInference(call, 2)
    return try withMask(call, try call.input(0))
  }

  private static func requireInference(_ call: Call, _ index: Int) throws {
    guard let mode = call.optional(index) else { return }
    guard let tensor = call.folded(mode), tensor.integers.allSatisfy({ $0 == 0 }) else {
      throw call.unsupported("training_mode is set, or computed", remedy: "export the model for inference")
    }
  }

  private static func withMask(_ call: Call, _ y: ImportedValue) throws -> [ImportedValue?] {
    guard call.wants(output: 1) else { return [y] }
    if call.node.opType.hasPrefix("Bitmask") { throw call.unsupported("its mask is read") }
    return [y, try call.broadcast(call.constant(Tensor(.bool, [], integers: [1])), y.type.shape)]
  }

  /// The bias lacks axes in the middle (`is_inner_broadcast`), or at the front; the axes from `axis` on are normalised as one.
  private static func biasSoftmax(_ call: Call) throws -> [ImportedValue?] {
    let (x, bias) = (try call.input(0), try call.input(1))
    let axis = try call.axis(try call.int("axis", default: 1), rank: x.type.rank)
    _ = try call.flag("is_inner_broadcast")
    let sum = try call.binary(.add, x, bias)
    try call.require(sum.type.rank == x.type.rank, "a bias \(bias.type) for \(x.type)")
    if axis == x.type.rank - 1 { return [try call.emit(.softmax(Softmax(axis: axis)), [sum])] }
    let rows = sum.type.shape[..<axis].reduce(1, *)
    let flat = try call.reshape(sum, [rows, sum.type.shape[axis...].reduce(1, *)])
    return [try call.reshape(try call.emit(.softmax(Softmax(axis: 1)), [flat]), sum.type.shape)]
  }

  private static func gatedAdd(_ call: Call) throws -> [ImportedValue?] {
    let product = try call.binary(.mul, try call.input(1), try call.input(2))
    return [try call.binary(.add, try call.input(0), product)]
  }

  private static func isAllFinite(_ call: Call) throws -> [ImportedValue?] {
    let (infinityOnly, nanOnly) = (try call.flag("isinf_only"), try call.flag("isnan_only"))
    try call.require(!(infinityOnly && nanOnly), "isinf_only and isnan_only are set")
    let each = try call.allInputs().map { x in
      var bad: [ImportedValue] = []
      if !nanOnly { bad.append(try call.unary(.isInf, x)) }
      if !infinityOnly { bad.append(try call.unary(.isNaN, x)) }
      let either = bad.count == 2 ? try call.binary(.or, bad[0], bad[1]) : bad[0]
      return try call.reduce(.max, either, axes: Array(0..<x.type.rank), keeps: false)
    }
    return [try call.unary(.not, try each.dropFirst().reduce(each[0]) { try call.binary(.or, $0, $1) })]
  }

  /// Complex numbers are pairs along the last axis.
  private static func complexProduct(_ call: Call, isConjugate: Bool) throws -> [ImportedValue?] {
    func parts(_ x: ImportedValue) throws -> (ImportedValue, ImportedValue) {
      let axis = x.type.rank - 1
      try call.require(axis >= 0 && x.type.shape[axis] == 2, "\(x.type) holds no complex numbers")
      var (starts, sizes) = ([Dim](repeating: 0, count: x.type.rank), x.type.shape)
      sizes[axis] = 1
      let real = try MovementOperators.take(call, x, starts: starts, sizes: sizes)
      starts[axis] = 1
      return (real, try MovementOperators.take(call, x, starts: starts, sizes: sizes))
    }
    let ((a, b), (c, d)) = (try parts(try call.input(0)), try parts(try call.input(1)))
    let (ac, bd) = (try call.binary(.mul, a, c), try call.binary(.mul, b, d))
    let (ad, bc) = (try call.binary(.mul, a, d), try call.binary(.mul, b, c))
    let real = try call.binary(isConjugate ? .add : .sub, ac, bd)
    let imaginary = isConjugate ? try call.binary(.sub, bc, ad) : try call.binary(.add, bc, ad)
    return [try call.emit(.concat(Concat(axis: real.type.rank - 1)), [real, imaginary])]
  }

  // MARK: - As the standard's

  /// First occurrences in order; the standard's indices of those are not among the results.
  private static func unique(_ call: Call) throws -> [ImportedValue?] {
    let read = [call.wants(output: 0), false, call.wants(output: 1), call.wants(output: 2)]
    let results = try call.standard("Unique", opset: 11, attributes: ["sorted": .int(0)], isRead: read)
    try call.require(results.count == 4, "Unique has \(results.count) results")
    return [results[0], results[2], results[3]]
  }

  private static func range(_ call: Call) throws -> [ImportedValue?] {
    let start = try call.input(0)
    let one = call.scalar(1, start.type.elementType)
    return try call.standard("Range", opset: 11, inputs: [start, try call.input(1), call.optional(2) ?? one])
  }

  /// The pads may be a row.
  private static func pad(_ call: Call) throws -> [ImportedValue?] {
    var pads = try call.input(1)
    if pads.type.rank == 2 {
      try call.require(pads.type.shape[0] == 1, "the pads are \(pads.type)")
      pads = try call.reshape(pads, [pads.type.shape[1]])
    }
    return try call.standard("Pad", opset: 18, inputs: [try call.input(0), pads, call.optional(2)])
  }

  private static func expandDims(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axes = try call.constants(of: try call.input(1), "the axis")
    try call.require(axes.count == 1, "\(axes.count) axes")
    var shape = x.type.shape
    shape.insert(1, at: try call.axis(axes[0], rank: x.type.rank + 1))
    return [try call.reshape(x, shape)]
  }
}

extension Call {
  /// The same node as the default domain's operator `name` of version `opset`, with other inputs and attributes where
  /// they are given.
  func standard(
    _ name: String, opset: Int, inputs: [ImportedValue?]? = nil, attributes given: [String: ONNXAttributeValue]? = nil,
    isRead: [Bool]? = nil
  ) throws -> [ImportedValue?] {
    guard let handler = OperatorTable.handler(domain: "", name) else {
      throw unsupported("swage has no translation of \(name)")
    }
    log.names.formUnion(attributes.keys)
    let other = Call(
      importer: importer, builder: builder, node: node, opset: opset, inputs: inputs ?? self.inputs,
      attributes: given ?? attributes, isRead: isRead ?? self.isRead)
    let results = try handler(other)
    if let ignored = other.ignoredAttributes.first { throw unsupported("swage does not know its attribute \(ignored)") }
    return results
  }
}
