import Foundation
import SwageTensor

/// Pooling over spatial windows. Operand: x.
///
/// `countsPadding` makes the average divide by the whole window; else by the elements that lie inside the input.
public struct Pool: OpDefinition {
  public enum Function: String, Hashable, Sendable { case max, average, l2 }

  public static let mnemonic = "pool"
  public var function: Function
  public var kernel: [Int]
  public var strides: [Int]
  public var dilations: [Int]
  public var padsBegin: [Dim]
  public var padsEnd: [Dim]
  /// Rounds the number of windows up: the last one may reach past the end, but starts inside.
  public var ceilMode: Bool
  public var countsPadding: Bool
  public var layout: ImageLayout

  public init(
    _ function: Function, kernel: [Int], strides: [Int], dilations: [Int], padsBegin: [Dim],
    padsEnd: [Dim], ceilMode: Bool = false, countsPadding: Bool = false, layout: ImageLayout = .channelsFirst
  ) {
    self.function = function
    self.kernel = kernel
    self.strides = strides
    self.dilations = dilations
    self.padsBegin = padsBegin
    self.padsEnd = padsEnd
    self.ceilMode = ceilMode
    self.countsPadding = countsPadding
    self.layout = layout
  }

  public var attributes: AttributeList {
    let ones = AttributeValue.list(strides.map { _ in .integer(1) })
    return AttributeList().with("function", function).with("kernel", kernel).with("strides", strides)
      .with("dilations", .list(dilations.map { .integer($0) }), unless: ones)
      .with("pads_begin", padsBegin).with("pads_end", padsEnd).with("ceil", .bool(ceilMode), unless: .bool(false))
      .with("count_padding", .bool(countsPadding), unless: .bool(false)).with("layout", layout)
  }
  public init(_ attributes: inout AttributeReader) throws {
    function = try attributes.word("function")
    kernel = try attributes.integers("kernel")
    strides = try attributes.integers("strides")
    dilations = try attributes.integers("dilations", default: strides.map { _ in 1 })
    padsBegin = try attributes.dimensions("pads_begin")
    padsEnd = try attributes.dimensions("pads_end")
    ceilMode = try attributes.bool("ceil", default: false)
    countsPadding = try attributes.bool("count_padding", default: false)
    layout = try attributes.word("layout")
  }
  public var numericClass: NumericClass { function == .max ? .exact : .accumulating }
  public var symbols: [String] { (padsBegin + padsEnd).flatMap(\.symbols) }
  public func substituting(_ values: [String: Dim]) -> Pool {
    var copy = self
    copy.padsBegin = padsBegin.map { $0.substituting(values) }
    copy.padsEnd = padsEnd.map { $0.substituting(values) }
    return copy
  }

  public func resultTypes(_ context: inout TypeContext) throws -> [TensorType] {
    try context.expectCount(1...1)
    let x = try context.type(0)
    let spatial = x.rank - 2
    try context.require(
      spatial >= 1
        && [kernel.count, strides.count, dilations.count, padsBegin.count, padsEnd.count].allSatisfy { $0 == spatial },
      "kernel, strides, dilations and pads must name the spatial axes of \(x)")
    try context.require(
      (kernel + strides + dilations).allSatisfy { $0 >= 1 }, "kernel, strides and dilations are at least 1")
    try context.require(
      function == .max ? x.elementType.isFloat || x.elementType.isInteger : x.elementType.isFloat, "pool of \(x)")
    for value in kernel + strides + dilations + (padsBegin + padsEnd).compactMap(\.constant) {
      try context.requireModest(value, "a kernel size, stride, dilation or pad")
    }
    try context.require((Checked.product(kernel) ?? .max) < 1 << 31, "a window of \(kernel) is too large")
    var shape = x.shape
    for axis in 0..<spatial {
      let input = x.shape[layout.firstSpatialAxis + axis]
      let reach = Dim(dilations[axis] &* (kernel[axis] - 1) + 1)
      let span = input + padsBegin[axis] + padsEnd[axis] - reach
      let stride = Dim(strides[axis])
      var windows = (ceilMode ? span.ceilDivided(by: stride) : span.floorDivided(by: stride)) + 1
      if ceilMode {
        // The last window must start inside the input or the begin padding.
        windows = .minimum(windows, (input + padsBegin[axis] - 1).floorDivided(by: stride) + 1)
      }
      if let count = windows.constant {
        try context.require(count >= 0, "the window is larger than spatial axis \(axis) of \(x)")
      }
      shape[layout.firstSpatialAxis + axis] = windows
    }
    return [TensorType(x.elementType, shape)]
  }

  public func evaluate(_ operands: [Tensor?], _ context: inout EvaluationContext) throws -> [Tensor] {
    let given = operands[0]!
    let rank = given.shape.count
    let toFirst = [0, rank - 1] + Array(1..<rank - 1)
    let x = layout == .channelsFirst ? given : given.transposed(toFirst)
    let resultShape = try context.resultSizes()
    let shape = layout == .channelsFirst ? resultShape : toFirst.map { resultShape[$0] }
    let begin = try padsBegin.map { try context.size($0) }
    let end = try padsEnd.map { try context.size($0) }
    let input = Array(x.shape.dropFirst(2))
    let output = Array(shape.dropFirst(2))
    let (inStrides, outStrides, kernelStrides) = (
      Indexing.strides(input), Indexing.strides(output), Indexing.strides(kernel)
    )
    if Checked.product(shape) == 0 { return [Tensor(zeros: x.elementType, resultShape)] }
    let values = x.doubles
    var result: [Double] = []
    let (planes, area, inputArea) = (shape[0] * shape[1], output.reduce(1, *), input.reduce(1, &*))
    for plane in 0..<planes {
      for position in 0..<area {
        var picks: [Double] = []
        var counted = 0
        for tap in 0..<kernel.reduce(1, *) {
          var offset = 0
          var isInside = true
          var isCounted = true
          for axis in input.indices {
            let index =
              position / outStrides[axis] % output[axis] * strides[axis]
              + tap / kernelStrides[axis] % kernel[axis] * dilations[axis] - begin[axis]
            if index < 0 || index >= input[axis] { isInside = false }
            if index >= input[axis] + end[axis] { isCounted = false }
            offset &+= index &* inStrides[axis]
          }
          if isInside { picks.append(values[plane * inputArea + offset]) }
          if isInside || (countsPadding && isCounted) { counted += 1 }
        }
        switch function {
        case .max: result.append(picks.reduce(-.infinity) { $0.isNaN || $1.isNaN ? .nan : Swift.max($0, $1) })
        case .average: result.append(picks.reduce(0, +) / Double(counted))
        case .l2: result.append(picks.reduce(0) { $0 + $1 * $1 }.squareRoot())
        }
      }
    }
    let plain = Tensor(x.elementType, shape, doubles: result)
    return [layout == .channelsFirst ? plain : plain.transposed([0] + Array(2..<rank) + [1])]
  }

  public func flops(_ operands: [TensorType?], _ results: [TensorType]) -> Dim {
    results[0].elementCount * Dim(kernel.reduce(1, &*))
  }
}
