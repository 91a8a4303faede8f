import SwageGraph
import SwageTensor

/// Products of quantised tensors of `com.microsoft`: sums of integers are exact, then scaled.
enum ContributedQuantizedProducts {
  static let table: [String: Handler] = [
    "DynamicQuantizeMatMul": dynamicMatmul, "MatMulIntegerToFloat": matmulToFloat, "QGemm": gemm,
    "QLinearConv": convolution, "MatMulInteger16": wideMatmul, "DynamicQuantizeLSTM": recurrent,
  ]

  /// The exact product of integers times the scales, plus a bias. Scales go by row of a and by column of b.
  static func scaled(
    _ call: Call, _ a: ImportedValue, _ b: ImportedValue, zeroA: ImportedValue?, zeroB: ImportedValue?,
    scaleA: ImportedValue, scaleB: ImportedValue, bias: ImportedValue?
  ) throws -> ImportedValue {
    let sum = try QuantizationOperators.integerMatmul(call, a, b, zeroA, zeroB)
    let row = scaleA.type.elementCount == 1 ? try call.reshape(scaleA, []) : scaleA
    var column = scaleB
    if scaleB.type.elementCount == 1 { column = try call.reshape(scaleB, []) }
    let scale = try call.binary(.mul, row, column)
    let y = try call.binary(.mul, try call.cast(sum, to: .f32), scale)
    return try bias.map { try call.binary(.add, y, $0) } ?? y
  }

  private static func dynamicMatmul(_ call: Call) throws -> [ImportedValue?] {
    let a = try QuantizationOperators.dynamic(call, try call.input(0))
    return [
      try scaled(
        call, a.value, try call.input(1), zeroA: a.zero, zeroB: call.optional(3), scaleA: a.scale,
        scaleB: try call.input(2), bias: call.optional(4))
    ]
  }

  private static func matmulToFloat(_ call: Call) throws -> [ImportedValue?] {
    [
      try scaled(
        call, try call.input(0), try call.input(1), zeroA: call.optional(4), zeroB: call.optional(5),
        scaleA: try call.input(2), scaleB: try call.input(3), bias: call.optional(6))
    ]
  }

  private static func wideMatmul(_ call: Call) throws -> [ImportedValue?] {
    let (a, b) = (try call.input(0), try call.input(1))
    let type: ElementType = a.type.elementType == .u16 && b.type.elementType == .u16 ? .u32 : .i32
    return [try LinearOperators.matmul(call, try call.cast(a, to: type), try call.cast(b, to: type))]
  }

  private static func gemm(_ call: Call) throws -> [ImportedValue?] {
    var (a, b) = (try call.input(0), try call.input(3))
    try call.require(a.type.rank == 2 && b.type.rank == 2, "a product of \(a.type) and \(b.type)")
    if try call.flag("transA") { a = try call.transpose(a, [1, 0]) }
    if try call.flag("transB") { b = try call.transpose(b, [1, 0]) }
    var sum = try QuantizationOperators.integerMatmul(call, a, b, call.optional(2), call.optional(5))
    if let bias = call.optional(6) { sum = try call.binary(.add, sum, try call.cast(bias, to: .i32)) }
    let alpha = try call.float("alpha", default: 1)
    let row = try ContributedOperators.scaled(
      call, try ContributedQuantization.number(call, try call.input(1), "scale"), alpha)
    let column = try call.input(4)
    let factor = try call.binary(
      .mul, row, column.type.elementCount == 1 ? try call.reshape(column, []) : column)
    guard let resultScale = call.optional(7) else {
      return [try call.binary(.mul, try call.cast(sum, to: .f32), factor)]
    }
    guard let zero = call.optional(8) else { throw NodeFault.invalid("y_zero_point is missing beside y_scale") }
    let ratio = try call.binary(
      .div, factor, try ContributedQuantization.number(call, resultScale, "scale"))
    return [try ContributedQuantization.requantized(call, sum, ratio, zero)]
  }

  /// As the standard's; images may have their channels last.
  private static func convolution(_ call: Call) throws -> [ImportedValue?] {
    let attributes = call.attributes.filter { $0.key != "channels_last" }
    guard try call.flag("channels_last") else {
      return try call.standard("QLinearConv", opset: 10, attributes: attributes)
    }
    var inputs = call.inputs
    inputs[0] = try ContributedLinear.channelsFirst(call, try call.input(0))
    guard let y = try call.standard("QLinearConv", opset: 10, inputs: inputs, attributes: attributes).first ?? nil
    else { return [] }
    return [try ContributedLinear.channelsLast(call, y)]
  }

