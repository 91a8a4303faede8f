import SwageGraph
import SwageTensor

/// The value of an ONNX attribute.
enum ExportedAttribute {
  case int(Int)
  case float(Double)
  case string(String)
  case ints([Int])
  case floats([Double])
  case strings([String])
}

/// A node as one operator of ONNX.
struct StandardForm {
  enum Operand {
    /// An operand of the node, by index.
    case operand(Int)
    /// A constant that ONNX takes as an input where the core operation has an attribute.
    case tensor(Tensor)
    case absent
  }

  var op: String
  /// The first opset that has the operator, where that is above `ONNXWriter.opset`.
  var opset: Int64 { op == "BitCast" || op == "CumProd" ? 26 : ONNXWriter.opset }
  var operands: [Operand]
  var attributes: [(name: String, value: ExportedAttribute)] = []

  private init(_ op: String, _ operands: [Operand], _ attributes: [(name: String, value: ExportedAttribute)] = []) {
    self.op = op
    self.operands = operands
    self.attributes = attributes
  }

  private static func all(_ node: Node) -> [Operand] {
    node.operands.enumerated().map { $0.element == nil ? .absent : .operand($0.offset) }
  }

  private static func sizes(_ values: [Int]) -> Operand {
    .tensor(Tensor(.i64, [values.count], integers: values.map { Int64($0) }))
  }

  private static func constants(_ values: [Dim]) -> [Int]? {
    let sizes = values.compactMap(\.constant)
    return sizes.count == values.count ? sizes : nil
  }

  /// nil where no single operator means the same for every size that the symbols can have, or takes these types.
  init?(_ node: Node, in graph: Graph) {
    let types = node.operands.map { $0.map { graph.type(of: $0) } }
    guard let form = Self.form(node, types, graph) else { return nil }
    for (position, operand) in form.operands.enumerated() {
      guard case .operand(let index) = operand, let type = types[index] else { continue }
      guard StandardTypes.takes(form.op, position, type.elementType) else { return nil }
    }
    if let result = node.results.first, !StandardTypes.gives(form.op, graph.type(of: result).elementType) { return nil }
    self = form
  }

