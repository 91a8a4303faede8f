import SwageGraph
import SwageTensor

/// Core operations on tensors of sizes: movement by running the reference definition on element numbers, arithmetic by
/// `Dim`. Gives nil where the result is not a known expression; the operation then becomes a node.
struct SizeArithmetic {
  /// Bounds of symbols: inputs' sizes are not negative, values bound from data may be.
  let symbolBounds: (String) -> Dim.Bounds
  /// Expressions that are sizes of tensors, and so not negative.
  let areSizes: Set<Dim>

  func bounds(_ size: Dim) -> Dim.Bounds {
    var result = size.bounds(symbolBounds)
    if areSizes.contains(size) { result.lower = max(result.lower ?? 0, 0) }
    return result
  }

  func isAtLeast(_ size: Dim, _ least: Int) -> Bool { bounds(size).lower.map { $0 >= least } ?? false }

  /// The result of `op`, with its element type.
  func apply(_ op: Op, _ operands: [ImportedValue?]) -> (sizes: KnownSizes, type: ElementType)? {
    guard let result = result(op, operands), !result.sizes.elements.contains(where: \.isTooComplex) else { return nil }
    return result
  }

  private func result(_ op: Op, _ operands: [ImportedValue?]) -> (sizes: KnownSizes, type: ElementType)? {
    guard let first = operands.first ?? nil else { return nil }
    let known = operands.compactMap { $0?.known }
    guard known.count == operands.count else { return nil }
    let type = first.type.elementType
    switch op {
    case .reshape, .transpose, .broadcast, .slice, .concat:
      guard operands.allSatisfy({ $0?.type.elementType == type }), let moved = move(op, known) else { return nil }
      return (moved, type)
    case .gather, .gatherElements, .gatherND:
      guard let indices = known[1].constants, operands[1]?.type.elementType.isInteger == true,
        let moved = gather(op, known[0], KnownSizes(shape: known[1].shape, elements: indices.map { Dim($0) }))
      else { return nil }
      return (moved, type)
    case .pad(let pad) where pad.mode == .constant: return pad_(op, known).map { ($0, type) }
    case .iota(let iota): return self.iota(iota, known, type)
    case .unary(let unary): return self.unary(unary, known[0], type).map { ($0, type) }
    case .binary(let binary):
      guard operands[1]?.type.elementType == type, let pair = broadcast(known) else { return nil }
      guard let elements = combine(binary.function, pair[0].elements, pair[1].elements, type) else { return nil }
      return (KnownSizes(shape: pair[0].shape, elements: elements), binary.function.isComparison ? .bool : type)
    case .select: return select(operands, known)
    case .cast(let cast): return self.cast(known[0], from: type, to: cast.to).map { ($0, cast.to) }
    case .reduce(let reduce): return self.reduce(reduce, known[0], type).map { ($0, type) }
    default: return nil
    }
  }

  // MARK: - Movement

  /// Runs `op` on the numbers of the operands' elements and picks those.
  private func move(_ op: Op, _ operands: [KnownSizes]) -> KnownSizes? {
    var pool: [Dim] = []
    var inputs: [Tensor] = []
    for operand in operands {
      let range = pool.count..<pool.count + operand.elements.count
      inputs.append(Tensor(.i64, operand.shape, integers: range.map { Int64($0) }))
      pool += operand.elements
    }
    return pick(op, inputs, pool)
  }

  private func gather(_ op: Op, _ data: KnownSizes, _ indices: KnownSizes) -> KnownSizes? {
    guard let indexTensor = indices.tensor(.i64) else { return nil }
    let numbers = Tensor(.i64, data.shape, integers: data.elements.indices.map { Int64($0) })
    return pick(op, [numbers, indexTensor], data.elements)
  }

  private func pad_(_ op: Op, _ operands: [KnownSizes]) -> KnownSizes? {
    let data = operands[0]
    let fill = operands.count > 1 ? operands[1].elements.first ?? 0 : 0
    let numbers = Tensor(.i64, data.shape, integers: data.elements.indices.map { Int64($0) })
    let fillNumber = Tensor(.i64, [], integers: [Int64(data.elements.count)])
    return pick(op, [numbers, fillNumber], data.elements + [fill])
  }

