import SwageTensor

/// A PNG file could not be read or made.
public enum PNGError: SwageError, Hashable {
  case notPNG(file: String)
  /// `reason` is libpng's.
  case damaged(file: String, reason: String)
  case tooLarge(file: String, width: Int, height: Int)
  case noMemory(file: String)
  case write(reason: String)

  public var diagnostics: [Diagnostic] { [diagnostic] }

  private var diagnostic: Diagnostic {
    switch self {
    case .notPNG(let file):
      Diagnostic(
        code: "png-signature", what: "not a PNG file", place: .init(file: file),
        why: "it does not begin with PNG's eight bytes", remedy: "convert the picture to PNG")
    case .damaged(let file, let reason):
      Diagnostic(
        code: "png-damaged", what: "the PNG file is damaged", place: .init(file: file), why: "libpng says: \(reason)",
        remedy: "save or fetch the picture again")
    case .tooLarge(let file, let width, let height):
      Diagnostic(
        code: "png-too-large", what: "the picture is \(width)x\(height) pixels", place: .init(file: file),
        why: "at most \(PNG.sideLimit) pixels a side and \(PNG.pixelLimit) in all are read",
        remedy: "make the picture smaller")
    case .noMemory(let file):
      Diagnostic(
        code: "png-no-memory", what: "there is no memory for the picture", place: .init(file: file),
        remedy: "close other programs, or make the picture smaller")
    case .write(let reason):
      Diagnostic(
        code: "png-write", what: "the picture cannot be made into a PNG file",
        why: reason.isEmpty ? "memory is short" : reason,
        remedy: "close other programs, or make a smaller picture")
    }
  }
}