  private static func form(_ node: Node, _ types: [TensorType?], _ graph: Graph) -> StandardForm? {
    let all = all(node)
    switch node.op {
    case .unary(let op): return types[0].flatMap { unary(op, $0.elementType) }
    case .binary(let op): return types[0].flatMap { binary(op.function, $0.elementType) }
    case .select: return StandardForm("Where", all)
    case .cast(let op):
      // The core operation saturates only where the type has no infinities.
      return StandardForm(
        "Cast", all, [("to", .int(Int(op.to.rawValue)))] + (op.to == .f8e5m2 ? [("saturate", .int(0))] : []))
    case .bitcast(let op): return StandardForm("BitCast", all, [("to", .int(Int(op.to.rawValue)))])
    case .reshape(let op): return types[0].flatMap { reshape(op, $0, graph) }
    case .transpose(let op): return StandardForm("Transpose", all, [("perm", .ints(op.permutation))])
    case .broadcast(let op): return types[0].flatMap { expand(op, $0) }
    case .slice(let op): return types[0].flatMap { slice(op, $0) }
    case .concat(let op): return StandardForm("Concat", all, [("axis", .int(op.axis))])
    case .pad(let op):
      guard let begins = constants(op.begins), let ends = constants(op.ends) else { return nil }
      return StandardForm(
        "Pad", [.operand(0), sizes(begins + ends)] + all.dropFirst(), [("mode", .string(op.mode.rawValue))])
    case .iota(let op): return range(op, node, graph)
    case .gather(let op): return StandardForm("Gather", all, [("axis", .int(op.axis))])
    case .gatherElements(let op): return StandardForm("GatherElements", all, [("axis", .int(op.axis))])
    case .gatherND(let op): return StandardForm("GatherND", all, [("batch_dims", .int(op.batchRank))])
    case .scatterElements(let op):
      return StandardForm(
        "ScatterElements", all, [("axis", .int(op.axis)), ("reduction", .string(op.reduction.rawValue))])
    case .scatterND(let op): return StandardForm("ScatterND", all, [("reduction", .string(op.reduction.rawValue))])
    case .nonZero: return StandardForm("NonZero", all)
    case .nonMaxSuppression(let op):
      return StandardForm("NonMaxSuppression", all, [("center_point_box", .int(op.isCentered ? 1 : 0))])
    case .reduce(let op): return reduce(op)
    case .argReduce(let op):
      return StandardForm(
        op.isMax ? "ArgMax" : "ArgMin", all,
        [
          ("axis", .int(op.axis)), ("keepdims", .int(op.keepsAxis ? 1 : 0)),
          ("select_last_index", .int(op.selectsLast ? 1 : 0)),
        ])
    case .cumulative(let op):
      return StandardForm(
        op.function == .sum ? "CumSum" : "CumProd",
        [.operand(0), .tensor(Tensor(.i64, [], integers: [Int64(op.axis)]))],
        [("exclusive", .int(op.isExclusive ? 1 : 0)), ("reverse", .int(op.isReverse ? 1 : 0))])
    case .topK(let op):
      guard let count = op.count.constant else { return nil }
      return StandardForm(
        "TopK", [.operand(0), sizes([count])], [("axis", .int(op.axis)), ("largest", .int(op.isLargest ? 1 : 0))])
    case .softmax(let op): return StandardForm(op.isLog ? "LogSoftmax" : "Softmax", all, [("axis", .int(op.axis))])
    case .layerNorm(let op):
      guard !op.isRMS, types.count > 1, types[1] != nil else { return nil }
      return StandardForm(
        "LayerNormalization", all, [("axis", .int(op.axis)), ("epsilon", .float(op.epsilon))])
    case .groupNorm(let op):
      guard op.activation == nil, op.layout == .channelsFirst, types.count == 3, !types.contains(nil) else {
        return nil
      }
      return StandardForm(
        "GroupNormalization", all, [("num_groups", .int(op.groups)), ("epsilon", .float(op.epsilon))])
    case .matmul(let op): return product(op, types)
    case .convolution(let op): return convolution(op, node, graph)
    case .pool(let op): return pool(op)
    case .resize(let op): return resize(op)
    case .recurrent(let op): return recurrent(op, all)
    case .quantizeLinear(let op):
      let hasZero = types.count > 2 && types[2] != nil
      return StandardForm(
        "QuantizeLinear", all,
        [("axis", .int(op.axis))] + (op.blockSize > 0 ? [("block_size", .int(op.blockSize))] : [])
          + (hasZero ? [] : [("output_dtype", .int(Int(op.to.rawValue)))]))
    case .dequantizeLinear(let op):
      return StandardForm(
        "DequantizeLinear", all,
        [("axis", .int(op.axis))] + (op.blockSize > 0 ? [("block_size", .int(op.blockSize))] : []))
    case .determinant: return StandardForm("Det", all)
    case .constant, .sliceOrder, .fused, .sizes, .bindSymbols, .attention, .linearAttention, .treeEnsemble,
      .pairwiseCoupling,
      .random, .if, .loop, .copy, .fail, .object, .text, .ngramCount:
      return nil
    }
  }

  // MARK: - Elementwise

