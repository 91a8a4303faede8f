import SwageGraph
import SwageTensor

extension GraphGenerator {
  // MARK: - Reductions

  mutating func reduction() {
    switch random.below(12) {
    case 0...3: reduce()
    case 4: argReduce()
    case 5: cumulative()
    case 6: topK()
    case 7, 8: softmax()
    case 9, 10: layerNorm()
    default: groupNorm()
    }
  }

  private mutating func reduce() {
    guard
      let x = value(where: {
        ($0.elementType.isInteger || Self.floats.contains($0.elementType)) && $0.elementType.bitWidth >= 8
      })
    else { return }
    let rank = type(x).rank
    var axes = (0..<rank).filter { _ in random.chance(40) }
    if random.chance(15) { axes = Array(0..<rank) }
    let isInteger = type(x).elementType.isInteger
    let function =
      isInteger
      ? random.pick([Reduce.Function.sum, .mean, .prod, .min, .max, .sumSquare, .l1])
      : random.pick(Reduce.Function.allCases + [.mean, .sum, .max])
    // The mean or extremum of nothing is nobody's business.
    if axes.contains(where: { least(type(x).shape[$0]) == 0 }), isPortable || isInteger || random.chance(50) { return }
    append(.reduce(Reduce(function, axes: axes, keepsAxes: random.chance(50))), [x])
  }

  private mutating func argReduce() {
    guard
      let x = value(where: {
        $0.rank > 0 && $0.elementType.bitWidth >= 8 && $0.elementType != .bool
          && !Self.packed.contains($0.elementType) && $0.elementType != .string
      })
    else { return }
    append(
      .argReduce(
        ArgReduce(
          isMax: random.chance(50), axis: random.below(type(x).rank), keepsAxis: random.chance(50),
          selectsLast: random.chance(25))), [x])
  }

  private mutating func cumulative() {
    guard
      let x = value(where: {
        $0.rank > 0 && (Self.floats.contains($0.elementType) || [.i32, .i64, .u32, .u64].contains($0.elementType))
      })
    else { return }
    append(
      .cumulative(
        Cumulative(
          random.chance(70) ? .sum : .prod, axis: random.below(type(x).rank), isExclusive: random.chance(40),
          isReverse: random.chance(40))), [x])
  }

  private mutating func topK() {
    guard
      let x = value(where: {
        $0.rank > 0 && $0.elementType.bitWidth >= 8 && $0.elementType != .bool && !Self.packed.contains($0.elementType)
          && $0.elementType != .string
      })
    else { return }
    let axis = random.below(type(x).rank)
    let bound = least(type(x).shape[axis])
    append(.topK(TopK(count: Dim(random.within(0...bound)), axis: axis, isLargest: random.chance(60))), [x])
  }

  private mutating func softmax() {
    guard let x = floatValue(rank: 1...5) else { return }
    append(.softmax(Softmax(axis: random.below(type(x).rank), isLog: random.chance(25))), [x])
  }

  private mutating func layerNorm() {
    guard let x = floatValue(rank: 1...5) else { return }
    let type = type(x)
    let axis = random.chance(70) ? type.rank - 1 : random.below(type.rank)
    let parameter = TensorType(type.elementType, Array(type.shape[axis...]))
    let scale = random.chance(70) ? operand(parameter) : nil
    let bias = random.chance(60) ? operand(parameter) : nil
    append(
      .layerNorm(LayerNorm(axis: axis, epsilon: epsilon(), isRMS: random.chance(30))),
      bias != nil ? [x, scale, bias] : scale != nil ? [x, scale] : [x])
  }

