/// What the user chooses about a checkpoint folder, beside what holds for every model.
public struct CheckpointOptions: Hashable, Sendable {
  /// Weight files to take: `fp16` for `model.fp16.safetensors`. nil takes the full ones, else those of the only variant.
  public var variant: String?
  /// Where graphs of known architectures lie, looked into before the default folders.
  public var graphFolders: [String]
  /// Whether `vae_encoder` is compiled: image to image and inpainting need it.
  public var includesEncoder: Bool
  /// Pixels; both or none. nil leaves the plan open for every size.
  public var width: Int?
  public var height: Int?
  /// Pictures that the UNet works on at once: it gets twice as many rows, for guidance. The text encoders and the VAE take
  /// one row a run then. nil leaves the plan open for every number.
  public var batch: Int?

  public init(
    variant: String? = nil, graphFolders: [String] = [], includesEncoder: Bool = true, width: Int? = nil,
    height: Int? = nil, batch: Int? = nil
  ) {
    self.variant = variant
    self.graphFolders = graphFolders
    self.includesEncoder = includesEncoder
    self.width = width
    self.height = height
    self.batch = batch
  }

  /// Those that change the plan, as on the command line.
  var flags: [String] {
    var flags: [String] = []
    if let variant { flags.append("--variant \(variant)") }
    if !includesEncoder { flags.append("--no-encoder") }
    if let width, let height { flags.append("--size \(width)x\(height)") }
    if let batch { flags.append("--batch \(batch)") }
    return flags
  }
}
