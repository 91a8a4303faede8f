import Foundation
import SwageDiffusion

/// Small pictures, and what Pillow 13 makes of them.
enum PictureSamples {
  /// 7x5 pixels.
  static let random = Picture(
    width: 7, height: 5,
    pixels: [
      168, 229, 184, 171, 238, 171, 20, 206, 245, 153, 204, 5, 37, 53, 213, 206, 192, 173, 6, 120, 63, 96, 236, 131,
      118,
      4, 87, 161, 124, 71, 42, 73, 237, 16, 194, 250, 10, 103, 206, 13, 143, 2, 38, 71, 133, 118, 36, 98, 196, 35, 57,
      146, 50, 179, 145, 104, 206, 53, 141, 33, 181, 39, 151, 11, 180, 138, 66, 0, 165, 98, 123, 12, 144, 184, 24, 38,
      129, 1, 202, 255, 85, 54, 228, 48, 127, 169, 1, 167, 109, 247, 16, 192, 78, 220, 8, 60, 189, 181, 64, 72, 8, 185,
      88, 111, 191,
    ])!
  /// `convert("L")`
  static let luma: [UInt8] = [
    206, 210, 155, 166, 66, 194, 79, 182, 48, 129, 82, 147, 87, 88, 68, 68, 86, 93, 128, 102, 94, 125, 39, 103, 154, 87,
    220, 155, 137, 142, 126, 77, 170, 47, 113,
  ]
  /// `resize((4, 3), LANCZOS)`
  static let smaller: [UInt8] = [
    149, 195, 153, 99, 154, 141, 70, 129, 203, 52, 131, 116, 62, 69, 113, 157, 43, 84, 84, 137, 160, 95, 139, 76, 88,
    128, 137, 106, 118, 80, 160, 127, 34, 98, 148, 140,
  ]
  /// `resize((11, 9), LANCZOS)`, its first two rows and its last pixel.
  static let largerStart: [UInt8] = [
    169, 217, 194, 195, 246, 173, 163, 255, 192, 23, 221, 255, 54, 226, 157, 170, 219, 0, 75, 75, 105, 85, 59, 237, 231,
    195, 176, 119, 170, 102, 5, 100, 65, 149, 249, 174, 164, 213, 154, 149, 169, 153, 69, 181, 201, 74, 197, 149, 115,
    172, 70, 39, 112, 157, 50, 109, 250, 152, 163, 211, 71, 156, 93, 0, 131, 25,
  ]
  static let largerEnd: [UInt8] = [106, 109, 210]

  /// PNG files of other kinds than the ones swage writes, and their pixels by Pillow's `convert("RGB")`.
  static let kinds: [(name: String, base64: String, width: Int, pixels: [UInt8])] = [
    (
      "palette with a transparent colour",
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgMAAADgGo6JAAAACVBMVEUKFB7IZDIA/wCBUjsQAAAAAnRSTlP/AOW3MEoAAAAMSURBVHjaY5BgmAAA"
        + "ANwAqVIaE48AAAAASUVORK5CYII=",
      3, [10, 20, 30, 200, 100, 50, 0, 255, 0, 0, 255, 0, 200, 100, 50, 10, 20, 30]
    ),
    (
      "grey",
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR42mNgaPjPyM7ICAAIHwGK0trm/QAAAABJRU5ErkJggg==",
      3, [0, 0, 0, 128, 128, 128, 255, 255, 255, 7, 7, 7, 8, 8, 8, 9, 9, 9]
    ),
    (
      "one bit",
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAQAAAAC1D1u3AAAADElEQVR42mNIYFIAAAFIAIMMtY70AAAAAElFTkSuQmCC",
      3, [0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0]
    ),
    (
      "alpha",
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAABCAYAAAAb4BS0AAAAFUlEQVR42mNgZGJmYGFla2Dn4PwPAAR5Aa2HT31lAAAAAElFTkSuQmCC",
      3, [1, 2, 3, 4, 5, 6, 7, 8, 9]
    ),
    (
      "grey and alpha",
      "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAQAAABeK7cBAAAADUlEQVR42mPkZIj6DwAB4QFkEOWx2wAAAABJRU5ErkJggg==",
      2, [9, 9, 9, 99, 99, 99]
    ),
    (
      "16 bits",
      "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAIAAAAr0DSeAAAAFUlEQVR42mMQ+m/SEMb4n4Hhf0MDAB+QBRt3itc7AAAAAElFTkSuQmCC",
      2, [0x12, 0x34, 0x56, 0xff, 0x00, 0x80]
    ),
    (
      "grey of 16 bits",
      "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR42mMQ+v+PAQAFRgIQBso4tQAAAABJRU5ErkJggg==",
      2, [0x12, 0x12, 0x12, 0xfe, 0xfe, 0xfe]
    ),
    (
      "interlaced",
      "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAAEg2mJuAAAAD0lEQVR42mPgYhBhkNMAAAD3AGUmLg5CAAAAAElFTkSuQmCC",
      2, [10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40]
    ),
  ]

  /// A file of a few bytes that claims to be 100,000 x 100,000 pixels.
  static let huge =
    "iVBORw0KGgoAAAANSUhEUgABhqAAAYagCAIAAAAnMJyfAAAACUlEQVR42mMAAAABAAGxDbaTAAAAAElFTkSuQmCC"

  static func bytes(_ base64: String) -> [UInt8] { Array(Data(base64Encoded: base64) ?? Data()) }
}
