import SwageGraph
import SwageTensor

/// Operators of the domain `ai.onnx.ml`, as onnxruntime computes them where the standard leaves room.
enum MachineLearningOperators {
  static let tables: [[String: Handler]] = [
    PreprocessingOperators.table, FeatureOperators.table, LinearModelOperators.table, SupportVectorOperators.table,
    TreeOperators.table, EncoderOperators.table, MapOperators.table,
  ]
}

extension Call {
  /// The input as a matrix of rows of features: a vector is one row.
  func rows() throws -> ImportedValue {
    let x = try numbers(try input(0))
    switch x.type.rank {
    case 1: return try reshape(x, [1] + x.type.shape)
    case 2: return x
    default: throw NodeFault.invalid("its input is \(x.type), not rows of features")
    }
  }

  /// The value, of a type that the domain's operators take.
  func numbers(_ x: ImportedValue) throws -> ImportedValue {
    let type = x.type.elementType
    try require([.f32, .f64, .f16, .i64, .i32].contains(type), "its input is of \(type.name)")
    return x
  }

  /// Column `index` of a matrix, as a matrix.
  func column(_ x: ImportedValue, _ index: Int) throws -> ImportedValue {
    if x.type.shape[1] == 1, index == 0 { return x }
    let rows = x.type.shape[0]
    return try emit(.slice(Slice(starts: [0, Dim(index)], sizes: [rows, 1])), [x])
  }

  func columns(_ parts: [ImportedValue]) throws -> ImportedValue {
    parts.count == 1 ? parts[0] : try emit(.concat(Concat(axis: 1)), parts)
  }

  func select(_ condition: ImportedValue, _ a: ImportedValue, _ b: ImportedValue) throws -> ImportedValue {
    try emit(.select(Select()), [condition, a, b])
  }

  func constant(_ values: [Double], _ type: ElementType, shape: [Int]? = nil) -> ImportedValue {
    constant(Tensor(type, shape ?? [values.count], doubles: values))
  }

  /// The numbers of an attribute that is a tensor.
  func tensor(_ name: String) throws -> Tensor? {
    switch attribute(name) {
    case nil: return nil
    case .tensor(let value):
      guard let numbers = value.tensor else { throw NodeFault.invalid("attribute \(name) has no numbers") }
      return numbers
    case .some(let other): throw NodeFault.invalid("attribute \(name) is of kind \(other.kind), not tensor")
    }
  }

  /// The numbers of an attribute that comes as floats or, from opset 3 on, as a tensor.
  func floats(orTensor name: String) throws -> [Double]? {
    let tensor = try tensor(name + "_as_tensor")
    let plain = try floats(name)
    if let tensor, tensor.count > 0 {
      try require(plain?.isEmpty ?? true, "both \(name) and \(name)_as_tensor are given")
      try require(tensor.elementType.isFloat, "attribute \(name)_as_tensor is \(tensor.type)")
      return tensor.doubles
    }
    return plain
  }
}
