import ArgumentParser
import Foundation
import Swage

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Runs cases laid out as the ONNX backend tests are: model.onnx, test_data_set_*/input_0.pb, output_0.pb.",
    discussion: """
      A folder is a case, or holds cases. Floats agree within --rtol and --atol, everything else exactly.

      Example:
        swage verify onnx/backend/test/data/node --json
      """)

  @Argument(help: "Folders with cases.") var folders: [String]
  @Option(name: .long, help: "Targets in order of preference.") var target = TargetList(["cpu", "reference"])
  @Option(name: .long, help: "Relative tolerance.") var rtol = 1e-3
  @Option(name: .long, help: "Absolute tolerance.") var atol = 1e-5
  @Flag(name: .long, help: "Prints one JSON object.") var json = false

  func run() throws {
    let cases = try folders.flatMap { try VerifyCase.find(in: $0) }
    guard !cases.isEmpty else {
      throw Diagnostic(
        code: "verify-no-cases", what: "no case in \(folders.joined(separator: ", "))",
        why: "no folder there holds a model.onnx", remedy: "name a folder with model.onnx and test_data_set_0")
    }
    var report = VerifyReport()
    for (index, item) in cases.enumerated() {
      Terminal.progress("[\(index + 1)/\(cases.count)] \(item.name)")
      report.add(item.run(targets: target.names, rtol: rtol, atol: atol))
    }
    Terminal.clearProgress()
    print(json ? report.json : report.text)
    if report.failed > 0 { throw ExitCode(1) }
  }
}
