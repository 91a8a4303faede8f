import Foundation

/// A regular file mapped into memory, read-only to the outside: writes through `storage` stay in this process.
///
/// Pages are read from disk when first touched. A file that another process truncates while it is mapped ends this
/// process with SIGBUS where the missing pages are touched; `checkUnchanged` finds a truncation that has already
/// happened.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  public let byteCount: Int
  /// The whole file. Tensors that view it keep the mapping alive.
  public let storage: Storage
  private let device: dev_t
  private let inode: ino_t

  public convenience init(path: String) throws(FileError) {
    try self.init(FileDescriptor.open(path), path: path)
  }

  init(_ descriptor: FileDescriptor, path: String) throws(FileError) {
    let size = try descriptor.regularSize(path: path)
    let status = try descriptor.status(path: path)
    self.path = path
    device = status.st_dev
    inode = status.st_ino
    byteCount = size
    if size == 0 {
      storage = Storage(zeroed: 0)
      return
    }
    let protection = PROT_READ | PROT_WRITE
    guard
      let base = mmap(nil, size, protection, MAP_PRIVATE | Int32(MAP_NORESERVE), descriptor.number, 0),
      base != UnsafeMutableRawPointer(bitPattern: -1)
    else { throw .map(path: path, errno: errno) }
    storage = Storage(base: base, byteCount: size, isFile: true) { munmap(base, size) }
  }

  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(storage) {
      try body(UnsafeRawBufferPointer(start: storage.base, count: byteCount))
    }
  }

  /// A view of the file's bytes as a tensor, without a copy. It may be unaligned: read it with `loadUnaligned`. nil
  /// where it does not fit the file.
  public func tensor(_ type: ElementType, _ shape: [Int], at offset: Int) -> Tensor? {
    Tensor(type, shape, storage: storage, byteOffset: offset)
  }

  /// Throws when the file has been cut or has grown since it was mapped. A file that was replaced by another is
  /// unchanged: the mapping keeps the old one.
  public func checkUnchanged() throws(FileError) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
    guard Int(exactly: status.st_size) == byteCount else { throw .changed(path: path) }
  }
}
