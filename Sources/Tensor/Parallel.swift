import Foundation

/// Work that is shared by threads.
public enum Parallel {
  /// Calls `body` for each index below `count`, in order, by as many threads as there are processors, at most `most`.
  /// After an error no further call begins; the error of the lowest index is thrown.
  public static func forEach<E: Error>(
    _ count: Int, most: Int = .max, _ body: @Sendable (Int) throws(E) -> Void
  ) throws(E) {
    let state = State<E>()
    let threads = min(count, most, ProcessInfo.processInfo.activeProcessorCount)
    DispatchQueue.concurrentPerform(iterations: max(threads, 0)) { _ in
      while let index = state.next(below: count) {
        do throws(E) { try body(index) } catch { state.fail(index, error) }
      }
    }
    if let error = state.error { throw error }
  }

  private final class State<E: Error>: @unchecked Sendable {
    private let lock = NSLock()
    private var index = 0
    private var failure: (index: Int, error: E)?

    var error: E? { lock.withLock { failure?.error } }

    func next(below count: Int) -> Int? {
      lock.withLock {
        guard failure == nil, index < count else { return nil }
        defer { index += 1 }
        return index
      }
    }

    func fail(_ index: Int, _ error: E) {
      lock.withLock { if index < failure?.index ?? .max { failure = (index, error) } }
    }
  }
}
