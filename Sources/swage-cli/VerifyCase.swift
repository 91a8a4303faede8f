import Foundation
import Swage
import SwagePlan

/// A case in the layout of the ONNX backend tests.
struct VerifyCase {
  enum Status: String { case passed, failed, skipped }

  struct Outcome {
    var name: String
    var status: Status
    var reason: String
  }

  var name: String
  var folder: String

  /// The cases in a folder: itself, or those below it, sorted by name.
  static func find(in folder: String) throws -> [VerifyCase] {
    let files = FileManager.default
    func isCase(_ path: String) -> Bool { files.fileExists(atPath: path + "/model.onnx") }
    if isCase(folder) { return [VerifyCase(name: URL(fileURLWithPath: folder).lastPathComponent, folder: folder)] }
    guard let names = try? files.contentsOfDirectory(atPath: folder) else {
      throw Diagnostic(
        code: "verify-folder", what: "the folder \(folder) cannot be read", place: .init(file: folder),
        remedy: "name a folder with cases")
    }
    return names.sorted().flatMap { name -> [VerifyCase] in
      let path = folder + "/" + name
      var isFolder: ObjCBool = false
      guard files.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return [] }
      return isCase(path) ? [VerifyCase(name: name, folder: path)] : (try? find(in: path)) ?? []
    }
  }

  func run(targets: [String], rtol: Double, atol: Double) -> Outcome {
    do {
      let model = try ONNXModel.load(path: folder + "/model.onnx")
      let sets = try dataSets().map { try VerifyData(folder: $0, model: model) }
      let tolerance = try VerifyTolerance(folder: folder, rtol: rtol, atol: atol)
      let request = CompileRequest(
        models: [folder + "/model.onnx"], targets: targets, inputTypes: sets.first?.openTypes ?? [:])
      let plan = try Compiler(request).compile().plan
      try PlanValidator.validate(plan)
      let session = try Session(plan: plan, devices: [ReferenceDevice()])
      var checked = 0
      for set in sets {
        let results = try session.run(values: set.inputs)
        for (name, value) in set.outputs {
          guard let actual = results[name] else { return outcome(.failed, "output \(name) is missing") }
          if let difference = Comparison.difference(actual, value, tolerance) {
            return outcome(.failed, "output \(name): \(difference)")
          }
          checked += 1
        }
      }
      return checked == 0 ? outcome(.skipped, "no test_data_set with outputs") : outcome(.passed, "")
    } catch let error as any SwageError {
      let first = error.diagnostics.first
      let isUnsupported = Self.unsupportedCodes.contains(first?.code ?? "")
      return outcome(isUnsupported ? .skipped : .failed, first.map { "\($0.what) (\($0.why ?? $0.code))" } ?? "")
    } catch {
      return outcome(.failed, "\(error)")
    }
  }

  /// What swage does not take, as against what it does wrong.
  private static let unsupportedCodes = ["onnx-unsupported", "onnx-port", "onnx-opset", "partition-unsupported"]

  private func outcome(_ status: Status, _ reason: String) -> Outcome {
    Outcome(name: name, status: status, reason: reason)
  }

  private func dataSets() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("test_data_set_") }.sorted()
      .map { folder + "/" + $0 }
  }
}
