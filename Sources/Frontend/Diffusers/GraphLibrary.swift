import Foundation
import SwageTensor

/// Graphs without weights, by architecture: folders with an `architecture.json` and a graph for each entry point.
///
///     {"name": "stable-diffusion-v1",
///      "parts": {"unet": {"in_channels": 4, …}, "vae": {…}, "text_encoder": {…}},
///      "defaults": {"unet": {…}, …}}
///
/// A checkpoint fits where the settings of each part have all values of `parts`; keys that its config.json leaves out
/// have those of `defaults`.
public struct GraphLibrary: Sendable {
  struct Architecture: Sendable {
    var name: String
    var folder: String
    var file: JSONFile
  }

  /// Folders that were looked into.
  let searched: [String]
  let architectures: [Architecture]

  /// Reads the descriptions in `folders`, and in the folders inside them.
  /// - Throws: `DiffusersError` for a malformed one.
  public init(folders: [String]) throws {
    searched = folders
    var found: [Architecture] = []
    var seen: Set<String> = []
    for folder in folders {
      let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
      for place in [folder] + names.map({ folder + "/" + $0 }) {
        let path = place + "/architecture.json"
        guard FileManager.default.fileExists(atPath: path), seen.insert(path).inserted else { continue }
        let file = try JSONFile(path: path)
        guard let name = try file.text("name"), file["parts"]?.object != nil else {
          throw DiffusersError.library(file: path, reason: "name or parts are missing")
        }
        found.append(Architecture(name: name, folder: place, file: file))
      }
    }
    architectures = found
  }

  /// The folder of graphs for the component of a checkpoint: parts fit one by one, so that a checkpoint may mix those of
  /// several architectures.
  public func graph(_ entryPoint: String, for component: DiffusersFolder.Component, of folder: DiffusersFolder) throws
    -> String
  {
    guard !architectures.isEmpty else { throw DiffusersError.noGraphs(folder: folder.path, searched: searched) }
    var nearest: (name: String, differences: [String])?
    for architecture in architectures {
      guard let wanted = architecture.file["parts"]?[component.name], wanted.object != nil else { continue }
      // One class of text encoder gives other outputs in other pipelines.
      let isXL = architecture.file["parts"]?["text_encoder_2"] != nil
      guard isXL == folder.isXL || !entryPoint.hasPrefix("text_encoder") else { continue }
      let differences = Self.differences(
        component.configuration, wanted, defaults: architecture.file["defaults"]?[component.name])
      let path = architecture.folder + "/" + entryPoint + ".onnx"
      if differences.isEmpty, FileManager.default.fileExists(atPath: path) { return path }
      let shown = differences.isEmpty ? ["its graph \(entryPoint).onnx, which is missing"] : differences
      if shown.count < nearest?.differences.count ?? .max { nearest = (architecture.name, shown) }
    }
    throw DiffusersError.architecture(
      folder: folder.path, part: component.name, className: component.className, nearest: nearest?.name,
      differences: nearest?.differences ?? [])
  }

  /// `cross_attention_dim (1024, not 768)`, sorted.
  private static func differences(_ configuration: JSONFile, _ wanted: StrictJSON, defaults: StrictJSON?) -> [String] {
    (wanted.object ?? []).compactMap { key, value in
      let own = configuration.json[key] ?? defaults?[key] ?? .null
      return own.isEquivalent(to: value) ? nil : "\(key) (\(own.summary), not \(value.summary))"
    }.sorted()
  }
}
