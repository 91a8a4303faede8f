import SwageKernel
import SwagePartition
import SwageTensor

/// Linear quantisation and its inverse.
enum QuantizeKernels {
  static func make(_ op: QuantizeLinear, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph), let scale = node.type(1, in: graph) else { return nil }
    let k = KernelBuilder("quantize_\(type.elementType.name)_\(op.to.name)")
    let x = k.input(type.elementType)
    let s = k.input(scale.elementType)
    let z = node.type(2, in: graph).map { k.input($0.elementType) }
    let y = k.output(op.to)
    // ONNX divides in the precision of x; wide integers are added up in f64.
    let precision: ScalarType = type.elementType == .f64 ? .f64 : .f32
    let sum: ScalarType = op.to.bitWidth > 16 || precision == .f64 ? .f64 : .f32
    each(k, type, scale, axis: op.axis, blockSize: op.blockSize) { at, pick in
      let ratio = k.load(x, at).cast(precision) / k.load(s, pick).cast(precision)
      let rounded = (op.to.isInteger ? .call(.roundEven, [ratio]) : ratio).cast(sum)
      let value = k.let("value", z.map { rounded + k.load($0, pick).cast(sum) } ?? rounded)
      k.store(y, at, stored(op.largest.map { bounded(value, -$0, $0) } ?? value, op.to))
    }
    return .kernel(k.finish(), operands: z == nil ? [0, 1] : [0, 1, 2], label: "quantize")
  }

  /// NaN stays.
  private static func bounded(_ value: Expression, _ low: Double, _ high: Double) -> Expression {
    let (low, high) = (Expression.literal(low, value.type), Expression.literal(high, value.type))
    return .choose(value.lessThan(low), low, .choose(value.greaterThan(high), high, value))
  }

  /// A float as an element of `type`: integers saturate.
  private static func stored(_ value: Expression, _ type: ElementType) -> Expression {
    if type == .f64 { return value.cast(.f64) }
    if type.isFloat { return value.cast(.f32) }
    // The cast saturates at the ends of wide types; narrow ones are bounded before it.
    guard type.bitWidth <= 32 else { return value.cast(type.computeType) }
    let bits = Double(type.isSignedInteger ? type.bitWidth - 1 : type.bitWidth)
    let count = Double(sign: .plus, exponent: Int(bits), significand: 1)
    return bounded(value, type.isSignedInteger ? -count : 0, count - 1).cast(type.computeType)
  }

  static func make(_ op: DequantizeLinear, _ node: Node, in graph: Graph) -> Recipe? {
    guard let type = node.type(0, in: graph), let scale = node.type(1, in: graph) else { return nil }
    let k = KernelBuilder("dequantize_\(type.elementType.name)_\(scale.elementType.name)")
    let x = k.input(type.elementType)
    let s = k.input(scale.elementType)
    let z = node.type(2, in: graph).map { k.input($0.elementType) }
    let y = k.output(scale.elementType)
    let result = scale.elementType.computeType
    let precision: ScalarType = type.elementType.bitWidth > 16 || result == .f64 ? .f64 : .f32
    each(k, type, scale, axis: op.axis, blockSize: op.blockSize) { at, pick in
      let value = k.load(x, at).cast(precision)
      let centered = z.map { value - k.load($0, pick).cast(precision) } ?? value
      k.store(y, at, (centered * k.load(s, pick).cast(precision)).cast(result))
    }
    return .kernel(k.finish(), operands: z == nil ? [0, 1] : [0, 1, 2], label: "dequantize")
  }

  /// Calls `body` for every element, with the place of its scale.
  private static func each(
    _ k: KernelBuilder, _ type: TensorType, _ scale: TensorType, axis: Int, blockSize: Int,
    _ body: @escaping (_ at: Expression, _ pick: Expression) -> Void
  ) {
    if scale.rank == 0 || scale.elementCount == 1 {
      let block = 4096
      k.split(type.elementCount.ceilDivided(by: Dim(block)), work: Dim(block))
      let start = k.let("start", k.unit * .i64(block))
      let count = k.let("count", (k.size(type.elementCount) - start).minimum(.i64(block)))
      k.loop("i", to: count, .vector) { body(start + $0, 0) }
      return
    }
    let inner = type.shape[(axis + 1)...].reduce(1, *)
    let size = type.shape[axis]
    let (n, m) = (k.size(size), k.size(inner))
    let blocks = blockSize > 0 ? k.size(size.ceilDivided(by: Dim(blockSize))) : n
    if inner == 1 {
      k.split(type.shape[..<axis].reduce(1, *), work: size)
      let start = k.let("start", k.unit * n)
      let picks = k.let("picks", blockSize > 0 ? k.unit * blocks : 0)
      k.loop("i", to: n, .vector) { i in
        body(start + i, picks + (blockSize > 0 ? i.divided(by: .i64(blockSize)) : i))
      }
      return
    }
    k.split(type.shape[...axis].reduce(1, *), work: inner)
    let start = k.let("start", k.unit * m)
    let place = k.let("place", k.unit.remainder(by: n))
    if blockSize > 0 {
      let row = k.unit.divided(by: n) * blocks + place.divided(by: .i64(blockSize))
      let picks = k.let("picks", row * m)
      k.loop("i", to: m, .vector) { body(start + $0, picks + $0) }
    } else {
      k.loop("i", to: m, .vector) { body(start + $0, place) }
    }
  }
}
