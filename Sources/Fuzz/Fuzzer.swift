import SwageGraph

/// Random graphs by seed and number.
public enum Fuzzer {
  /// Cases whose kernels are compiled together: a module costs the C compiler a tenth of a second, whatever is in it.
  public static let batchSize = 40

  /// Graph `index` of a seed. `isPortable` restricts it to operations that ONNX has; by default a third of the graphs is.
  public static func make(seed: UInt64, index: Int, isPortable: Bool? = nil) throws -> FuzzCase {
    try GraphGenerator.make(seed: seed, index: index, isPortable: isPortable)
  }
}
