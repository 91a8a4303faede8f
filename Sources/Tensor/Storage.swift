import Foundation

/// Bytes with an owner: allocated memory, or a mapped file that is unmapped with its last user.
public final class Storage: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  private let release: () -> Void

  /// Takes over memory that `release` gives back.
  public init(base: UnsafeMutableRawPointer, byteCount: Int, release: @escaping () -> Void) {
    self.base = base
    self.byteCount = byteCount
    self.release = release
  }

  /// Allocates zeroed memory, aligned to 64 bytes, the widest vector register.
  public convenience init(zeroed byteCount: Int) {
    let base = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
    memset(base, 0, max(byteCount, 1))
    self.init(base: base, byteCount: byteCount) { base.deallocate() }
  }

  deinit { release() }
}
