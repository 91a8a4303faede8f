import SwageGraph
import SwagePasses
import SwageTensor
import Testing

/// The whole pipeline keeps what random graphs compute, and finds nothing to do the second time.
@Suite struct RandomGraphTests {
  @Test(arguments: 1...120)
  func resultsStay(_ seed: Int) throws {
    let before = try RandomGraph.make(seed: UInt64(seed), nodes: 12 + seed % 30)
    try GraphVerifier.verify(before, after: "generation")
    var after = before
    let report = try Pipeline.standard().run(&after)
    // Sums of random numbers cancel: their rounding is judged by the largest element.
    try assertSameResults(before, after, tolerance: 2e-4, seeds: 1...1)
    if report.rewrites > 0 {
      // Any prefix of the rewrites is right too.
      var partial = before
      try Pipeline.standard().run(&partial, inspection: .init(maxRewrites: report.rewrites / 2))
      try assertSameResults(before, partial, tolerance: 2e-4, seeds: 1...1)
    }
  }
}
