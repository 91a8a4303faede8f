import SwageKernel
import SwageTensor

extension WinogradKernels {
  /// Channels that are transformed together: long runs of the picture, and half of the work in the first-level cache.
  private var channelBlock: Int { transform.inputs > 6 ? 64 : 128 }
  /// Filters that are transformed together.
  private static let filterBlock = 64

  /// `[point][tile][channel]`: Bᵀ d B, with zeros for what lies outside the picture.
  func transformInput(
    _ k: KernelBuilder, _ source: KernelBuffer, to target: KernelBuffer, at start: Expression,
    _ places: [ConvolutionForm.Place], first: Expression, count: Expression, stride: Int
  ) {
    let side = transform.inputs
    let block = min(channelBlock, channels)
    let (height, width) = (k.size(x.shape[1]), k.size(x.shape[2]))
    let (top, left) = (
      k.let("top", places[0].shift - k.size(form.axes[0].before)),
      k.let("left", places[1].shift - k.size(form.axes[1].before))
    )
    let half = k.array("half", .f32, count: side * side * block)
    let patch = k.array("patch", .f32, count: side * side * block)
    k.loop("tile", to: count) { tile in
      let place = k.unravel(first + tile, tiles)
      let row = k.let("row", place[1] * .i64(transform.results) + top)
      let column = k.let("column", place[2] * .i64(transform.results) + left)
      let isInside = k.let(
        "is_inside",
        row.greaterOrEqual(0).and((row + .i64(side - 1)).lessThan(height)).and(column.greaterOrEqual(0))
          .and((column + .i64(side - 1)).lessThan(width)))
      let corner = k.let("corner", ((place[0] * height + row) * width + column) * .i64(channels))
      k.loop("channel", to: .i64(channels), step: block) { channel in
        let lanes =
          channels % block == 0
          ? Expression.i64(block) : k.let("lanes", (Expression.i64(channels) - channel).minimum(.i64(block)))
        /// Bᵀ d, column by column.
        func transformColumns(_ load: @escaping (_ i: Int, _ j: Expression, _ lane: Expression) -> Expression) {
          k.loop("j", to: .i64(side)) { j in
            k.loop("lane", to: lanes, .vector) { lane in
              let values = (0..<side).map { i in k.let("d", load(i, j, lane)) }
              for (i, value) in transform.rows(transform.input, of: values, k).enumerated() {
                k.store(half, (.i64(i * side) + j) * .i64(block) + lane, value)
              }
            }
          }
        }
        k.if(isInside) {
          transformColumns { i, j, lane in
            k.load(source, corner + (.i64(i) * width + j) * .i64(channels) + channel + lane)
          }
        } else: {
          copyPatch(k, source, to: patch, batch: place[0], row: row, column: column, channel, lanes, block)
          transformColumns { i, j, lane in k.load(patch, (.i64(i * side) + j) * .i64(block) + lane) }
        }
        let to = k.let("to", start + tile * .i64(channels) + channel)
        k.loop("i", to: .i64(side)) { i in
          k.loop("lane", to: lanes, .vector) { lane in
            let values = (0..<side).map { j in
              k.let("h", k.load(half, (i * .i64(side) + .i64(j)) * .i64(block) + lane))
            }
            for (j, value) in transform.rows(transform.input, of: values, k).enumerated() {
              k.store(target, to + (i * .i64(side) + .i64(j)) * .i64(stride) + lane, value)
            }
          }
        }
      }
    }
  }

  /// What a tile at the border reads, as `[i][j][lane]`.
  private func copyPatch(
    _ k: KernelBuilder, _ source: KernelBuffer, to patch: LocalArray, batch: Expression, row: Expression,
    column: Expression, _ channel: Expression, _ lanes: Expression, _ block: Int
  ) {
    let side = transform.inputs
    let (height, width) = (k.size(x.shape[1]), k.size(x.shape[2]))
    k.loop("i", to: .i64(side)) { i in
      let line = k.let("line", row + i)
      let isLine = k.let("is_line", line.greaterOrEqual(0).and(line.lessThan(height)))
      k.loop("j", to: .i64(side)) { j in
        let position = k.let("position", column + j)
        let cell = k.let("cell", (i * .i64(side) + j) * .i64(block))
        k.if(isLine.and(position.greaterOrEqual(0)).and(position.lessThan(width))) {
          let from = k.let("from", ((batch * height + line) * width + position) * .i64(channels) + channel)
          k.loop("lane", to: lanes, .vector) { k.store(patch, cell + $0, k.load(source, from + $0)) }
        } else: {
          k.loop("lane", to: lanes, .vector) { k.store(patch, cell + $0, .f32(0)) }
        }
      }
    }
  }

  /// Aᵀ m A of `[point][tile][filter]` to the picture, with the epilogue.
  func transformOutput(
    _ k: KernelBuilder, _ products: KernelBuffer, at start: Expression, stride: Int, width: Int, to y: KernelBuffer,
    _ rest: KernelEpilogue, _ places: [ConvolutionForm.Place], first: Expression, count: Expression,
    column: Expression, lanes all: Expression
  ) {
    let (side, results) = (transform.inputs, transform.results)
    let (height, pictureWidth) = (k.size(result.shape[1]), k.size(result.shape[2]))
    let block = min(Self.filterBlock, width)
    let half = k.array("half", .f32, count: results * side * block)
    let cells = k.array("cells", .f32, count: results * results * block)
    k.loop("tile", to: count) { tile in
      let place = k.unravel(first + tile, tiles)
      let row = k.let("row", place[1] * .i64(results))
      let position = k.let("position", place[2] * .i64(results))
      func existing(_ axis: Int, from first: Expression) -> Expression {
        let whole = (k.size(form.axes[axis].positions) - first).minimum(.i64(results))
        return form.existing(k.let("whole", whole), from: first, axis, places, k)
      }
      let (rows, positions) = (existing(0, from: row), existing(1, from: position))
      k.loop("filter", to: all, step: block) { filter in
        let lanes = k.let("lanes", (all - filter).minimum(.i64(block)))
        let from = k.let("from", start + tile * .i64(width) + filter)
        k.loop("j", to: .i64(side)) { j in
          k.loop("lane", to: lanes, .vector) { lane in
            let values = (0..<side).map { i in
              k.let("m", k.load(products, from + (.i64(i * side) + j) * .i64(stride) + lane))
            }
            for (i, value) in transform.results(of: values, k).enumerated() {
              k.store(half, (.i64(i * side) + j) * .i64(block) + lane, value)
            }
          }
        }
        k.loop("i", to: .i64(results)) { i in
          k.loop("lane", to: lanes, .vector) { lane in
            let values = (0..<side).map { j in
              k.let("h", k.load(half, (i * .i64(side) + .i64(j)) * .i64(block) + lane))
            }
            for (j, value) in transform.results(of: values, k).enumerated() {
              k.store(cells, (i * .i64(results) + .i64(j)) * .i64(block) + lane, value)
            }
          }
        }
        k.loop("i", to: rows) { i in
          k.loop("j", to: positions) { j in
            let line = form.position(row + i, 0, places)
            let point = form.position(position + j, 1, places)
            let finish = rest.line([place[0], line, point], from: column + filter, k)
            let cell = k.let("cell", (i * .i64(results) + j) * .i64(block))
            let pixel = k.let("pixel", (place[0] * height + line) * pictureWidth + point)
            let target = k.let("target", pixel * .i64(filters) + column + filter)
            k.loop("lane", to: lanes, .vector) { lane in
              k.store(y, target + lane, finish(k.load(cells, cell + lane), lane))
            }
          }
        }
      }
    }
  }
}
