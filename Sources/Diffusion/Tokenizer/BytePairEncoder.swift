/// Byte-pair encoding of single words, as the tokenizers library does it: a symbol per byte, the last with `</w>`, then
/// the merge of the lowest rank (the leftmost of several) until none applies.
struct BytePairEncoder: Sendable {
  struct Pair: Hashable {
    var left: Int32
    var right: Int32
  }
  struct Merge {
    var rank: Int32
    var result: Int32
  }

  static let wordEnd = "</w>"

  private let merges: [Pair: Merge]
  /// The symbol of each byte inside a word, and at its end; the unknown token where the vocabulary has none.
  private let inner: [Int32]
  private let last: [Int32]

  /// `id` gives the number of a token's text.
  init(merges: [Pair: Merge], unknown: Int32, id: (String) -> Int32?) {
    self.merges = merges
    inner = ByteLevelAlphabet.characters.map { id(String($0)) ?? unknown }
    last = ByteLevelAlphabet.characters.map { id(String($0) + Self.wordEnd) ?? unknown }
  }

  func encode(_ word: some Collection<UInt8>) -> [Int32] {
    var symbols = word.map { inner[Int($0)] }
    guard let final = word.map({ last[Int($0)] }).last else { return [] }
    symbols[symbols.count - 1] = final
    guard symbols.count > 1 else { return symbols }
    return merge(symbols)
  }

  /// The symbols are a linked list, the merges that may apply a heap: a word of n bytes takes O(n log n).
  private func merge(_ initial: [Int32]) -> [Int32] {
    var symbols = initial
    var next = Array(1...symbols.count)
    var previous = Array(-1..<symbols.count - 1)
    var alive = [Bool](repeating: true, count: symbols.count)
    var queue = MergeQueue()
    func offer(_ left: Int, _ right: Int) {
      if let merge = merges[Pair(left: symbols[left], right: symbols[right])] {
        queue.push(MergeQueue.Entry(rank: merge.rank, position: left, result: merge.result))
      }
    }
    for index in 0..<symbols.count - 1 { offer(index, index + 1) }
    while let entry = queue.pop() {
      let left = entry.position
      guard alive[left], next[left] < symbols.count else { continue }
      let right = next[left]
      // Either symbol may have changed since the merge was offered.
      guard let merge = merges[Pair(left: symbols[left], right: symbols[right])], merge.result == entry.result else {
        continue
      }
      symbols[left] = merge.result
      alive[right] = false
      next[left] = next[right]
      if next[left] < symbols.count {
        previous[next[left]] = left
        offer(left, next[left])
      }
      if previous[left] >= 0 { offer(previous[left], left) }
    }
    return symbols.indices.filter { alive[$0] }.map { symbols[$0] }
  }
}

/// A binary heap of merges: lowest rank first, then leftmost.
private struct MergeQueue {
  struct Entry {
    var rank: Int32
    var position: Int
    var result: Int32

    static func < (left: Entry, right: Entry) -> Bool {
      (left.rank, left.position) < (right.rank, right.position)
    }
  }

  private var entries: [Entry] = []

  mutating func push(_ entry: Entry) {
    entries.append(entry)
    var index = entries.count - 1
    while index > 0, entries[index] < entries[(index - 1) / 2] {
      entries.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func pop() -> Entry? {
    guard let first = entries.first, let end = entries.popLast() else { return nil }
    guard !entries.isEmpty else { return first }
    entries[0] = end
    var index = 0
    while true {
      let left = 2 * index + 1
      guard left < entries.count else { return first }
      let right = left + 1
      let child = right < entries.count && entries[right] < entries[left] ? right : left
      guard entries[child] < entries[index] else { return first }
      entries.swapAt(child, index)
      index = child
    }
  }
}