  /// An LSTM of weights `[directions, inputs, 4 · hidden]`. Before each product, all inputs together and the state of each
  /// sequence are rounded to eight bits by their range, as ONNX Runtime does it; not where the weights, their scales or
  /// zero points are no constants.
  private static func recurrent(_ call: Call) throws -> [ImportedValue?] {
    if let results = try quantizedRecurrent(call) { return results }
    func weights(_ index: Int, _ scale: Int) throws -> ImportedValue {
      let x = try call.input(index)
      try call.require(x.type.rank == 3, "the weights are \(x.type)")
      func shaped(_ value: ImportedValue) throws -> ImportedValue {
        let shape = value.type.shape
        try call.require(
          shape.count == 2 || shape.count == 1, "the scale or zero point of the weights is \(value.type)")
        return try call.reshape(value, shape.count == 2 ? [shape[0], 1, shape[1]] : [shape[0], 1, 1])
      }
      let centered = try call.binary(
        .sub, try call.cast(x, to: .f32), try call.cast(try shaped(try call.input(scale + 1)), to: .f32))
      let wide = try call.binary(.mul, centered, try shaped(try call.input(scale)))
      return try call.transpose(wide, [0, 2, 1])
    }
    let inputs =
      [try call.input(0), try weights(1, 8), try weights(2, 10)] + (3..<8).map { call.optional($0) }
    return try call.standard("LSTM", opset: 7, inputs: inputs)
  }

  /// With constant weights whose zero points can be taken from them; nil for others, which are dequantised.
  private static func quantizedRecurrent(_ call: Call) throws -> [ImportedValue?]? {
    let (x, w, r) = (try call.input(0), try call.input(1), try call.input(2))
    guard x.type.rank == 3, let directions = w.type.shape.first?.constant, w.type.rank == 3, r.type.rank == 3,
      let columns = r.type.shape[2].constant, w.type.shape[2] == r.type.shape[2], columns > 0,
      let hidden = r.type.shape[1].constant, hidden > 0, directions > 0
    else { return nil }
    /// One direction's weights `[terms, columns]`, and its scales.
    func part(_ index: Int, _ direction: Int) throws -> (weights: IntegerProducts.Weights, scales: [Double])? {
      let scale = index == 1 ? 8 : 10
      guard let tensor = call.folded(try call.input(index)), let points = call.folded(try call.input(scale + 1)),
        let scales = call.folded(try call.input(scale)), [directions, directions * columns].contains(scales.count),
        points.count == scales.count
      else { return nil }
      let (terms, each) = (tensor.shape[1], scales.count / directions)
      let own = Array(direction * each..<(direction + 1) * each)
      let zero = Tensor(.i32, [each], integers: own.map { points.integers[$0] })
      let bytes = Tensor(
        tensor.elementType, [terms, columns],
        integers: Array(tensor.integers[direction * terms * columns..<(direction + 1) * terms * columns]))
      guard let weights = IntegerProducts.Weights(bytes, zero, filtersAreFirst: false), weights.zeroPoints == nil else {
        return nil
      }
      let numbers = own.map { scales.doubles[$0] }
      return (weights, each == 1 ? [Double](repeating: numbers[0], count: columns) : numbers)
    }
    let input = try QuantizationOperators.dynamic(call, x)
    var shares: [ImportedValue] = []
    var (recurrent, scales): ([Int64], [Double]) = ([], [])
    for direction in 0..<directions {
      guard let own = try part(1, direction), let state = try part(2, direction),
        let sum = try IntegerProducts.matmul(call, input.value, call.constant(own.weights.values), input.zero, nil)
      else { return nil }
      let scale = try call.binary(
        .mul, input.scale, call.constant(Tensor(.f32, [columns], doubles: own.scales)))
      shares.append(try call.binary(.mul, try call.cast(sum, to: .f32), scale))
      let values = state.weights.values.integers
      for column in 0..<columns { recurrent += (0..<hidden).map { values[$0 * columns + column] } }
      scales += state.scales
    }
    let stateWeights = Tensor(.i8, [directions, columns, hidden], integers: recurrent)
    let share =
      shares.count == 1 ? shares[0] : try call.emit(.concat(Concat(axis: 2)), shares)
    let scale = Tensor(.f32, [directions, columns], doubles: scales)
    return try RecurrentOperators.layer(
      call, .lstm, x: share, w: nil, r: call.constant(stateWeights), scales: call.constant(scale))
  }
}
