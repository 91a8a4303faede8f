import SwageGraph

/// Random graphs by seed and number, held against all oracles.
public enum Fuzzer {
  /// Cases whose kernels are compiled together: a module costs the C compiler a tenth of a second, whatever is in it.
  public static let batchSize = 40

  /// Graph `index` of a seed. `isPortable` restricts it to operations that ONNX has; by default a third of the graphs is.
  public static func make(seed: UInt64, index: Int, isPortable: Bool? = nil) throws -> FuzzCase {
    try GraphGenerator.make(seed: seed, index: index, isPortable: isPortable)
  }

  /// A case that still fails `oracle`, as small as can be found, and how it fails.
  public static func shrink(_ item: FuzzCase, _ oracle: Oracle) -> (item: FuzzCase, detail: String) {
    func failure(_ candidate: FuzzCase) -> FuzzFailure? {
      BatchChecker.check([candidate], only: oracle).failures[0]?.first { $0.oracle == oracle }
    }
    let small = Shrinker.shrink(item) { failure($0) != nil }
    return (small, failure(small)?.detail ?? "")
  }
}
