import SwageKernel
import SwagePartition
import SwageTensor

/// Convolutions of 3 by 3 filters in f32 by minimal filtering: 2.25 or 4 times fewer multiplications than by the
/// definition (`WinogradTransform`).
///
/// A unit works through its share of pieces, each a block of tiles of the picture and a group of filters: the tiles'
/// inputs are transformed once for each piece into the unit's own scratch memory, multiplied with the filters' panels point
/// by point, and transformed back with the epilogue. A value that is not finite spreads to the other results of its tile.
struct WinogradKernels {
  /// Filters whose products are transformed back together.
  private static let filterBlock = 64
  /// Channels that are transformed together.
  private static let channelBlock = 32

  private let transform: WinogradTransform
  private let x: TensorType
  private let result: TensorType
  private let op: Convolution
  private let channels: Int
  private let filters: Int
  private let tiles: [Dim]
  private let columns: Int
  private var points: Int { transform.inputs * transform.inputs }
  private var panelCount: Int { (filters + columns - 1) / columns }

  /// nil where the transform does not fit.
  static func make(
    _ op: Convolution, _ node: Node, in graph: Graph, threads: Int, transform: WinogradTransform
  ) -> Recipe? {
    guard let (x, w) = operands(op, node, in: graph),
      let plan = WinogradPlan(
        transform, channels: w.shape[1], filters: w.shape[0], result: graph.type(of: node.results[0]).shape,
        threads: threads)
    else { return nil }
    return WinogradKernels(plan.transform, op, x, w, graph.type(of: node.results[0]))
      .recipe(plan, w, node, in: graph)
  }

  /// The transform that the cost model takes, nil for none.
  static func preferred(_ op: Convolution, _ node: Node, in graph: Graph) -> WinogradTransform? {
    guard let (_, w) = operands(op, node, in: graph) else { return nil }
    return WinogradPlan.preferred(
      channels: w.shape[1], filters: w.shape[0], result: graph.type(of: node.results[0]).shape)
  }

  private static func operands(
    _ op: Convolution, _ node: Node, in graph: Graph
  ) -> (x: TensorType, w: Tensor)? {
    guard op.layout == .channelsLast, op.groups == 1, !op.isTransposed, op.strides == [1, 1], op.dilations == [1, 1],
      let x = node.type(0, in: graph), x.elementType == .f32, let w = node.constant(1, in: graph),
      Array(w.shape.dropFirst(2)) == [3, 3]
    else { return nil }
    return (x, w)
  }

  private init(
    _ transform: WinogradTransform, _ op: Convolution, _ x: TensorType, _ w: Tensor, _ result: TensorType
  ) {
    self.transform = transform
    self.op = op
    self.x = x
    self.result = result
    channels = w.shape[1]
    filters = w.shape[0]
    columns = WinogradPlan.tile(filters: filters).columns
    let side = Dim(transform.results)
    tiles = [result.shape[0], result.shape[1].ceilDivided(by: side), result.shape[2].ceilDivided(by: side)]
  }

