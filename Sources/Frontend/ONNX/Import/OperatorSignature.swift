import SwageTensor

/// How many inputs and outputs an operator has, and which inputs are indices or conditions.
///
/// From the operator schemas of ONNX 1.23, for opsets from 7 on (earlier nodes are modernised first): the loosest of all
/// versions of an operator. A limit of nil is none.
struct OperatorSignature: Sendable {
  let minimumInputs: Int
  let maximumInputs: Int?
  let maximumOutputs: Int?
  /// Inputs that are i32 or i64 in every version.
  let integers: [Int]
  /// Inputs that are bool in every version.
  let booleans: [Int]

  init(
    _ minimumInputs: Int, _ maximumInputs: Int?, outputs: Int?, integers: [Int] = [], booleans: [Int] = []
  ) {
    self.minimumInputs = minimumInputs
    self.maximumInputs = maximumInputs
    maximumOutputs = outputs
    self.integers = integers
    self.booleans = booleans
  }

  private static func of(_ node: ONNXNode) -> OperatorSignature? {
    switch node.domain {
    case "": table[node.opType]
    case "ai.onnx.ml": machineLearning[node.opType]
    default: nil
    }
  }

  /// Checks a node of the default domain or `ai.onnx.ml` against its operator's signature.
  static func check(_ call: Call) throws {
    let node = call.node
    guard let signature = of(node) else { return }
    let given = call.inputs.count
    if given < signature.minimumInputs || given > signature.maximumInputs ?? .max {
      let most = signature.maximumInputs.map { $0 == signature.minimumInputs ? "" : " to \($0)" } ?? " or more"
      throw NodeFault.invalid("it takes \(signature.minimumInputs)\(most) inputs, not \(given)")
    }
    if let most = signature.maximumOutputs, node.outputs.count > most {
      throw NodeFault.invalid("it gives at most \(most) outputs, not \(node.outputs.count)")
    }
    for (indices, allowed, what) in [
      (signature.integers, [ElementType.i32, .i64], "i32 or i64"), (signature.booleans, [.bool], "bool"),
    ] {
      for index in indices {
        guard let type = call.optional(index)?.type.elementType, !allowed.contains(type) else { continue }
        throw NodeFault.invalid("its input \(index) must be \(what), not \(type.name)")
      }
    }
    for attribute in node.attributes {
      guard node.opType == "If", case .graph(let branch) = attribute.value,
        branch.outputs.count != node.outputs.count
      else { continue }
      throw NodeFault.invalid(
        "\(attribute.name) gives \(branch.outputs.count) outputs, the node \(node.outputs.count)")
    }
  }