  private mutating func groupNorm() {
    guard let x = floatValue(rank: 2...5) else { return }
    let type = type(x)
    let layout = random.chance(75) ? ImageLayout.channelsFirst : .channelsLast
    let channels = type.shape[layout.channelAxis(rank: type.rank)]
    guard let count = channels.constant, count > 0 else { return }
    let groups = random.pick((1...count).filter { count % $0 == 0 })
    let parameter = TensorType(type.elementType, [channels])
    let hasParameters = random.chance(70)
    let operands = hasParameters ? [x, operand(parameter), operand(parameter)] : [x]
    append(
      .groupNorm(
        GroupNorm(
          groups: groups, epsilon: epsilon(), layout: layout,
          activation: random.chance(20) ? Unary(.silu) : nil)), operands)
  }

  // MARK: - Products

  mutating func product() {
    switch random.below(10) {
    case 0...3: matmul()
    case 4...7: convolution()
    case 8: pooling()
    default: attention()
    }
  }

  private mutating func epilogue(_ result: TensorType, _ operands: inout [ValueID?]) -> Epilogue {
    guard !isPortable, result.elementType.isFloat, random.chance(25) else { return Epilogue() }
    var steps: [Epilogue.Step] = []
    for _ in 0..<random.within(1...3) {
      if random.chance(50) {
        let function = random.pick([
          Unary.Function.relu, .clip, .sigmoid, .tanh, .silu, .gelu, .linear, .leakyRelu, .abs,
        ])
        steps.append(.unary(makeUnary(function, isFloat: true)))
      } else if let other = operand(TensorType(result.elementType, smaller(result.shape))) {
        steps.append(.binary(random.pick([.add, .add, .mul, .sub, .max]), operand: operands.count))
        operands.append(other)
      }
    }
    return Epilogue(steps)
  }

  mutating func matmul() {
    let a: ValueID
    if random.chance(10) {
      guard let bytes = input(.u8, (0..<random.within(2...3)).map { _ in size() }) else { return }
      a = bytes
    } else if random.chance(15),
      let found = value(where: { $0.elementType.isInteger && $0.elementType.bitWidth >= 8 && $0.rank >= 2 })
    {
      a = found
    } else {
      guard let found = floatValue(rank: 2...5) else { return }
      a = found
    }
    let type = type(a)
    let transposesA = random.chance(20)
    let transposesB = random.chance(30)
    let inner = transposesA ? type.shape[type.rank - 2] : type.shape[type.rank - 1]
    let rows = transposesA ? type.shape[type.rank - 1] : type.shape[type.rank - 2]
    let columns = size()
    var batch = smaller(Array(type.shape.dropLast(2)))
    if random.chance(40) { batch = [] }
    if random.chance(10), batch.count < 3 { batch.insert(size(), at: 0) }
    let takesBytes = type.elementType == .u8 && random.chance(75)
    guard
      let b = operand(
        TensorType(takesBytes ? .i8 : type.elementType, batch + (transposesB ? [columns, inner] : [inner, columns])))
    else { return }
    var operands: [ValueID?] = [a, b]
    let full = batch.count >= type.rank - 2 ? batch : Array(type.shape.dropLast(2))
    let result = TensorType(takesBytes ? .i32 : type.elementType, full + [rows, columns])
    let epilogue = takesBytes ? Epilogue() : epilogue(result, &operands)
    append(.matmul(MatMul(transposeA: transposesA, transposeB: transposesB, epilogue: epilogue)), operands)
  }

  /// An image: a float value of rank 3 to 5 with a known number of channels.
  mutating func image(_ layout: ImageLayout = .channelsFirst) -> ValueID? {
    if random.chance(75),
      let found = value(where: {
        Self.floats.contains($0.elementType) && (3...5).contains($0.rank)
          && (1...8).contains($0.shape[layout.channelAxis(rank: $0.rank)].constant ?? 0)
      })
    {
      return found
    }
    let spatial = (0..<random.pick([1, 2, 2, 2, 3])).map { _ in size() }
    let channels = Dim(random.pick([1, 2, 3, 4, 6, 8]))
    let batch = random.chance(50) ? Dim(1) : size()
    return input(floatType(), layout == .channelsFirst ? [batch, channels] + spatial : [batch] + spatial + [channels])
  }

