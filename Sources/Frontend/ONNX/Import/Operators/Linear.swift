import Foundation
import SwageGraph
import SwageTensor

/// Matrix products.
enum LinearOperators {
  static let table: [String: Handler] = [
    "MatMul": { call in [try matmul(call, try call.input(0), try call.input(1))] }, "Gemm": gemm,
    "Det": { [try $0.emit(.determinant(Determinant()), [try $0.input(0)])] }, "Einsum": einsum,
  ]

  /// NumPy's product: vectors are rows on the left and columns on the right.
  static func matmul(_ call: Call, _ a: ImportedValue, _ b: ImportedValue, op: MatMul = MatMul()) throws
    -> ImportedValue
  {
    try call.require(a.type.rank >= 1 && b.type.rank >= 1, "a product of \(a.type) and \(b.type)")
    let left = a.type.rank == 1 ? try call.reshape(a, [1] + a.type.shape) : a
    let right = b.type.rank == 1 ? try call.reshape(b, b.type.shape + [1]) : b
    let product = try call.emit(.matmul(op), [left, right])
    var shape = product.type.shape
    if b.type.rank == 1 { shape.removeLast() }
    if a.type.rank == 1 { shape.remove(at: b.type.rank == 1 ? shape.count - 1 : shape.count - 2) }
    return try call.reshape(product, shape)
  }

  private static func gemm(_ call: Call) throws -> [ImportedValue?] {
    let (a, b) = (try call.input(0), try call.input(1))
    try call.require(a.type.rank == 2 && b.type.rank == 2, "a product of \(a.type) and \(b.type)")
    let op = MatMul(transposeA: try call.flag("transA"), transposeB: try call.flag("transB"))
    let (alpha, beta) = (try call.float("alpha", default: 1), try call.float("beta", default: 1))
    var y = try call.emit(.matmul(op), [a, b])
    if alpha != 1 { y = try call.unary(.linear, y, alpha: alpha) }
    if var c = call.optional(2), beta != 0 {
      if beta != 1 { c = try call.unary(.linear, c, alpha: beta) }
      let shape = y.type.shape
      y = try call.binary(.add, y, c)
      try call.require(y.type.rank == shape.count, "\(c.type) does not broadcast to the product")
    }
    return [y]
  }

  // MARK: - Einsum

  /// A value and the label of each of its axes.
  private struct Term {
    var value: ImportedValue
    var labels: [Character]

    func size(_ label: Character) -> Dim? { labels.firstIndex(of: label).map { value.type.shape[$0] } }
  }