  private func pick(_ op: Op, _ inputs: [Tensor], _ pool: [Dim]) -> KnownSizes? {
    guard op.definition.symbols.isEmpty else { return nil }
    var graph = Graph(name: "sizes")
    let ids = inputs.map { graph.addInput(name: "", type: $0.type) }
    var context = EvaluationContext()
    guard let result = try? graph.append(op, ids), let shape = graph.type(of: result[0]).staticShape,
      let count = Checked.product(shape), count <= KnownSizes.limit
    else { return nil }
    graph.addOutput(result[0], name: "")
    guard let numbers = try? Evaluator.run(graph, inputs, &context)[0] else { return nil }
    let picked = numbers.integers.compactMap { pool.indices.contains(Int($0)) ? pool[Int($0)] : nil }
    return picked.count == count ? KnownSizes(shape: shape, elements: picked) : nil
  }

  private func broadcast(_ operands: [KnownSizes]) -> [KnownSizes]? {
    var context = TypeContext(operands: [])
    var shape: [Dim] = []
    for operand in operands {
      guard let next = try? context.broadcast(shape, operand.shape.map { Dim($0) }) else { return nil }
      shape = next
    }
    let moved = operands.compactMap { move(.broadcast(Broadcast(shape)), [$0]) }
    return moved.count == operands.count ? moved : nil
  }

  // MARK: - Arithmetic

  private func iota(_ iota: Iota, _ operands: [KnownSizes], _ type: ElementType) -> (KnownSizes, ElementType)? {
    guard let count = iota.count.constant, (0...KnownSizes.limit).contains(count), operands.count == 2,
      operands.allSatisfy({ $0.elements.count == 1 })
    else { return nil }
    let (start, step) = (operands[0].elements[0], operands[1].elements[0])
    let elements = (0..<count).map { start + step * Dim($0) }
    return fits(elements, type) ? (.vector(elements), type) : nil
  }

  private func unary(_ unary: Unary, _ x: KnownSizes, _ type: ElementType) -> KnownSizes? {
    let elements: [Dim]
    switch unary.function {
    case .neg: elements = x.elements.map { -$0 }
    // All known elements are whole numbers.
    case .floor, .ceil, .round: return x
    case .abs, .relu:
      guard x.elements.allSatisfy({ isAtLeast($0, 0) }) else { return nil }
      return x
    case .not:
      guard let values = x.constants else { return nil }
      elements = values.map { $0 == 0 ? 1 : 0 }
    default: return nil
    }
    return fits(elements, type) ? KnownSizes(shape: x.shape, elements: elements) : nil
  }

  private func select(_ operands: [ImportedValue?], _ known: [KnownSizes]) -> (KnownSizes, ElementType)? {
    guard known.count == 3, let type = operands[1]?.type.elementType, operands[2]?.type.elementType == type,
      let all = broadcast(known), let conditions = all[0].constants
    else { return nil }
    let elements = conditions.indices.map { conditions[$0] != 0 ? all[1].elements[$0] : all[2].elements[$0] }
    return (KnownSizes(shape: all[0].shape, elements: elements), type)
  }

  private func cast(_ x: KnownSizes, from: ElementType, to: ElementType) -> KnownSizes? {
    switch to {
    case .i64, .i32, .f32, .f64, .f16:
      return fits(x.elements, to) ? x : nil
    case .bool:
      var elements: [Dim] = []
      for element in x.elements {
        guard let truth = decide(nonzero: element) else { return nil }
        elements.append(truth ? 1 : 0)
      }
      return KnownSizes(shape: x.shape, elements: elements)
    default: return nil
    }
  }

  private func reduce(_ reduce: Reduce, _ x: KnownSizes, _ type: ElementType) -> KnownSizes? {
    let function: Binary.Function
    switch reduce.function {
    case .sum: function = .add
    case .prod: function = .mul
    case .min: function = .min
    case .max: function = .max
    default: return nil
    }
    // One transpose brings the reduced axes last; the rest is a fold of rows.
    let kept = x.shape.indices.filter { !reduce.axes.contains($0) }
    guard reduce.axes.allSatisfy({ x.shape.indices.contains($0) }),
      let rows = move(.transpose(Transpose(kept + reduce.axes)), [x])
    else { return nil }
    let width = reduce.axes.reduce(1) { $0 * x.shape[$1] }
    let shape =
      reduce.keepsAxes
      ? x.shape.indices.map { reduce.axes.contains($0) ? 1 : x.shape[$0] } : kept.map { x.shape[$0] }
    var elements: [Dim] = []
    for row in 0..<(Checked.product(shape) ?? 0) {
      let values = rows.elements[row * width..<(row + 1) * width]
      let start: Dim? = function == .add ? 0 : function == .mul ? 1 : values.first
      guard var sum = start else { return nil }
      for value in function == .add || function == .mul ? values : values.dropFirst() {
        guard let next = combine(function, [sum], [value], type) else { return nil }
        sum = next[0]
      }
      elements.append(sum)
    }
    return KnownSizes(shape: shape, elements: elements)
  }