  @discardableResult
  mutating func convolution(of given: ValueID? = nil) -> ValueID? {
    let layout = isPortable || random.chance(80) ? ImageLayout.channelsFirst : .channelsLast
    guard let x = given ?? image(layout) else { return nil }
    let type = type(x)
    guard (3...5).contains(type.rank), let channels = type.shape[layout.channelAxis(rank: type.rank)].constant,
      channels > 0
    else { return nil }
    let spatial = type.rank - 2
    let groups = random.chance(65) ? 1 : random.pick((1...channels).filter { channels % $0 == 0 })
    let isTransposed = random.chance(20)
    let kernel = (0..<spatial).map { _ in random.pick([1, 1, 2, 3, 3]) }
    let strides = (0..<spatial).map { _ in random.pick([1, 1, 1, 2, 3]) }
    let dilations = (0..<spatial).map { _ in random.pick([1, 1, 1, 2]) }
    let perGroup = random.within(1...4)
    let weightShape =
      isTransposed
      ? [channels, perGroup] + kernel : [perGroup * groups, channels / groups] + kernel
    func pads(_ random: inout FuzzRandom) -> [Dim] {
      kernel.map { Dim(random.chance(60) ? ($0 - 1) / 2 : random.below(3)) }
    }
    let begins = pads(&random)
    let ends = random.chance(60) ? begins : pads(&random)
    let outputPadding = isTransposed && random.chance(30) ? strides.map { random.below($0) } : nil
    if !isPortable, !isTransposed, random.chance(10), let bytes = input(.u8, type.shape) {
      guard let w = operand(TensorType(.i8, sizes: weightShape)) else { return nil }
      let op = Convolution(
        strides: strides, dilations: dilations, padsBegin: begins, padsEnd: ends, groups: groups, layout: layout)
      return append(.convolution(op), [bytes, w])?.first
    }
    guard let w = operand(TensorType(type.elementType, sizes: weightShape)) else { return nil }
    var operands: [ValueID?] = [x, w]
    var op = Convolution(
      strides: strides, dilations: dilations, padsBegin: begins, padsEnd: ends, groups: groups, layout: layout,
      isTransposed: isTransposed, outputPadding: outputPadding)
    let filters = perGroup * groups
    if random.chance(50) {
      // A bias, as ONNX has it.
      let shape = layout == .channelsFirst ? [filters] + kernel.map { _ in 1 } : [filters]
      guard let bias = constant(type.elementType, shape) else { return nil }
      operands.append(bias)
      op.epilogue = Epilogue([.binary(.add, operand: 2)])
    } else if !isPortable, random.chance(25) {
      op.epilogue = Epilogue([.unary(random.pick([Unary(.relu), Unary(.clip, alpha: 0, beta: 6), Unary(.silu)]))])
    }
    return append(.convolution(op), operands)?.first
  }

  mutating func pooling() {
    guard let x = image() else { return }
    let spatial = type(x).rank - 2
    let layout = isPortable || random.chance(85) ? ImageLayout.channelsFirst : .channelsLast
    let kernel = (0..<spatial).map { _ in random.within(1...3) }
    let begins = kernel.map { Dim(random.chance(60) ? 0 : random.below($0)) }
    let ends = kernel.map { Dim(random.chance(60) ? 0 : random.below($0)) }
    let dilations = kernel.map { _ in random.chance(80) ? 1 : 2 }
    // onnxruntime rounds what does not fit even once towards zero.
    for axis in 0..<spatial where isPortable {
      let span = least(type(x).shape[layout.firstSpatialAxis + axis] + begins[axis] + ends[axis])
      guard span > dilations[axis] * (kernel[axis] - 1) else { return }
    }
    append(
      .pool(
        Pool(
          random.pick([.max, .average, .l2]), kernel: kernel, strides: kernel.map { _ in random.within(1...3) },
          dilations: dilations, padsBegin: begins, padsEnd: ends,
          ceilMode: random.chance(25), countsPadding: random.chance(30), layout: layout)), [x])
  }

