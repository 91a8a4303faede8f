import CFile
import Foundation

/// A file that appears under its name complete or not at all: it is written beside its destination and renamed.
///
/// A file that is not committed is removed with its last user, or by `removeUnfinished` when a signal ends the
/// process. Threads may write different parts at the same time, at their offsets.
public final class AtomicFile: @unchecked Sendable {
  public let path: String
  private let temporary: String
  private var descriptor: FileDescriptor?
  private var slot: Int32

  /// Creates the unfinished file in the folder of `path`. An existing file at `path` stays as it is until `commit`.
  public init(path: String) throws(FileError) {
    guard !path.isEmpty, !path.utf8.contains(0), !path.hasSuffix("/") else { throw .badPath(path: path) }
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw .notRegular(path: path, kind: FileDescriptor.kind(status.st_mode))
    }
    self.path = path
    let (folder, name) = Self.split(path)
    for _ in 0..<16 {
      let suffix = String(UInt32.random(in: .min ... .max), radix: 36)
      // The name stays within NAME_MAX also where the destination's is at it.
      let candidate = folder + "." + Self.prefix(name, bytes: 200) + "." + suffix + ".unfinished"
      // Registered first: a signal between the two calls must find it.
      let slot = swage_unfinished_add(candidate)
      guard slot >= 0 else { throw .tooManyUnfinished(path: path) }
      let number = FileDescriptor.retrying {
        open(candidate, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
      }
      if number >= 0 {
        descriptor = FileDescriptor(number)
        temporary = candidate
        self.slot = slot
        return
      }
      let reason = errno
      swage_unfinished_forget(slot)
      guard reason == EEXIST else { throw .write(path: path, errno: reason) }
    }
    throw .write(path: path, errno: EEXIST)
  }

  deinit {
    guard descriptor != nil else { return }
    unlink(temporary)
    swage_unfinished_forget(slot)
  }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard let descriptor else { throw .write(path: path, errno: EBADF) }
    var rest = bytes
    while let base = rest.baseAddress, !rest.isEmpty {
      let count = Foundation.write(descriptor.number, base, min(rest.count, 1 << 30))
      if count < 0 {
        if errno == EINTR { continue }
        throw .write(path: path, errno: errno)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
  }

  public func write(_ bytes: [UInt8]) throws(FileError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(FileError) in try self.write(buffer) }
    }
    try result.get()
  }

  /// Writes bytes from `offset` on; the end for appending stays where it is.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    guard let descriptor, offset >= 0 else { throw .write(path: path, errno: EBADF) }
    var done = 0
    while done < bytes.count, let base = bytes.baseAddress {
      let count = pwrite(descriptor.number, base + done, min(bytes.count - done, 1 << 30), off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw .write(path: path, errno: errno)
      }
      done += count
    }
  }

  /// Makes the file `byteCount` bytes long; what was not written is zero.
  public func resize(to byteCount: Int) throws(FileError) {
    guard let descriptor else { throw .write(path: path, errno: EBADF) }
    guard FileDescriptor.retrying({ ftruncate(descriptor.number, off_t(byteCount)) }) == 0 else {
      throw .write(path: path, errno: errno)
    }
  }

  /// Brings the file under its name, and first the bytes to disk: without `isDurable` the system may do that later, and a
  /// crash of the machine may leave the name with other bytes.
  public func commit(isDurable: Bool = true) throws(FileError) {
    guard let descriptor else { throw .write(path: path, errno: EBADF) }
    // Some file systems do not support fsync; they say EINVAL.
    if isDurable, fsync(descriptor.number) != 0, errno != EINVAL { throw .write(path: path, errno: errno) }
    guard rename(temporary, path) == 0 else { throw .write(path: path, errno: errno) }
    self.descriptor = nil
    swage_unfinished_forget(slot)
    guard isDurable else { return }
    let folder = Self.split(path).folder
    let number = open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if number >= 0 {
      fsync(number)
      close(number)
    }
  }

  /// Writes a whole file.
  public static func write(_ bytes: [UInt8], to path: String, isDurable: Bool = true) throws(FileError) {
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit(isDurable: isDurable)
  }

  /// Unlinks every file that is not committed. Safe to call from a signal handler that then ends the process.
  public static func removeUnfinished() { swage_unfinished_remove_all() }

  /// The folder with its slash (`""` for the current one) and the last component.
  private static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return ("", path) }
    let next = path.utf8.index(after: slash)
    return (String(path[..<next]), String(path[next...]))
  }

  private static func prefix(_ name: String, bytes: Int) -> String {
    var result = ""
    for scalar in name.unicodeScalars {
      guard result.utf8.count + String(scalar).utf8.count <= bytes else { break }
      result.unicodeScalars.append(scalar)
    }
    return result
  }
}
