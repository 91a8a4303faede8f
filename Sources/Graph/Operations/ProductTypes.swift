import SwageTensor

/// The element types of matrix products and convolutions.
enum ProductTypes {
  /// The type of sums of products of `a` and `b`; nil where there are no such products. Unsigned bytes times signed ones,
  /// the pair that CPUs multiply, have sums of i32, which wrap; all others are of one type.
  static func sums(_ a: ElementType, _ b: ElementType) -> ElementType? {
    if a == .u8 && b == .i8 { return .i32 }
    return a == b ? a : nil
  }
}