  mutating func attention() {
    guard !isPortable, let q = floatValue(rank: 2...4) else { return }
    let type = type(q)
    let (m, d) = (type.shape[type.rank - 2], type.shape[type.rank - 1])
    let n = random.chance(50) ? m : size()
    let e = random.chance(60) ? d : Dim(random.within(1...5))
    let batch = Array(type.shape.dropLast(2))
    let isTransposed = random.chance(30)
    guard let k = operand(TensorType(type.elementType, batch + (isTransposed ? [d, n] : [n, d]))),
      let v = operand(TensorType(type.elementType, batch + [n, e]))
    else { return }
    var operands: [ValueID?] = [q, k, v]
    if random.chance(40), let mask = operand(TensorType(type.elementType, smaller(batch + [m, n]))) {
      operands.append(mask)
    }
    append(
      .attention(Attention(scale: parameter(0...1), isCausal: random.chance(30), isKeyTransposed: isTransposed)),
      operands)
  }

  // MARK: - The rest

  mutating func other() {
    switch random.below(9) {
    case 0, 1: resize()
    case 2, 3: recurrent()
    case 4: linearAttention()
    case 5: numbers()
    case 6: quantize()
    default: if isPortable { quantize() } else { rare() }
    }
  }

  private mutating func resize() {
    guard let x = random.chance(70) ? image() : floatValue(rank: 1...4) else { return }
    let dims = type(x).shape
    guard dims.allSatisfy({ least($0) > 0 }) else { return }
    let mode = random.pick([Resize.Mode.nearest, .nearest, .linear, .cubic])
    let coordinates = random.pick([
      Resize.Coordinates.halfPixel, .halfPixelSymmetric, .pytorchHalfPixel, .alignCorners, .asymmetric,
    ])
    let first = dims.count > 2 ? 2 : 0
    var sizes = dims
    var scales = dims.map { _ in 1.0 }
    let hasScales = random.chance(40)
    for axis in first..<dims.count where random.chance(70) {
      if hasScales || dims[axis].constant == nil {
        let factor = random.within(1...3)
        scales[axis] = Double(factor)
        sizes[axis] = dims[axis] * Dim(factor)
      } else {
        sizes[axis] = Dim(random.within(1...8))
      }
    }
    append(
      .resize(
        Resize(
          mode: mode, coordinates: coordinates,
          nearest: random.pick([.roundPreferFloor, .roundPreferCeil, .floor, .ceil]),
          cubicCoefficient: mode == .cubic && random.chance(50) ? -0.5 : -0.75,
          excludesOutside: mode == .cubic && random.chance(30), sizes: sizes, scales: hasScales ? scales : nil)), [x])
  }

  private mutating func recurrent() {
    guard
      let x = random.chance(50)
        ? value(where: { Self.floats.contains($0.elementType) && $0.rank == 3 })
        : input(floatType(), [size(), Dim(random.within(1...3)), Dim(random.within(1...4))])
    else { return }
    let type = type(x)
    let (t, b, i) = (type.shape[0], type.shape[1], type.shape[2])
    let cell = random.pick([Recurrent.Cell.rnn, .gru, .lstm])
    let direction = random.pick([Recurrent.Direction.forward, .reverse, .bidirectional])
    let d = Dim(direction == .bidirectional ? 2 : 1)
    let h = random.within(1...4)
    let gates = Dim(cell.gates * h)
    func optional(_ percent: Int, _ dims: [Dim], _ element: ElementType? = nil, _ content: FuzzContent = .any)
      -> ValueID?
    {
      random.chance(percent) ? operand(TensorType(element ?? type.elementType, dims), content) : nil
    }
    let isShare = !isPortable && random.chance(15)
    let isQuantized = !isPortable && cell == .lstm && type.elementType == .f32 && random.chance(40)
    let w = isShare ? nil : operand(TensorType(type.elementType, [d, gates, i]))
    let share = isShare ? operand(TensorType(type.elementType, [t, b, d * gates])) : x
    let stateShape = TensorType(isQuantized ? .i8 : type.elementType, [d, gates, Dim(h)])
    guard isShare || w != nil, let r = random.chance(isQuantized ? 80 : 20) ? constant(stateShape) : operand(stateShape)
    else { return }
    let scales = isQuantized ? operand(TensorType(.f32, [d, gates]), .positive) : nil
    let bias = optional(60, [d, gates * 2])
    let lengths = least(t) > 0 ? optional(25, [b], .i32, .range(1...least(t))) : nil
    let hidden = optional(40, [d, b, Dim(h)])
    let memory = cell == .lstm ? optional(40, [d, b, Dim(h)]) : nil
    let peepholes = cell == .lstm ? optional(25, [d, Dim(3 * h)]) : nil
    append(
      .recurrent(
        Recurrent(
          cell: cell, direction: direction, hiddenSize: h, clip: random.chance(20) ? 2 : nil,
          linearBeforeReset: cell == .gru && random.chance(40), inputForget: cell == .lstm && random.chance(20))),
      [share, w, r, bias, lengths, hidden, memory, peepholes] + (isQuantized ? [scales] : []))
  }

