import SwageGraph
import SwageTensor

extension GraphGenerator {
  /// A value of any type, packed ones too.
  private mutating func source(rank: ClosedRange<Int> = 0...6) -> ValueID? {
    value { rank.contains($0.rank) }
  }

  mutating func movement() {
    switch random.below(20) {
    case 0...3: reshape()
    case 4...6: transpose()
    case 7, 8: broadcast()
    case 9...11: slice()
    case 12...14: concat()
    case 15, 16: pad()
    case 17: iota()
    case 18: boundSymbol()
    default:
      let count = 1 + random.below(3)
      let values = (0..<count).map { _ in size() + Dim(random.below(3)) }
      append(.sizes(Sizes(values, isScalar: count == 1 && random.chance(50))), [])
    }
  }

  mutating func reshape() {
    guard let x = source() else { return }
    let dims = type(x).shape
    var result = dims
    switch random.below(6) {
    case 0: result = [dims.reduce(1, *)]
    case 1: result.insert(1, at: random.below(dims.count + 1))
    case 2:
      if let axis = result.indices.filter({ result[$0] == 1 }).randomElement(using: &random) {
        result.remove(at: axis)
      } else {
        result.append(1)
      }
    case 3:
      guard dims.count >= 2 else { return }
      let axis = random.below(dims.count - 1)
      result.replaceSubrange(axis...axis + 1, with: [dims[axis] * dims[axis + 1]])
    case 4:
      guard let axis = dims.indices.filter({ (dims[$0].constant ?? 0) > 3 }).randomElement(using: &random),
        let size = dims[axis].constant, let factor = [2, 3].first(where: { size % $0 == 0 })
      else { return }
      result.replaceSubrange(
        axis...axis, with: random.chance(50) ? [Dim(factor), Dim(size / factor)] : [Dim(size / factor), Dim(factor)])
    default:
      // Another factorisation altogether.
      result = random.permutation(dims.count).map { dims[$0] }
    }
    append(.reshape(Reshape(result)), [x])
  }

  mutating func transpose() {
    guard let x = source(rank: 0...5) else { return }
    let rank = type(x).rank
    var order = random.permutation(rank)
    if rank == 4, random.chance(50) { order = random.pick([[0, 2, 3, 1], [0, 3, 1, 2]]) }
    append(.transpose(Transpose(order)), [x])
  }

  mutating func broadcast() {
    guard let x = source() else { return }
    var result = type(x).shape.map { $0 == 1 && random.chance(70) ? size() : $0 }
    if result.count < 5, random.chance(50) { result.insert(size(), at: 0) }
    append(.broadcast(Broadcast(result)), [x])
  }

  mutating func slice() {
    guard let x = source(rank: 0...6) else { return }
    let dims = type(x).shape
    var (starts, sizes, steps): ([Dim], [Dim], [Dim]) = ([], [], [])
    for dim in dims {
      let bound = least(dim)
      switch random.below(6) {
      case 0, 1:
        starts.append(0)
        sizes.append(dim)
        steps.append(1)
      case 2 where dim.constant == nil && bound > 0:
        // All but the first elements, or backwards.
        if random.chance(50) {
          starts.append(1)
          sizes.append(dim - 1)
          steps.append(1)
        } else {
          starts.append(dim - 1)
          sizes.append(dim)
          steps.append(-1)
        }
      case 3 where bound > 0:
        let size = random.within(1...bound)
        let step = random.within(1...max(1, size == 1 ? 3 : (bound - 1) / (size - 1)))
        let reach = (size - 1) * step
        guard reach < bound else { return }
        starts.append(Dim(reach + random.below(bound - reach)))
        sizes.append(Dim(size))
        steps.append(Dim(-step))
      default:
        let start = random.below(max(bound, 1))
        let step = random.pick([1, 1, 1, 2, 3])
        let most = bound == 0 ? 0 : (bound - start - 1) / step + 1
        starts.append(Dim(bound == 0 ? 0 : start))
        sizes.append(Dim(random.chance(6) ? 0 : most == 0 ? 0 : random.within(1...most)))
        steps.append(Dim(step))
      }
    }
    append(.slice(Slice(starts: starts, sizes: sizes, steps: steps)), [x])
  }

