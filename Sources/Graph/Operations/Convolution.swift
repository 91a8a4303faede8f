import SwageTensor

/// Convolution over any number of spatial axes, or its transpose. Operands: x, weights in ONNX order (`[m, c/groups,
/// kernel…]`, for the transpose `[c, m/groups, kernel…]`), then those that the epilogue names. All are floats of one
/// type; or x is u8, the weights are i8 and the result is i32, without an epilogue.
///
/// Result sizes: convolution floor((in + begin + end - dilation·(kernel-1) - 1) / stride) + 1; transpose
/// stride·(in-1) + outputPadding + dilation·(kernel-1) + 1 - begin - end.
public struct Convolution: OpDefinition {
  public static let mnemonic = "convolution"
  /// Sums of up to this many products of integers below 2^8 are exact in f32, on every target: differences of 8-bit
  /// numbers are below 2^8 in magnitude, their products below 2^16, and a float holds 2^24.
  public static let exactTerms = 256
  public var strides: [Int]
  public var dilations: [Int]
  public var padsBegin: [Dim]
  public var padsEnd: [Dim]
  public var groups: Int
  public var layout: ImageLayout
  public var isTransposed: Bool
  /// Of the transpose only: sizes added at the end of each spatial axis.
  public var outputPadding: [Int]
  public var epilogue: Epilogue

  public init(
    strides: [Int], dilations: [Int], padsBegin: [Dim], padsEnd: [Dim], groups: Int = 1,
    layout: ImageLayout = .channelsFirst, isTransposed: Bool = false, outputPadding: [Int]? = nil,
    epilogue: Epilogue = Epilogue()
  ) {
    self.strides = strides
    self.dilations = dilations
    self.padsBegin = padsBegin
    self.padsEnd = padsEnd
    self.groups = groups
    self.layout = layout
    self.isTransposed = isTransposed
    self.outputPadding = outputPadding ?? strides.map { _ in 0 }
    self.epilogue = epilogue
  }

  public var attributes: AttributeList {
    let ones = AttributeValue.list(strides.map { _ in .integer(1) })
    let zeros = AttributeValue.list(strides.map { _ in .integer(0) })
    return AttributeList().with("strides", strides)
      .with("dilations", .list(dilations.map { .integer($0) }), unless: ones)
      .with("pads_begin", padsBegin).with("pads_end", padsEnd).with("groups", .integer(groups), unless: .integer(1))
      .with("layout", layout).with("transposed", .bool(isTransposed), unless: .bool(false))
      .with("output_padding", .list(outputPadding.map { .integer($0) }), unless: zeros)
      .with("epilogue", epilogue.attribute, unless: .list([]))
  }

  public init(_ attributes: inout AttributeReader) throws {
    strides = try attributes.integers("strides")
    dilations = try attributes.integers("dilations", default: strides.map { _ in 1 })
    padsBegin = try attributes.dimensions("pads_begin")
    padsEnd = try attributes.dimensions("pads_end")
    groups = try attributes.integer("groups", default: 1)
    layout = try attributes.word("layout")
    isTransposed = try attributes.bool("transposed", default: false)
    outputPadding = try attributes.integers("output_padding", default: strides.map { _ in 0 })
    epilogue = try Epilogue(&attributes)
  }

