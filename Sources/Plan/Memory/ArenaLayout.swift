import SwageTensor

/// A piece of memory that is needed from one position to another, both included.
public struct ArenaRequest: Hashable, Sendable {
  public var byteCount: Int
  /// Position of the first instruction that touches the memory.
  public var first: Int
  /// Position of the last one; at least `first`.
  public var last: Int
  /// Set where the offset is already decided: the others are placed around it.
  public var fixedOffset: Int?

  public init(byteCount: Int, first: Int, last: Int, fixedOffset: Int? = nil) {
    self.byteCount = byteCount
    self.first = first
    self.last = last
    self.fixedOffset = fixedOffset
  }
}

/// Offsets for pieces of memory in one arena, such that pieces that are needed at the same time do not overlap.
///
/// Greedy by size with best fit: the largest piece goes first, each to the smallest hole among the pieces that live
/// while it lives (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020). Where that does
/// not reach the lower bound, two other orders are tried and the best result is kept. The result depends on the
/// requests alone.
public struct ArenaLayout: Hashable, Sendable {
  /// Every offset is a multiple of this: the widest vector register, and a cache line.
  public static let alignment = 64

  /// Bytes from the start of the arena, one for each request, in the order of the requests.
  public var offsets: [Int]
  /// Bytes that the arena needs.
  public var byteCount: Int
  /// The largest sum of sizes that are needed at one position: no layout is smaller.
  public var lowerBound: Int

  public init(offsets: [Int], byteCount: Int, lowerBound: Int) {
    self.offsets = offsets
    self.byteCount = byteCount
    self.lowerBound = lowerBound
  }

  /// Places all requests; O(n log n) for the bound, O(n²) with a small constant for the placement.
  ///
  /// Returns nil where a size is negative, `last` lies before `first`, a fixed offset is negative, or the sum of the
  /// sizes does not fit an `Int`. Fixed offsets are taken as they are, even where two of them overlap.
  public static func place(_ requests: [ArenaRequest]) -> ArenaLayout? {
    var items: [Item] = []
    items.reserveCapacity(requests.count)
    var total = 0
    for (index, request) in requests.enumerated() {
      guard request.byteCount >= 0, request.first <= request.last, (request.fixedOffset ?? 0) >= 0,
        let size = Checked.alignUp(request.byteCount, to: alignment), let sum = Checked.add(total, size),
        Checked.add(sum, request.fixedOffset ?? 0) != nil
      else { return nil }
      total = sum
      if size > 0 {
        items.append(
          Item(index: index, size: size, first: request.first, last: request.last, fixed: request.fixedOffset))
      }
    }
    let bound = lowerBound(items)
    var best: ArenaLayout?
    for order in Order.allCases {
      guard let layout = place(items, order, count: requests.count, bound: bound) else { return nil }
      if layout.byteCount < best?.byteCount ?? .max { best = layout }
      if layout.byteCount == bound { break }
    }
    return best
  }

  private struct Item {
    var index: Int
    /// A multiple of the alignment, never zero.
    var size: Int
    var first: Int
    var last: Int
    var fixed: Int?

    var area: Double { Double(size) * (Double(last) - Double(first) + 1) }
  }

  private enum Order: CaseIterable {
    case size
    case area
    case start
  }

  private struct Placed {
    var offset: Int
    var end: Int
    var first: Int
    var last: Int
  }

  private static func place(_ items: [Item], _ order: Order, count: Int, bound: Int) -> ArenaLayout? {
    let sorted = items.sorted { a, b in
      if (a.fixed == nil) != (b.fixed == nil) { return a.fixed != nil }
      switch order {
      case .size: break
      case .area: if a.area != b.area { return a.area > b.area }
      case .start: if a.first != b.first { return a.first < b.first }
      }
      if a.size != b.size { return a.size > b.size }
      if a.first != b.first { return a.first < b.first }
      return a.index < b.index
    }
    var placed: [Placed] = []
    placed.reserveCapacity(items.count)
    var offsets = [Int](repeating: 0, count: count)
    var byteCount = 0
    for item in sorted {
      let offset = item.fixed ?? hole(for: item, in: placed)
      guard let end = Checked.add(offset, item.size) else { return nil }
      offsets[item.index] = offset
      byteCount = max(byteCount, end)
      let piece = Placed(offset: offset, end: end, first: item.first, last: item.last)
      placed.insert(piece, at: insertionIndex(of: offset, in: placed))
    }
    return ArenaLayout(offsets: offsets, byteCount: byteCount, lowerBound: bound)
  }

  /// The start of the smallest hole that fits, among the pieces that live while `item` lives; the first of equal ones;
  /// the end of those pieces where there is none. `placed` is sorted by offset.
  private static func hole(for item: Item, in placed: [Placed]) -> Int {
    var bestOffset = -1
    var bestSize = Int.max
    var end = 0
    for piece in placed where piece.first <= item.last && item.first <= piece.last {
      let start = (end + alignment - 1) & ~(alignment - 1)
      let gap = piece.offset - start
      if gap >= item.size, gap < bestSize {
        bestOffset = start
        bestSize = gap
      }
      end = max(end, piece.end)
    }
    return bestOffset >= 0 ? bestOffset : (end + alignment - 1) & ~(alignment - 1)
  }

  private static func insertionIndex(of offset: Int, in placed: [Placed]) -> Int {
    var low = 0
    var high = placed.count
    while low < high {
      let middle = (low + high) / 2
      if placed[middle].offset <= offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private static func lowerBound(_ items: [Item]) -> Int {
    let starts = items.sorted { $0.first < $1.first }
    let ends = items.sorted { $0.last < $1.last }
    var live = 0
    var peak = 0
    var ended = 0
    for item in starts {
      while ended < ends.count, ends[ended].last < item.first {
        live -= ends[ended].size
        ended += 1
      }
      live += item.size
      peak = max(peak, live)
    }
    return peak
  }
}
