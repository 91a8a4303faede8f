import Foundation
import SwageFuzz
import SwageGraph
import SwagePasses
import SwageTensor
import Testing

/// A file `Regressions/<what was wrong>.swiftir`: a graph that once failed, with its inputs. `swage fuzz` writes them.
struct Regression: CustomTestStringConvertible {
  let url: URL
  var testDescription: String { url.deletingPathExtension().lastPathComponent }

  static let all: [Regression] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Regressions")
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "swiftir" }.sorted { $0.path < $1.path }.map { Regression(url: $0) }
  }()

  func item() throws -> FuzzCase { try FuzzFile(parsing: String(contentsOf: url, encoding: .utf8)).item }
}

@Suite struct RegressionTests {
  /// One module for all of them.
  @Test func allOraclesAgree() throws {
    let report = BatchChecker.check(try Regression.all.map { try $0.item() })
    for (index, failures) in report.failures {
      for failure in failures {
        Issue.record("\(Regression.all[index].testDescription): \(failure.oracle): \(failure.detail)")
      }
    }
  }

  @Test func theFilesAreThere() { #expect(!Regression.all.isEmpty) }
}

@Suite struct GeneratorTests {
  @Test func theSameNumberGivesTheSameGraph() throws {
    for index in 0..<20 {
      let (a, b) = (try Fuzzer.make(seed: 7, index: index), try Fuzzer.make(seed: 7, index: index))
      #expect(FuzzFile(a, remarks: []).text == FuzzFile(b, remarks: []).text)
    }
    let other = try Fuzzer.make(seed: 8, index: 0)
    #expect(FuzzFile(other, remarks: []).text != FuzzFile(try Fuzzer.make(seed: 7, index: 0), remarks: []).text)
  }

  /// Every kind of thing that the generator is there for comes up.
  @Test func theGraphsAreOfManyKinds() throws {
    var operations: Set<String> = []
    var ranks: Set<Int> = []
    var types: Set<ElementType> = []
    var kinds: Set<String> = []
    for index in 0..<600 {
      let item = try Fuzzer.make(seed: 3, index: index)
      let graph = item.graph
      if item.runs.count > 1 { kinds.insert("symbols") }
      if Set(graph.outputs).count < graph.outputs.count { kinds.insert("an output twice") }
      if graph.outputs.contains(where: { graph.inputs.contains($0) }) { kinds.insert("an input as output") }
      if graph.outputs.contains(where: { graph.constant($0) != nil }) { kinds.insert("a constant as output") }
      if graph.outputs.contains(where: { !graph.users(of: $0).isEmpty }) { kinds.insert("an intermediate as output") }
      for node in graph.nodes {
        operations.insert(node.op.mnemonic)
        for result in node.results {
          let type = graph.type(of: result)
          ranks.insert(type.rank)
          types.insert(type.elementType)
          if type.shape.contains(0) { kinds.insert("no elements") }
        }
      }
    }
    let missing = Set(Self.operations).subtracting(operations)
    #expect(missing.isEmpty, "no graph has \(missing.sorted())")
    #expect(ranks.isSuperset(of: 0...5))
    #expect(types.isSuperset(of: [.f32, .f64, .f16, .bf16, .i8, .i16, .i32, .i64, .u8, .u16, .u32, .u64, .bool]))
    #expect(kinds.count == 6, "only \(kinds.sorted())")
  }

  private static let operations = [
    "unary", "binary", "select", "cast", "reshape", "transpose", "broadcast", "slice", "concat", "pad", "iota", "sizes",
    "bind_symbols", "gather", "gather_elements", "gather_nd", "scatter_elements", "scatter_nd", "nonzero", "reduce",
    "arg_reduce", "cumulative", "top_k", "softmax", "layer_norm", "group_norm", "matmul", "convolution", "pool",
    "resize", "recurrent", "attention", "quantize_linear", "dequantize_linear", "if", "loop",
    "bitcast", "random", "linear_attention", "determinant", "slice_order", "non_max_suppression", "tree_ensemble",
    "pairwise_coupling",
  ]
}

/// That oracles see what is wrong, and shrinking keeps it.
@Suite struct OracleTests {
  private static func item() throws -> FuzzCase {
    let text = """
      // run 0: "x" f32[4] [1.0, -2.0, 3.0, 1000.0]
      graph "wrong" (%0 "x": f32[4]) {
        %1 = unary(%0) {function = abs} : f32[4] from "n1" (Abs)
        %2 = unary(%1) {function = exp} : f32[4] from "n2" (Exp)
        %3 = unary(%1) {function = sqrt} : f32[4] from "n3" (Sqrt)
        return %2 "a", %3 "b"
      }
      """
    return try FuzzFile(parsing: text).item
  }

  @Test func aFileReadsBack() throws {
    let item = try Self.item()
    let again = try FuzzFile(parsing: FuzzFile(item, remarks: ["oracle: plan"]).text)
    #expect(again.remarks == ["oracle: plan"])
    #expect(FuzzFile(again.item, remarks: []).text == FuzzFile(item, remarks: []).text)
  }

  @Test func shrinkingKeepsWhatFails() throws {
    let small = Shrinker.shrink(try Self.item(), limit: .seconds(10)) { candidate in
      candidate.graph.nodes.contains { if case .unary(let op) = $0.op { op.function == .sqrt } else { false } }
    }
    #expect(small.graph.nodeCount == 1)
    #expect(small.graph.outputs.count == 1)
    #expect(small.runs[0]["x"] == nil || small.runs[0]["x"]?.count == 1)
  }
}