  private func recipe(_ plan: WinogradPlan, _ w: Tensor, _ node: Node, in graph: Graph) -> Recipe? {
    guard let panels = panels(w) else { return nil }
    var recipe = Recipe()
    let weight = recipe.addWeight(panels, name: (node.operands[1].map { graph[$0].name } ?? "") + " transformed")
    let k = KernelBuilder("winograd\(transform.results)_f32")
    let source = k.input(.f32)
    let filter = k.input(.f32)
    let rest = KernelEpilogue(op.epilogue, node, in: graph, result: result.shape, element: .f32, k)
    let y = k.output(.f32, mayAlias: rest.sameShape)
    let scratch = k.output(.f32)

    let groups = (panelCount + plan.panels - 1) / plan.panels
    let width = min(Self.filterBlock, panelCount * columns)
    let inputSize = points * plan.largest * channels
    let productSize = points * plan.largest * width
    let memory = recipe.addTemporary(TensorType(.f32, [Dim(plan.units), Dim(inputSize + productSize)]))

    let all = k.size(tiles.reduce(1, *))
    // As many blocks for each thread.
    let least = all.ceilDivided(by: plan.largest)
    let even = least.ceilDivided(by: plan.units) * .i64(plan.units)
    let few = groups == 1 ? all.ceilDivided(by: 6).minimum(.i64(plan.units)) : least
    let tileBlocks = k.let("tile_blocks", .choose(least.lessThan(.i64(plan.units)), few, even).maximum(1))
    let inputs = k.let("inputs", k.unit * .i64(inputSize + productSize))
    let products = k.let("products", inputs + .i64(inputSize))
    let work = tiles.reduce(1, *) * Dim(points * channels * filters)
    k.share(tileBlocks * .i64(groups), units: plan.units, work: work) { item in
      let group = k.let("group", item.divided(by: tileBlocks) * .i64(plan.panels))
      let (first, count) = k.block("first", "count", of: all, item.remainder(by: tileBlocks), tileBlocks)
      transformInput(k, source, to: scratch, at: inputs, first: first, count: count, stride: plan.largest * channels)
      let until = k.let("until", (group + .i64(plan.panels)).minimum(.i64(panelCount)))
      k.loop("panel", from: group, to: until, step: width / columns) { panel in
        let own = k.let("own", (until - panel).minimum(.i64(width / columns)))
        k.loop("point", to: .i64(points)) { point in
          k.product(
            .init(
              to: .buffer(scratch, products + point * .i64(plan.largest * width)), stride: .i64(width),
              left: .buffer(scratch, inputs + point * .i64(plan.largest * channels)), stride: .i64(channels),
              panel: .buffer(filter, (panel * .i64(points) + point) * .i64(channels * columns)),
              size: .i64(points * channels * columns), count: own, rows: count, depth: .i64(channels), columns: columns,
              accumulates: false))
        }
        let column = k.let("column", panel * .i64(columns))
        let lanes = k.let("lanes", (Expression.i64(filters) - column).minimum(own * .i64(columns)))
        transformOutput(
          k, scratch, at: products, stride: plan.largest * width, width: width, to: y, rest, first: first, count: count,
          column: column, lanes: lanes)
      }
    }
    recipe.steps.append(
      rest.step(
        k.finish(), reads: [.operand(0), weight], others: [memory],
        label: EpilogueOperands.label("conv", op.epilogue) + " (winograd \(transform.results))"))
    return recipe
  }

  /// `[panel][point][channel][column]`: G g Gᵀ of `[filter][channel][3][3]`.
  private func panels(_ w: Tensor) -> Tensor? {
    let (channels, filters, columns, points) = (channels, filters, columns, points)
    let (matrix, side) = (transform.filter, transform.inputs)
    let name = "winograd \(transform.results) panels \(columns)"
    return ProductTile.deferred(.f32, [panelCount, points, channels, columns], name, w) { from, to in
      let (source, target) = (from.bindMemory(to: Float.self), to.bindMemory(to: Float.self))
      for filter in 0..<filters {
        let (panel, column) = (filter / columns, filter % columns)
        for channel in 0..<channels {
          let g = source[((filter * channels + channel) * 9)...].prefix(9).map(Double.init)
          for i in 0..<side {
            let line = matrix[i]
            let a = line[0] * g[0] + line[1] * g[3] + line[2] * g[6]
            let b = line[0] * g[1] + line[1] * g[4] + line[2] * g[7]
            let c = line[0] * g[2] + line[1] * g[5] + line[2] * g[8]
            for j in 0..<side {
              let value = matrix[j][0] * a + matrix[j][1] * b + matrix[j][2] * c
              target[((panel * points + i * side + j) * channels + channel) * columns + column] = Float(value)
            }
          }
        }
      }
    }
  }

  /// Sum of the terms whose coefficient is not zero.
  private func combine(_ coefficients: [Double], _ values: [Expression]) -> Expression {
    var sum: Expression?
    for (coefficient, value) in zip(coefficients, values) where coefficient != 0 {
      switch (sum, coefficient) {
      case (nil, 1): sum = value
      case (nil, _): sum = value * .f32(coefficient)
      case (let known?, 1): sum = known + value
      case (let known?, -1): sum = known - value
      case (let known?, _): sum = known + value * .f32(coefficient)
      }
    }
    return sum ?? .f32(0)
  }

