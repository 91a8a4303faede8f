import Foundation
import SwageTensor

extension Picture {
  /// The picture in another size, by a Lanczos filter with three lobes, as Pillow resizes: columns first, then rows, each
  /// pass in fixed point with 22 fractional bits and rounded to 8 bits. The sides must be positive.
  public func resized(width newWidth: Int, height newHeight: Int) -> Picture {
    precondition(newWidth > 0 && newHeight > 0, "a picture has positive sides")
    var result = self
    if newWidth != width { result = result.resizedColumns(newWidth) }
    if newHeight != height { result = result.resizedRows(newHeight) }
    return result
  }

  private func resizedColumns(_ newWidth: Int) -> Picture {
    let taps = LanczosTaps(from: width, to: newWidth)
    var target = [UInt8](repeating: 0, count: 3 * newWidth * height)
    for y in 0..<height {
      for x in 0..<newWidth {
        let start = 3 * (y * width + taps.first[x])
        for channel in 0..<3 {
          target[3 * (y * newWidth + x) + channel] = taps.sum(x) { pixels[start + 3 * $0 + channel] }
        }
      }
    }
    return Picture(width: newWidth, height: height, pixels: target)!
  }

  private func resizedRows(_ newHeight: Int) -> Picture {
    let taps = LanczosTaps(from: height, to: newHeight)
    let stride = 3 * width
    var target = [UInt8](repeating: 0, count: stride * newHeight)
    for y in 0..<newHeight {
      let start = stride * taps.first[y]
      for column in 0..<stride { target[y * stride + column] = taps.sum(y) { pixels[start + stride * $0 + column] } }
    }
    return Picture(width: width, height: newHeight, pixels: target)!
  }
}

/// For each pixel of the new line, the pixels of the old one that make it up, and their weights.
private struct LanczosTaps {
  private static let fractionBits = 22
  private static let lobes = 3.0

  private(set) var first: [Int] = []
  private var weights: [[Int]] = []

  init(from old: Int, to new: Int) {
    let scale = Double(old) / Double(new)
    // Making a picture smaller widens the filter, so that every old pixel counts.
    let spread = max(scale, 1)
    let support = Self.lobes * spread
    for index in 0..<new {
      let center = (Double(index) + 0.5) * scale
      let low = max(Int(center - support + 0.5), 0)
      let high = min(Int(center + support + 0.5), old)
      let values = (low..<max(high, low + 1)).map { Self.lanczos((Double($0) - center + 0.5) / spread) }
      let sum = values.reduce(0, +)
      first.append(low)
      weights.append(
        values.map { value in
          let fixed = (sum == 0 ? value : value / sum) * Double(1 << Self.fractionBits)
          return Int(fixed < 0 ? fixed - 0.5 : fixed + 0.5)
        })
    }
  }

  @inline(__always)
  func sum(_ index: Int, _ pixel: (Int) -> UInt8) -> UInt8 {
    var total = 1 << (Self.fractionBits - 1)
    let weights = weights[index]
    for tap in weights.indices { total += weights[tap] * Int(pixel(tap)) }
    return UInt8(clamping: total >> Self.fractionBits)
  }

  private static func lanczos(_ x: Double) -> Double {
    guard x >= -lobes, x < lobes else { return 0 }
    return sinc(x) * sinc(x / lobes)
  }

  private static func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(x * .pi) / (x * .pi) }
}
