import Foundation

/// Bytes with an owner: allocated memory, a mapped file that is unmapped with its last user, or bytes that a recipe makes
/// whenever someone reads them.
public final class Storage: @unchecked Sendable {
  public let byteCount: Int
  /// How the bytes are made; nil where they lie in memory.
  public let recipe: StorageRecipe?
  private let lock = NSLock()
  private var memory: UnsafeMutableRawPointer?
  private var readers = 0
  /// Whether the system can read the bytes again from a file: nobody has written to them.
  private var isFile: Bool
  private let release: () -> Void

  /// Takes over memory that `release` gives back, or, where `isFile`, a whole mapped file.
  public init(base: UnsafeMutableRawPointer, byteCount: Int, isFile: Bool = false, release: @escaping () -> Void) {
    memory = base
    self.byteCount = byteCount
    self.isFile = isFile
    self.release = release
    recipe = nil
  }

  /// Allocates zeroed memory, aligned to 64 bytes, the widest vector register.
  public convenience init(zeroed byteCount: Int) {
    let base = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
    memset(base, 0, max(byteCount, 1))
    self.init(base: base, byteCount: byteCount) { base.deallocate() }
  }

  /// Bytes that `recipe` makes when they are read, and that are gone afterwards: the weights of a large model pass
  /// through memory one by one.
  public init(byteCount: Int, recipe: StorageRecipe) {
    self.byteCount = byteCount
    self.recipe = recipe
    isFile = false
    release = {}
  }

  deinit {
    if recipe == nil { release() } else if let memory { munmap(memory, max(byteCount, 1)) }
  }

  /// The first byte. Bytes of a recipe are made, and stay: prefer `withBase`.
  public var base: UnsafeMutableRawPointer {
    // The reader that this counts never ends.
    recipe == nil ? memory.unsafelyUnwrapped : beginReading()
  }

  /// Hands out the first byte. Bytes of a recipe are there until the last of those who read them at the time returns.
  @inline(__always)
  public func withBase<R>(_ body: (UnsafeMutableRawPointer) throws -> R) rethrows -> R {
    guard recipe != nil else { return try withExtendedLifetime(self) { try body(memory.unsafelyUnwrapped) } }
    let base = beginReading()
    defer { endReading() }
    return try body(base)
  }

  /// Says that the bytes are about to change.
  func willWrite() { lock.withLock { isFile = false } }

  /// Gives memory back that holds a part of a mapped file: the system reads it again when someone looks at it.
  func releaseMemory(of part: Range<Int>) {
    lock.withLock {
      guard isFile, let memory, !part.isEmpty else { return }
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      let start = part.lowerBound / page * page
      madvise(memory + start, part.upperBound - start, MADV_DONTNEED)
    }
  }

  private func beginReading() -> UnsafeMutableRawPointer {
    lock.lock()
    defer { lock.unlock() }
    readers += 1
    if let memory { return memory }
    // Mapped, not allocated: it goes back to the system at once.
    let size = max(byteCount, 1)
    let flags = MAP_PRIVATE | Int32(MAP_ANONYMOUS) | Int32(MAP_NORESERVE)
    guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0),
      base != UnsafeMutableRawPointer(bitPattern: -1)
    else { fatalError("out of memory: \(size) bytes") }
    recipe?.fill(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
    memory = base
    return base
  }

  private func endReading() {
    lock.lock()
    defer { lock.unlock() }
    readers -= 1
    guard readers == 0, let base = memory else { return }
    munmap(base, max(byteCount, 1))
    memory = nil
  }
}

/// How bytes are made: an operation on tensors. Equal recipes make equal bytes.
public struct StorageRecipe: Hashable, @unchecked Sendable {
  /// What is done, with everything that decides the bytes beside the sources.
  let operation: AnyHashable
  let sources: [Tensor]
  /// Writes every byte; the memory is zero before.
  let fill: (UnsafeMutableRawBufferPointer) -> Void

  public init(
    _ operation: some Hashable & Sendable, sources: [Tensor] = [],
    fill: @escaping (UnsafeMutableRawBufferPointer) -> Void
  ) {
    self.operation = AnyHashable(operation)
    self.sources = sources
    self.fill = fill
  }

  public static func == (a: StorageRecipe, b: StorageRecipe) -> Bool {
    a.operation == b.operation && a.sources.count == b.sources.count
      && zip(a.sources, b.sources).allSatisfy { $0.isKnownEqual(to: $1) }
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(operation)
    for source in sources { source.hashType(into: &hasher) }
  }
}
