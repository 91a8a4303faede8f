import Foundation
import SwageTensor
import Synchronization
import Testing

@Suite struct ParallelTests {
  private struct Failure: Error, Equatable { var index: Int }

  @Test func everyIndexIsTakenOnce() {
    let taken = Mutex([Int](repeating: 0, count: 1000))
    Parallel.forEach(1000) { index in taken.withLock { $0[index] += 1 } }
    #expect(taken.withLock { $0.allSatisfy { $0 == 1 } })
    Parallel.forEach(0) { _ in Issue.record("there is nothing to do") }
  }

  @Test func oneThreadGoesInOrder() {
    let taken = Mutex([Int]())
    Parallel.forEach(100, most: 1) { index in taken.withLock { $0.append(index) } }
    #expect(taken.withLock { $0 } == Array(0..<100))
  }

  @Test func theFirstErrorEndsIt() {
    let calls = Mutex(0)
    #expect(throws: Failure(index: 3)) {
      try Parallel.forEach(1_000_000) { index in
        calls.withLock { $0 += 1 }
        if index >= 3 { throw Failure(index: index) }
      }
    }
    // Calls that had begun came to their end: one of each thread at most.
    #expect(calls.withLock { $0 } <= 3 + ProcessInfo.processInfo.activeProcessorCount)
  }
}
