import SwageKernel
import SwagePartition
import SwageTensor

/// Convolutions of f32 over one or two axes as sums of products, one for each line of the filters: along a line of the
/// picture, channels last, a filter's line is one run of elements.
///
/// A unit is a stretch of results along the last axis, or several short lines of them, for a number of filters. What it
/// reads is copied once, with zeros for what lies outside the picture. Several lines are one product, in which the
/// positions that hang over from one line to the next are computed too, and dropped.
struct PanelConvolutionKernels {
  /// Filters that are computed and finished together, at most.
  private static let chunk = 64
  /// Results of a unit along the last axis, at most.
  private static let longest = 48
  /// Elements that a unit reads, at most: they stay in the second-level cache.
  private static let patchFloats = 96 << 10

  private let op: Convolution
  private let x: TensorType
  private let result: TensorType
  private let (channels, filters): (Int, Int)
  /// Lines and columns of a filter, and their distances; one line where there is one axis.
  private let (lines, taps): (Int, Int)
  private let (lineStride, stride): (Int, Int)
  private let (lineDilation, dilation): (Int, Int)
  private let columns = ProductTile.columns(.f32)
  /// Results of a unit along the last axis.
  private var segment = 1
  /// Lines of results of a unit.
  private var height = 1

  static func make(_ op: Convolution, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    guard op.layout == .channelsLast, op.groups == 1, !op.isTransposed, let x = node.type(0, in: graph),
      x.elementType == .f32, x.rank == 3 || x.rank == 4, let w = node.constant(1, in: graph), w.count > 0
    else { return nil }
    guard let kernels = PanelConvolutionKernels(op, x, w, graph.type(of: node.results[0])) else { return nil }
    return kernels.recipe(w, node, in: graph, threads: threads)
  }

  /// nil where the library is better, or the inputs of a unit are too large.
  private init?(_ op: Convolution, _ x: TensorType, _ w: Tensor, _ result: TensorType) {
    self.op = op
    self.x = x
    self.result = result
    (filters, channels) = (w.shape[0], w.shape[1])
    let isFlat = x.rank == 3
    (lines, taps) = (isFlat ? 1 : w.shape[2], w.shape[w.shape.count - 1])
    (lineStride, stride) = (isFlat ? 1 : op.strides[0], op.strides[op.strides.count - 1])
    (lineDilation, dilation) = (isFlat ? 1 : op.dilations[0], op.dilations[op.dilations.count - 1])
    // Fewer filters leave most of a panel empty; each product is written out.
    guard filters * 2 >= (filters + columns - 1) / columns * columns, lines <= 32, dilation == 1 || taps <= 32,
      let reach = Checked.product([taps - 1, dilation]), let perLine = Checked.product([lines, channels]),
      perLine * (reach + 1) <= Self.patchFloats
    else { return nil }
    let longest = min(Self.longest, (Self.patchFloats / perLine - reach - 1) / stride + 1)
    guard let length = result.shape[result.rank - 2].constant else {
      guard longest >= 12 else { return nil }
      segment = longest
      return
    }
    let count = max(1, (length + longest - 1) / longest)
    segment = max(1, min(longest, (length + count - 1) / count))
    guard segment >= min(12, length) else { return nil }
    // Short lines go together.
    guard count == 1, stride == 1, lineStride == 1, !isFlat, let all = result.shape[1].constant else { return }
    let width = segment + reach
    let overhang = (lines - 1) * lineDilation
    while height < all, height * width + segment <= Self.longest,
      (height + 1 + overhang) * width * channels <= Self.patchFloats
    { height += 1 }
  }

  /// Positions of a line of the copied inputs.
  private var patchWidth: Int { (segment - 1) * stride + (taps - 1) * dilation + 1 }
  /// Lines of the copied inputs; of a single line of results only those that a filter meets.
  private var patchLines: Int { height > 1 ? height + (lines - 1) * lineDilation : lines }
  /// From one line of a filter to the next, among the copied ones.
  private var patchStep: Int { height > 1 ? lineDilation : 1 }

