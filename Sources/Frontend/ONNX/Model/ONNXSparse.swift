import SwageTensor

/// Sparse tensors of ONNX (coordinate format) made dense.
enum ONNXSparse {
  struct Problem: Error {
    var reason: String
  }

  /// `values` has one dimension of n elements; `indices`, i64, has n linear positions or n rows of coordinates, in
  /// ascending order without repeats. Elements that are not listed are zero.
  static func dense(
    values: ONNXTensor, indices: ONNXTensor, shape: [Int], byteLimit: Int
  ) -> Result<Tensor, Problem> {
    func problem(_ reason: String) -> Result<Tensor, Problem> { .failure(Problem(reason: reason)) }
    guard let elements = values.tensor, let positions = indices.tensor else {
      return problem("its values or indices are strings or external to a checkpoint")
    }
    guard elements.shape.count == 1 else { return problem("its values have \(elements.shape.count) dimensions, not 1") }
    guard positions.elementType == .i64 else {
      return problem("its indices are \(positions.elementType.name), not i64")
    }
    let count = elements.count
    let isLinear = positions.shape == [count]
    guard isLinear || positions.shape == [count, shape.count] else {
      return problem("its indices have shape \(positions.shape), for \(count) values and \(shape.count) dimensions")
    }
    guard let total = Checked.product(shape), let bytes = elements.elementType.byteCount(elements: total),
      bytes <= byteLimit, shape.count <= 64
    else { return problem("dense it exceeds \(byteLimit) bytes") }
    guard count <= total else { return problem("it has \(count) values for \(total) elements") }

    var dense = Tensor(zeros: elements.elementType, shape)
    let coordinates = positions.integers.map { Int($0) }
    var last = -1
    for index in 0..<count {
      var linear = 0
      if isLinear {
        linear = coordinates[index]
      } else {
        for axis in shape.indices {
          let coordinate = coordinates[index * shape.count + axis]
          guard coordinate >= 0, coordinate < shape[axis] else {
            return problem("index \(coordinate) is outside of dimension \(axis), which is \(shape[axis])")
          }
          linear = linear * shape[axis] + coordinate
        }
      }
      guard linear >= 0, linear < total else { return problem("index \(linear) is outside of \(total) elements") }
      guard linear > last else { return problem("its indices are not in ascending order without repeats") }
      last = linear
      copy(elements, index, to: &dense, linear)
    }
    return .success(dense)
  }

  private static func copy(_ source: Tensor, _ from: Int, to target: inout Tensor, _ index: Int) {
    let type = source.elementType
    let width = type.bitWidth / 8
    source.withBytes { input in
      target.withMutableBytes { output in
        if width > 0 {
          for byte in 0..<width { output[index * width + byte] = input[from * width + byte] }
        } else if type == .f4e2m1 {
          ScalarCoding.store(ScalarCoding.load(type, input, from), type, output, index)
        } else {
          ScalarCoding.store(integer: ScalarCoding.loadInteger(type, input, from), type, output, index)
        }
      }
    }
  }
}
