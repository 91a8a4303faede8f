import CFile
import Foundation

/// A folder for files that nobody keeps, private to the user, in `TMPDIR`. It is removed with its files by its last user,
/// or by `AtomicFile.removeUnfinished` when a signal ends the process. It holds no folders.
public final class TemporaryFolder {
  public let path: String
  private let slot: Int32

  public init() throws(FileError) {
    let base = NSTemporaryDirectory()
    for _ in 0..<16 {
      let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
      let candidate = base + (base.hasSuffix("/") ? "" : "/") + "swage-" + suffix
      // Registered first: a signal between the two calls must find it.
      let slot = swage_unfinished_add(candidate)
      guard slot >= 0 else { throw .tooManyUnfinished(path: candidate) }
      if mkdir(candidate, 0o700) == 0 {
        (path, self.slot) = (candidate, slot)
        return
      }
      let reason = errno
      swage_unfinished_forget(slot)
      guard reason == EEXIST else { throw .write(path: candidate, errno: reason) }
    }
    throw .write(path: base, errno: EEXIST)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
    swage_unfinished_forget(slot)
  }
}