  mutating func concat() {
    guard let x = source(rank: 1...6) else { return }
    let type = type(x)
    let axis = random.below(type.rank)
    var operands: [ValueID?] = [x]
    for _ in 0..<random.within(0...3) {
      let found = value { other in
        other.elementType == type.elementType && other.rank == type.rank
          && (0..<type.rank).allSatisfy { $0 == axis || other.shape[$0] == type.shape[$0] }
      }
      if let found, random.chance(60) {
        operands.append(found)
      } else {
        var shape = type.shape
        shape[axis] = size()
        operands.append(operand(TensorType(type.elementType, shape)))
      }
    }
    operands.swapAt(0, random.below(operands.count))
    guard operands.allSatisfy({ $0 != nil }) else { return }
    append(.concat(Concat(axis: axis)), operands)
  }

  mutating func pad() {
    guard let x = source(rank: 0...5) else { return }
    let type = type(x)
    let mode = random.chance(60) ? Pad.Mode.constant : random.pick([.reflect, .edge, .wrap])
    var (begins, ends): ([Dim], [Dim]) = ([], [])
    for dim in type.shape {
      let bound = least(dim)
      func amount(_ random: inout FuzzRandom) -> Int {
        if random.chance(50) { return 0 }
        if random.chance(25), bound > 1 { return -1 }
        return mode == .reflect ? min(random.below(3), max(bound - 1, 0)) : random.below(4)
      }
      begins.append(Dim(amount(&random)))
      ends.append(Dim(amount(&random)))
    }
    let hasValue = mode == .constant && random.chance(70)
    let value = hasValue ? operand(TensorType(type.elementType)) : nil
    if hasValue, value == nil { return }
    append(.pad(Pad(mode: mode, begins: begins, ends: ends)), hasValue ? [x, value] : [x])
  }

  mutating func iota() {
    let type = random.pick([ElementType.i64, .i32, .f32, .i16, .f64, .u8])
    guard let start = constant(type, [], .range(0...4)), let step = constant(type, [], .range(1...3)) else { return }
    append(.iota(Iota(count: size() * Dim(random.within(1...3)) + Dim(random.below(3)))), [start, step])
  }

  /// A size that comes from data.
  mutating func boundSymbol() {
    guard !isPortable, let data = operand(TensorType(.i64, [1]), .range(0...5)) else { return }
    let name = freshSymbol()
    guard append(.bindSymbols(BindSymbols([name])), [data]) != nil else { return }
    let size = Dim.symbol(name)
    switch random.below(3) {
    case 0:
      guard let start = constant(.i64, [], .small), let step = constant(.i64, [], .range(1...2)) else { return }
      append(.iota(Iota(count: random.chance(50) ? size : size * 2 + 1)), [start, step])
    case 1:
      guard let x = value(where: { $0.rank <= 3 }) else { return }
      append(.broadcast(Broadcast([size] + type(x).shape)), [x])
    default:
      guard let x = value(where: { $0.rank >= 1 && $0.rank <= 4 && ($0.shape[0].constant ?? 0) >= 5 }) else { return }
      let dims = type(x).shape
      append(.slice(Slice(starts: dims.map { _ in 0 }, sizes: [size] + dims.dropFirst())), [x])
    }
  }

  // MARK: - Indices

  private mutating func indexType() -> ElementType { random.chance(70) ? .i64 : .i32 }

  mutating func indexed() {
    switch random.below(12) {
    case 0...3: gather()
    case 4: gatherElements()
    case 5: gatherND()
    case 6, 7: scatterElements()
    case 8: scatterND()
    default: nonZero()
    }
  }

