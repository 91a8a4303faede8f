/// Strings in NumPy's array files: cells of one width, `<U5` of five UTF-32 units and `|S5` of five bytes, filled up with
/// zeros at the end. A string that ends in NULs loses them, as it does in NumPy.
enum NpyStrings {
  /// Units that a cell may have.
  static let maximumWidth = 1 << 28

  struct Cell {
    var isUnicode: Bool
    var isSwapped: Bool
    /// Units in a cell.
    var width: Int

    var byteCount: Int { isUnicode ? 4 * width : width }

    /// nil where `descr` does not name strings.
    init?(_ descr: String) {
      guard let order = descr.first, "<>|=".contains(order), let kind = descr.dropFirst().first,
        kind == "U" || kind == "S", let width = Int(descr.dropFirst(2)), (0...NpyStrings.maximumWidth).contains(width)
      else { return nil }
      isUnicode = kind == "U"
      isSwapped = order == ">"
      self.width = width
    }
  }

  /// The strings of cells that fill `bytes`; nil where a unit is no Unicode scalar.
  static func read(_ bytes: UnsafeRawBufferPointer, _ cell: Cell, count: Int) -> [[UInt8]]? {
    var strings: [[UInt8]] = []
    strings.reserveCapacity(count)
    for index in 0..<count {
      let start = index * cell.byteCount
      guard cell.isUnicode else {
        let content = bytes[start..<start + cell.byteCount]
        let end = content.lastIndex { $0 != 0 }.map { $0 + 1 } ?? start
        strings.append(Array(content[start..<end]))
        continue
      }
      var units = (0..<cell.width).map { unit -> UInt32 in
        let value = bytes.loadUnaligned(fromByteOffset: start + 4 * unit, as: UInt32.self)
        return cell.isSwapped ? value.byteSwapped : value
      }
      while units.last == 0 { units.removeLast() }
      var text: [UInt8] = []
      for unit in units {
        guard let scalar = Unicode.Scalar(unit) else { return nil }
        text += Array(UTF8.encode(scalar) ?? .init())
      }
      strings.append(text)
    }
    return strings
  }

  /// The cells of strings, as `<U` where all are UTF-8, else as `|S`.
  static func cells(_ strings: [[UInt8]]) -> (descr: String, bytes: [UInt8]) {
    let texts = strings.map { String(validating: $0, as: UTF8.self).map { Array($0.unicodeScalars) } }
    guard !texts.contains(where: { $0 == nil }) else {
      let width = max(strings.map(\.count).max() ?? 0, 1)
      return ("|S\(width)", strings.flatMap { $0 + [UInt8](repeating: 0, count: width - $0.count) })
    }
    let width = max(texts.map { $0?.count ?? 0 }.max() ?? 0, 1)
    var bytes: [UInt8] = []
    for text in texts {
      for unit in 0..<width {
        let value = unit < text?.count ?? 0 ? text?[unit].value ?? 0 : 0
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
      }
    }
    return ("<U\(width)", bytes)
  }
}
