import SwageKernel

/// The order of a product's pieces, each a block of rows and a chunk of columns: those that follow each other share rows,
/// for as many chunks as stay in a near cache; then come the next chunks with all rows again.
struct PieceOrder {
  let chunks: Int
  let chunksTogether: Int
  /// Whether chunks may come from farther away than the second-level cache.
  let isFar: Bool

  /// `bytes` are those of all chunks, `leftBytes` those of all rows on the left, where these are known and need not be
  /// copied: few enough stay in the second-level cache for chunk after chunk, and threads share the chunks instead of rows.
  init(chunks: Int, bytes: Int, leftBytes: Int? = nil, _ tile: ProductTile) {
    self.chunks = chunks
    // Bytes that may be read once for each block of rows, and of chunks that lie in the second-level cache beside one.
    let near = tile.usesMatrixUnit ? ProductTile.nearBytes : 4 << 20
    let keepsRows = !tile.usesMatrixUnit && leftBytes.map { $0 <= 512 << 10 } ?? false
    chunksTogether =
      bytes <= near && !keepsRows ? chunks : tile.usesMatrixUnit ? max(1, near * chunks / bytes) : 1
    isFar = tile.usesMatrixUnit ? chunksTogether < chunks : bytes > 1 << 20
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
