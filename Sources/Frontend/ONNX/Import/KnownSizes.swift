import SwageTensor

/// The elements of a small tensor of integers as expressions: what shape arithmetic works on while a model is imported.
/// Truth values are 0 and 1.
struct KnownSizes {
  /// Larger tensors are data, not sizes.
  static let limit = 1024

  var shape: [Int]
  var elements: [Dim]

  /// The numbers, when no symbol is left.
  var constants: [Int]? {
    let numbers = elements.compactMap(\.constant)
    return numbers.count == elements.count ? numbers : nil
  }

  /// The elements of a constant: integers, truth values, and floats that are whole numbers.
  init?(_ tensor: Tensor) {
    guard tensor.count <= Self.limit else { return nil }
    switch tensor.elementType {
    case .i64, .i32, .bool: elements = tensor.integers.map { Dim(Int($0)) }
    case .f32, .f64, .f16:
      guard tensor.count <= 16 else { return nil }
      let values = tensor.doubles
      guard
        values.allSatisfy({
          $0.magnitude <= 0x1p24 && $0.rounded() == $0 && !($0 == 0 && $0.sign == .minus)
        })
      else { return nil }
      elements = values.map { Dim(Int($0)) }
    default: return nil
    }
    shape = tensor.shape
  }

  init(shape: [Int], elements: [Dim]) {
    self.shape = shape
    self.elements = elements
  }

  static func vector(_ elements: [Dim]) -> KnownSizes { KnownSizes(shape: [elements.count], elements: elements) }
  static func scalar(_ element: Dim) -> KnownSizes { KnownSizes(shape: [], elements: [element]) }

  /// The tensor, when all elements are constants that `type` holds exactly.
  func tensor(_ type: ElementType) -> Tensor? {
    guard let numbers = constants, Checked.product(shape) == numbers.count else { return nil }
    return Tensor(type, shape, integers: numbers.map { Int64($0) })
  }
}
