import Foundation
import SwageCompiler
import SwageGraph
import SwageInspect
import SwageReferenceDevice
import SwageRuntime
import SwageTensor

/// Writes cases as ONNX models in the layout of the ONNX backend tests, for other runtimes: `model.onnx`, then for each
/// run `test_data_set_N` with `input_N.pb`, `output_N.pb` (what the compiled plan gives), `reference_N.pb` (what the
/// evaluator gives) and `bound_N.pb` (f64: how far each element may be from the reference; infinite where rounding
/// decides it, and of another shape where it decides the sizes).
public enum CaseExporter {
  /// Graph `index` of a seed, of operators of ONNX only, to a folder of its own in `folder`.
  public static func export(seed: UInt64, indices: [Int], to folder: String) throws {
    let cases = try indices.map { index -> FuzzCase in
      try GraphGenerator.make(seed: seed, index: index, isPortable: true)
    }
    let plan = try Compiler.compile(
      cases.map { (graph: $0.graph, request: CompileRequest(models: [])) }, targets: ["cpu", "reference"], threads: 1
    ).plan
    for item in cases {
      let path = "\(folder)/\(item.graph.name)"
      try makeFolder(path)
      try AtomicFile.write(try ONNXWriter.bytes(item.graph), to: path + "/model.onnx")
      try AtomicFile.write(Array(FuzzFile(item, remarks: []).text.utf8), to: path + "/graph.swiftir")
      let session = try Session(
        plan: plan, entryPoint: item.graph.name, options: SessionOptions(threads: 1), devices: [ReferenceDevice()])
      for (run, inputs) in item.runs.enumerated() {
        let set = "\(path)/test_data_set_\(run)"
        try makeFolder(set)
        func write(_ tensor: Tensor, _ name: String, _ kind: String, _ index: Int) throws {
          try AtomicFile.write(tensorProto(tensor, name: name), to: "\(set)/\(kind)_\(index).pb")
        }
        for (index, input) in item.graph.inputs.enumerated() {
          let name = item.graph[input].name
          if let tensor = inputs[name] { try write(tensor, name, "input", index) }
        }
        let results = try session.run(inputs)
        var conditioning = Conditioning(graph: item.graph, inputs: inputs, expected: item.expected[run])
        for (index, name) in item.graph.outputNames.enumerated() {
          let expected = item.expected[run][index]
          if let tensor = results[name] { try write(tensor, name, "output", index) }
          try write(expected, name, "reference", index)
          let bounds = conditioning.bounds(output: index)
          let shape = bounds == nil ? [1, 0, 0, 0, 0, 0, 0] : expected.shape
          try write(Tensor(.f64, shape, doubles: bounds ?? []), name, "bound", index)
        }
      }
    }
  }

  private static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Diagnostic(
        code: "output-write", what: "the folder \(path) cannot be made", why: "\(error)", remedy: "name another folder")
    }
  }

  /// The encoded `TensorProto`: dims (1), data_type (2), string_data (6) or raw_data (9), name (8).
  static func tensorProto(_ tensor: Tensor, name: String) -> [UInt8] {
    func varint(_ value: UInt64) -> [UInt8] {
      var (rest, bytes) = (value, [UInt8]())
      while rest >= 128 {
        bytes.append(UInt8(rest & 127) | 128)
        rest >>= 7
      }
      return bytes + [UInt8(rest)]
    }
    var bytes: [UInt8] = []
    for size in tensor.shape { bytes += [1 << 3] + varint(UInt64(size)) }
    bytes += [2 << 3] + varint(UInt64(tensor.elementType.rawValue))
    bytes += [8 << 3 | 2] + varint(UInt64(name.utf8.count)) + Array(name.utf8)
    if tensor.elementType == .string {
      for text in tensor.stringBytes { bytes += [6 << 3 | 2] + varint(UInt64(text.count)) + text }
    } else {
      bytes += [9 << 3 | 2] + varint(UInt64(tensor.byteCount))
      tensor.withBytes { bytes += Array($0) }
    }
    return bytes
  }
}