  private mutating func linearAttention() {
    let rule = random.pick(LinearAttention.Rule.allCases)
    let keyHeads = random.within(1...2)
    let queryHeads = keyHeads * random.within(1...2)
    let (d, e) = (random.within(1...3), random.within(1...3))
    let (b, t) = (Dim(random.within(1...2)), size())
    let element = floatType()
    func optional(_ dims: [Dim]) -> ValueID? { operand(TensorType(element, dims)) }
    guard let q = optional([b, t, Dim(queryHeads * d)]), let k = optional([b, t, Dim(keyHeads * d)]),
      let v = optional([b, t, Dim(keyHeads * e)])
    else { return }
    let state = random.chance(40) ? optional([b, Dim(keyHeads), Dim(d), Dim(e)]) : nil
    let decay = rule.hasDecay ? optional([b, t, Dim(random.chance(50) ? keyHeads : keyHeads * d)]) : nil
    let beta = rule.hasBeta ? optional([b, t, random.chance(50) ? 1 : Dim(keyHeads)]) : nil
    append(
      .linearAttention(LinearAttention(rule, queryHeads: queryHeads, keyHeads: keyHeads, scale: 0.5)),
      [q, k, v, state, decay, beta])
  }

  /// Random numbers of the graph's own.
  private mutating func numbers() {
    append(
      .random(
        Random(
          random.chance(50) ? .uniform : .normal, type: TensorType(floatType(), shape()),
          seed: UInt32(random.below(1000)), offset: random.chance(50) ? 0 : -1, scale: random.chance(50) ? 1 : 2)), [])
  }

  private mutating func quantize() {
    guard let x = floatValue(rank: 0...4) else { return }
    let dims = type(x).shape
    let to = random.pick([ElementType.i8, .u8, .i8, .u8, .i16, .u16, .u4, .i4, .f8e4m3fn, .f8e5m2])
    let axis = dims.isEmpty ? 0 : random.below(dims.count)
    let shape: [Dim] = dims.isEmpty || random.chance(50) ? [] : [dims[axis]]
    let type = type(x).elementType
    guard let scale = operand(TensorType(type, shape), .positive) else { return }
    let hasZero = random.chance(60)
    let zero = hasZero ? operand(TensorType(to, shape), to.isFloat ? .range(0...0) : .range(0...3)) : nil
    let tail: [ValueID?] = hasZero ? [scale, zero] : [scale]
    guard to.isFloat || tensors(x).allSatisfy({ $0.doubles.allSatisfy(\.isFinite) }) else { return }
    guard let q = append(.quantizeLinear(QuantizeLinear(axis: axis, to: to)), [x] + tail, keepsNaN: true)?.first else {
      return
    }
    if random.chance(80) { append(.dequantizeLinear(DequantizeLinear(axis: axis)), [q] + tail) }
  }
}
