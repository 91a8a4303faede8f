import Foundation
import Glibc
import Swage

/// Standard error and progress: shown on a terminal, quiet in a pipe.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1

  static func error(_ text: String) { errorText(text + "\n") }

  static func errorText(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  /// Writes to standard output; a closed pipe ends the program quietly.
  static func write(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if written < 0 {
        if errno == EINTR { continue }
        if errno == EPIPE { exit(0) }
        throw Diagnostic(
          code: "output-write", what: "standard output cannot be written", why: String(cString: strerror(errno)),
          remedy: "free space, or write elsewhere")
      }
      rest = rest.dropFirst(written)
    }
  }

  /// Replaces the progress line.
  static func progress(_ text: String) {
    guard isInteractive else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(text.prefix(100))".utf8))
  }

  static func clearProgress() { progress("") }

  /// 1234567 -> "1.2 MB".
  static func bytes(_ count: Int) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"]
    var value = Double(count)
    var unit = 0
    while value >= 1000, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return unit == 0 ? "\(count) B" : String(format: "%.1f %@", value, units[unit])
  }
}
