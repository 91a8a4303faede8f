import Foundation
import Swage

/// Draws small tensors for people: pictures as half blocks, scores as bars.
enum TerminalPicture {
  /// The lines of a picture, two rows of pixels each; nil where the tensor is no single picture (`[1, 1 or 3, h, w]` or
  /// `[h, w]`) of at most 128x128. Values run from the tensor's minimum (black) to its maximum (white).
  static func lines(_ tensor: Tensor, isColored: Bool) -> [String]? {
    let shape = Array(tensor.shape.drop { $0 == 1 })
    let (channels, height, width): (Int, Int, Int)
    switch shape.count {
    case 2: (channels, height, width) = (1, shape[0], shape[1])
    case 3 where shape[0] == 3: (channels, height, width) = (3, shape[1], shape[2])
    default: return nil
    }
    guard (2...128).contains(height), (2...128).contains(width) else { return nil }
    let values = tensor.doubles.map { $0.isFinite ? $0 : 0 }
    let low = values.min() ?? 0
    let span = max((values.max() ?? 1) - low, 1e-12)
    func pixel(_ y: Int, _ x: Int) -> (Int, Int, Int) {
      guard y < height else { return (0, 0, 0) }
      let parts = (0..<3).map { c in
        Int((values[((c % channels) * height + y) * width + x] - low) / span * 255)
      }
      return (parts[0], parts[1], parts[2])
    }
    return stride(from: 0, to: height, by: 2).map { y in
      (0..<width).map { x in
        let (top, bottom) = (pixel(y, x), pixel(y + 1, x))
        if isColored {
          return "\u{1B}[38;2;\(top.0);\(top.1);\(top.2);48;2;\(bottom.0);\(bottom.1);\(bottom.2)m▀\u{1B}[0m"
        }
        let shades: [Character] = [" ", "░", "▒", "▓", "█"]
        let mean = (top.0 + top.1 + top.2 + bottom.0 + bottom.1 + bottom.2) / 6
        return String(shades[min(mean * 5 / 256, 4)])
      }.joined()
    }
  }

  /// The five largest of a vector of at most 100,000 scores, as bars; nil where the tensor is no vector.
  static func bars(_ tensor: Tensor) -> [String]? {
    guard tensor.shape.filter({ $0 != 1 }).count == 1, tensor.elementType.isFloat, (2...100_000).contains(tensor.count)
    else { return nil }
    let values = tensor.doubles
    let order = values.indices.sorted { values[$0] > values[$1] || (values[$0] == values[$1] && $0 < $1) }
    let isProbability = values.allSatisfy { $0 >= 0 && $0 <= 1 }
    let low = isProbability ? 0 : values.min() ?? 0
    let span = max((isProbability ? 1 : values.max() ?? 1) - low, 1e-12)
    return order.prefix(5).map { index in
      let fill = Int(((values[index] - low) / span * 20).rounded())
      return "\(index)".leftPadded(to: 6) + " " + String(repeating: "█", count: max(fill, 0))
        + String(repeating: "·", count: max(20 - fill, 0)) + String(format: " %.4f", values[index])
    }
  }

  /// Two columns beside each other.
  static func beside(_ left: [String], width: Int, _ right: [String]) -> String {
    (0..<max(left.count, right.count)).map { row in
      let cell = row < left.count ? left[row] : String(repeating: " ", count: width)
      return "  " + cell + "   " + (row < right.count ? right[row] : "")
    }.joined(separator: "\n")
  }
}

extension String {
  func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(width - count, 0)) + self }
}
