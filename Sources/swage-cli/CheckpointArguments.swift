import ArgumentParser
import Swage

/// `512x768`: width and height in pixels.
struct PictureSize: ExpressibleByArgument {
  var width: Int
  var height: Int

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let width = parts[0], let height = parts[1], width > 0, height > 0 else { return nil }
    (self.width, self.height) = (width, height)
  }
}

/// How to compile a checkpoint folder.
struct CheckpointArguments: ParsableArguments {
  @Option(name: .long, help: "Of a checkpoint: the weight files to take, such as fp16.")
  var variant: String?

  @Option(
    name: .long, help: "Of a checkpoint: a folder of graphs by architecture, looked into before the shipped ones.")
  var graphs: [String] = []

  @Option(name: .long, help: "Of a checkpoint: compiles for pictures of WIDTHxHEIGHT alone.")
  var size: PictureSize?

  @Option(name: .long, help: "Of a checkpoint: compiles for this many pictures at once alone.")
  var batch: Int?

  @Flag(name: .customLong("no-encoder"), help: "Of a checkpoint: leaves out what image to image needs.")
  var noEncoder = false

  var options: CheckpointOptions {
    CheckpointOptions(
      variant: variant, graphFolders: graphs, includesEncoder: !noEncoder, width: size?.width, height: size?.height,
      batch: batch)
  }
}