  public var numericClass: NumericClass { .accumulating }
  public var symbols: [String] { (padsBegin + padsEnd).flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Convolution {
    var copy = self
    copy.padsBegin = padsBegin.map { $0.substituting(values) }
    copy.padsEnd = padsEnd.map { $0.substituting(values) }
    return copy
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    let x = try context.type(0)
    let w = try context.type(1)
    let spatial = x.rank - 2
    try context.require(x.rank >= 3 && w.rank == x.rank, "convolution of \(x) with \(w)")
    let sums = ProductTypes.sums(x.elementType, w.elementType)
    guard let sums, sums.isFloat || (sums == .i32 && x.elementType == .u8) else {
      throw TypeFault("convolution of \(x) with \(w): it takes floats of one type, or u8 and i8")
    }
    try context.require(epilogue.steps.isEmpty || sums.isFloat, "an epilogue takes floats, got \(sums.name)")
    try context.require(
      [strides.count, dilations.count, padsBegin.count, padsEnd.count, outputPadding.count]
        .allSatisfy { $0 == spatial }, "strides, dilations and pads must name the \(spatial) spatial axes of \(x)")
    try context.require(
      groups >= 1 && strides.allSatisfy { $0 >= 1 } && dilations.allSatisfy { $0 >= 1 }
        && outputPadding.allSatisfy { $0 >= 0 }, "groups, strides and dilations are at least 1")
    for value in strides + dilations + outputPadding + (padsBegin + padsEnd).compactMap(\.constant) {
      try context.requireModest(value, "a stride, dilation or pad")
    }
    guard let kernel = TensorType(w.elementType, Array(w.shape.dropFirst(2))).staticShape else {
      throw TypeFault("the kernel sizes of \(w) must be known")
    }
    try context.require(kernel.allSatisfy { $0 >= 1 }, "the kernel of \(w) is empty")
    for size in kernel { try context.requireModest(size, "a kernel size") }
    let channels = x.shape[layout.channelAxis(rank: x.rank)]
    let g = Dim(groups)
    let resultChannels: Dim
    if isTransposed {
      try context.requireEqual(w.shape[0], channels, "channels of \(x) and weights \(w)")
      resultChannels = w.shape[1] * g
    } else {
      try context.requireEqual(w.shape[1] * g, channels, "channels of \(x) and weights \(w) in \(groups) groups")
      if let m = w.shape[0].constant { try context.require(m % groups == 0, "\(m) filters in \(groups) groups") }
      resultChannels = w.shape[0]
    }
    var sizes: [Dim] = []
    for axis in 0..<spatial {
      let input = x.shape[layout.firstSpatialAxis + axis]
      let reach = Dim(dilations[axis] &* (kernel[axis] - 1))
      let stride = Dim(strides[axis])
      let size =
        isTransposed
        ? stride * (input - 1) + Dim(outputPadding[axis]) + reach + 1 - padsBegin[axis] - padsEnd[axis]
        : (input + padsBegin[axis] + padsEnd[axis] - reach - 1).floorDivided(by: stride) + 1
      if let size = size.constant {
        try context.require(size >= 0, "the kernel of \(w) is larger than spatial axis \(axis) of \(x)")
      }
      sizes.append(size)
    }
    let shape =
      layout == .channelsFirst ? [x.shape[0], resultChannels] + sizes : [x.shape[0]] + sizes + [resultChannels]
    let result = TensorType(sums, shape)
    try epilogue.check(&context, result: result, firstOperand: 2)
    return [result]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let w = operands[1]!
    let rank = w.shape.count
    let toFirst = [0, rank - 1] + Array(1..<rank - 1)
    let x = layout == .channelsFirst ? operands[0]! : operands[0]!.transposed(toFirst)
    let sums = ProductTypes.sums(x.elementType, w.elementType) ?? x.elementType
    let given = try context.resultSizes()
    let shape = layout == .channelsFirst ? given : toFirst.map { given[$0] }
    let begin = try padsBegin.map { try context.size($0) }
    let kernel = Array(w.shape.dropFirst(2))
    let (inputSizes, outputSizes) = (Array(x.shape.dropFirst(2)), Array(shape.dropFirst(2)))
    let (inputArea, outputArea) = (inputSizes.reduce(1, &*), outputSizes.reduce(1, &*))
    let kernelArea = kernel.reduce(1, &*)
    let (channels, filters) = (x.shape[1], shape[1])
    let (channelsPerGroup, filtersPerGroup) = (channels / groups, filters / groups)
    let xv = x.doubles
    let wv = w.doubles
    guard let count = Checked.product(shape), count > 0 else { return [Tensor(zeros: sums, given)] }
    var result = [Double](repeating: 0, count: count)
    // For each kernel tap, the pairs (input position, output position) it joins; the same for all channels.
    let taps = (0..<(x.count == 0 || w.count == 0 ? 0 : kernelArea)).map { tap in
      self.tapPairs(unravel(tap, kernel), begin: begin, input: inputSizes, output: outputSizes)
    }
    for n in 0..<x.shape[0] {
      for m in 0..<filters {
        let group = m / max(filtersPerGroup, 1)
        let target = (n * filters + m) * outputArea
        for c in 0..<channelsPerGroup {
          let source = (n * channels + group * channelsPerGroup + c) * inputArea
          for tap in taps.indices {
            let weight =
              isTransposed
              ? wv[((group * channelsPerGroup + c) * filtersPerGroup + m % filtersPerGroup) * kernelArea + tap]
              : wv[(m * channelsPerGroup + c) * kernelArea + tap]
            for (i, o) in taps[tap] { result[target + o] += xv[source + i] * weight }
          }
        }
      }
    }
    // Sums of bytes are exact in doubles; beyond 32 bits they wrap.
    let plain =
      sums == .i32
      ? Tensor(sums, shape, integers: result.map { Int64(Int32(truncatingIfNeeded: Int64($0))) })
      : Tensor(sums, shape, doubles: result)
    let placed = layout == .channelsFirst ? plain : plain.transposed([0] + Array(2..<rank) + [1])
    return [try epilogue.apply(placed, operands)]
  }

  private func unravel(_ index: Int, _ shape: [Int]) -> [Int] {
    let strides = Indexing.strides(shape)
    return shape.indices.map { index / strides[$0] % shape[$0] }
  }

  private func tapPairs(_ tap: [Int], begin: [Int], input: [Int], output: [Int]) -> [(Int, Int)] {
    var pairs = [(0, 0)]
    for axis in input.indices {
      let offset = tap[axis] * dilations[axis] - begin[axis]
      // The transpose scatters: it swaps the roles of input and output positions.
      let (driving, other) = isTransposed ? (input[axis], output[axis]) : (output[axis], input[axis])
      var next: [(Int, Int)] = []
      for (i, o) in pairs {
        for position in 0..<driving {
          let partner = position * strides[axis] + offset
          guard partner >= 0, partner < other else { continue }
          let (pi, po) = isTransposed ? (position, partner) : (partner, position)
          next.append((i * input[axis] + pi, o * output[axis] + po))
        }
      }
      pairs = next
    }
    return pairs
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    guard let x = operands[0], let w = operands[1] else { return 0 }
    // Each filter tap meets each position once: of the output, or of the input where transposed.
    let positions = isTransposed ? x.elementCount : results[0].elementCount
    let perPosition = w.shape.dropFirst().reduce(1, *)
    return positions * perPosition * 2 + epilogue.flops(results[0])
  }
}
