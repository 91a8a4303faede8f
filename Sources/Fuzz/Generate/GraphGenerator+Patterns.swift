import Foundation
import SwageGraph
import SwageTensor

/// What exporters write out and passes look for, sometimes with a detail changed so that the pass must not fire.
extension GraphGenerator {
  mutating func pattern() {
    switch random.below(23) {
    case 0, 1: gatedActivation()
    case 2: softmaxParts()
    case 3, 4: layerNormParts()
    case 5: groupNormParts()
    case 6, 7: attentionParts()
    case 8, 9: convolutionChain()
    case 10: matmulChain()
    case 11: transposePair()
    case 12: affineChain()
    case 13: clampChain()
    case 14: reshapeChain()
    case 15: castChain()
    case 16: constantGather()
    case 17: concatOfConcats()
    case 18, 19: layoutAroundConvolution()
    case 20: neutral()
    case 21: enlargedConvolution()
    default: sameTwice()
    }
  }

  mutating func apply(_ function: Unary.Function, _ x: ValueID?, alpha: Double? = nil, beta: Double? = nil) -> ValueID?
  {
    x.flatMap { node(.unary(Unary(function, alpha: alpha, beta: beta)), [$0]) }
  }

  mutating func apply(_ function: Binary.Function, _ a: ValueID?, _ b: ValueID?) -> ValueID? {
    guard let a, let b else { return nil }
    return node(.binary(Binary(function)), random.chance(50) && function.isCommutative ? [b, a] : [a, b])
  }

  mutating func apply(_ function: Binary.Function, _ a: ValueID?, _ b: Double) -> ValueID? {
    guard let a else { return nil }
    let constant = random.chance(8) ? b * 1.5 : b
    return apply(function, a, scalar(constant, type(a).elementType))
  }

  private mutating func gatedActivation() {
    guard let x = floatValue() else { return }
    switch random.below(6) {
    case 0:
      let gate = apply(
        .add, apply(.erf, random.chance(50) ? apply(.div, x, 2.0.squareRoot()) : apply(.mul, x, 0.5.squareRoot())), 1)
      _ = random.chance(50) ? apply(.mul, apply(.mul, x, gate), 0.5) : apply(.mul, apply(.mul, x, 0.5), gate)
    case 1:
      let cube = random.chance(50) ? apply(.pow, x, 3) : apply(.mul, apply(.mul, x, x), x)
      let inner = apply(.mul, apply(.add, apply(.mul, cube, 0.044715), x), (2 / Double.pi).squareRoot())
      _ = apply(.mul, apply(.mul, x, apply(.add, apply(.tanh, inner), 1)), 0.5)
    case 2: _ = apply(.mul, x, apply(.sigmoid, random.chance(60) ? x : apply(.mul, x, 1.702)))
    case 3: _ = apply(.div, apply(.mul, x, apply(.clip, apply(.add, x, 3), alpha: 0, beta: 6)), 6)
    case 4: _ = apply(.mul, x, apply(.tanh, apply(.softplus, x)))
    default: _ = apply(.clip, apply(.add, apply(.mul, x, 0.2), 0.5), alpha: 0, beta: 1)
    }
  }

  private mutating func reduce(_ function: Reduce.Function, _ x: ValueID?, _ axes: [Int], keeps: Bool = true)
    -> ValueID?
  {
    x.flatMap { node(.reduce(Reduce(function, axes: axes, keepsAxes: keeps)), [$0]) }
  }

  private mutating func softmaxParts() {
    guard let x = floatValue(rank: 1...4) else { return }
    let axis = [random.below(type(x).rank)]
    let shifted = random.chance(70) ? apply(.sub, x, reduce(.max, x, axis)) : x
    let exponential = apply(.exp, shifted)
    _ = apply(.div, exponential, reduce(.sum, exponential, axis))
  }

