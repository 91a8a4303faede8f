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
      let request = CompileRequest(models: [folder + "/model.onnx"], targets: targets)
      let plan = try Compiler(request).compile().plan
      try PlanValidator.validate(plan)
      let session = try Session(plan: plan, devices: [ReferenceDevice()])
      var checked = 0
      for set in try dataSets() {
        let inputs = try tensors(in: set, prefix: "input")
        let expected = try tensors(in: set, prefix: "output")
        var named: [String: Tensor] = [:]
        for (port, tensor) in zip(session.inputs, inputs) { named[port.name] = tensor }
        let results = try session.run(named)
        for (port, tensor) in zip(session.outputs, expected) {
          guard let actual = results[port.name] else { return outcome(.failed, "output \(port.name) is missing") }
          if let difference = Comparison.difference(actual, tensor, rtol: rtol, atol: atol) {
            return outcome(.failed, "output \(port.name): \(difference)")
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

  private func tensors(in set: String, prefix: String) throws -> [Tensor] {
    var result: [Tensor] = []
    while FileManager.default.fileExists(atPath: "\(set)/\(prefix)_\(result.count).pb") {
      result.append(try TensorProtoFile.read(path: "\(set)/\(prefix)_\(result.count).pb"))
    }
    return result
  }
}

/// Whether two tensors agree.
enum Comparison {
  /// Nil when they agree; else the largest difference in words. NaN equals NaN.
  static func difference(_ actual: Tensor, _ expected: Tensor, rtol: Double, atol: Double) -> String? {
    guard actual.elementType == expected.elementType, actual.shape == expected.shape else {
      return "is \(actual.type), expected \(expected.type)"
    }
    if expected.elementType == .string {
      let (x, y) = (actual.stringBytes, expected.stringBytes)
      guard let index = x.indices.first(where: { x[$0] != y[$0] }) else { return nil }
      return "element \(index) is \(GraphPrinter.quoted(x[index])), expected \(GraphPrinter.quoted(y[index]))"
    }
    if !expected.elementType.isFloat {
      let pairs = zip(actual.integers, expected.integers)
      guard let index = Array(pairs).firstIndex(where: { $0 != $1 }) else { return nil }
      return "element \(index) is \(actual.integers[index]), expected \(expected.integers[index])"
    }
    // As the runner of the ONNX tests has it: two units in the last place of bf16.
    let rtol = expected.elementType == .bf16 ? max(rtol, 0x1p-6) : rtol
    var worst: (index: Int, excess: Double)?
    let (x, y) = (actual.doubles, expected.doubles)
    for index in x.indices where !(x[index] == y[index] || (x[index].isNaN && y[index].isNaN)) {
      let excess = abs(x[index] - y[index]) - (atol + rtol * abs(y[index]))
      if excess > worst?.excess ?? 0 || excess.isNaN { worst = (index, excess.isNaN ? .infinity : excess) }
    }
    return worst.map { "element \($0.index) is \(x[$0.index]), expected \(y[$0.index])" }
  }
}