  private static func unary(_ op: Unary, _ type: ElementType) -> StandardForm? {
    func plain(_ name: String, _ attributes: [(name: String, value: ExportedAttribute)] = []) -> StandardForm {
      StandardForm(name, [.operand(0)], attributes)
    }
    let (alpha, beta) = (ExportedAttribute.float(op.alpha), ExportedAttribute.float(op.beta))
    switch op.function {
    case .abs: return plain("Abs")
    case .neg: return plain("Neg")
    case .exp: return plain("Exp")
    case .log: return plain("Log")
    case .sqrt: return plain("Sqrt")
    case .reciprocal: return plain("Reciprocal")
    case .square: return StandardForm("Mul", [.operand(0), .operand(0)])
    case .sin: return plain("Sin")
    case .cos: return plain("Cos")
    case .tan: return plain("Tan")
    case .asin: return plain("Asin")
    case .acos: return plain("Acos")
    case .atan: return plain("Atan")
    case .sinh: return plain("Sinh")
    case .cosh: return plain("Cosh")
    case .tanh: return plain("Tanh")
    case .asinh: return plain("Asinh")
    case .acosh: return plain("Acosh")
    case .atanh: return plain("Atanh")
    case .erf: return plain("Erf")
    case .sigmoid: return plain("Sigmoid")
    case .relu: return plain("Relu")
    case .softplus: return plain("Softplus")
    case .softsign: return plain("Softsign")
    case .mish: return plain("Mish")
    case .ceil: return plain("Ceil")
    case .floor: return plain("Floor")
    case .round: return plain("Round")
    case .sign: return plain("Sign")
    case .not: return plain("Not")
    case .bitNot: return plain("BitwiseNot")
    case .isNaN: return plain("IsNaN")
    case .isInf:
      return plain(
        "IsInf", [("detect_positive", .int(op.alpha != 0 ? 1 : 0)), ("detect_negative", .int(op.beta != 0 ? 1 : 0))])
    case .gelu: return plain("Gelu")
    case .geluTanh: return plain("Gelu", [("approximate", .string("tanh"))])
    case .hardSwish: return plain("HardSwish")
    case .hardSigmoid: return plain("HardSigmoid", [("alpha", alpha), ("beta", beta)])
    case .clip:
      func bound(_ value: Double) -> Operand {
        value.isInfinite ? .absent : .tensor(Tensor(type, [], doubles: [value]))
      }
      return StandardForm("Clip", [.operand(0), bound(op.alpha), bound(op.beta)])
    case .leakyRelu: return plain("LeakyRelu", [("alpha", alpha)])
    case .elu: return plain("Elu", [("alpha", alpha)])
    case .selu: return plain("Selu", [("alpha", alpha), ("gamma", beta)])
    case .celu: return plain("Celu", [("alpha", alpha)])
    case .thresholdedRelu: return plain("ThresholdedRelu", [("alpha", alpha)])
    case .shrink: return plain("Shrink", [("lambd", alpha), ("bias", beta)])
    // Integers wrap around in products and sums, and saturate here.
    case .linear where !type.isFloat: return nil
    case .linear where op.beta == 0:
      return StandardForm("Mul", [.operand(0), .tensor(Tensor(type, [], doubles: [op.alpha]))])
    case .linear where op.alpha == 1:
      return StandardForm("Add", [.operand(0), .tensor(Tensor(type, [], doubles: [op.beta]))])
    case .rsqrt, .silu, .linear: return nil
    }
  }

  private static func binary(_ function: Binary.Function, _ type: ElementType) -> StandardForm? {
    func plain(_ name: String, _ attributes: [(name: String, value: ExportedAttribute)] = []) -> StandardForm {
      StandardForm(name, [.operand(0), .operand(1)], attributes)
    }
    switch function {
    case .add: return plain("Add")
    case .sub: return plain("Sub")
    case .mul: return plain("Mul")
    case .div: return plain("Div")
    case .pow: return plain("Pow")
    case .min: return plain("Min")
    case .max: return plain("Max")
    case .mod: return type.isInteger ? plain("Mod") : nil
    case .fmod: return plain("Mod", [("fmod", .int(1))])
    case .and: return plain("And")
    case .or: return plain("Or")
    case .xor: return plain("Xor")
    case .bitAnd: return plain("BitwiseAnd")
    case .bitOr: return plain("BitwiseOr")
    case .bitXor: return plain("BitwiseXor")
    case .shiftLeft: return type.isUnsignedInteger ? plain("BitShift", [("direction", .string("LEFT"))]) : nil
    case .shiftRight: return type.isUnsignedInteger ? plain("BitShift", [("direction", .string("RIGHT"))]) : nil
    case .equal: return plain("Equal")
    case .less: return plain("Less")
    case .lessOrEqual: return plain("LessOrEqual")
    case .greater: return plain("Greater")
    case .greaterOrEqual: return plain("GreaterOrEqual")
    }
  }

  // MARK: - Movement

  private static func reshape(_ op: Reshape, _ type: TensorType, _ graph: Graph) -> StandardForm? {
    var sizes: [Int] = []
    var hasCopy = false
    var hasInferred = false
    for (axis, size) in op.shape.enumerated() {
      if let constant = size.constant {
        sizes.append(constant)
      } else if axis < type.rank, type.shape[axis] == size {
        sizes.append(0)
        hasCopy = true
      } else if !hasInferred {
        sizes.append(-1)
        hasInferred = true
      } else {
        return nil
      }
    }
    // What is left has no meaning beside an axis that a loop or data leave empty.
    let decided = op.shape.filter { $0.constant == nil }.flatMap(\.symbols)
    if hasCopy, hasInferred, !Set(graph.inputSymbols).isSuperset(of: decided) { return nil }
    // A zero means "as the input has it" or an empty axis, never both in one node.
    let isEmpty = op.shape.contains { $0 == 0 }
    if isEmpty && (hasCopy || hasInferred) { return nil }
    return StandardForm("Reshape", [.operand(0), Self.sizes(sizes)], isEmpty ? [("allowzero", .int(1))] : [])
  }