  private mutating func layerNormParts() {
    guard let x = floatValue(rank: 1...5) else { return }
    let rank = type(x).rank
    let axes = Array((random.chance(70) ? rank - 1 : random.below(rank))..<rank)
    let isRMS = random.chance(35)
    let centered = isRMS ? x : apply(.sub, x, reduce(.mean, x, axes))
    let squared =
      random.chance(40)
      ? apply(.mul, centered, centered) : random.chance(50) ? apply(.pow, centered, 2) : apply(.square, centered)
    let shifted = apply(.add, reduce(.mean, squared, axes), random.pick([1e-5, 1e-3, 0.5]))
    let result: ValueID?
    switch random.below(4) {
    case 0: result = apply(.mul, centered, apply(.rsqrt, shifted))
    case 1: result = apply(.mul, centered, apply(.pow, shifted, -0.5))
    case 2: result = apply(.mul, centered, apply(.reciprocal, apply(.sqrt, shifted)))
    default: result = apply(.div, centered, apply(.sqrt, shifted))
    }
    guard let result, let sizes = TensorType(.f32, Array(type(x).shape[axes[0]...])).staticShape else { return }
    let element = type(x).elementType
    let parameter = random.chance(70) ? sizes : type(x).staticShape ?? sizes
    let scaled = random.chance(70) ? constant(element, parameter).flatMap { apply(.mul, result, $0) } : result
    _ = random.chance(70) ? constant(element, sizes).flatMap { apply(.add, scaled, $0) } : nil
  }

  private mutating func groupNormParts() {
    guard let x = image(), let channels = type(x).shape[1].constant else { return }
    let dims = type(x).shape
    let groups = random.pick((1...channels).filter { channels % $0 == 0 })
    let rest = dims.dropFirst(2).reduce(Dim(channels / groups), *)
    guard let regrouped = node(.reshape(Reshape([dims[0], Dim(groups), rest])), [x]) else { return }
    let element = type(x).elementType
    guard
      let ones = constant(
        Tensor(element, [groups], doubles: Array(repeating: random.chance(90) ? 1 : 2, count: groups))),
      let zeros = constant(Tensor(element, [groups], doubles: Array(repeating: 0, count: groups))),
      let normal = node(.groupNorm(GroupNorm(groups: groups, epsilon: epsilon())), [regrouped, ones, zeros]),
      let back = node(.reshape(Reshape(dims)), [normal]), random.chance(80)
    else { return }
    let shape = [channels] + dims.dropFirst(2).map { _ in 1 }
    let scaled = constant(element, shape).flatMap { apply(.mul, back, $0) }
    let shifted = constant(element, shape).flatMap { apply(.add, scaled, $0) }
    if random.chance(40) { _ = apply(.mul, shifted, apply(.sigmoid, shifted)) }
  }

  private mutating func attentionParts() {
    guard let q = floatValue(rank: 2...4) else { return }
    let type = type(q)
    let (m, d) = (type.shape[type.rank - 2], type.shape[type.rank - 1])
    let n = random.chance(60) ? m : size()
    let batch = Array(type.shape.dropLast(2))
    let isTransposed = random.chance(50)
    let scaleFirst = random.chance(30)
    guard var k = operand(TensorType(type.elementType, batch + (isTransposed ? [n, d] : [d, n]))),
      let v = operand(TensorType(type.elementType, batch + [n, random.chance(60) ? d : size()]))
    else { return }
    if isTransposed {
      let order = Array(0..<type.rank - 2) + [type.rank - 1, type.rank - 2]
      guard let turned = node(.transpose(Transpose(order)), [k]) else { return }
      k = turned
    }
    let left = scaleFirst ? apply(.mul, q, 0.5) : q
    guard let left, var scores = node(.matmul(MatMul()), [left, k]) else { return }
    if !scaleFirst, random.chance(80) {
      guard let scaled = random.chance(50) ? apply(.mul, scores, 0.5) : apply(.div, scores, 2) else { return }
      scores = scaled
    }
    if random.chance(40), let mask = operand(TensorType(type.elementType, smaller(batch + [m, n]))) {
      guard let masked = apply(.add, scores, mask) else { return }
      scores = masked
    }
    guard let weights = node(.softmax(Softmax(axis: type.rank - (random.chance(92) ? 1 : 2))), [scores]) else { return }
    append(.matmul(MatMul()), [weights, v])
  }