  private func combine(_ function: Binary.Function, _ a: [Dim], _ b: [Dim], _ type: ElementType) -> [Dim]? {
    var result: [Dim] = []
    for (x, y) in zip(a, b) {
      guard let value = combine(function, x, y, type) else { return nil }
      result.append(value)
    }
    return function.isComparison || fits(result, type) ? result : nil
  }

  private func combine(_ function: Binary.Function, _ a: Dim, _ b: Dim, _ type: ElementType) -> Dim? {
    if let x = a.constant, let y = b.constant, type.isInteger || type == .bool {
      if type.isInteger, y == 0, function == .div || function == .mod || function == .fmod { return nil }
      return Dim(Int(Binary(function).applyInteger(Int64(x), Int64(y), type)))
    }
    guard type != .bool, isSimple(a), isSimple(b) else { return nil }
    func truth(_ value: Bool?) -> Dim? { value.map { $0 ? 1 : 0 } }
    switch function {
    case .add: return a + b
    case .sub: return a - b
    case .mul: return a * b
    case .div:
      if b == 0 { return nil }
      // Division of whole numbers by a size that turns out to be zero has no value: any is right.
      if b.constant != nil || type.isInteger, let exact = a.dividedExactly(by: b) { return exact }
      guard type.isInteger, isAtLeast(a, 0), isAtLeast(b, 1) else { return nil }
      return a.floorDivided(by: b)
    case .mod, .fmod:
      guard type.isInteger, isAtLeast(a, 0), isAtLeast(b, 1) else { return nil }
      return a.remainder(by: b)
    case .min: return smaller(a, b)
    case .max: return larger(a, b)
    case .equal: return truth(decide(nonzero: a - b).map { !$0 })
    case .less: return truth(decide(negative: a - b))
    case .greater: return truth(decide(negative: b - a))
    case .lessOrEqual: return truth(decide(negative: b - a).map { !$0 })
    case .greaterOrEqual: return truth(decide(negative: a - b).map { !$0 })
    default: return nil
    }
  }

  /// The smaller of two sizes, decided by bounds where they tell.
  func smaller(_ a: Dim, _ b: Dim) -> Dim {
    let difference = bounds(a - b)
    if let upper = difference.upper, upper <= 0 { return a }
    if let lower = difference.lower, lower >= 0 { return b }
    return .minimum(a, b)
  }

  func larger(_ a: Dim, _ b: Dim) -> Dim {
    let difference = bounds(a - b)
    if let upper = difference.upper, upper <= 0 { return b }
    if let lower = difference.lower, lower >= 0 { return a }
    return .maximum(a, b)
  }

  /// 1 where the size is negative, else 0.
  func isNegative(_ size: Dim) -> Dim { smaller(larger(-size, 0), 1) }

  private func decide(nonzero size: Dim) -> Bool? {
    if let value = size.constant { return value != 0 }
    let range = bounds(size)
    if let lower = range.lower, lower > 0 { return true }
    if let upper = range.upper, upper < 0 { return true }
    return nil
  }

  private func decide(negative size: Dim) -> Bool? {
    if let value = size.constant { return value < 0 }
    let range = bounds(size)
    if let lower = range.lower, lower >= 0 { return false }
    if let upper = range.upper, upper < 0 { return true }
    return nil
  }

  /// Keeps expressions, and the numbers in them, small: a file could square a size again and again.
  private func isSimple(_ size: Dim) -> Bool {
    if let constant = size.constant { return constant.magnitude < 1 << 62 }
    return !size.symbols.contains("too_complex") && size.description.utf8.count <= 2048
  }

  /// Whether the type holds the elements exactly, as far as they are constants.
  private func fits(_ elements: [Dim], _ type: ElementType) -> Bool {
    elements.allSatisfy { element in
      guard let value = element.constant else { return isSimple(element) && type != .f16 && type != .bool }
      switch type {
      case .i64: return true
      case .i32: return Int32(exactly: value) != nil
      case .f64: return value.magnitude <= 1 << 53
      case .f32: return value.magnitude <= 1 << 24
      case .f16: return value.magnitude <= 1 << 11
      case .bool: return value == 0 || value == 1
      default: return false
      }
    }
  }
}
