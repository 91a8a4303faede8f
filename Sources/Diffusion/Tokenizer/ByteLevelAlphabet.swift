/// The characters that byte-level vocabularies write bytes with (GPT-2's table): printable bytes of Latin-1 stand for
/// themselves, the others for characters from U+0100 on, in order.
enum ByteLevelAlphabet {
  /// The character of each byte.
  static let characters: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { (byte: UInt32) in
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: return Unicode.Scalar(UInt8(byte))
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? " "
      }
    }
  }()

  /// The byte of each character.
  static let bytes: [Unicode.Scalar: UInt8] = Dictionary(
    uniqueKeysWithValues: characters.enumerated().map { ($0.element, UInt8($0.offset)) })
}
