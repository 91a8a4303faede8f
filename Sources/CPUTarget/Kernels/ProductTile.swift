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

  /// A matrix `[depth, n]` (or `[n, depth]` where `isTransposed`) as panels: `[⌈n / columns⌉, depth, columns]`, with
  /// zeros behind the last column. Large ones are made when they are written.
  static func panels(_ matrix: Tensor, isTransposed: Bool) -> Tensor? {
    let columns = columns(.f32)
    guard matrix.elementType == .f32, matrix.shape.count == 2 else { return nil }
    let (depth, n) = isTransposed ? (matrix.shape[1], matrix.shape[0]) : (matrix.shape[0], matrix.shape[1])
    let shape = [(n + columns - 1) / columns, depth, columns]
    return deferred(shape, "panels \(columns) \(isTransposed)", from: matrix) { source, target in
      for panel in 0..<shape[0] {
        let first = panel * columns
        let count = min(columns, n - first)
        for i in 0..<depth {
          let line = target + (panel * depth + i) * columns
          if isTransposed {
            for c in 0..<count { line[c] = source[(first + c) * depth + i] }
          } else {
            (line).update(from: source + i * n + first, count: count)
          }
        }
      }
    }
  }

  /// A tensor of f32 that `write` makes of another one, at once where it is small. `write` finds zeros.
  static func deferred(
    _ shape: [Int], _ operation: String, from source: Tensor,
    _ write: @escaping (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor? {
    let recipe = StorageRecipe(operation, sources: [source]) { bytes in
      guard let target = bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      source.withBytes { raw in
        guard let base = raw.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
        write(base, target)
      }
    }
    guard let tensor = Tensor(.f32, shape, recipe: recipe) else { return nil }
    if tensor.byteCount >= Tensor.smallestDeferred { return tensor }
    return Tensor(floats: tensor.floats, shape)
  }
}
