import Foundation
import SwageTensor

/// A text-to-image checkpoint in the layout of diffusers (`model_index.json`, a folder for each part), or of optimum's ONNX
/// export of one. Only its settings are read here.
public struct DiffusersFolder: Sendable {
  /// A part of the pipeline with its settings and weight files.
  public struct Component: Sendable {
    /// `unet`, `vae`, `text_encoder`, `text_encoder_2`; the folder's name.
    public var name: String
    /// From model_index.json: `UNet2DConditionModel`.
    public var className: String
    public var configuration: JSONFile
    /// Safetensors files or an index of shards; empty where there are none.
    public var weightFiles: [String]
  }

  /// Classes of model_index.json, without the prefixes of ONNX pipelines.
  public static let pipelineClasses = [
    "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline",
    "LatentConsistencyModelPipeline", "LatentConsistencyModelImg2ImgPipeline",
  ]
  static let classes: [String: [String]] = [
    "unet": ["UNet2DConditionModel"], "vae": ["AutoencoderKL"],
    "text_encoder": ["CLIPTextModel", "CLIPTextModelWithProjection"],
    "text_encoder_2": ["CLIPTextModelWithProjection"],
  ]

  /// Without a slash at its end.
  public let path: String
  public let index: JSONFile
  public let isXL: Bool
  public private(set) var components: [Component] = []
  /// What was left out, and why.
  public private(set) var notes: [String] = []

  /// Whether the folder has a `model_index.json`.
  public static func isCheckpoint(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path + "/model_index.json")
  }

  /// Reads the settings of all parts. `variant` chooses among weight files (`fp16`).
  /// - Throws: `DiffusersError`, `FileError`.
  public init(path: String, variant: String? = nil) throws {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
    index = try JSONFile(path: path + "/model_index.json")
    let className = try index.text("_class_name")
    let plain = ["ORT", "Onnx", "ONNX"].reduce(className ?? "") { name, prefix in
      name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
    }
    guard Self.pipelineClasses.contains(plain) else {
      throw DiffusersError.pipeline(file: index.path, name: className, known: Self.pipelineClasses)
    }
    isXL = plain.hasPrefix("StableDiffusionXL")
    if try index.flag("requires_aesthetics_score", default: false) {
      throw DiffusersError.configuration(
        file: index.path, key: "requires_aesthetics_score", reason: "refiners, which take a score, cannot be compiled")
    }
    for name in ["text_encoder", "text_encoder_2", "unet", "vae"] where name != "text_encoder_2" || isXL {
      components.append(try component(name, variant))
    }
    for name in ["safety_checker", "feature_extractor", "image_encoder"] where Self.entry(name, in: index) != nil {
      notes.append("\(name) is left out: the plan makes pictures without it")
    }
  }

  public func component(_ name: String) -> Component? { components.first { $0.name == name } }

  private func component(_ name: String, _ variant: String?) throws -> Component {
    // Optimum splits the VAE.
    let folders = name == "vae" ? ["vae", "vae_decoder"] : [name]
    guard let folder = folders.first(where: { Self.isFolder(path + "/" + $0) }) else {
      throw DiffusersError.missingPart(folder: path, part: name, reason: "there is no such folder")
    }
    let configuration = try JSONFile(path: path + "/" + folder + "/config.json")
    var className = Self.entry(folder, in: index) ?? Self.entry(name, in: index)
    // Pipelines over ONNX name the runner's class instead.
    if className == nil || className?.contains("Onnx") == true || className?.contains("ORT") == true {
      className =
        try configuration.text("_class_name") ?? configuration["architectures"]?.array?.first?.string
        ?? Self.classes[name]?.first
    }
    guard let className, Self.classes[name]?.contains(className) == true else {
      throw DiffusersError.partClass(
        file: index.path, part: name, name: className ?? "none", known: Self.classes[name] ?? [])
    }
    return Component(
      name: name, className: className, configuration: configuration,
      weightFiles: try WeightFiles.find(folder: path, part: folder, variant: variant))
  }

  /// The class of `"unet": ["diffusers", "UNet2DConditionModel"]`; nil where the part is absent or null.
  private static func entry(_ name: String, in index: JSONFile) -> String? {
    guard let pair = index[name]?.array, pair.count == 2 else { return nil }
    return pair[1].string
  }

  static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }
}
