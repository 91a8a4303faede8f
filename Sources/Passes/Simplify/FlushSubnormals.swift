import SwageGraph
import SwageTensor

/// Subnormal weights of products are zero: processors take a hundred times as long over them, and training leaves them
/// where weights decay.
///
///     %1 = constant f32[2, 2] [0.5, 1e-40, -0.25, 1]
///     %2 = matmul(%0, %1) : f32[1, 2]
/// ->
///     %1 = constant f32[2, 2] [0.5, 0, -0.25, 1]
///     %2 = matmul(%0, %1) : f32[1, 2]
///
/// Legal where the largest weight is at least 2^-100: beside its product a subnormal one's is below the rounding of f32,
/// unless an input is 2^26 times as large as that one's.
///
/// Leaves alone: other types than f32, tensors that are subnormal altogether, and those of more than 16 MiB, which may not
/// be in memory.
public let flushSubnormals = Pass(name: "flush-subnormals") { graph, context in
  for id in graph.order {
    let node = graph[id]
    let weights: [Int]
    switch node.op {
    case .convolution, .matmul: weights = [1]
    case .recurrent: weights = [1, 2]
    default: continue
    }
    for index in weights {
      guard index < node.operands.count, let value = node.operands[index], let tensor = graph.constant(value),
        let flushed = tensor.withoutSubnormals
      else { continue }
      guard context.begin("flush-subnormals") else { return }
      let new = try graph.constant(flushed, name: graph[value].name, before: id)
      var operands = graph[id].operands
      operands[index] = new
      graph.setOperands(of: id, to: operands)
      if let producer = graph.producer(of: value)?.id { graph.eraseDead([producer]) }
    }
  }
}

extension Tensor {
  private static let largestScanned = 16 << 20

  /// The tensor with zeros in place of subnormal numbers; nil where there is nothing to do.
  fileprivate var withoutSubnormals: Tensor? {
    guard elementType == .f32, byteCount <= Self.largestScanned else { return nil }
    let magnitude: UInt32 = 0x7fff_ffff
    let (least, large) = (Float.leastNormalMagnitude.bitPattern, Float(0x1p-100).bitPattern)
    let (count, largest) = withBytes { bytes in
      bytes.bindMemory(to: UInt32.self).reduce(into: (0, UInt32(0))) { found, bits in
        let size = bits & magnitude
        found.0 += size != 0 && size < least ? 1 : 0
        found.1 = max(found.1, size)
      }
    }
    guard count > 0, largest >= large else { return nil }
    var result = Tensor(zeros: .f32, shape)
    result.withMutableBytes { target in
      withBytes { source in
        let (from, to) = (source.bindMemory(to: UInt32.self), target.bindMemory(to: UInt32.self))
        // The sign stays.
        for index in from.indices {
          to[index] = from[index] & magnitude < least ? from[index] & ~magnitude : from[index]
        }
      }
    }
    return result
  }
}
