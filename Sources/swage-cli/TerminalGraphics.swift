import Foundation
import Glibc
import Swage

/// Shows pictures in the terminal: as sixels where it draws them, else as half blocks.
enum TerminalGraphics: String, CaseIterable {
  case sixel, blocks

  /// What standard output's terminal can; asks it, which takes up to half a second where it does not answer.
  static func detected() -> TerminalGraphics {
    let term = ProcessInfo.processInfo.environment["TERM"] ?? ""
    if term.contains("sixel") || ["mlterm", "foot", "yaft", "contour"].contains(where: { term.hasPrefix($0) }) {
      return .sixel
    }
    if term.isEmpty || term == "dumb" || term == "linux" { return .blocks }
    return deviceAttributes().contains(4) ? .sixel : .blocks
  }

  /// The picture as text that ends with a line feed.
  func text(_ picture: Picture) -> String {
    var window = winsize()
    let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0
    let columns = isKnown && window.ws_col > 0 ? Int(window.ws_col) : 80
    let rows = isKnown && window.ws_row > 0 ? Int(window.ws_row) : 24
    switch self {
    case .blocks:
      let fitted = Self.fit(picture, width: columns, height: max(2 * (rows - 2), 32))
      return HalfBlocks.lines(fitted).joined(separator: "\n") + "\n"
    case .sixel:
      let width = window.ws_xpixel > 0 ? Int(window.ws_xpixel) : 10 * columns
      let height = window.ws_ypixel > 0 ? Int(window.ws_ypixel) * max(rows - 3, 1) / rows : 20 * (rows - 3)
      var fitted = Self.fit(picture, width: width, height: max(height, 64))
      // Small pictures are shown larger, each pixel as a square.
      let factor = min(256 / max(fitted.width, fitted.height), width / fitted.width, max(height, 64) / fitted.height)
      if factor > 1 { fitted = fitted.repeated(factor) }
      return Sixel.text(fitted) + "\n"
    }
  }

  /// The picture, made smaller where it is larger than that.
  static func fit(_ picture: Picture, width: Int, height: Int) -> Picture {
    let scale = min(Double(width) / Double(picture.width), Double(height) / Double(picture.height))
    guard scale < 1 else { return picture }
    return picture.resized(
      width: max(Int(Double(picture.width) * scale), 1), height: max(Int(Double(picture.height) * scale), 1))
  }

  /// The parameters of the terminal's answer to "primary device attributes" (`ESC [ c`); 4 means sixels. Empty where
  /// it does not answer.
  private static func deviceAttributes() -> [Int] {
    let terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard terminal >= 0 else { return [] }
    defer { close(terminal) }
    var saved = termios()
    guard tcgetattr(terminal, &saved) == 0 else { return [] }
    var raw = saved
    raw.c_lflag &= ~UInt32(ICANON | ECHO)
    guard tcsetattr(terminal, TCSANOW, &raw) == 0 else { return [] }
    defer { tcsetattr(terminal, TCSANOW, &saved) }
    guard write(terminal, "\u{1B}[c", 3) == 3 else { return [] }
    var answer: [UInt8] = []
    let end = ContinuousClock.now + .milliseconds(500)
    while answer.last != UInt8(ascii: "c"), answer.count < 128 {
      let left = (end - ContinuousClock.now).seconds
      var waiting = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
      guard left > 0, poll(&waiting, 1, Int32(left * 1000) + 1) > 0 else { return [] }
      var byte: UInt8 = 0
      guard read(terminal, &byte, 1) == 1 else { return [] }
      answer.append(byte)
    }
    guard let start = answer.firstIndex(of: UInt8(ascii: "?")) else { return [] }
    let text = String(decoding: answer[(start + 1)...].dropLast(), as: UTF8.self)
    return text.split(separator: ";").compactMap { Int($0) }
  }
}

extension Picture {
  /// Every pixel as a square of `factor` by `factor`.
  fileprivate func repeated(_ factor: Int) -> Picture {
    var result: [UInt8] = []
    result.reserveCapacity(pixels.count * factor * factor)
    for y in 0..<height {
      var line: [UInt8] = []
      for x in 0..<width {
        let pixel = pixels[3 * (y * width + x)..<3 * (y * width + x) + 3]
        for _ in 0..<factor { line += pixel }
      }
      for _ in 0..<factor { result += line }
    }
    return Picture(width: width * factor, height: height * factor, pixels: result) ?? self
  }
}
