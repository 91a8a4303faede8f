import Foundation
import Swage

/// Where the pictures of a request go.
struct GenerateFiles {
  let paths: [String]

  /// `output`, or a name made of the prompt's words, in the current folder. Throws where the first file cannot be written:
  /// before the work, not after it.
  init(output: String?, settings: GenerationSettings) throws {
    let path = output ?? Self.name(settings.prompts[0]) + ".png"
    let count = settings.pictureCount
    let stem = path.lowercased().hasSuffix(".png") ? String(path.dropLast(4)) : path
    let suffix = stem == path ? "" : String(path.suffix(4))
    paths = count == 1 ? [path] : (1...count).map { "\(stem)-\($0)\(suffix)" }
    _ = try AtomicFile(path: paths[0])
  }

  func write(_ result: GenerationResult, texts: (Int) -> [PNG.Text]) throws {
    for (index, picture) in result.pictures.enumerated() {
      try PNG.write(picture, texts: texts(index), to: paths[index])
    }
  }

  /// Letters and digits of the prompt, joined by hyphens.
  private static func name(_ prompt: String) -> String {
    let words = prompt.lowercased().split { !($0.isLetter || $0.isNumber) }
    var name = ""
    for word in words where name.utf8.count + word.utf8.count < 60 { name += (name.isEmpty ? "" : "-") + word }
    return name.isEmpty ? "picture" : name
  }
}