  /// Axes with elements in every run.
  private func filledAxes(_ value: ValueID) -> [Int] {
    let dims = type(value).shape
    return dims.indices.filter { least(dims[$0]) > 0 }
  }

  private mutating func gather() {
    guard let x = source(rank: 1...5), let axis = random.pick(optional: filledAxes(x)) else { return }
    let bound = least(type(x).shape[axis])
    let dims: [Dim] = random.chance(35) ? [] : random.chance(60) ? [Dim(random.below(4))] : [2, 2]
    guard let indices = operand(TensorType(indexType(), dims), .indices(bound)) else { return }
    append(.gather(Gather(axis: axis)), [x, indices])
  }

  private mutating func gatherElements() {
    guard let x = source(rank: 1...4), let axis = random.pick(optional: filledAxes(x)) else { return }
    var dims = type(x).shape
    let bound = least(dims[axis])
    dims[axis] = Dim(random.within(1...4))
    guard let indices = operand(TensorType(indexType(), dims), .indices(bound)) else { return }
    append(.gatherElements(GatherElements(axis: axis)), [x, indices])
  }

  private mutating func gatherND() {
    guard let x = source(rank: 1...4) else { return }
    let dims = type(x).shape
    let batch = random.chance(30) && dims.count > 1 ? 1 : 0
    let depth = random.within(1...dims.count - batch)
    let bound = dims[batch..<batch + depth].map { least($0) }.min() ?? 0
    guard bound > 0 else { return }
    let shape = Array(dims[..<batch]) + (random.chance(70) ? [Dim(random.below(4))] : []) + [Dim(depth)]
    guard let indices = operand(TensorType(indexType(), shape), .indices(bound)) else { return }
    append(.gatherND(GatherND(batchRank: batch)), [x, indices])
  }

  private mutating func reduction(of type: ElementType) -> ScatterReduction {
    type.isInteger || Self.floats.contains(type) ? random.pick([.none, .none, .add, .mul, .min, .max]) : .none
  }

  private mutating func scatterElements() {
    guard let x = source(rank: 1...4), let axis = random.pick(optional: filledAxes(x)) else { return }
    let type = type(x)
    var dims = type.shape
    let bound = least(dims[axis])
    let kind = reduction(of: type.elementType)
    // Two writes to one place have no order: one index where nothing combines them.
    dims[axis] = kind == .none ? 1 : Dim(random.within(1...4))
    guard let indices = operand(TensorType(indexType(), dims), .indices(bound)),
      let updates = operand(TensorType(type.elementType, dims))
    else { return }
    append(.scatterElements(ScatterElements(axis: axis, reduction: kind)), [x, indices, updates])
  }

  private mutating func scatterND() {
    guard let x = source(rank: 1...4) else { return }
    let type = type(x)
    let depth = random.within(1...type.rank)
    let bound = type.shape[..<depth].map { least($0) }.min() ?? 0
    guard bound > 0 else { return }
    let kind = reduction(of: type.elementType)
    let tuples: Dim = kind == .none ? 1 : Dim(random.within(1...4))
    guard let indices = operand(TensorType(indexType(), [tuples, Dim(depth)]), .indices(bound)),
      let updates = operand(TensorType(type.elementType, [tuples] + type.shape[depth...]))
    else { return }
    append(.scatterND(ScatterND(reduction: kind)), [x, indices, updates])
  }

  private mutating func nonZero() {
    guard
      let x = value(where: {
        !Self.packed.contains($0.elementType) && $0.elementType != .string && $0.rank <= 4
      }),
      let hits = node(.nonZero(NonZero(symbol: freshSymbol())), [x]), random.chance(70)
    else { return }
    // What exporters make of it: the tuples, and the elements there.
    guard type(x).rank > 0, let tuples = node(.transpose(Transpose([1, 0])), [hits]) else { return }
    append(.gatherND(GatherND(batchRank: 0)), [x, tuples])
  }
}
