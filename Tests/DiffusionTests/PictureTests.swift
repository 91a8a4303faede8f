import Foundation
import SwageDiffusion
import SwageTensor
import Testing

@Suite struct PictureTests {
  @Test func decodedTensorsRoundAsDiffusersDoes() throws {
    // (x / 2 + 0.5) * 255, ties to even: -1, 1, beyond both, NaN, and 0 -> 127.5 -> 128.
    let values: [Float] = [-1, 1, -3, 7, .nan, 0]
    let tensor = Tensor(floats: values + values + values, [1, 3, 2, 3])
    let picture = try #require(Picture(decoded: tensor))
    #expect(picture.width == 3 && picture.height == 2)
    #expect(picture.pixels == [0, 255, 0, 255, 0, 128].flatMap { [$0, $0, $0] })
    #expect(Picture(decoded: tensor, index: 1) == nil)
    #expect(Picture(decoded: Tensor(floats: values, [1, 1, 2, 3])) == nil)
  }

  @Test func encoderInputIsTheInverse() throws {
    let sample = PictureSamples.random
    #expect(try #require(Picture(decoded: sample.encoderInput)) == sample)
    #expect(sample.encoderInput.floats[0] == 2 * Float(168) / 255 - 1)
  }

  @Test func sizesMustFitPixels() {
    #expect(Picture(width: 0, height: 1, pixels: []) == nil)
    #expect(Picture(width: 1, height: 1, pixels: [1, 2]) == nil)
    #expect(Picture(width: .max, height: .max, pixels: []) == nil)
  }

  @Test func resizingIsPillows() {
    let sample = PictureSamples.random
    #expect(sample.resized(width: 4, height: 3).pixels == PictureSamples.smaller)
    let larger = sample.resized(width: 11, height: 9).pixels
    #expect(Array(larger.prefix(66)) == PictureSamples.largerStart)
    #expect(Array(larger.suffix(3)) == PictureSamples.largerEnd)
    #expect(sample.resized(width: 7, height: 5) == sample)
    #expect(sample.luma == PictureSamples.luma)
  }

  @Test func halfBlocksHoldTwoRows() throws {
    let picture = try #require(
      Picture(width: 2, height: 3, pixels: [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 10, 11, 12]))
    #expect(
      HalfBlocks.lines(picture) == [
        "\u{1B}[38;2;1;2;3;48;2;4;5;6m▀▀\u{1B}[0m", "\u{1B}[38;2;7;8;9m▀\u{1B}[38;2;10;11;12m▀\u{1B}[0m",
      ])
  }

  /// Reads sixels back: what a terminal would draw.
  private func drawn(_ text: String, width: Int, height: Int) throws -> [[Int]?] {
    var pixels = [[Int]?](repeating: nil, count: width * height)
    var palette: [Int: [Int]] = [:]
    var (x, top, color) = (0, 0, 0)
    let body = try #require(text.dropFirst(3).split(separator: "\u{1B}").first)
    var rest = body[...]
    func numbers() -> [Int] {
      let digits = rest.prefix { $0.isNumber || $0 == ";" }
      rest = rest.dropFirst(digits.count)
      return digits.split(separator: ";").compactMap { Int($0) }
    }
    while let first = rest.popFirst() {
      switch first {
      case "\"": #expect(numbers() == [1, 1, width, height])
      case "#":
        let values = numbers()
        if values.count == 5 { palette[values[0]] = Array(values[2...]) } else { color = values[0] }
      case "$": x = 0
      case "-": (x, top) = (0, top + 6)
      default:
        var (count, sixel) = (1, first)
        if first == "!" {
          count = numbers()[0]
          let next = rest.popFirst()
          sixel = try #require(next)
        }
        let bits = Int(sixel.asciiValue ?? 63) - 63
        for column in x..<x + count {
          for row in 0..<6 where bits >> row & 1 == 1 { pixels[(top + row) * width + column] = palette[color] }
        }
        x += count
      }
    }
    return pixels
  }

  @Test func sixelsDrawEveryPixel() throws {
    let sample = PictureSamples.random.resized(width: 23, height: 17)
    let text = Sixel.text(sample)
    #expect(text.hasPrefix("\u{1B}Pq") && text.hasSuffix("\u{1B}\\"))
    let pixels = try drawn(text, width: 23, height: 17)
    for y in 0..<17 {
      for x in 0..<23 {
        let color = try #require(pixels[y * 23 + x])
        let (red, green, blue) = sample[x, y]
        for (percent, byte) in zip(color, [red, green, blue]) {
          #expect(abs(Double(percent) * 2.55 - Double(byte)) < 24, "pixel \(x), \(y)")
        }
      }
    }
    let flat = try #require(Picture(width: 40, height: 6, pixels: [UInt8](repeating: 255, count: 720)))
    #expect(Sixel.text(flat) == "\u{1B}Pq\"1;1;40;6#0;2;100;100;100#0!40~-\u{1B}\\")
  }
}
