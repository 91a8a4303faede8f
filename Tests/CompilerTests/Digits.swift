import Foundation
import Swage

/// The shipped checkpoint, compiled and run in the test's own process.
enum Digits {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let model = root + "/models/digits/digits.onnx"
  static let graph = root + "/graphs/digits.onnx"
  static let weights = root + "/models/digits/digits.safetensors"

  /// Eight held-out scans.
  static func images() throws -> Tensor {
    let all = try Npy.read(path: root + "/models/digits/heldout_images.npy")
    return Tensor(.f32, [8, 1, 8, 8], storage: all.storage, byteOffset: all.byteOffset)!
  }

  static func run(_ request: CompileRequest, _ images: Tensor, entryPoint: String? = nil) throws -> [String: Tensor] {
    let plan = try Compiler(request).compile().plan
    try PlanValidator.validate(plan)
    let session = try Session(
      plan: plan, entryPoint: entryPoint, options: SessionOptions(threads: 1), devices: [ReferenceDevice()])
    return try session.run(["image": images])
  }

  /// The largest difference, as a share of the largest magnitude of `expected`.
  static func error(_ actual: [String: Tensor], _ expected: [String: Tensor]) -> Double {
    var worst = actual.keys.sorted() == expected.keys.sorted() ? 0.0 : .infinity
    for (name, tensor) in expected {
      guard let other = actual[name], other.shape == tensor.shape else { return .infinity }
      let peak = tensor.doubles.map(abs).max() ?? 0
      for (x, y) in zip(other.doubles, tensor.doubles) {
        worst = max(worst, x.isNaN != y.isNaN ? .infinity : abs(x - y) / max(peak, 1e-30))
      }
    }
    return worst
  }
}
