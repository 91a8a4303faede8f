import CRuntime
import SwageKernel
import SwageTensor

/// How matrices are laid out for `Statement.product` on this machine.
enum ProductTile {
  /// Columns of a product: two vectors of AVX-512 or AVX2, four of NEON.
  static func columns(_ type: ScalarType) -> Int {
    let f32 = swage_cpu_has("avx512f") ? 32 : 16
    return type == .f64 ? f32 / 2 : f32
  }

  /// Types of elements that kernels of panels are made for.
  static func takes(_ type: ElementType) -> Bool { type == .f32 || type == .f64 }

  /// A matrix `[depth, n]` (or `[n, depth]` where `isTransposed`) as panels: `[⌈n / columns⌉, depth, columns]`, with
  /// zeros behind the last column. Large ones are made when they are written.
  static func panels(_ matrix: Tensor, isTransposed: Bool) -> Tensor? {
    guard takes(matrix.elementType), matrix.shape.count == 2 else { return nil }
    let columns = columns(matrix.elementType.computeType)
    let (depth, n) = isTransposed ? (matrix.shape[1], matrix.shape[0]) : (matrix.shape[0], matrix.shape[1])
    let shape = [(n + columns - 1) / columns, depth, columns]
    return rearranged(shape, "panels \(columns) \(isTransposed)", matrix) { place in
      for panel in 0..<shape[0] {
        let first = panel * columns
        for i in 0..<depth {
          for c in 0..<min(columns, n - first) {
            place((panel * depth + i) * columns + c, isTransposed ? (first + c) * depth + i : i * n + first + c)
          }
        }
      }
    }
  }

  /// A tensor whose elements are those of another one in other places, and zeros. `each` calls its argument with the
  /// place of each element in the result and in the source.
  static func rearranged(
    _ shape: [Int], _ operation: String, _ source: Tensor, _ each: @escaping ((Int, Int) -> Void) -> Void
  ) -> Tensor? {
    func copy<T>(_ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer, _: T.Type) {
      let (from, to) = (from.bindMemory(to: T.self), to.bindMemory(to: T.self))
      each { to[$0] = from[$1] }
    }
    return deferred(source.elementType, shape, operation, source) { from, to in
      if source.elementType == .f64 { copy(from, to, UInt64.self) } else { copy(from, to, UInt32.self) }
    }
  }

  /// A tensor that `write` makes of another one, at once where it is small. `write` finds zeros.
  static func deferred(
    _ type: ElementType, _ shape: [Int], _ operation: String, _ source: Tensor,
    _ write: @escaping (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Void
  ) -> Tensor? {
    let recipe = StorageRecipe(operation, sources: [source]) { target in
      source.withBytes { write($0, target) }
    }
    guard let tensor = Tensor(type, shape, recipe: recipe) else { return nil }
    if tensor.byteCount >= Tensor.smallestDeferred { return tensor }
    let storage = Storage(zeroed: tensor.byteCount)
    source.withBytes { write($0, UnsafeMutableRawBufferPointer(start: storage.base, count: tensor.byteCount)) }
    return Tensor(type, shape, storage: storage)
  }
}
