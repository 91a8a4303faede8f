import SwageFrontend
import SwageTensor
import Testing

/// External data and graphs without weights.
@Suite struct LoadingWeightsTests {
  private typealias W = LoadingWire

  private static func graph(_ entries: [(String, String)]) -> [UInt8] {
    W.model(W.input("x") + W.bytes(5, W.external("w", entries)) + W.node("Add", ["x", "w"], ["y"]) + W.output("y"))
  }

  @Test func externalData() throws {
    let folder = try LoadingFolder()
    let values: [Float] = [3, 4]
    _ = try folder.file("w.bin", values.withUnsafeBytes { Array($0) })
    let path = try folder.file("m.onnx", Self.graph([("location", "w.bin")]))
    let model = try ONNXModel.load(path: path)
    #expect(model.graph.initializers[0].tensor?.floats == values)
    #expect(model.files == [path, folder.path + "/w.bin"])
  }

  @Test(arguments: [
    ([("location", "../w.bin")], "external-path"), ([("location", "gone.bin")], "external-missing"),
    ([("location", "w.bin"), ("offset", "1")], "external-range"),
    ([("location", "w.bin"), ("length", "4")], "external-length"),
    ([("location", "w.bin"), ("evil", "1")], "external-keys"),
    ([("location", "*/_ORT_MEM_ADDR_/*")], "external-memory-address"),
  ])
  func badExternalData(entries: [(String, String)], expected: String) throws {
    let folder = try LoadingFolder()
    _ = try folder.file("w.bin", [UInt8](repeating: 0, count: 8))
    let path = try folder.file("m.onnx", Self.graph(entries))
    #expect(loadingCodes { _ = try ONNXModel.load(path: path) } == [expected])
  }

  @Test func modelsInMemoryHaveNoFolder() {
    #expect(loadingCodes(Self.graph([("location", "w.bin")])) == ["external-no-folder"])
  }

  @Test func bindsACheckpoint() throws {
    let model = try ONNXModel.load(bytes: Self.graph([("location", "weights")]), name: "m")
    #expect(model.graph.initializers[0].isWeightless)
    #expect(model.weightRequirements == [WeightRequirement("w", TensorType(.f32, sizes: [2]))])
    let bound = try model.bound(to: WeightSet(tensors: ["w": Tensor(floats: [1, 2], [2])], files: ["w.safetensors"]))
    #expect(bound.graph.initializers[0].tensor?.floats == [1, 2])
    #expect(bound.weightRequirements.isEmpty)
    #expect(bound.files == ["w.safetensors"])
  }

  @Test func bindingListsEverythingThatDoesNotFit() throws {
    let weights = WeightSet(tensors: [
      "a": Tensor(floats: [1, 2], [2]), "b": Tensor(floats: [1, 2], [1, 2]), "c": Tensor(.f64, [1], doubles: [1]),
      "z": Tensor(zeros: .f32, [1]), "y": Tensor(zeros: .f32, [1]),
    ])
    let f32 = { (sizes: [Int]) in TensorType(.f32, sizes: sizes) }
    let needs = [
      WeightRequirement("gone", f32([1])), WeightRequirement("a", f32([2])), WeightRequirement("b", f32([2, 1])),
      WeightRequirement("c", f32([1])), WeightRequirement("lost", f32([3])),
    ]
    do {
      _ = try weights.bind(needs)
      Issue.record("it binds")
    } catch {
      #expect(error.missing.map(\.name) == ["gone", "lost"])
      #expect(error.mismatched.map(\.requirement.name) == ["b", "c"])
      #expect(error.unused == ["y", "z"])
      #expect(
        error.diagnostics.map(\.code) == [
          "weights-missing", "weights-missing", "weights-type", "weights-type", "weights-unused", "weights-unused",
        ])
    }
    #expect(try weights.bind([needs[1]], allowUnused: true).map(\.floats) == [[1, 2]])
  }

  @Test func widensOnlyWhereAllowed() throws {
    let weights = WeightSet(tensors: [
      "h": Tensor(.f16, [3], doubles: [1.5, -65504, 0x1p-24]), "b": Tensor(.bf16, [2], doubles: [1.5, -0x1p100]),
    ])
    let needs = [
      WeightRequirement("h", TensorType(.f32, sizes: [3])), WeightRequirement("b", TensorType(.f32, sizes: [2])),
    ]
    #expect(loadingCodes { _ = try weights.bind(needs) } == ["weights-type"])
    let tensors = try weights.bind(needs, allowConversion: true)
    #expect(tensors.map(\.elementType) == [.f32, .f32])
    #expect(tensors[0].doubles == [1.5, -65504, 0x1p-24])
    #expect(tensors[1].doubles == [1.5, -0x1p100])
    let wide = [WeightRequirement("h", TensorType(.f64, sizes: [3])), needs[1]]
    #expect(loadingCodes { _ = try weights.bind(wide, allowConversion: true) } == ["weights-type"])
  }
}
