import Foundation
import Testing

/// The committed protobuf-c code is what the schema gives.
@Suite struct GeneratedCodeTests {
  private static let hasCompiler = ["/usr/bin", "/usr/local/bin"].contains {
    FileManager.default.isExecutableFile(atPath: $0 + "/protoc-c")
  }

  @Test(.enabled(if: hasCompiler, "protoc-c is not installed"))
  func onnxIsCurrent() throws {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let sources = root.appendingPathComponent("Sources/C/CONNX")
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = sources.appendingPathComponent("generate.sh")
    process.arguments = [folder.path]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    for name in ["onnx.pb-c.c", "include/onnx.pb-c.h"] {
      let committed = try String(contentsOf: sources.appendingPathComponent(name), encoding: .utf8)
      let generated = try String(contentsOfFile: folder.path + "/" + name, encoding: .utf8)
      // Another version of the compiler may say the same in other words.
      guard Self.version(committed) == Self.version(generated) else { continue }
      #expect(committed == generated, "run Sources/C/CONNX/generate.sh and commit the result")
    }
  }

  private static func version(_ header: String) -> Substring? {
    header.split(separator: "\n").first { $0.contains("PROTOBUF_C_VERSION_NUMBER <") }
  }
}