  /// `[point][tile][channel]`: Bᵀ d B, with zeros for what lies outside the picture.
  private func transformInput(
    _ k: KernelBuilder, _ source: KernelBuffer, to target: KernelBuffer, at start: Expression, first: Expression,
    count: Expression, stride: Int
  ) {
    let side = transform.inputs
    let block = min(Self.channelBlock, channels)
    let (height, width) = (k.size(x.shape[1]), k.size(x.shape[2]))
    let (top, left) = (k.size(op.padsBegin[0]), k.size(op.padsBegin[1]))
    k.loop("tile", to: count) { tile in
      let place = k.unravel(first + tile, tiles)
      let row = k.let("row", place[1] * .i64(transform.results) - top)
      let column = k.let("column", place[2] * .i64(transform.results) - left)
      let patch = k.array("patch", .f32, count: side * side * block)
      let half = k.array("half", .f32, count: side * side * block)
      k.loop("channel", to: .i64(channels), step: block) { channel in
        let lanes =
          channels % block == 0
          ? Expression.i64(block) : k.let("lanes", (Expression.i64(channels) - channel).minimum(.i64(block)))
        k.loop("i", to: .i64(side)) { i in
          let line = k.let("line", row + i)
          let isLine = k.let("is_line", line.greaterOrEqual(0).and(line.lessThan(height)))
          k.loop("j", to: .i64(side)) { j in
            let position = k.let("position", column + j)
            let cell = k.let("cell", (i * .i64(side) + j) * .i64(block))
            k.if(isLine.and(position.greaterOrEqual(0)).and(position.lessThan(width))) {
              let from = k.let(
                "from", ((place[0] * height + line) * width + position) * .i64(channels) + channel)
              k.loop("lane", to: lanes, .vector) { k.store(patch, cell + $0, k.load(source, from + $0)) }
            } else: {
              k.loop("lane", to: lanes, .vector) { k.store(patch, cell + $0, .f32(0)) }
            }
          }
        }
        k.loop("j", to: .i64(side)) { j in
          k.loop("lane", to: lanes, .vector) { lane in
            let values = (0..<side).map { i in
              k.let("d", k.load(patch, (.i64(i * side) + j) * .i64(block) + lane))
            }
            for i in 0..<side {
              k.store(half, (.i64(i * side) + j) * .i64(block) + lane, combine(transform.input[i], values))
            }
          }
        }
        let to = k.let("to", start + tile * .i64(channels) + channel)
        k.loop("i", to: .i64(side)) { i in
          k.loop("lane", to: lanes, .vector) { lane in
            let values = (0..<side).map { j in
              k.let("h", k.load(half, (i * .i64(side) + .i64(j)) * .i64(block) + lane))
            }
            for j in 0..<side {
              let point = i * .i64(side) + .i64(j)
              k.store(target, to + point * .i64(stride) + lane, combine(transform.input[j], values))
            }
          }
        }
      }
    }
  }

  /// Aᵀ m A of `[point][tile][filter]` to the picture, with the epilogue.
  private func transformOutput(
    _ k: KernelBuilder, _ products: KernelBuffer, at start: Expression, stride: Int, width: Int, to y: KernelBuffer,
    _ rest: KernelEpilogue, first: Expression, count: Expression, column: Expression, lanes: Expression
  ) {
    let (side, results) = (transform.inputs, transform.results)
    let (height, pictureWidth) = (k.size(result.shape[1]), k.size(result.shape[2]))
    k.loop("tile", to: count) { tile in
      let place = k.unravel(first + tile, tiles)
      let half = k.array("half", .f32, count: results * side * width)
      let block = k.array("block", .f32, count: results * results * width)
      let from = k.let("from", start + tile * .i64(width))
      k.loop("j", to: .i64(side)) { j in
        k.loop("lane", to: lanes, .vector) { lane in
          let values = (0..<side).map { i in
            k.let("m", k.load(products, from + (.i64(i * side) + j) * .i64(stride) + lane))
          }
          for i in 0..<results {
            k.store(half, (.i64(i * side) + j) * .i64(width) + lane, combine(transform.output[i], values))
          }
        }
      }
      k.loop("i", to: .i64(results)) { i in
        k.loop("lane", to: lanes, .vector) { lane in
          let values = (0..<side).map { j in
            k.let("h", k.load(half, (i * .i64(side) + .i64(j)) * .i64(width) + lane))
          }
          for j in 0..<results {
            let cell = (i * .i64(results) + .i64(j)) * .i64(width)
            k.store(block, cell + lane, combine(transform.output[j], values))
          }
        }
      }
      let row = k.let("row", place[1] * .i64(results))
      let position = k.let("position", place[2] * .i64(results))
      let rows = k.let("rows", (height - row).minimum(.i64(results)))
      let cells = k.let("cells", (pictureWidth - position).minimum(.i64(results)))
      k.loop("i", to: rows) { i in
        k.loop("j", to: cells) { j in
          let finish = rest.line([place[0], row + i, position + j], from: column, k)
          let cell = k.let("cell", (i * .i64(results) + j) * .i64(width))
          let pixel = k.let("pixel", (place[0] * height + row + i) * pictureWidth + position + j)
          let target = k.let("target", pixel * .i64(filters) + column)
          k.loop("lane", to: lanes, .vector) { lane in
            k.store(y, target + lane, finish(k.load(block, cell + lane), lane))
          }
        }
      }
    }
  }
}
