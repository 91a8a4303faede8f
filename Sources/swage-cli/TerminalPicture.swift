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
    let pixels = (0..<3 * height * width).map { index in
      let (place, c) = (index / 3, index % 3)
      return UInt8((values[(c % channels) * height * width + place] - low) / span * 255)
    }
    guard let picture = Picture(width: width, height: height, pixels: pixels) else { return nil }
    return isColored ? HalfBlocks.lines(picture) : shades(picture)
  }

  /// Without colour: five shades, each of the mean of two pixels.
  private static func shades(_ picture: Picture) -> [String] {
    let shades: [Character] = [" ", "░", "▒", "▓", "█"]
    func brightness(_ x: Int, _ y: Int) -> Int {
      guard y < picture.height else { return 0 }
      let pixel = picture[x, y]
      return Int(pixel.red) + Int(pixel.green) + Int(pixel.blue)
    }
    return stride(from: 0, to: picture.height, by: 2).map { y in
      String((0..<picture.width).map { x in shades[min((brightness(x, y) + brightness(x, y + 1)) / 6 * 5 / 256, 4)] })
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
