/// How many elements a loop that rounds sums to bf16 takes at a time.
enum RoundedVector {
  /// A known number of elements in whole vectors of AVX-512: `width` of them become straight code.
  case strip(width: Int)
  /// A number that only the run knows: one vector at a time, and single elements at the end.
  case loop
  /// A known number that leaves a part of a vector, which is masked.
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
