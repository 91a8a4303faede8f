import Foundation

/// An open file descriptor, closed with its last user.
final class FileDescriptor {
  let number: Int32

  init(_ number: Int32) { self.number = number }

  deinit { close(number) }

  /// Opens for reading. A FIFO or device neither blocks nor becomes the controlling terminal.
  static func open(_ path: String) throws(FileError) -> FileDescriptor {
    guard !path.isEmpty, !path.utf8.contains(0) else { throw .badPath(path: path) }
    let number = retrying { Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    guard number >= 0 else { throw .open(path: path, errno: errno) }
    return FileDescriptor(number)
  }

  func status(path: String) throws(FileError) -> stat {
    var status = stat()
    guard fstat(number, &status) == 0 else { throw .open(path: path, errno: errno) }
    return status
  }

  /// The size of a regular file.
  func regularSize(path: String) throws(FileError) -> Int {
    let status = try status(path: path)
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .notRegular(path: path, kind: Self.kind(status.st_mode))
    }
    guard let size = Int(exactly: status.st_size), size >= 0 else { throw .map(path: path, errno: EFBIG) }
    return size
  }

  static func kind(_ mode: mode_t) -> String {
    switch mode & S_IFMT {
    case S_IFDIR: "folder"
    case S_IFIFO: "pipe"
    case S_IFSOCK: "socket"
    case S_IFCHR: "character device"
    case S_IFBLK: "block device"
    case S_IFLNK: "symbolic link"
    default: "special file"
    }
  }

  /// Repeats a system call that a signal interrupted.
  static func retrying(_ call: () -> Int32) -> Int32 {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }
}
