import SwageKernel
import SwageTensor

extension KernelBuilder {
  /// Makes every unit a share of `items` pieces of work that are known only when the kernel runs, and calls `body` for
  /// each piece of a unit. `work` counts the operations of all pieces: little work is left to one thread.
  func share(_ items: Expression, units: Int, work: Dim, _ body: (Expression) -> Void) {
    split(Dim(units), work: work.floorDivided(by: Dim(units)))
    let begin = self.let("begin_item", (unit * items).divided(by: .i64(units)))
    let end = self.let("end_item", ((unit + 1) * items).divided(by: .i64(units)))
    loop("item", from: begin, to: end, .plain, body)
  }

  /// The size of blocks that divide `total` evenly: at most `largest`, a multiple of `step` unless there is less.
  func blockSize(_ hint: String, _ total: Expression, largest: Int, step: Int, blocks: Expression? = nil) -> Expression
  {
    let count = blocks ?? total.ceilDivided(by: largest).maximum(1)
    let even = (total + count - 1).divided(by: count)
    return self.let(hint, (even.ceilDivided(by: step) * .i64(step)).minimum(.i64(largest)).maximum(1))
  }
}

extension Expression {
  /// Of numbers that are not negative.
  func ceilDivided(by divisor: Int) -> Expression { (self + .i64(divisor - 1)).divided(by: .i64(divisor)) }
  func ceilDivided(by divisor: Expression) -> Expression { (self + divisor - 1).divided(by: divisor) }
}

/// The order of a product's pieces, each a block of rows and a chunk of columns: those that follow each other share rows,
/// for as many chunks as stay in a near cache; then come the next chunks with all rows again.
struct PieceOrder {
  let chunks: Int
  let chunksTogether: Int
  /// Whether chunks come from farther away than the second-level cache.
  var isFar: Bool { chunksTogether < chunks }

  /// `bytes` are those of all chunks.
  init(chunks: Int, bytes: Int, _ tile: ProductTile) {
    self.chunks = chunks
    // Bytes that may be read once for each block of rows, and of chunks that lie in the second-level cache beside one.
    let near = tile.usesMatrixUnit ? ProductTile.nearBytes : 4 << 20
    chunksTogether = bytes <= near ? chunks : tile.usesMatrixUnit ? max(1, near * chunks / bytes) : 1
  }

  /// The block of rows and the chunk of a piece.
  func place(_ item: Expression, blocks: Expression, _ k: KernelBuilder) -> (block: Expression, chunk: Expression) {
    func split(_ item: Expression, _ inner: Expression) -> (Expression, Expression) {
      (k.let("high", item.divided(by: inner)), k.let("low", item.remainder(by: inner)))
    }
    if chunksTogether == chunks { return split(item, .i64(chunks)) }
    if chunksTogether == 1 {
      let (chunk, block) = split(item, blocks)
      return (block, chunk)
    }
    let (group, rest) = split(item, blocks * .i64(chunksTogether))
    let first = k.let("first_chunk", group * .i64(chunksTogether))
    let (block, chunk) = split(rest, k.let("together", (.i64(chunks) - first).minimum(.i64(chunksTogether))))
    return (block, first + chunk)
  }
}