  /// Convolution, then a batch normalisation, a residual, an activation.
  private mutating func convolutionChain() {
    guard let x = image(), let y = convolution(of: x) else { return }
    var result = y
    let dims = type(y).shape
    let element = type(y).elementType
    if random.chance(70), let channels = dims[1].constant, channels > 0 {
      let shape = [channels] + dims.dropFirst(2).map { _ in 1 }
      let isConstant = random.chance(85)
      let scale = isConstant ? constant(element, shape) : operand(TensorType(element, sizes: shape))
      if let scale, let next = apply(random.chance(80) ? .mul : .div, result, scale) { result = next }
      if let shift = constant(element, random.chance(80) ? shape : []),
        let next = apply(random.chance(70) ? .add : .sub, result, shift)
      {
        result = next
      }
    }
    if random.chance(40), let other = partner(of: type(result)), let next = apply(.add, result, other) { result = next }
    switch random.below(6) {
    case 0: _ = apply(.clip, apply(.relu, result), alpha: 0, beta: random.pick([6, 1]))
    case 1: _ = apply(.relu, result)
    case 2: _ = apply(.mul, result, apply(.sigmoid, result))
    case 3: _ = apply(.leakyRelu, result, alpha: 0.125)
    case 4: convolution(of: apply(.relu, result))
    default: break
    }
  }

  /// A picture whose elements are repeated, in front of a convolution with as many filters as kernels want.
  private mutating func enlargedConvolution() {
    guard let x = image(), let channels = type(x).shape[1].constant else { return }
    let dims = type(x).shape
    let scales = [1, 1] + dims.dropFirst(2).map { _ in random.pick([1, 2, 2, 3]) }
    let resize = Resize(
      mode: .nearest, coordinates: random.pick([.asymmetric, .asymmetric, .halfPixel, .alignCorners]),
      nearest: random.pick([.floor, .floor, .roundPreferFloor]), sizes: zip(dims, scales).map { $0 * Dim($1) },
      scales: random.chance(60) ? scales.map(Double.init) : nil)
    let kernel = dims.dropFirst(2).map { _ in random.pick([1, 2, 3, 3, 4]) }
    func pads() -> [Dim] { kernel.map { Dim(random.chance(70) ? ($0 - 1) / 2 : random.below($0 + 1)) } }
    let ones = kernel.map { _ in 1 }
    let (begins, ends) = (pads(), pads())
    guard let enlarged = node(.resize(resize), [x]),
      let weights = constant(type(x).elementType, [random.pick([16, 17]), channels] + kernel)
    else { return }
    append(
      .convolution(Convolution(strides: ones, dilations: ones, padsBegin: begins, padsEnd: ends)), [enlarged, weights])
  }

  private mutating func matmulChain() {
    guard let a = floatValue(rank: 2...4) else { return }
    let element = type(a).elementType
    let columns = random.within(1...5)
    let isConstant = random.chance(70)
    guard let inner = type(a).shape.last,
      let b = isConstant && inner.constant != nil
        ? constant(element, [inner.constant ?? 1, columns]) : operand(TensorType(element, [inner, Dim(columns)])),
      var result = node(.matmul(MatMul()), [a, b])
    else { return }
    for _ in 0..<random.within(1...4) {
      let next: ValueID?
      switch random.below(7) {
      case 0: next = constant(element, [columns]).flatMap { apply(.add, result, $0) }
      case 1: next = apply(.mul, result, random.pick([2, 0.5, -1]))
      case 2: next = apply(.relu, result)
      case 3: next = apply(.gelu, result)
      case 4: next = partner(of: type(result)).flatMap { apply(.add, result, $0) }
      case 5: next = apply(.mul, result, apply(.sigmoid, result))
      default: next = node(.transpose(Transpose(random.permutation(type(result).rank))), [result])
      }
      guard let next else { return }
      result = next
    }
  }

