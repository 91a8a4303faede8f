import Foundation
import Swage
import Testing

@Suite struct CompilerTests {
  /// The imported graph, before any pass, in double precision: what every way of compiling must give.
  private static func oracle(_ images: Tensor) throws -> [String: Tensor] {
    let imported = try Compiler(CompileRequest(models: [Digits.model])).importGraphs()
    return try Evaluator.run(imported.graphs[0], inputs: ["image": images])
  }

  @Test func agreesWithTheEvaluatorOnTheImportedGraph() throws {
    let images = try Digits.images()
    let results = try Digits.run(CompileRequest(models: [Digits.model]), images)
    #expect(Digits.error(results, try Self.oracle(images)) < 1e-5)
  }

  @Test(arguments: 0..<24)
  func anyPlacementGivesTheSameResults(_ seed: UInt64) throws {
    let images = try Digits.images()
    let request = CompileRequest(models: [Digits.model], randomPlacementSeed: seed)
    let compiled = try Compiler(request).compile()
    let targets = Set(compiled.graphs[0].placement.rows.compactMap(\.target))
    #expect(targets == ["cpu", "reference"], "a random placement uses both targets")
    #expect(compiled.graphs[0].graph.nodes.contains { if case .copy = $0.op { true } else { false } })
    #expect(Digits.error(try Digits.run(request, images), try Self.oracle(images)) < 1e-5)
  }

  @Test func theReferenceTargetAloneRunsTheModel() throws {
    let images = try Digits.images()
    let request = CompileRequest(models: [Digits.model], targets: ["reference"])
    #expect(Digits.error(try Digits.run(request, images), try Self.oracle(images)) < 1e-6)
  }

  @Test func weightsBesideTheGraphGiveTheSameBits() throws {
    let images = try Digits.images()
    let inside = try Digits.run(CompileRequest(models: [Digits.model]), images)
    let beside = try Digits.run(CompileRequest(models: [Digits.graph], weights: [Digits.weights]), images)
    for (name, tensor) in inside { #expect(tensor.floats == beside[name]?.floats) }
  }

  @Test(arguments: [PipelineOptions.Precision.bf16, .f16])
  func reducedPrecisionStaysNear(_ precision: PipelineOptions.Precision) throws {
    let images = try Digits.images()
    let request = CompileRequest(models: [Digits.model], precision: precision)
    let error = Digits.error(try Digits.run(request, images), try Self.oracle(images))
    #expect(error > 0 && error < 0.03, "the error is \(error)")
  }

  @Test func fixedSizesPlaceAllMemoryAtCompileTime() throws {
    let request = CompileRequest(models: [Digits.model], shapes: ["image": [8, 1, 8, 8]])
    let plan = try Compiler(request).compile().plan
    for buffer in plan.entryPoints[0].buffers {
      guard case .fixed = buffer.placement else {
        Issue.record("a buffer is not placed: \(buffer)")
        continue
      }
    }
    let images = try Digits.images()
    #expect(Digits.error(try Digits.run(request, images), try Self.oracle(images)) < 1e-5)
  }

  @Test func entryPointsShareEqualWeights() throws {
    let images = try Digits.images()
    let request = CompileRequest(models: [Digits.model, Digits.graph], weights: [Digits.weights])
    let both = try Compiler(request).compile().plan
    let one = try Compiler(CompileRequest(models: [Digits.model])).compile().plan
    #expect(both.entryPoints.map(\.name) == ["digits", "digits_2"])
    #expect(both.weights.count == one.weights.count)
    for name in both.entryPoints.map(\.name) {
      let results = try Digits.run(request, images, entryPoint: name)
      #expect(Digits.error(results, try Self.oracle(images)) < 1e-5)
    }
  }

  @Test func compilingTwiceGivesTheSameBytes() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swage-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var contents: [Data] = []
    for index in 0..<2 {
      let path = folder.appendingPathComponent("\(index).plan").path
      try PlanWriter.write(try Compiler(CompileRequest(models: [Digits.model])).compile().plan, to: path)
      contents.append(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
    #expect(contents[0] == contents[1])
  }

  @Test func everyPassCanBeTheLast() throws {
    let images = try Digits.images()
    let expected = try Self.oracle(images)
    for name in Pipeline.standard().passNames {
      let request = CompileRequest(models: [Digits.model], stopAfter: name)
      #expect(Digits.error(try Digits.run(request, images), expected) < 1e-5, "stopped after \(name)")
    }
  }

  /// The code of the first diagnostic; nil where the request compiles.
  private static func code(_ request: CompileRequest) -> String? {
    do {
      _ = try Compiler(request).compile()
      return nil
    } catch let error as any SwageError {
      return error.diagnostics.first?.code
    } catch {
      return "\(error)"
    }
  }

  @Test func faultsAreToldInWords() {
    #expect(Self.code(CompileRequest(models: [Digits.graph])) == "weights-missing")
    #expect(Self.code(CompileRequest(models: [Digits.model], shapes: ["nothing": [1]])) == "usage-shape")
    #expect(Self.code(CompileRequest(models: [Digits.model], targets: ["quantum"])) == "usage-target")
    #expect(Self.code(CompileRequest(models: [Digits.model], stopAfter: "no-such-pass")) == "pass-unknown")
    #expect(Self.code(CompileRequest(models: [Digits.root])) == "model-unknown")
  }
}