  private static func einsum(_ call: Call) throws -> [ImportedValue?] {
    let equation = try call.string("equation", default: "").filter { $0 != " " }
    let inputs = try call.allInputs()
    let sides = equation.components(separatedBy: "->")
    let parts = sides[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    try call.require(
      sides.count <= 2 && parts.count == inputs.count && equation.count <= 512,
      "the equation \(equation) does not fit \(inputs.count) inputs")
    var broadcastRank = 0
    for (part, input) in zip(parts, inputs) where part.contains("...") {
      broadcastRank = max(broadcastRank, input.type.rank - (part.count - 3))
    }
    try call.require(broadcastRank <= 10, "rank \(broadcastRank) of the ellipsis")
    // Axes of the ellipsis get digits as labels, aligned at the end.
    func labels(_ text: String, ellipsisRank: Int) throws -> [Character] {
      guard let range = text.range(of: "...") else {
        try call.require(text.allSatisfy { $0.isASCII && $0.isLetter }, "the term \(text)")
        return Array(text)
      }
      let digits = (broadcastRank - ellipsisRank..<broadcastRank).map { Character(String($0)) }
      let (before, after) = (text[..<range.lowerBound], text[range.upperBound...])
      try call.require((before + after).allSatisfy { $0.isASCII && $0.isLetter }, "the term \(text)")
      return Array(before) + digits + Array(after)
    }
    var terms: [Term] = []
    for (part, input) in zip(parts, inputs) {
      let ellipsis = part.contains("...") ? input.type.rank - (part.count - 3) : 0
      try call.require(ellipsis >= 0, "the term \(part) for \(input.type)")
      let names = try labels(part, ellipsisRank: ellipsis)
      try call.require(names.count == input.type.rank, "the term \(part) for \(input.type)")
      terms.append(try diagonal(call, Term(value: input, labels: names)))
    }
    let result: [Character]
    if sides.count == 2 {
      result = try labels(sides[1], ellipsisRank: broadcastRank)
    } else {
      let all = terms.flatMap(\.labels)
      let letters = Set(sides[0].filter(\.isLetter)).sorted().filter { label in
        parts.reduce(0) { $0 + $1.filter { $0 == label }.count } == 1
      }
      result = Set(all.filter(\.isNumber)).sorted() + letters
    }
    try call.require(
      Set(result).count == result.count && result.allSatisfy { label in terms.contains { $0.labels.contains(label) } },
      "the result of \(equation)")
    while terms.count > 1 {
      let needed = Set(result + terms.dropFirst(2).flatMap(\.labels))
      terms.replaceSubrange(0..<2, with: [try contract(call, terms[0], terms[1], needed)])
    }
    let final = try sumOut(call, terms[0], keeping: Set(result))
    guard let order = Optional(result.compactMap { final.labels.firstIndex(of: $0) }), order.count == result.count
    else {
      throw NodeFault.invalid("the result of \(equation)")
    }
    return [try call.transpose(final.value, order)]
  }

  /// Repeated labels become one axis: a mask keeps the diagonal, and the sum along one of the axes takes it.
  private static func diagonal(_ call: Call, _ given: Term) throws -> Term {
    var term = given
    while let repeated = term.labels.enumerated().first(where: { term.labels.prefix($0.offset).contains($0.element) }) {
      guard let first = term.labels.firstIndex(of: repeated.element) else { break }
      let second = repeated.offset
      let rank = term.labels.count
      func position(_ axis: Int) throws -> ImportedValue {
        try call.perChannel(try call.counting(term.value.type.shape[axis]), trailing: rank - axis - 1)
      }
      let onDiagonal = try call.binary(.equal, try position(first), try position(second))
      let zero = call.constant(Tensor(zeros: term.value.type.elementType, []))
      let masked = try call.emit(.select(Select()), [onDiagonal, term.value, zero])
      term.value = try call.reduce(.sum, masked, axes: [second], keeps: false)
      term.labels.remove(at: second)
    }
    return term
  }

  private static func sumOut(_ call: Call, _ term: Term, keeping: Set<Character>) throws -> Term {
    let axes = term.labels.indices.filter { !keeping.contains(term.labels[$0]) }
    if axes.isEmpty { return term }
    return Term(
      value: try call.reduce(.sum, term.value, axes: axes, keeps: false),
      labels: term.labels.filter { keeping.contains($0) })
  }

  /// Joins two terms as a batched matrix product.
  private static func contract(_ call: Call, _ first: Term, _ second: Term, _ needed: Set<Character>) throws -> Term {
    let a = try sumOut(call, first, keeping: needed.union(second.labels))
    let b = try sumOut(call, second, keeping: needed.union(first.labels))
    let shared = a.labels.filter { b.labels.contains($0) }
    // Sizes of one broadcast: such axes cannot be contracted as a product's inner axis of equal sizes.
    let inner = shared.filter { !needed.contains($0) }
    let batch = shared.filter { needed.contains($0) }
    let left = a.labels.filter { !b.labels.contains($0) }
    let right = b.labels.filter { !a.labels.contains($0) }
    for label in inner {
      if let x = a.size(label), let y = b.size(label), (x == 1) != (y == 1) {
        throw call.unsupported("label \(label) has sizes \(x) and \(y)")
      }
    }
    func arranged(_ term: Term, _ labels: [Character]) throws -> ImportedValue {
      try call.transpose(term.value, labels.compactMap { term.labels.firstIndex(of: $0) })
    }
    func product(_ term: Term, _ labels: [Character]) -> Dim {
      labels.reduce(1) { $0 * (term.size($1) ?? 1) }
    }
    let batchA = batch.map { a.size($0) ?? 1 }
    let batchB = batch.map { b.size($0) ?? 1 }
    let x = try call.reshape(
      try arranged(a, batch + left + inner), batchA + [product(a, left), product(a, inner)])
    let y = try call.reshape(
      try arranged(b, batch + inner + right), batchB + [product(b, inner), product(b, right)])
    let z = try call.emit(.matmul(MatMul()), [x, y])
    let shape =
      Array(z.type.shape.prefix(batch.count)) + left.map { a.size($0) ?? 1 } + right.map { b.size($0) ?? 1 }
    return Term(value: try call.reshape(z, shape), labels: batch + left + right)
  }
}