  private mutating func transposePair() {
    guard let x = value(where: { (2...5).contains($0.rank) }) else { return }
    let first = random.permutation(type(x).rank)
    guard let y = node(.transpose(Transpose(first)), [x]) else { return }
    var inverse = first
    for (index, axis) in first.enumerated() { inverse[axis] = index }
    let middle = type(y).elementType.isFloat && random.chance(60) ? apply(.relu, y) : y
    guard let middle else { return }
    append(.transpose(Transpose(random.chance(60) ? inverse : random.permutation(first.count))), [middle])
    if random.chance(30), type(middle).elementType == type(x).elementType, Self.floats.contains(type(x).elementType) {
      append(.matmul(MatMul(transposeB: random.chance(50))), [middle, middle])
    }
  }

  private mutating func affineChain() {
    guard
      var x = value(where: { Self.floats.contains($0.elementType) || $0.elementType == .i32 || $0.elementType == .u8 })
    else { return }
    for _ in 0..<random.within(2...5) {
      let next: ValueID?
      let isFloat = type(x).elementType.isFloat
      switch random.below(isFloat ? 7 : 5) {
      case 0: next = apply(.add, x, random.pick([0, 1, 3, -2]))
      case 1: next = apply(.mul, x, random.pick([1, 2, -1, 0, 3]))
      case 2: next = apply(.sub, x, random.pick([0, 1, 2]))
      case 3: next = apply(.neg, x)
      case 4: next = apply(.linear, x, alpha: random.pick([1, 2, -1]), beta: random.pick([0, 1, -3]))
      case 5: next = apply(.div, x, random.pick([1, 2, 4, -0.5]))
      default: next = scalar(random.pick([1, 2]), type(x).elementType).flatMap { apply(.sub, $0, x) }
      }
      guard let next else { return }
      x = next
    }
  }

  private mutating func clampChain() {
    guard
      var x = value(where: {
        $0.elementType.bitWidth >= 8 && ($0.elementType.isInteger || Self.floats.contains($0.elementType))
      })
    else { return }
    for _ in 0..<random.within(2...4) {
      let next: ValueID?
      switch random.below(5) {
      case 0: next = apply(.relu, x)
      case 1:
        next = node(
          .unary(
            makeUnary(
              .clip, isFloat: type(x).elementType.isFloat, isSigned: !type(x).elementType.isUnsignedInteger)), [x])
      case 2: next = apply(.min, x, random.pick([6, 1, 0, -1]))
      case 3: next = apply(.max, x, random.pick([0, -1, 2]))
      default: next = apply(.abs, x)
      }
      guard let next else { return }
      x = next
    }
  }

  private mutating func reshapeChain() {
    for _ in 0..<random.within(2...3) { random.chance(70) ? reshape() : transpose() }
  }

  private mutating func castChain() {
    guard var x = value(where: { Self.floats.contains($0.elementType) || Self.integers.contains($0.elementType) })
    else { return }
    for _ in 0..<random.within(2...3) {
      let current = type(x).elementType
      let choices: [ElementType] =
        current.isFloat ? Self.floats : Self.integers + Self.floats
      guard let next = node(.cast(Cast(to: random.pick(choices))), [x]) else { return }
      x = next
    }
  }

  private mutating func constantGather() {
    guard let x = value(where: { (1...4).contains($0.rank) }) else { return }
    let axis = random.below(type(x).rank)
    let bound = least(type(x).shape[axis])
    guard bound > 0 else { return }
    let start = random.below(bound)
    let step = random.pick([1, 1, 2, -1, -2, 0])
    var picks: [Int64] = []
    var index = start
    for _ in 0..<random.within(1...4) where index >= 0 && index < bound {
      picks.append(Int64(random.chance(20) && type(x).shape[axis].constant == bound ? index - bound : index))
      index += step
    }
    guard
      let indices = constant(Tensor(.i64, picks.count == 1 && random.chance(50) ? [] : [picks.count], integers: picks))
    else { return }
    append(.gather(Gather(axis: axis)), [x, indices])
  }