  private static let table: [String: OperatorSignature] = [
    "Abs": .init(1, 1, outputs: 1),
    "Acos": .init(1, 1, outputs: 1),
    "Acosh": .init(1, 1, outputs: 1),
    "Add": .init(2, 2, outputs: 1),
    "AffineGrid": .init(2, 2, outputs: 1, integers: [1]),
    "And": .init(2, 2, outputs: 1, booleans: [0, 1]),
    "ArgMax": .init(1, 1, outputs: 1),
    "ArgMin": .init(1, 1, outputs: 1),
    "Asin": .init(1, 1, outputs: 1),
    "Asinh": .init(1, 1, outputs: 1),
    "Atan": .init(1, 1, outputs: 1),
    "Atanh": .init(1, 1, outputs: 1),
    "Attention": .init(3, 7, outputs: 4, integers: [6]),
    "AveragePool": .init(1, 1, outputs: 1),
    "BatchNormalization": .init(5, 5, outputs: 5),
    "Bernoulli": .init(1, 1, outputs: 1),
    "BitCast": .init(1, 1, outputs: 1),
    "BitShift": .init(2, 2, outputs: 1),
    "BitwiseAnd": .init(2, 2, outputs: 1),
    "BitwiseNot": .init(1, 1, outputs: 1),
    "BitwiseOr": .init(2, 2, outputs: 1),
    "BitwiseXor": .init(2, 2, outputs: 1),
    "BlackmanWindow": .init(1, 1, outputs: 1, integers: [0]),
    "Cast": .init(1, 1, outputs: 1),
    "CastLike": .init(2, 2, outputs: 1),
    "CausalConvWithState": .init(2, 4, outputs: 2),
    "Ceil": .init(1, 1, outputs: 1),
    "Celu": .init(1, 1, outputs: 1),
    "CenterCropPad": .init(2, 2, outputs: 1, integers: [1]),
    "Clip": .init(1, 3, outputs: 1),
    "Col2Im": .init(3, 3, outputs: 1, integers: [1, 2]),
    "Compress": .init(2, 2, outputs: 1, booleans: [1]),
    "Concat": .init(1, nil, outputs: 1),
    "ConcatFromSequence": .init(1, 1, outputs: 1),
    "Constant": .init(0, 0, outputs: 1),
    "ConstantOfShape": .init(1, 1, outputs: 1, integers: [0]),
    "Conv": .init(2, 3, outputs: 1),
    "ConvInteger": .init(2, 4, outputs: 1),
    "ConvTranspose": .init(2, 3, outputs: 1),
    "Cos": .init(1, 1, outputs: 1),
    "Cosh": .init(1, 1, outputs: 1),
    "CumProd": .init(2, 2, outputs: 1, integers: [1]),
    "CumSum": .init(2, 2, outputs: 1, integers: [1]),
    "DFT": .init(1, 3, outputs: 1, integers: [1, 2]),
    "DeformConv": .init(3, 5, outputs: 1),
    "DepthToSpace": .init(1, 1, outputs: 1),
    "DequantizeLinear": .init(2, 3, outputs: 1),
    "Det": .init(1, 1, outputs: 1),
    "Div": .init(2, 2, outputs: 1),
    "Dropout": .init(1, 3, outputs: 2, booleans: [2]),
    "DynamicQuantizeLinear": .init(1, 1, outputs: 3),
    "Einsum": .init(1, nil, outputs: 1),
    "Elu": .init(1, 1, outputs: 1),
    "Equal": .init(2, 2, outputs: 1),
    "Erf": .init(1, 1, outputs: 1),
    "Exp": .init(1, 1, outputs: 1),
    "Expand": .init(2, 2, outputs: 1, integers: [1]),
    "EyeLike": .init(1, 1, outputs: 1),
    "Flatten": .init(1, 1, outputs: 1),
    "Floor": .init(1, 1, outputs: 1),
    "GRU": .init(3, 6, outputs: 2, integers: [4]),
    "Gather": .init(2, 2, outputs: 1, integers: [1]),
    "GatherElements": .init(2, 2, outputs: 1, integers: [1]),
    "GatherND": .init(2, 2, outputs: 1, integers: [1]),
    "Gelu": .init(1, 1, outputs: 1),
    "Gemm": .init(2, 3, outputs: 1),
    "GlobalAveragePool": .init(1, 1, outputs: 1),
    "GlobalLpPool": .init(1, 1, outputs: 1),
    "GlobalMaxPool": .init(1, 1, outputs: 1),
    "Greater": .init(2, 2, outputs: 1),
    "GreaterOrEqual": .init(2, 2, outputs: 1),
    "GridSample": .init(2, 2, outputs: 1),
    "GroupNormalization": .init(3, 3, outputs: 1),
    "HammingWindow": .init(1, 1, outputs: 1, integers: [0]),
    "HannWindow": .init(1, 1, outputs: 1, integers: [0]),
    "HardSigmoid": .init(1, 1, outputs: 1),
    "HardSwish": .init(1, 1, outputs: 1),
    "Hardmax": .init(1, 1, outputs: 1),
    "Identity": .init(1, 1, outputs: 1),
    "If": .init(1, 1, outputs: nil, booleans: [0]),
    "ImageDecoder": .init(1, 1, outputs: 1),
    "InstanceNormalization": .init(3, 3, outputs: 1),
    "IsInf": .init(1, 1, outputs: 1),
    "IsNaN": .init(1, 1, outputs: 1),
    "LRN": .init(1, 1, outputs: 1),
    "LSTM": .init(3, 8, outputs: 3, integers: [4]),
    "LayerNormalization": .init(2, 3, outputs: 3),
    "LeakyRelu": .init(1, 1, outputs: 1),
    "Less": .init(2, 2, outputs: 1),
    "LessOrEqual": .init(2, 2, outputs: 1),
    "LinearAttention": .init(3, 6, outputs: 2),
    "Log": .init(1, 1, outputs: 1),
    "LogSoftmax": .init(1, 1, outputs: 1),
    "Loop": .init(2, nil, outputs: nil, integers: [0], booleans: [1]),
    "LpNormalization": .init(1, 1, outputs: 1),
    "LpPool": .init(1, 1, outputs: 1),
    "MatMul": .init(2, 2, outputs: 1),
    "MatMulInteger": .init(2, 4, outputs: 1),
    "Max": .init(1, nil, outputs: 1),
    "MaxPool": .init(1, 1, outputs: 2),
    "MaxRoiPool": .init(2, 2, outputs: 1),
    "MaxUnpool": .init(2, 3, outputs: 1, integers: [1, 2]),
    "Mean": .init(1, nil, outputs: 1),
    "MeanVarianceNormalization": .init(1, 1, outputs: 1),
    "MelWeightMatrix": .init(5, 5, outputs: 1, integers: [0, 1, 2]),
    "Min": .init(1, nil, outputs: 1),
    "Mish": .init(1, 1, outputs: 1),
    "Mod": .init(2, 2, outputs: 1),
    "Mul": .init(2, 2, outputs: 1),
    "Multinomial": .init(1, 1, outputs: 1),
    "Neg": .init(1, 1, outputs: 1),
    "NegativeLogLikelihoodLoss": .init(2, 3, outputs: 1, integers: [1]),
    "NonMaxSuppression": .init(2, 5, outputs: 1, integers: [2]),
    "NonZero": .init(1, 1, outputs: 1),
    "Not": .init(1, 1, outputs: 1, booleans: [0]),
    "OneHot": .init(3, 3, outputs: 1),
    "Optional": .init(0, 1, outputs: 1),
    "OptionalGetElement": .init(1, 1, outputs: 1),
    "OptionalHasElement": .init(0, 1, outputs: 1),
    "Or": .init(2, 2, outputs: 1, booleans: [0, 1]),
    "PRelu": .init(2, 2, outputs: 1),
    "Pad": .init(1, 4, outputs: 1, integers: [1, 3]),
    "Pow": .init(2, 2, outputs: 1),
    "QLinearConv": .init(8, 9, outputs: 1, integers: [8]),
    "QLinearMatMul": .init(8, 8, outputs: 1),
    "QuantizeLinear": .init(2, 3, outputs: 1),
    "RMSNormalization": .init(2, 2, outputs: 1),
    "RNN": .init(3, 6, outputs: 2, integers: [4]),
    "RandomNormal": .init(0, 0, outputs: 1),
    "RandomNormalLike": .init(1, 1, outputs: 1),
    "RandomUniform": .init(0, 0, outputs: 1),
    "RandomUniformLike": .init(1, 1, outputs: 1),
    "Range": .init(3, 3, outputs: 1),
    "Reciprocal": .init(1, 1, outputs: 1),
    "ReduceL1": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceL2": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceLogSum": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceLogSumExp": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceMax": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceMean": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceMin": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceProd": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceSum": .init(1, 2, outputs: 1, integers: [1]),
    "ReduceSumSquare": .init(1, 2, outputs: 1, integers: [1]),
    "RegexFullMatch": .init(1, 1, outputs: 1),
    "Relu": .init(1, 1, outputs: 1),
    "Reshape": .init(2, 2, outputs: 1, integers: [1]),
    "Resize": .init(1, 4, outputs: 1, integers: [3]),
    "ReverseSequence": .init(2, 2, outputs: 1, integers: [1]),
    "RoiAlign": .init(3, 3, outputs: 1, integers: [2]),
    "RotaryEmbedding": .init(3, 4, outputs: 1, integers: [3]),
    "Round": .init(1, 1, outputs: 1),
    "STFT": .init(2, 4, outputs: 1, integers: [1, 3]),
    "Scan": .init(1, nil, outputs: nil),
    "Scatter": .init(3, 3, outputs: 1, integers: [1]),
    "ScatterElements": .init(3, 3, outputs: 1, integers: [1]),
    "ScatterND": .init(3, 3, outputs: 1, integers: [1]),
    "Selu": .init(1, 1, outputs: 1),
    "SequenceAt": .init(2, 2, outputs: 1, integers: [1]),
    "SequenceConstruct": .init(1, nil, outputs: 1),
    "SequenceEmpty": .init(0, 0, outputs: 1),
    "SequenceErase": .init(1, 2, outputs: 1, integers: [1]),
    "SequenceInsert": .init(2, 3, outputs: 1, integers: [2]),
    "SequenceLength": .init(1, 1, outputs: 1),
    "SequenceMap": .init(1, nil, outputs: nil),
    "Shape": .init(1, 1, outputs: 1),
    "Shrink": .init(1, 1, outputs: 1),
    "Sigmoid": .init(1, 1, outputs: 1),
    "Sign": .init(1, 1, outputs: 1),
    "Sin": .init(1, 1, outputs: 1),
    "Sinh": .init(1, 1, outputs: 1),
    "Size": .init(1, 1, outputs: 1),
    "Slice": .init(1, 5, outputs: 1, integers: [1, 2, 3, 4]),
    "Softmax": .init(1, 1, outputs: 1),
    "SoftmaxCrossEntropyLoss": .init(2, 3, outputs: 2, integers: [1]),
    "Softplus": .init(1, 1, outputs: 1),
    "Softsign": .init(1, 1, outputs: 1),
    "SpaceToDepth": .init(1, 1, outputs: 1),
    "Split": .init(1, 2, outputs: nil, integers: [1]),
    "SplitToSequence": .init(1, 2, outputs: 1, integers: [1]),
    "Sqrt": .init(1, 1, outputs: 1),
    "Squeeze": .init(1, 2, outputs: 1, integers: [1]),
    "StringConcat": .init(2, 2, outputs: 1),
    "StringNormalizer": .init(1, 1, outputs: 1),
    "StringSplit": .init(1, 1, outputs: 2),
    "Sub": .init(2, 2, outputs: 1),
    "Sum": .init(1, nil, outputs: 1),
    "SwiGLU": .init(2, 2, outputs: 1),
    "Swish": .init(1, 1, outputs: 1),
    "Tan": .init(1, 1, outputs: 1),
    "Tanh": .init(1, 1, outputs: 1),
    "TensorScatter": .init(2, 3, outputs: 1, integers: [2]),
    "TfIdfVectorizer": .init(1, 1, outputs: 1),
    "ThresholdedRelu": .init(1, 1, outputs: 1),
    "Tile": .init(2, 2, outputs: 1, integers: [1]),
    "TopK": .init(1, 2, outputs: 2, integers: [1]),
    "Transpose": .init(1, 1, outputs: 1),
    "Trilu": .init(1, 2, outputs: 1, integers: [1]),
    "Unique": .init(1, 1, outputs: 4),
    "Unsqueeze": .init(1, 2, outputs: 1, integers: [1]),
    "Upsample": .init(1, 2, outputs: 1),
    "Where": .init(3, 3, outputs: 1, booleans: [0]),
    "Xor": .init(2, 2, outputs: 1, booleans: [0, 1]),
  ]
  /// Of `ai.onnx.ml`.
  private static let machineLearning: [String: OperatorSignature] = [
    "ArrayFeatureExtractor": .init(2, 2, outputs: 1, integers: [1]),
    "Binarizer": .init(1, 1, outputs: 1),
    "CategoryMapper": .init(1, 1, outputs: 1),
    "FeatureVectorizer": .init(1, nil, outputs: 1),
    "Imputer": .init(1, 1, outputs: 1),
    "LabelEncoder": .init(1, 1, outputs: 1),
    "LinearClassifier": .init(1, 1, outputs: 2),
    "LinearRegressor": .init(1, 1, outputs: 1),
    "Normalizer": .init(1, 1, outputs: 1),
    "OneHotEncoder": .init(1, 1, outputs: 1),
    "SVMClassifier": .init(1, 1, outputs: 2),
    "SVMRegressor": .init(1, 1, outputs: 1),
    "Scaler": .init(1, 1, outputs: 1),
    "TreeEnsemble": .init(1, 1, outputs: 1),
    "TreeEnsembleClassifier": .init(1, 1, outputs: 2),
    "TreeEnsembleRegressor": .init(1, 1, outputs: 1),
  ]
}