  private func recipe(_ w: Tensor, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    let panelCount = (filters + columns - 1) / columns
    guard let panels = panels(w, panelCount) else { return nil }
    let length = result.shape[result.rank - 2]
    let width = min(Self.chunk, panelCount * columns)
    let perChunk = width / columns
    let chunks = (panelCount + perChunk - 1) / perChunk
    let segments = length.ceilDivided(by: Dim(segment))
    // Batch, blocks of lines where there are two axes, segments.
    var outer = Array(result.shape.dropLast(2)) + [segments]
    if outer.count == 3 { outer[1] = outer[1].ceilDivided(by: Dim(height)) }
    let stretches = outer.reduce(1, *)
    let unitChunks = stretches.constant.map { max(1, min(chunks, $0 * chunks / (8 * threads))) } ?? chunks
    let shares = (chunks + unitChunks - 1) / unitChunks

    let k = KernelBuilder("conv_panels_f32")
    let source = k.input(.f32)
    let filter = k.input(.f32)
    let rest = KernelEpilogue(op.epilogue, node, in: graph, result: result.shape, element: .f32, k)
    let y = k.output(.f32, mayAlias: rest.sameShape.map(\.buffer))
    let depth = taps * channels
    k.split(stretches * Dim(shares), work: Dim(height * segment * width * unitChunks * lines * depth))

    let place = k.unravel(k.unit, [Dim(shares)] + outer)
    let (batch, segmentIndex) = (place[1], place[place.count - 1])
    let isFlat = outer.count == 2
    let firstLine = isFlat ? 0 : k.let("first_line", place[2] * .i64(height))
    let first = k.let("first", segmentIndex * .i64(segment))
    let count = k.let("count", (k.size(length) - first).minimum(.i64(segment)))
    let valid = isFlat ? 1 : k.let("valid", (k.size(result.shape[1]) - firstLine).minimum(.i64(height)))
    let rows = k.let("rows", (valid - 1) * .i64(patchWidth) + count)
    let patch = k.array("patch", .f32, count: patchLines * patchWidth * channels)
    copyInput(k, source, to: patch, batch, line: firstLine, first)
    let start = k.let("start", place[0] * .i64(unitChunks * perChunk))
    let end = k.let("end_panel", (start + .i64(unitChunks * perChunk)).minimum(.i64(panelCount)))
    k.loop("panel", from: start, to: end, step: perChunk) { panel in
      let sums = k.array("sums", .f32, count: ((height - 1) * patchWidth + segment) * width)
      let own = k.let("own", (end - panel).minimum(.i64(perChunk)))
      k.loop("p", to: own) { p in
        let weights = k.let("weights", (panel + p) * .i64(lines * depth * columns))
        // A line of a filter is one run, unless its taps lie apart.
        let runs = dilation == 1 ? 1 : taps
        for (index, (line, run)) in (0..<lines).flatMap({ line in (0..<runs).map { (line, $0) } }).enumerated() {
          k.product(
            .init(
              to: .array(sums, p * .i64(columns)), stride: .i64(width),
              left: .array(patch, .i64((line * patchStep * patchWidth + run * dilation) * channels)),
              stride: .i64(stride * channels),
              panel: .buffer(filter, weights + .i64(index * (depth / runs) * columns)), stride: .i64(columns),
              rows: rows, depth: .i64(depth / runs), columns: columns, accumulates: index > 0))
        }
      }
      let column = k.let("column", panel * .i64(columns))
      let lanes = k.let("lanes", (Expression.i64(filters) - column).minimum(own * .i64(columns)))
      k.loop("line", to: valid) { line in
        let own = isFlat ? [batch] : [batch, firstLine + line]
        let row = k.let("row", offset(own, k.broadcastStrides(result.shape, to: result.shape)))
        k.loop("i", to: count) { i in
          let finish = rest.line(own + [first + i], from: column, k)
          let from = k.let("from", (line * .i64(patchWidth) + i) * .i64(width))
          let target = k.let("target", row + (first + i) * .i64(filters) + column)
          k.loop("lane", to: lanes, .vector) { lane in
            k.store(y, target + lane, finish(k.load(sums, from + lane), lane))
          }
        }
      }
    }
    var recipe = Recipe()
    let weight = recipe.addWeight(panels, name: (node.operands[1].map { graph[$0].name } ?? "") + " panels")
    let inPlace = rest.sameShape.first.map { shared in
      InPlace(operand: 2 + (rest.indices.firstIndex(of: shared.index) ?? 0), result: 0)
    }
    recipe.steps.append(
      .init(
        action: .kernel(k.finish()), reads: [.operand(0), weight] + rest.indices.map { .operand($0) },
        writes: [.result(0)], inPlace: inPlace.map { [$0] } ?? [],
        label: EpilogueOperands.label("conv", op.epilogue)))
    return recipe
  }

  /// Copies `[line][position][channel]`.
  private func copyInput(
    _ k: KernelBuilder, _ source: KernelBuffer, to patch: LocalArray, _ batch: Expression, line firstLine: Expression,
    _ first: Expression
  ) {
    let isFlat = x.rank == 3
    let step = height > 1 ? 1 : lineDilation
    let width = k.size(x.shape[x.rank - 2])
    let from = k.let("from", first * .i64(stride) - k.size(op.padsBegin[op.padsBegin.count - 1]))
    let low = k.let("low", (Expression.i64(0) - from).maximum(0).minimum(.i64(patchWidth)))
    let high = k.let("high", (width - from).maximum(low).minimum(.i64(patchWidth)))
    let size = Expression.i64(channels)
    k.loop("line", to: .i64(patchLines)) { line in
      let at = k.let("at", line * .i64(patchWidth * channels))
      func copy(_ start: Expression) {
        k.loop("i", to: low * size, .vector) { k.store(patch, at + $0, .f32(0)) }
        k.loop("i", from: low * size, to: high * size, .vector) { i in
          k.store(patch, at + i, k.load(source, start + i))
        }
        k.loop("i", from: high * size, to: .i64(patchWidth * channels), .vector) { k.store(patch, at + $0, .f32(0)) }
      }
      if isFlat {
        copy(k.let("source", (batch * width + from) * size))
      } else {
        let height = k.size(x.shape[1])
        let y = k.let("y", firstLine * .i64(lineStride) + line * .i64(step) - k.size(op.padsBegin[0]))
        k.if(y.greaterOrEqual(0).and(y.lessThan(height))) {
          copy(k.let("source", ((batch * height + y) * width + from) * size))
        } else: {
          k.loop("i", to: .i64(patchWidth * channels), .vector) { k.store(patch, at + $0, .f32(0)) }
        }
      }
    }
  }

  /// `[filter][channel][line][tap]` to `[panel][line][tap][channel][column]`.
  private func panels(_ w: Tensor, _ panelCount: Int) -> Tensor? {
    let (channels, filters, columns, area) = (channels, filters, columns, lines * taps)
    let name = "convolution panels \(columns)"
    return ProductTile.deferred([panelCount, area, channels, columns], name, from: w) { source, target in
      for filter in 0..<filters {
        let (panel, column) = (filter / columns, filter % columns)
        for channel in 0..<channels {
          for tap in 0..<area {
            target[((panel * area + tap) * channels + channel) * columns + column] =
              source[(filter * channels + channel) * area + tap]
          }
        }
      }
    }
  }
}