  private mutating func concatOfConcats() {
    guard let x = value(where: { (1...4).contains($0.rank) }) else { return }
    let axis = random.below(type(x).rank)
    guard let other = operand(type(x)), let first = node(.concat(Concat(axis: axis)), [x, other]) else { return }
    if random.chance(50) {
      append(
        .concat(Concat(axis: random.chance(70) ? axis : random.below(type(x).rank))),
        [first, random.chance(50) ? x : first])
    } else {
      let dims = type(first).shape
      guard least(dims[axis]) > 1 else { return }
      var starts = dims.map { _ in Dim(0) }
      var sizes = dims
      starts[axis] = 1
      sizes[axis] = dims[axis] - 1
      append(.slice(Slice(starts: starts, sizes: sizes)), [first])
    }
  }

  /// What moves axes, between and behind convolutions.
  private mutating func layoutAroundConvolution() {
    guard let x = image(), var y = convolution(of: x) else { return }
    for _ in 0..<random.within(1...4) {
      let rank = type(y).rank
      let dims = type(y).shape
      let next: ValueID?
      switch random.below(9) {
      case 0: next = node(.transpose(Transpose(random.permutation(rank))), [y])
      case 1:
        guard let axis = dims.indices.first(where: { dims[$0] == 1 }) else { continue }
        var shape = dims
        shape.remove(at: axis)
        next = node(.reshape(Reshape(shape)), [y])
      case 2:
        let axis = random.below(rank)
        guard least(dims[axis]) > 1 else { continue }
        var (starts, sizes) = (dims.map { _ in Dim(0) }, dims)
        starts[axis] = 1
        sizes[axis] = dims[axis] - 1
        next = node(.slice(Slice(starts: starts, sizes: sizes)), [y])
      case 3: next = operand(type(y)).flatMap { node(.concat(Concat(axis: random.below(rank))), [y, $0]) }
      case 4:
        append(
          .argReduce(
            ArgReduce(isMax: true, axis: random.below(max(rank, 1)), keepsAxis: random.chance(50), selectsLast: false)),
          [y])
        continue
      case 5: next = reduce(random.pick([.mean, .max]), y, rank > 2 ? Array(2..<rank) : [0], keeps: random.chance(60))
      case 6: next = partner(of: type(y)).flatMap { apply(.add, y, $0) }
      case 7:
        pooling()
        continue
      default: next = convolution(of: y)
      }
      guard let next else { return }
      y = next
    }
  }

  private mutating func neutral() {
    guard
      let x = value(where: {
        Self.floats.contains($0.elementType) || ($0.elementType.isInteger && $0.elementType.bitWidth >= 8)
      })
    else { return }
    switch random.below(7) {
    case 0: _ = apply(.add, x, 0)
    case 1: _ = apply(.mul, x, 1)
    case 2: _ = apply(.div, x, 1)
    case 3: _ = apply(.pow, x, 1)
    case 4: _ = apply(.neg, apply(.neg, x))
    case 5:
      guard let yes = constant(Tensor(.bool, [], integers: [Int64(random.below(2))])), let other = partner(of: type(x))
      else { return }
      append(.select(Select()), [yes, x, other])
    default:
      let zeros = type(x).shape.map { _ in Dim(0) }
      append(.pad(Pad(mode: .constant, begins: zeros, ends: zeros)), [x])
    }
  }

  private mutating func sameTwice() {
    guard let x = anyValue(), type(x).elementType.isFloat else { return }
    let function = random.pick(Self.smooth + Self.simple)
    let unary = makeUnary(function, isFloat: true)
    guard let a = node(.unary(unary), [x]), let b = node(.unary(unary), [x]), type(a).elementType != .bool else {
      return
    }
    _ = apply(random.pick([.add, .sub, .mul, .max]), a, b)
  }
}
