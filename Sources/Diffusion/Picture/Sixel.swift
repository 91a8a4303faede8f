/// A picture as sixels, the bitmap graphics of DEC's VT340, which several terminals draw.
///
/// Format: "VT330/VT340 Programmer Reference Manual", chapter 14: a band of six rows at a time, one colour after another,
/// six bits a character.
public enum Sixel {
  /// The whole escape sequence. Colours are reduced to 256 by median cut.
  public static func text(_ picture: Picture) -> String {
    let (palette, indices) = Palette.reduce(picture)
    var result = "\u{1B}Pq\"1;1;\(picture.width);\(picture.height)"
    for (index, color) in palette.enumerated() {
      let percents = color.map { (Int($0) * 100 + 127) / 255 }
      result += "#\(index);2;\(percents[0]);\(percents[1]);\(percents[2])"
    }
    for top in stride(from: 0, to: picture.height, by: 6) {
      let rows = top..<min(top + 6, picture.height)
      result += band(indices, width: picture.width, rows: rows)
    }
    return result + "\u{1B}\\"
  }

  private static func band(_ indices: [UInt8], width: Int, rows: Range<Int>) -> String {
    var bits: [UInt8: [UInt8]] = [:]
    for y in rows {
      for x in 0..<width {
        bits[indices[y * width + x], default: [UInt8](repeating: 0, count: width)][x] |= 1 << UInt8(y - rows.lowerBound)
      }
    }
    var lines: [String] = []
    for (color, columns) in bits.sorted(by: { $0.key < $1.key }) {
      var line = "#\(color)"
      var x = 0
      while x < width {
        var end = x + 1
        while end < width, columns[end] == columns[x] { end += 1 }
        let sixel = String(UnicodeScalar(63 + columns[x]))
        line += end - x > 3 ? "!\(end - x)\(sixel)" : String(repeating: sixel, count: end - x)
        x = end
      }
      lines.append(line)
    }
    return lines.joined(separator: "$") + "-"
  }
}

/// Colours of a picture, at most 256.
private enum Palette {
  /// A set of colours of 5 bits a channel, and how often they occur.
  private struct Box {
    let colors: [(color: Int, count: Int)]
    let total: Int
    /// The channel of largest spread, and the spread.
    let channel: Int
    let spread: Int

    init(colors: [(color: Int, count: Int)]) {
      self.colors = colors
      total = colors.reduce(0) { $0 + $1.count }
      var widest = (channel: 0, spread: 0)
      for index in 0..<3 {
        let values = colors.lazy.map { Self.channel($0.color, index) }
        let spread = (values.max() ?? 0) - (values.min() ?? 0)
        if spread > widest.spread { widest = (index, spread) }
      }
      (channel, spread) = widest
    }

    static func channel(_ color: Int, _ index: Int) -> Int { color >> (10 - 5 * index) & 31 }

    /// Two boxes with about as many pixels each.
    func split() -> (Box, Box) {
      let sorted = colors.sorted {
        let (a, b) = (Self.channel($0.color, channel), Self.channel($1.color, channel))
        return a != b ? a < b : $0.color < $1.color
      }
      let half = total / 2
      var sum = 0
      var cut = 0
      while cut < sorted.count - 1, sum <= half {
        sum += sorted[cut].count
        cut += 1
      }
      cut = max(cut, 1)
      return (Box(colors: Array(sorted[..<cut])), Box(colors: Array(sorted[cut...])))
    }
  }

  static func reduce(_ picture: Picture) -> (palette: [[UInt8]], indices: [UInt8]) {
    func key(_ position: Int) -> Int {
      let pixel = picture.pixels[3 * position..<3 * position + 3]
      return pixel.reduce(0) { $0 << 5 | Int($1 >> 3) }
    }
    let count = picture.width * picture.height
    let keys = (0..<count).map(key)
    var counts = [Int](repeating: 0, count: 1 << 15)
    for key in keys { counts[key] += 1 }
    var boxes = [Box(colors: counts.indices.filter { counts[$0] > 0 }.map { ($0, counts[$0]) })]
    while boxes.count < 256 {
      let candidates = boxes.indices.filter { boxes[$0].colors.count > 1 }
      let largest = candidates.max { boxes[$0].spread * boxes[$0].total < boxes[$1].spread * boxes[$1].total }
      guard let largest else { break }
      let (low, high) = boxes[largest].split()
      boxes[largest] = low
      boxes.append(high)
    }
    var boxOfKey = [UInt8](repeating: 0, count: 1 << 15)
    for (index, box) in boxes.enumerated() { for entry in box.colors { boxOfKey[entry.color] = UInt8(index) } }
    // The mean of the pixels themselves, not of their shortened colours.
    var sums = [[Int]](repeating: [0, 0, 0, 0], count: boxes.count)
    let indices = keys.map { boxOfKey[$0] }
    for position in 0..<count {
      let box = Int(indices[position])
      for channel in 0..<3 { sums[box][channel] += Int(picture.pixels[3 * position + channel]) }
      sums[box][3] += 1
    }
    let palette = sums.map { sum in (0..<3).map { UInt8(clamping: (sum[$0] + sum[3] / 2) / max(sum[3], 1)) } }
    return (palette, indices)
  }
}
