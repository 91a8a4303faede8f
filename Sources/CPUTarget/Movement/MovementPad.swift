import SwageGraph
import SwageKernel
import SwageTensor

/// Padding: one unit is a row of the result up to the last padded axis, the part before the operand's elements, they,
/// and the part after them.
enum MovementPad {
  static func kernel(_ op: Pad, _ type: TensorType, _ result: TensorType, hasValue: Bool) -> GeneratedKernel {
    let pattern = type.elementType.patternType
    let k = KernelBuilder("pad_\(op.mode.rawValue)_\(pattern.name)")
    let source = k.input(pattern)
    let value = hasValue ? k.input(pattern) : nil
    let target = k.output(pattern)
    let axis = type.shape.indices.last { op.begins[$0] != 0 || op.ends[$0] != 0 } ?? 0
    let operands = hasValue ? [0, 1] : [0]
    func finish() -> GeneratedKernel {
      GeneratedKernel(function: k.finish(), operands: operands, results: [0], inPlace: [])
    }
    guard !type.shape.isEmpty else {
      k.store(target, 0, k.load(source, 0))
      return finish()
    }
    let inner = type.shape[(axis + 1)...].reduce(1, *)
    let outer = Array(result.shape[..<axis])
    let rowLength = result.shape[axis] * inner
    let strides = IterationSpace.strides(type.shape)
    let fill = value.map { k.let("value", k.load($0, 0)) } ?? .integer(0, pattern.computeType)

    func row(_ number: Expression) {
      let indices = k.decode(number, outer)
      // Where the row lies in the operand, and whether it does.
      var base: Expression = 0
      var inside: Expression?
      for other in outer.indices {
        let size = k.size(type.shape[other])
        if op.begins[other] == 0, op.ends[other] == 0 {
          base = base + indices[other] * k.size(strides[other])
          continue
        }
        let at = k.let("at", indices[other] - k.size(op.begins[other]))
        if op.mode == .constant {
          let isIn = at.greaterOrEqual(0).and(at.lessThan(size))
          inside = inside.map { $0.and(isIn) } ?? isIn
          base = base + at * k.size(strides[other])
        } else {
          base = base + k.let("from", Self.source(at, size, op.mode)) * k.size(strides[other])
        }
      }
      if op.mode != .constant, type.elementCount.constant == nil {
        inside = k.size(type.elementCount).greaterThan(0)
      }
      let start = k.let("start", number * k.size(rowLength))
      let origin = k.let("origin", base)
      func write() {
        body(k, op, source, target, start: start, origin: origin, type, result, axis: axis, inner: inner, fill: fill)
      }
      guard let inside else { return write() }
      k.if(inside, write) {
        k.loop("i", to: k.size(rowLength)) { k.store(target, start + $0, fill) }
      }
    }
    if pattern.isPacked {
      k.loop("row_number", to: k.size(outer.reduce(1, *))) { row($0) }
    } else {
      k.range = outer.reduce(1, *)
      k.grain = IterationSpace.grain(MovementKernels.threadElements, perUnit: rowLength)
      row(k.unit)
    }
    return finish()
  }

  /// One row that meets the operand.
  private static func body(
    _ k: KernelBuilder, _ op: Pad, _ source: KernelBuffer, _ target: KernelBuffer, start: Expression,
    origin: Expression, _ type: TensorType, _ result: TensorType, axis: Int, inner: Dim, fill: Expression
  ) {
    let begin = op.begins[axis]
    let size = type.shape[axis]
    let length = result.shape[axis]
    // Elements of the result's axis that are the operand's: from ..< to.
    let from = Dim.minimum(.maximum(begin, 0), .maximum(length, 0))
    let to = Dim.maximum(.minimum(begin + size, length), from)
    func outside(_ low: Dim, _ high: Dim) {
      guard low != high else { return }
      if op.mode == .constant {
        return k.loop("i", from: k.size(low * inner), to: k.size(high * inner), .vector) {
          k.store(target, start + $0, fill)
        }
      }
      k.loop("p", from: k.size(low), to: k.size(high)) { p in
        let at = k.let("from", Self.source(p - k.size(begin), k.size(size), op.mode))
        move(start + p * k.size(inner), origin + at * k.size(inner), inner)
      }
    }
    func move(_ to: Expression, _ from: Expression, _ count: Dim) {
      if count == 1 {
        k.store(target, to, k.load(source, from))
      } else if source.elementType.isPacked {
        k.loop("i", to: k.size(count)) { k.store(target, to + $0, k.load(source, from + $0)) }
      } else {
        k.copy(to: target, at: to, from: source, at: from, count: k.size(count))
      }
    }
    outside(0, from)
    move(
      start + k.size(from * inner), origin + k.size((from - begin) * inner), (to - from) * inner)
    outside(to, length)
  }

  /// The operand's index for an index outside it.
  private static func source(_ index: Expression, _ size: Expression, _ mode: Pad.Mode) -> Expression {
    switch mode {
    case .constant: return index
    case .edge: return index.maximum(0).minimum(size - 1)
    case .wrap:
      // An axis without elements is looked at before anyone knows that there is nothing to copy.
      let period = size.maximum(1)
      return (index.remainder(by: period) + period).remainder(by: period)
    case .reflect:
      let period = ((size - 1) * 2).maximum(1)
      let turned = (index.remainder(by: period) + period).remainder(by: period)
      return .choose(turned.lessThan(size), turned, period - turned)
    }
  }
}
