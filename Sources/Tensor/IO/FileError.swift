import Foundation

/// A file could not be opened, read or written.
public enum FileError: SwageError, Hashable {
  /// What a system call said, by `errno`.
  case open(path: String, errno: Int32)
  /// A folder, pipe, socket or device where a file is needed.
  case notRegular(path: String, kind: String)
  case map(path: String, errno: Int32)
  /// The file's size changed while it was read.
  case changed(path: String)
  case write(path: String, errno: Int32)
  /// The path holds a NUL, or is empty.
  case badPath(path: String)
  /// More files are being written at once than can be cleaned up after a signal.
  case tooManyUnfinished(path: String)

  public var diagnostics: [Diagnostic] {
    switch self {
    case .open(let path, let number):
      let remedy =
        switch number {
        case ENOENT, ENOTDIR: "check the path"
        case EACCES, EPERM: "make the file readable for this user"
        case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
        default: "check the file and its disk"
        }
      let code = number == ENOENT || number == ENOTDIR ? "file-missing" : "file-open"
      return [
        Diagnostic(
          code: code, what: "cannot open the file", place: .init(file: path), why: Self.words(number),
          remedy: remedy)
      ]
    case .notRegular(let path, let kind):
      return [
        Diagnostic(
          code: "file-not-regular", what: "not a regular file", place: .init(file: path), why: "it is a \(kind)",
          remedy: "give the path of a file")
      ]
    case .map(let path, let number):
      return [
        Diagnostic(
          code: "file-map", what: "cannot map the file into memory", place: .init(file: path),
          why: Self.words(number), remedy: "check free address space (ulimit -v) and the file system")
      ]
    case .changed(let path):
      return [
        Diagnostic(
          code: "file-changed", what: "the file changed while it was read", place: .init(file: path),
          why: "its size is not what it was when it was opened", remedy: "run again when nothing writes to it")
      ]
    case .write(let path, let number):
      let remedy =
        switch number {
        case ENOSPC, EDQUOT: "free space on the disk, or write elsewhere with -o"
        case EACCES, EPERM, EROFS: "make the folder writable for this user, or write elsewhere with -o"
        case ENOENT, ENOTDIR: "create the folder first, or write elsewhere with -o"
        default: "check the disk, or write elsewhere with -o"
        }
      return [
        Diagnostic(
          code: "file-write", what: "cannot write the file", place: .init(file: path), why: Self.words(number),
          remedy: remedy)
      ]
    case .badPath(let path):
      return [
        Diagnostic(
          code: "file-path", what: "not a path", place: .init(file: path), why: "it is empty or holds a NUL",
          remedy: "give the path of a file")
      ]
    case .tooManyUnfinished(let path):
      return [
        Diagnostic(
          fault: .bug, code: "file-too-many", what: "too many files are being written at once",
          place: .init(file: path))
      ]
    }
  }

  static func words(_ number: Int32) -> String { String(cString: strerror(number)) }
}