  private static func expand(_ op: Broadcast, _ type: TensorType) -> StandardForm? {
    let missing = op.shape.count - type.rank
    var sizes: [Int] = []
    for (axis, size) in op.shape.enumerated() {
      if let constant = size.constant {
        sizes.append(constant)
      } else if axis >= missing, type.shape[axis - missing] == size {
        sizes.append(1)
      } else {
        return nil
      }
    }
    return StandardForm("Expand", [.operand(0), Self.sizes(sizes)])
  }

  private static func slice(_ op: Slice, _ type: TensorType) -> StandardForm? {
    var (starts, ends, axes, steps): ([Int], [Int], [Int], [Int]) = ([], [], [], [])
    for axis in op.starts.indices {
      if op.starts[axis] == 0, op.steps[axis] == 1, op.sizes[axis] == type.shape[axis] { continue }
      guard let start = op.starts[axis].constant, let size = op.sizes[axis].constant,
        let step = op.steps[axis].constant, step != 0, let reach = Checked.multiply(size, step),
        let end = Checked.add(start, reach)
      else { return nil }
      starts.append(start)
      // Running backwards past the front: ONNX would count a negative end from the back.
      ends.append(end < 0 ? .min : end)
      axes.append(axis)
      steps.append(step)
    }
    return StandardForm("Slice", [.operand(0), sizes(starts), sizes(ends), sizes(axes), sizes(steps)])
  }

  private static func range(_ op: Iota, _ node: Node, _ graph: Graph) -> StandardForm? {
    guard let count = op.count.constant, let start = node.operands[0].flatMap({ graph.constant($0) }),
      let step = node.operands[1].flatMap({ graph.constant($0) }), start.elementType.isInteger,
      let first = start.integers.first, let delta = step.integers.first, delta != 0
    else { return nil }
    let (reach, overflow) = delta.multipliedReportingOverflow(by: Int64(count))
    let (limit, carry) = first.addingReportingOverflow(reach)
    guard !overflow, !carry else { return nil }
    return StandardForm(
      "Range", [.operand(0), .tensor(Tensor(start.elementType, [], integers: [limit])), .operand(1)])
  }

  // MARK: - Sums and products

  private static func reduce(_ op: Reduce) -> StandardForm? {
    guard !op.axes.isEmpty else { return nil }
    let name =
      switch op.function {
      case .sum: "ReduceSum"
      case .mean: "ReduceMean"
      case .prod: "ReduceProd"
      case .min: "ReduceMin"
      case .max: "ReduceMax"
      case .sumSquare: "ReduceSumSquare"
      case .l1: "ReduceL1"
      case .l2: "ReduceL2"
      case .logSum: "ReduceLogSum"
      case .logSumExp: "ReduceLogSumExp"
      }
    return StandardForm(name, [.operand(0), sizes(op.axes)], [("keepdims", .int(op.keepsAxes ? 1 : 0))])
  }

  private static func product(_ op: MatMul, _ types: [TensorType?]) -> StandardForm? {
    guard let a = types[0], let b = types[1] else { return nil }
    var addends: [Operand] = []
    switch op.epilogue.steps.count {
    case 0: break
    case 1:
      guard case .binary(.add, let operand) = op.epilogue.steps[0] else { return nil }
      addends = [.operand(operand)]
    default: return nil
    }
    if addends.isEmpty, !op.transposeA, !op.transposeB {
      return StandardForm(
        b.elementType == .i8 && a.elementType == .u8 ? "MatMulInteger" : "MatMul", [.operand(0), .operand(1)])
    }
    guard a.rank == 2, b.rank == 2, a.elementType.isFloat else { return nil }
    return StandardForm(
      "Gemm", [.operand(0), .operand(1)] + addends,
      [("transA", .int(op.transposeA ? 1 : 0)), ("transB", .int(op.transposeB ? 1 : 0))])
  }

