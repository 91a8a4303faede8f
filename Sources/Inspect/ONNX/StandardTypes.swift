import SwageTensor

/// Element types that operators of ONNX take at opset 21; core operations take more.
enum StandardTypes {
  private static let floats: Set<ElementType> = [.f32, .f64, .f16]
  private static let signed: Set<ElementType> = [.i8, .i16, .i32, .i64]
  private static let unsigned: Set<ElementType> = [.u8, .u16, .u32, .u64]
  private static let wideIntegers: Set<ElementType> = [.i32, .i64, .u32, .u64]
  private static let small: Set<ElementType> = [.i4, .u4, .f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz]
  private static let bfloats = floats.union([.bf16])
  private static let integers = signed.union(unsigned)
  private static let numbers = bfloats.union(integers)
  private static let plain = numbers.union([.bool])
  private static let quantized = small.union([.i8, .i16, .u8, .u16])

  /// Whether `op` takes this type as operand `index`.
  static func takes(_ op: String, _ index: Int, _ type: ElementType) -> Bool {
    switch (op, index) {
    case ("GatherND", 1), ("ScatterND", 1): type == .i64
    case ("Pow", 0): bfloats.union([.i32, .i64]).contains(type)
    case ("QuantizeLinear", 0), ("QuantizeLinear", 1), ("DequantizeLinear", 1): [.f32, .f16, .bf16].contains(type)
    case ("QuantizeLinear", _): quantized.contains(type)
    case ("DequantizeLinear", _): quantized.contains(type) || type == .i32
    case (_, 0): first(op).contains(type)
    default: true
    }
  }

  /// Whether `op` gives results of this type; where they have the operands' type, those decide.
  static func gives(_ op: String, _ type: ElementType) -> Bool {
    switch op {
    case "Cast": plain.union(small).contains(type)
    case "QuantizeLinear": quantized.contains(type)
    default: true
    }
  }

  private static func first(_ op: String) -> Set<ElementType> {
    switch op {
    case "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "Conv", "ConvTranspose", "Cos", "Cosh",
      "Elu",
      "GRU", "HardSigmoid", "HardSwish", "LSTM", "LpPool", "Mish", "RNN", "Round", "Selu", "Sin", "Sinh", "Softplus",
      "Softsign", "Tan", "ThresholdedRelu":
      floats
    case "Ceil", "Erf", "Exp", "Floor", "Gelu", "GroupNormalization", "LayerNormalization", "LeakyRelu", "Log",
      "LogSoftmax", "Reciprocal", "Sigmoid", "Softmax", "Sqrt", "Tanh":
      bfloats
    case "Celu": [.f32]
    case "MaxPool": floats.union([.i8, .u8])
    case "Shrink", "TopK": floats.union(integers)
    case "CumSum", "Gemm", "MatMul", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean",
      "ReduceProd",
      "ReduceSum", "ReduceSumSquare":
      bfloats.union(wideIntegers)
    case "ReduceMax", "ReduceMin": bfloats.union(wideIntegers).union([.i8, .u8, .bool])
    case "Neg", "Relu": bfloats.union(signed)
    case "Abs", "Add", "ArgMax", "ArgMin", "Clip", "Div", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max",
      "Min",
      "Mod", "Mul", "Sign", "Sub":
      numbers
    case "And", "Not", "Or", "Xor": [.bool]
    case "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor": integers
    case "BitShift": unsigned
    case "Range": [.f32, .f64, .i16, .i32, .i64]
    case "Cast", "Pad", "Reshape", "Transpose": plain.union(small)
    case "IsInf", "IsNaN": bfloats.union([.f8e4m3fn, .f8e4m3fnuz, .f8e5m2, .f8e5m2fnuz])
    default: plain
    }
  }
}
