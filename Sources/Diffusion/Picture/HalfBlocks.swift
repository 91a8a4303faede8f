/// A picture as text: two pixels a character, in 24-bit colour.
public enum HalfBlocks {
  /// A line for every two rows, without line ends. The lower half of an odd last row keeps the terminal's colour.
  public static func lines(_ picture: Picture) -> [String] {
    stride(from: 0, to: picture.height, by: 2).map { y in
      var line = ""
      var colors = ""
      for x in 0..<picture.width {
        let top = picture[x, y]
        var wanted = "\u{1B}[38;2;\(top.red);\(top.green);\(top.blue)"
        if y + 1 < picture.height {
          let bottom = picture[x, y + 1]
          wanted += ";48;2;\(bottom.red);\(bottom.green);\(bottom.blue)"
        }
        // Colours hold until they change.
        if wanted != colors { line += wanted + "m" }
        colors = wanted
        line += "▀"
      }
      return line + "\u{1B}[0m"
    }
  }
}
