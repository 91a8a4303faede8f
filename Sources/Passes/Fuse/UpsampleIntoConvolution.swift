import SwageGraph
import SwageTensor

/// A picture that is enlarged by repeating its elements, in front of a convolution: the copies of an element share the sum of
/// the weights that meet them, which is a transposed convolution of the small picture.
///
///     %1 = resize(%0) {mode = nearest, coordinates = asymmetric, nearest = floor, sizes = [n, 2·h, 2·w, 64]}
///     %3 = convolution(%1, %2) {strides = [1, 1], pads_begin = [1, 1], pads_end = [1, 1], layout = nhwc}
/// ->
///     %3 = convolution(%0, %2') {strides = [2, 2], pads_begin = [1, 1], pads_end = [1, 1], layout = nhwc, transposed}
///
/// (with %2 : f32[32, 64, 3, 3] and %2' : f32[64, 32, 4, 4]). Each result then takes 2 by 2 taps instead of 3 by 3. Weights
/// w[k] of an axis that is enlarged s times become v[d] = the sum of w[K - 1 + q - d] over q in 0..<s, for d in 0..<K + s - 1,
/// and zeros up to a multiple of s.
///
/// Legal when
/// 1. nothing else reads the enlarged picture, and result i of each spatial axis is element i div s, for a whole s;
/// 2. the convolution has strides and dilations of 1 and one group, its weights are a constant of floats, its pads are known,
///    and no window lies in them altogether;
/// 3. it then takes fewer taps;
/// 4. channels are last, and there are 16 filters or more: where swage's own kernels compute transposed convolutions.
///
/// Sums run in another order, so that results may differ by rounding.
/// Leaves alone: linear and cubic resizes.
let upsampleIntoConvolution = RewriteRule(name: "upsample-into-convolution") { node, graph in
  guard case .convolution(let op) = node.op, op.layout == .channelsLast, !op.isTransposed, op.groups == 1,
    op.strides.allSatisfy({ $0 == 1 }), op.dilations.allSatisfy({ $0 == 1 }),
    let weights = graph.constant(node.operands[1] ?? node.results[0]), weights.elementType.isFloat,
    weights.shape[0] >= 16, let producer = graph.soleProducer(of: node.operands[0]),
    case .resize(let resize) = producer.op, let image = producer.operands[0],
    let factors = resize.repetitions(of: graph.type(of: image)), factors[0] == 1, factors[factors.count - 1] == 1
  else { return nil }
  let kernel = Array(weights.shape.dropFirst(2))
  let scales = Array(factors[1..<factors.count - 1])
  let taps = kernel.indices.map { (kernel[$0] + 2 * scales[$0] - 2) / scales[$0] }
  guard taps.reduce(1, *) < kernel.reduce(1, *) else { return nil }
  var transposed = op
  transposed.isTransposed = true
  transposed.strides = scales
  for axis in kernel.indices {
    guard let begin = op.padsBegin[axis].constant, let end = op.padsEnd[axis].constant else { return nil }
    let (before, after) = (kernel[axis] - 1 - begin, (taps[axis] - 1) * scales[axis] - end)
    guard before >= 0, after >= 0, begin >= 0, end >= 0 else { return nil }
    (transposed.padsBegin[axis], transposed.padsEnd[axis]) = (Dim(before), Dim(after))
  }
  guard let summed = summed(weights, scales: scales, sizes: zip(taps, scales).map { $0 * $1 }) else { return nil }
  var patch = Patch(replacing: node, covering: [producer], in: graph)
  var operands = node.operands
  operands[0] = image
  operands[1] = try patch.constant(summed, name: node.operands[1].map { graph[$0].name } ?? "")
  let result = try patch.add(.convolution(transposed), operands)
  guard patch.type(of: result) == graph.type(of: node.results[0]) else { return nil }
  patch.replaceRoot(with: result)
  return patch
}

extension Resize {
  /// How often each element of `x` is repeated along each axis; nil where the resize does something else.
  fileprivate func repetitions(of x: TensorType) -> [Int]? {
    guard mode == .nearest else { return nil }
    var factors: [Int] = []
    for axis in x.shape.indices {
      guard let factor = (1...8).first(where: { x.shape[axis] * Dim($0) == sizes[axis] }),
        scales.map({ $0[axis] == Double(factor) }) ?? true
      else { return nil }
      // Positions i / s - 1/2 + 1/2s lie less than half from element i div s, positions i / s lie behind it.
      switch (coordinates, nearest) {
      case (.asymmetric, .floor), (.halfPixel, .roundPreferFloor), (.halfPixel, .roundPreferCeil),
        (.halfPixelSymmetric, .roundPreferFloor), (.halfPixelSymmetric, .roundPreferCeil):
        break
      default: guard factor == 1 else { return nil }
      }
      factors.append(factor)
    }
    return factors
  }
}

/// `[filter, channel, kernel…]` to the `[channel, filter, sizes…]` of the rule.
private func summed(_ weights: Tensor, scales: [Int], sizes: [Int]) -> Tensor? {
  let (filters, channels) = (weights.shape[0], weights.shape[1])
  let kernel = Array(weights.shape.dropFirst(2))
  let (area, wide) = (kernel.reduce(1, *), sizes.reduce(1, *))
  // The new taps that each tap is a part of: s in a row of each axis.
  let parts: [[Int]] = (0..<area).map { tap in
    var (rest, distance) = (tap, 1)
    var places = [0]
    for axis in kernel.indices.reversed() {
      let k = rest % kernel[axis]
      rest /= kernel[axis]
      places = places.flatMap { place in
        (0..<scales[axis]).map { place + (kernel[axis] - 1 - k + $0) * distance }
      }
      distance *= sizes[axis]
    }
    return places
  }
  let type = weights.elementType
  return .deferred(type, [channels, filters] + sizes, "weights of repeated elements, \(scales)", weights) { from, to in
    guard type == .f32 else {
      let values = weights.doubles
      var sums = [Double](repeating: 0, count: channels * filters * wide)
      for filter in 0..<filters {
        for channel in 0..<channels {
          for tap in 0..<area {
            for place in parts[tap] {
              sums[(channel * filters + filter) * wide + place] += values[(filter * channels + channel) * area + tap]
            }
          }
        }
      }
      return Tensor(type, [sums.count], doubles: sums).withBytes { to.copyMemory(from: $0) }
    }
    let (source, target) = (from.bindMemory(to: Float.self), to.bindMemory(to: Float.self))
    for filter in 0..<filters {
      for channel in 0..<channels {
        for tap in 0..<area {
          let value = source[(filter * channels + channel) * area + tap]
          for place in parts[tap] { target[(channel * filters + filter) * wide + place] += value }
        }
      }
    }
  }
}
