import SwageGraph
import SwageTensor

// Opsets 1 to 6: a node whose inputs and attributes opset 7 or an earlier one changed gets the form of opset 7, so that
// translations know one form. What merely has other defaults stays with the translation.
extension Call {
  /// The operators whose second input opset 7 began to broadcast as NumPy does.
  private static let aligned: Set<String> = [
    "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater",
  ]

  /// The node as opset 7 writes it.
  func modernized() throws -> Call {
    guard node.domain.isEmpty, opset < 7 else { return self }
    switch node.opType {
    case let name where Self.aligned.contains(name): return try withAlignedOperand()
    case "PRelu": return try withSlopePerChannel()
    case "Cast" where opset < 6: return try withNumberedType()
    case "Reshape" where opset < 5: return try withShapeAsInput()
    case "Tile" where opset < 6: return try withRepeats()
    case "Upsample": return try withScales()
    case "Concat" where opset < 4: return changing(try int("axis") == nil ? ["axis": .int(1)] : [:])
    case "LpPool" where opset < 2, "GlobalLpPool" where opset < 2: return try withWholePower()
    case "Selu" where opset < 6:
      return changing([
        "alpha": .float(Float(try float("alpha", default: 1.6732))),
        "gamma": .float(Float(try float("gamma", default: 1.0507))),
      ])
    default: return self
    }
  }

  /// The second operand in a shape that NumPy's rules align: its axes stand at `axis` of the first, else at the end.
  private func withAlignedOperand() throws -> Call {
    let (a, b) = (try input(0), try input(1))
    let broadcasts = try flag("broadcast")
    let start = try int("axis")
    let bare = changing([:], without: ["axis", "broadcast"])
    guard broadcasts else { return bare }
    try require(
      b.type.rank <= a.type.rank || b.type.elementCount == 1, "\(b.type) does not broadcast to \(a.type)")
    if b.type.elementCount == 1 { return bare.changing(inputs: [a, try reshape(b, [])]) }
    // -1 is what exporters write for the end.
    guard let start, start != -1 else { return bare }
    let first = try axis(start, rank: a.type.rank)
    let trailing = a.type.rank - first - b.type.rank
    try require(trailing >= 0, "\(b.type) at axis \(first) does not fit \(a.type)")
    return bare.changing(inputs: [a, try perChannel(b, trailing: trailing)])
  }

  /// One slope for all elements, one for each channel, or one for each element.
  private func withSlopePerChannel() throws -> Call {
    let (x, slope) = (try input(0), try input(1))
    guard slope.type.rank == 1, slope.type.elementCount != 1, x.type.rank > 2 else { return self }
    return changing(inputs: [x, try ConvolutionOperators.perChannel(self, slope, rank: x.type.rank)])
  }

  private func withNumberedType() throws -> Call {
    guard case .string(let name) = attribute("to") else { return self }
    let names: [String: ElementType] = [
      "FLOAT": .f32, "UINT8": .u8, "INT8": .i8, "UINT16": .u16, "INT16": .i16, "INT32": .i32, "INT64": .i64,
      "BOOL": .bool, "FLOAT16": .f16, "DOUBLE": .f64, "UINT32": .u32, "UINT64": .u64, "STRING": .string,
    ]
    guard let type = names[name.uppercased()] else { throw NodeFault.invalid("there is no element type \(name)") }
    return changing(["to": .int(Int(type.rawValue))])
  }

  private func withShapeAsInput() throws -> Call {
    guard let shape = try ints("shape") else { throw NodeFault.invalid("attribute shape is missing") }
    let sizes = Tensor(.i64, [shape.count], integers: shape.map { Int64($0) })
    return changing(inputs: [try input(0), constant(sizes)], without: ["shape"])
  }

  /// A count for one axis as counts for all.
  private func withRepeats() throws -> Call {
    let x = try input(0)
    let along = try axis(try constants(of: try reshape(try input(2), []), "the axis")[0], rank: x.type.rank)
    let count = try sizes(of: try reshape(try input(1), []), "tiles", areSizes: true)[0]
    let repeats = (0..<x.type.rank).map { $0 == along ? count : 1 }
    return changing(inputs: [x, ImportedValue(.vector(repeats), .i64, sources: [source])])
  }

  private func withScales() throws -> Call {
    guard try floats("scales") == nil else { return self }
    guard let height = try float("height_scale"), let width = try float("width_scale") else {
      throw NodeFault.invalid("height_scale or width_scale is missing")
    }
    let x = try input(0)
    try require(x.type.rank == 4, "\(x.type) is no image")
    return changing(
      ["scales": .floats([1, 1, Float(height), Float(width)])], without: ["height_scale", "width_scale"])
  }

  private func withWholePower() throws -> Call {
    guard case .float(let p) = attribute("p") else { return self }
    guard let whole = Int(exactly: p) else { throw unsupported("the power p is \(p)") }
    return changing(["p": .int(whole)])
  }
}
