import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Interpolation in all its forms, with scales and sizes that are constants or inputs.
@Suite struct ResizeImportTests {
  private func resize(
    _ x: Tensor, scales: [Float]? = nil, sizes: [Int64]? = nil, roi: [Float]? = nil, known: Bool,
    opset: Int = 19, _ attributes: [(String, ONNXAttributeValue)]
  ) throws -> Tensor {
    var values: [(name: String, tensor: Tensor)] = []
    if let roi { values.append(("r", Tensor(floats: roi, [roi.count]))) }
    if let scales { values.append(("s", Tensor(floats: scales, [scales.count]))) }
    if let sizes { values.append(("z", Tensor(.i64, [sizes.count], integers: sizes))) }
    let names = ["x", roi == nil ? "" : "r", scales == nil ? "" : "s", sizes == nil ? "" : "z"]
    let others = known ? [] : values.map { M.input($0.name, $0.tensor.elementType, $0.tensor.shape.map { .value($0) }) }
    let model = M.model(
      opset: opset, [M.input("x", x.elementType, x.shape.map { .value($0) })] + others,
      [M.node("Resize", names, ["y"], attributes)], ["y"],
      known ? values.map { ONNXTensor(name: $0.name, tensor: $0.tensor) } : [])
    var inputs = ["x": x]
    if !known { for value in values { inputs[value.name] = value.tensor } }
    return try #require(try M.run(model, inputs)["y"])
  }

  private func mode(_ name: String, _ transformation: String = "half_pixel") -> [(String, ONNXAttributeValue)] {
    [("mode", .string(name)), ("coordinate_transformation_mode", .string(transformation))]
  }

  @Test(arguments: [true, false]) func scalesAndSizes(known: Bool) throws {
    let x = Tensor(floats: [0, 1, 2, 3], [1, 4])
    #expect(try resize(x, scales: [1, 0.5], known: known, mode("linear")).floats == [0.5, 2.5])
    #expect(
      try resize(x, sizes: [1, 7], known: known, mode("linear", "align_corners")).floats == [
        0, 0.5, 1, 1.5, 2, 2.5, 3,
      ])
    #expect(try resize(x, scales: [2, 1], known: known, mode("nearest", "asymmetric")).floats == x.floats + x.floats)
    let bytes = Tensor(.u8, [1, 2], integers: [0, 255])
    #expect(try resize(bytes, sizes: [1, 4], known: known, mode("linear")).integers == [0, 63, 191, 255])
  }

  @Test(arguments: [true, false]) func regionsMayLeaveTheImage(known: Bool) throws {
    let x = Tensor(floats: [0, 1, 2], [3])
    let attributes = mode("linear", "tf_crop_and_resize") + [("extrapolation_value", .float(9))]
    #expect(try resize(x, sizes: [3], roi: [0.5, 1.5], known: known, attributes).floats == [1, 2, 9])
    #expect(try resize(x, sizes: [1], roi: [0, 1], known: known, attributes).floats == [1])
  }

  @Test(arguments: [true, false]) func filtersAreAsWideAsTheImageShrinks(known: Bool) throws {
    let x = Tensor(floats: [0, 0, 8, 0, 0, 0, 0, 0], [1, 8])
    let attributes = mode("linear") + [("antialias", .int(1))]
    let y = try resize(x, scales: [1, 0.25], known: known, attributes)
    // Weights 1/8, 3/8, 5/8, 7/8, 7/8, … around each center, and what is beyond the left end repeats the first element.
    #expect(zip(y.floats, [1.75, 0.25]).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test(arguments: [true, false]) func oneScaleForAllAxes(known: Bool) throws {
    let x = M.iota(2, 4)
    for (policy, shape) in [("not_larger", [3, 6]), ("not_smaller", [4, 8])] {
      let attributes = mode("nearest") + [("keep_aspect_ratio_policy", .string(policy))]
      #expect(try resize(x, sizes: [4, 6], known: known, attributes).shape == shape)
    }
  }

  @Test(arguments: [true, false]) func opset10RoundsUpWhereItShrinks(known: Bool) throws {
    let model = M.model(
      opset: 10, [M.input("x", .f32, [.value(5)])] + (known ? [] : [M.input("s", .f32, [.value(1)])]),
      [M.node("Resize", ["x", "s"], ["y"])], ["y"], known ? [M.floats("s", [0.6])] : [])
    let inputs = ["x": M.iota(5)].merging(known ? [:] : ["s": Tensor(floats: [0.6], [1])]) { a, _ in a }
    #expect(try M.run(model, inputs)["y"]?.floats == [0, 2, 4])
  }
}
