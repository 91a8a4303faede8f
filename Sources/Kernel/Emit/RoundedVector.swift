/// How many elements a loop that rounds sums to bf16 takes at a time.
enum RoundedVector {
  /// A number of vectors of AVX-512 that is known: they are as many steps of straight code, `width` elements in all, or
  /// several times that many.
  case strip(width: Int)
  /// One vector after the other, the last of which may be a part of one.
  case loop
  case tail

  /// nil where a loop has less than a vector.
  init?(_ loop: Statement.Loop) {
    guard let from = loop.from.literal, let to = loop.to.literal else {
      self = .loop
      return
    }
    let count = (to - from) / Int64(loop.step)
    guard count >= 16 else { return nil }
    self = count % 16 != 0 ? .tail : .strip(width: [64, 32].first { count % Int64($0) == 0 } ?? 16)
  }

  func pragma(_ hint: Statement.Loop.Hint) -> String? {
    switch (hint, self) {
    case (.vector, .strip(let width)): "SWAGE_ROUNDED_STRIP(\(width))"
    case (.vector, .loop): "SWAGE_ROUNDED_LOOP(16)"
    case (.vector, .tail), (.tail, _): "SWAGE_ROUNDED_TAIL"
    default: nil
    }
  }
}
