import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Operators of vision and losses: small results worked out by hand, and attributes that no file should have.
@Suite struct ImportVisionTests {
  private func run(
    _ type: String, _ inputs: [(String, Tensor)], _ attributes: [(String, ONNXAttributeValue)] = [],
    outputs: [String] = ["y"], opset: Int = 21
  ) throws -> [String: Tensor] {
    let model = M.model(
      opset: opset, inputs.map { M.input($0.0, $0.1.elementType, $0.1.shape.map { .value($0) }) },
      [M.node(type, inputs.map(\.0), outputs, attributes)], outputs)
    return try M.run(model, Dictionary(inputs, uniquingKeysWith: { $1 }))
  }

  @Test func ignoredElementsCountNothing() throws {
    let scores = Tensor(floats: [-1, -2, -3, -4, -.infinity, -6], [3, 2])
    let classes = Tensor(.i64, [3], integers: [1, 0, 9])
    let result = try run(
      "NegativeLogLikelihoodLoss", [("x", scores), ("t", classes)], [("ignore_index", .int(9))])
    #expect(result["y"]?.floats == [2.5])
  }

  @Test func suppressionKeepsTheBest() throws {
    let boxes = Tensor(floats: [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 5, 1, 6], [1, 3, 4])
    let scores = Tensor(floats: [0.5, 0.9, 0.9], [1, 1, 3])
    let limit = Tensor(.i64, [1], integers: [5])
    let overlap = Tensor(floats: [0.5], [1])
    let result = try run("NonMaxSuppression", [("b", boxes), ("s", scores), ("m", limit), ("o", overlap)])
    #expect(result["y"]?.shape == [2, 3])
    #expect(result["y"]?.integers == [0, 0, 1, 0, 0, 2])
    #expect(try run("NonMaxSuppression", [("b", boxes), ("s", scores)])["y"]?.shape == [0, 3])
  }

  @Test func uniqueKeepsTheFirstPlaces() throws {
    let x = Tensor(floats: [2, 1, 1, 3, 4, 3], [6])
    let names = ["y", "first", "inverse", "counts"]
    let sorted = try run("Unique", [("x", x)], outputs: names)
    #expect(sorted["y"]?.floats == [1, 2, 3, 4])
    #expect(sorted["first"]?.integers == [1, 0, 3, 4])
    #expect(sorted["inverse"]?.integers == [1, 0, 0, 2, 3, 2])
    #expect(sorted["counts"]?.integers == [2, 1, 2, 1])
    let unsorted = try run("Unique", [("x", x)], [("sorted", .int(0))], outputs: names)
    #expect(unsorted["y"]?.floats == [2, 1, 3, 4])
    #expect(unsorted["inverse"]?.integers == [0, 1, 1, 2, 3, 2])
    #expect(unsorted["counts"]?.integers == [1, 2, 2, 1])
  }

  @Test func stringsAreSortedByTheirBytes() throws {
    let x = Tensor(strings: ["b", "a", "", "b"], [4])
    #expect(try run("Unique", [("x", x)])["y"]?.strings == ["", "a", "b"])
  }

  @Test func maximaGoBackToTheirPlaces() throws {
    let x = Tensor(floats: [1, 9, 3, 4, 5, 6, 7, 8, 2, 2, 2, 2, 0, 0, 1, 0], [1, 1, 4, 4])
    let window: [(String, ONNXAttributeValue)] = [("kernel_shape", .ints([2, 2])), ("strides", .ints([2, 2]))]
    let pooled = try run("MaxPool", [("x", x)], window, outputs: ["y", "i"])
    #expect(pooled["y"]?.floats == [9, 8, 2, 2])
    #expect(pooled["i"]?.integers == [1, 7, 8, 10])
    let columnMajor = try run("MaxPool", [("x", x)], window + [("storage_order", .int(1))], outputs: ["y", "i"])
    #expect(columnMajor["i"]?.integers == [4, 13, 2, 10])
    guard let y = pooled["y"], let i = pooled["i"] else { return }
    let image = try run("MaxUnpool", [("x", y), ("i", i)], window)
    #expect(image["y"]?.floats == [0, 9, 0, 0, 0, 0, 0, 8, 2, 0, 2, 0, 0, 0, 0, 0])
  }

  @Test func hostileAttributesAreRefused() {
    let image = Tensor(zeros: .f32, [1, 1, 4, 4])
    let regions = ("r", Tensor(zeros: .f32, [1, 4]))
    let owner = ("o", Tensor(zeros: .i64, [1]))
    let calls: [(String, [(String, Tensor)], [(String, ONNXAttributeValue)])] = [
      ("RoiAlign", [("x", image), regions, owner], [("output_height", .int(-1))]),
      ("RoiAlign", [("x", image), regions, owner], [("sampling_ratio", .int(.max))]),
      ("RoiAlign", [("x", image), regions, owner], [("mode", .string("sum"))]),
      ("MaxRoiPool", [("x", image), ("r", Tensor(zeros: .f32, [1, 5]))], [("pooled_shape", .ints([.max, 2]))]),
      ("GridSample", [("x", image), ("g", Tensor(zeros: .f32, [1, 2, 2, 2]))], [("padding_mode", .string("wrap"))]),
      ("GridSample", [("x", image), ("g", Tensor(zeros: .f32, [1, 2, 2, 3]))], []),
      ("MaxUnpool", [("x", image), ("i", Tensor(zeros: .i64, [1, 1, 4, 4]))], [("kernel_shape", .ints([.min, 2]))]),
      ("MaxUnpool", [("x", image), ("i", Tensor(zeros: .i64, [1, 1, 4, 4]))], []),
      (
        "DeformConv", [("x", image), ("w", image), ("d", Tensor(zeros: .f32, [1, 32, 1, 1]))],
        [("group", .int(0))]
      ),
      ("Det", [("x", Tensor(zeros: .f32, [2, 3]))], []),
      ("Unique", [("x", image)], [("axis", .int(7))]),
      (
        "NegativeLogLikelihoodLoss", [("x", Tensor(zeros: .f32, [2, 2])), ("t", Tensor(zeros: .i64, [2]))],
        [("reduction", .string("median"))]
      ),
    ]
    for (type, inputs, attributes) in calls {
      #expect(throws: ImportError.self, "\(type) \(attributes)") { try run(type, inputs, attributes, outputs: ["y"]) }
    }
  }
}