  private static func convolution(_ op: Convolution, _ node: Node, _ graph: Graph) -> StandardForm? {
    guard op.layout == .channelsFirst, let begins = constants(op.padsBegin), let ends = constants(op.padsEnd),
      let weights = node.operands[1], let kernel = constants(Array(graph.type(of: weights).shape.dropFirst(2)))
    else { return nil }
    var operands: [Operand] = [.operand(0), .operand(1)]
    switch op.epilogue.steps.count {
    case 0: break
    case 1:
      // ONNX takes a bias for each channel: [m], where the epilogue broadcasts [m, 1…] over the result.
      guard case .binary(.add, let index) = op.epilogue.steps[0], let value = node.operands[index],
        let bias = graph.constant(value), let result = node.results.first,
        let channels = graph.type(of: result).shape[1].constant, bias.count == channels,
        bias.shape.suffix(kernel.count).allSatisfy({ $0 == 1 }), bias.shape.count > kernel.count
      else { return nil }
      operands.append(.tensor(bias.reshaped([channels])))
    default: return nil
    }
    var attributes: [(name: String, value: ExportedAttribute)] = [
      ("kernel_shape", .ints(kernel)), ("strides", .ints(op.strides)), ("dilations", .ints(op.dilations)),
      ("pads", .ints(begins + ends)), ("group", .int(op.groups)),
    ]
    if op.isTransposed { attributes.append(("output_padding", .ints(op.outputPadding))) }
    if graph.type(of: weights).elementType == .i8 {
      return op.isTransposed ? nil : StandardForm("ConvInteger", operands, attributes)
    }
    return StandardForm(op.isTransposed ? "ConvTranspose" : "Conv", operands, attributes)
  }

  private static func pool(_ op: Pool) -> StandardForm? {
    guard op.layout == .channelsFirst, let begins = constants(op.padsBegin), let ends = constants(op.padsEnd) else {
      return nil
    }
    var attributes: [(name: String, value: ExportedAttribute)] = [
      ("kernel_shape", .ints(op.kernel)), ("strides", .ints(op.strides)), ("dilations", .ints(op.dilations)),
      ("pads", .ints(begins + ends)), ("ceil_mode", .int(op.ceilMode ? 1 : 0)),
    ]
    switch op.function {
    case .max: return StandardForm("MaxPool", [.operand(0)], attributes)
    case .average:
      attributes.append(("count_include_pad", .int(op.countsPadding ? 1 : 0)))
      return StandardForm("AveragePool", [.operand(0)], attributes)
    case .l2: return StandardForm("LpPool", [.operand(0)], attributes + [("p", .int(2))])
    }
  }

  private static func resize(_ op: Resize) -> StandardForm? {
    var operands: [Operand] = [.operand(0), .absent]
    if let scales = op.scales {
      operands.append(.tensor(Tensor(floats: scales.map { Float($0) }, [scales.count])))
    } else if let sizes = constants(op.sizes) {
      operands += [.absent, Self.sizes(sizes)]
    } else {
      return nil
    }
    return StandardForm(
      "Resize", operands,
      [
        ("mode", .string(op.mode.rawValue)), ("coordinate_transformation_mode", .string(op.coordinates.rawValue)),
        ("nearest_mode", .string(op.nearest.rawValue)), ("cubic_coeff_a", .float(op.cubicCoefficient)),
        ("exclude_outside", .int(op.excludesOutside ? 1 : 0)),
      ])
  }

  private static func recurrent(_ op: Recurrent, _ operands: [Operand]) -> StandardForm? {
    let names: [String] = op.activations.compactMap {
      switch $0 {
      case Unary(.tanh): "Tanh"
      case Unary(.sigmoid): "Sigmoid"
      case Unary(.relu): "Relu"
      default: nil
      }
    }
    // ONNX has no layer of shares of gates, nor of quantised weights.
    guard names.count == op.activations.count, operands.count < 9, case .operand = operands[1] else { return nil }
    var attributes: [(name: String, value: ExportedAttribute)] = [
      ("hidden_size", .int(op.hiddenSize)), ("direction", .string(op.direction.rawValue)),
      ("activations", .strings(names)),
    ]
    if let clip = op.clip { attributes.append(("clip", .float(clip))) }
    // The core operation has operands for all cells; each ONNX operator takes those of its own.
    switch op.cell {
    case .rnn: return StandardForm("RNN", Array(operands.prefix(6)), attributes)
    case .gru:
      return StandardForm(
        "GRU", Array(operands.prefix(6)), attributes + [("linear_before_reset", .int(op.linearBeforeReset ? 1 : 0))])
    case .lstm:
      return StandardForm("LSTM", operands, attributes + [("input_forget", .int(op.inputForget ? 1 : 0))])
    }
  }
}
