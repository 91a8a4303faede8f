import SwageKernel
import SwagePartition
import SwageTensor

/// Convolutions of f32, f64, bf16 or bytes over one or two axes as products whose terms are the lines of the filters: along a
/// line of the picture, channels last, a filter's line is one run of elements.
///
/// A piece of work is a stretch of results along the last axis, or several short lines of them, for a chunk of filters. What
/// it reads is copied once, with zeros for what lies outside the picture. Several lines are one product of as many groups
/// of rows. A matrix unit takes all their positions as rows, and so do tiles where lines are very short: those that hang
/// over from one line to the next are computed too, and dropped; lines share the zeros between them, so that there are few.
///
/// Where filters move by more than one position, inputs are copied phase by phase (all even positions, then all odd ones),
/// so that a tap still meets neighbouring results in neighbouring places; then each tap is a product of its own.
///
/// Where convolutions are transposed, phases of results share what is copied, and have filters of their own.
struct PanelConvolutionKernels {
  private let op: Convolution
  private let form: ConvolutionForm
  private let x: TensorType
  private let result: TensorType
  private let (channels, filters): (Int, Int)
  /// Lines and columns of a filter of one phase, and their distances; one line where there is one axis.
  private let (lines, taps): (Int, Int)
  private let (lineStride, stride): (Int, Int)
  private let (lineDilation, dilation): (Int, Int)
  /// Lines and columns from the first that any phase of a result meets to the last.
  private let (windowLines, window): (Int, Int)
  /// Results of a phase along the last axis.
  private let positions: Dim
  private let tile: ProductTile
  private var element: ElementType { tile.element }
  private var columns: Int { tile.columns }
  /// Whether inputs are copied phase by phase: taps must have enough channels to be products of their own.
  private var isPhased: Bool {
    (stride > 1 || lineStride > 1) && dilation == 1 && lineDilation == 1 && channels >= 16
  }
  /// Phases of lines and of positions in a line that filters meet.
  private var linePhases: Int { isPhased ? min(lineStride, lines) : 1 }
  private var phases: Int { isPhased ? min(stride, taps) : 1 }
  /// Positions of a piece, at most: whole tiles, and what hangs over between a few lines of matrix tiles. Filters that
  /// come from far away are read for as many positions as possible.
  private var mostPositions: Int {
    if tile.usesMatrixUnit { return 144 }
    switch pieces {
    case .bySize: return form.phases * filters * lines * taps * channels * tile.bytes > 1 << 20 ? 96 : 48
    case .short: return 48
    case .long: return 96
    }
  }
  private let pieces: Pieces

  /// How long pieces are without a matrix unit: long ones read filters fewer times, short ones leave more of the caches to
  /// them.
  enum Pieces { case bySize, short, long }

  /// Elements that a piece reads, at most: they stay in the second-level cache.
  private var patchElements: Int { (tile.usesMatrixUnit ? 960 << 10 : 384 << 10) / tile.bytes }
  /// Results of a piece along the last axis, at most.
  private var longest = 1

  /// Long and short pieces are refused where they are what the size gives anyway.
  static func make(
    _ op: Convolution, _ node: Node, in graph: Graph, threads: Int, pieces: Pieces = .bySize
  ) -> Recipe? {
    let result = graph.type(of: node.results[0])
    guard let x = node.type(0, in: graph), x.rank == 3 || x.rank == 4, let w = node.constant(1, in: graph),
      let form = ConvolutionForm(op, x, w, result: result),
      let tile = ProductTile.of(x.elementType, filling: form.filters),
      let kernels = PanelConvolutionKernels(op, form, x, result, tile, pieces)
    else { return nil }
    if pieces != .bySize {
      let sized = PanelConvolutionKernels(op, form, x, result, tile, .bySize)
      guard !tile.usesMatrixUnit, sized?.mostPositions != kernels.mostPositions else { return nil }
    }
    return kernels.recipe(w, node, in: graph, threads: threads)
  }

  /// nil where the library is better, or the inputs of a piece are too large.
  private init?(
    _ op: Convolution, _ form: ConvolutionForm, _ x: TensorType, _ result: TensorType, _ tile: ProductTile,
    _ pieces: Pieces
  ) {
    self.op = op
    self.form = form
    self.pieces = pieces
    self.tile = tile
    self.x = x
    self.result = result
    (filters, channels) = (form.filters, form.channels)
    let (down, along) = (form.axes.count == 2 ? form.axes[0] : nil, form.axes[form.axes.count - 1])
    (lines, taps) = (down?.taps ?? 1, along.taps)
    (lineStride, stride) = (down?.stride ?? 1, along.stride)
    (lineDilation, dilation) = (down?.dilation ?? 1, along.dilation)
    (windowLines, window) = (down?.window ?? 1, along.window)
    positions = along.positions
    // Fewer filters leave most of a panel empty; each product is written out.
    let isWorthwhile = pieces != .bySize || tile.usesMatrixUnit || element == .u8
    guard isWorthwhile || filters * 2 >= tile.panelCount(filters) * tile.columns, windowLines <= 32,
      dilation == 1 || taps <= 32, !isPhased || lines * taps <= 64,
      let reach = Checked.product([window - 1, dilation]),
      let perLine = Checked.product([windowLines, channels]), perLine * (reach + 1) <= patchElements
    else { return nil }
    if isPhased {
      let perPosition = linePhases * phases * ((lines - 1) / lineStride + 1) * channels
      longest = min(mostPositions, patchElements / perPosition - (taps - 1) / stride)
    } else {
      longest = min(mostPositions, (patchElements / perLine - reach - 1) / stride + 1)
    }
    guard longest >= min(12, positions.constant ?? 12) else { return nil }
  }

  private var reach: Int { (window - 1) * dilation }
  /// Whether short lines go together.
  private var joinsLines: Bool {
    x.rank == 4 && (isPhased || (lineDilation == 1 && (!hangsOver || (stride == 1 && lineStride == 1))))
  }
  /// Whether joined lines are rows at one distance: on a matrix unit, where nothing hangs over, and where lines are so short
  /// that tiles of their own would wait for each addition.
  private var hangsOver: Bool {
    if tile.usesMatrixUnit { return true }
    guard isPhased || (stride == 1 && lineStride == 1) else { return false }
    let over = isPhased ? (taps - 1) / stride : reach
    guard let length = positions.constant else { return over == 0 }
    return over == 0 || length + over <= Self.fewestRows
  }
  /// Rows of a tile whose additions need not wait for each other.
  private static let fewestRows = 6
  /// Taps of a line that are one run of terms.
  private var tapsTogether: Int { dilation == 1 && !isPhased ? taps : 1 }
  /// Distance of lines of results in what is copied.
  private var copiedStride: Int { isPhased ? 1 : lineStride }
  /// Lines that one line of results meets, of each phase.
  private var linesOfOne: Int { isPhased ? (lines - 1) / lineStride + 1 : windowLines }
  /// Lines that so many lines of results meet.
  private func linesToCopy(for count: Expression) -> Expression {
    (count - 1) * .i64(copiedStride) + .i64(linesOfOne)
  }
  /// Lines of results, at most, for which what they meet is no more than `elements`.
  private func linesOfResults(_ elements: Int, _ patchWidth: Expression) -> Expression {
    let copied = Expression.i64(elements / channels / (linePhases * phases)).divided(by: patchWidth)
    return (copied - .i64(linesOfOne)).maximum(0).divided(by: .i64(copiedStride)) + 1
  }

  private func recipe(_ w: Tensor, _ node: Node, in graph: Graph, threads: Int) -> Recipe? {
    let panelCount = tile.panelCount(filters)
    guard let panels = panels(w) else { return nil }
    let width = min(tile.chunk(depth: lines * taps * channels), panelCount * columns)
    let perChunk = width / columns
    let chunks = (panelCount + perChunk - 1) / perChunk
    let order = PieceOrder(chunks: chunks * form.phases, bytes: panels.byteCount, tile)
    let isFlat = x.rank == 3
    let last = isFlat ? 0 : 1
    // A line of a filter is one run, unless its taps lie apart.
    let runs = taps / tapsTogether
    let depth = tapsTogether * channels
    let runSize = tile.panel(depth: depth)

    let k = KernelBuilder("conv_panels_\(element.name)")
    let source = k.input(element)
    let filter = k.input(tile.panelElement)
    let rest = KernelEpilogue(
      op.epilogue, node, in: graph, result: result.shape, element: result.elementType, k)
    let y = k.output(result.elementType, mayAlias: rest.sameShape)

    let length = k.size(positions)
    let allLines = isFlat ? 1 : k.size(form.axes[0].positions)
    let segment = k.blockSize("block", length, largest: longest, step: tile.rows).minimum(length.maximum(1))
    let segments = k.let("segments", length.ceilDivided(by: segment))
    let patchWidth = k.let("patch_width", patchWidth(segment, segments))
    let height = joinsLines ? lineCount(k, length, allLines, segments, patchWidth) : 1
    let band =
      joinsLines && !tile.usesMatrixUnit
      ? bandHeight(k, allLines, height, k.size(result.shape[0]) * segments, patchWidth, pieces: order.chunks, threads)
      : height
    let alike = k.let("alike", k.size(result.shape[0]) * segments)
    let lineBlocks = k.blockCount(
      "line_blocks", allLines, largest: band, smallest: 1, alike: alike * .i64(order.chunks), threads: threads)
    let stretches = k.let("stretches", alike * lineBlocks)
    let current = k.variable("current", .i64(-1))
    let patch = k.array("patch", of: element, count: patchElements + sharedZeros * channels)
    let sums = k.array("sums", of: tile.sums, count: mostPositions * width)
    let work = result.elementCount * Dim(lines * taps * channels)
    k.share(stretches * .i64(order.chunks), units: threads * 4, work: work) { item in
      let (stretch, piece) = order.place(item, blocks: stretches, k)
      let phase = form.phases == 1 ? 0 : k.let("phase", piece.divided(by: .i64(chunks)))
      let places = form.place(phase, k)
      let chunk = form.phases == 1 ? piece : piece.remainder(by: .i64(chunks))
      let panel = k.let("panel", chunk * .i64(perChunk))
      let first = k.let("first", stretch.remainder(by: segments) * segment)
      let count = k.let("count", (length - first).minimum(segment))
      let lineBlock = k.let("line_block", stretch.divided(by: segments))
      let batch = k.let("batch", lineBlock.divided(by: lineBlocks))
      let (firstLine, valid) = k.block(
        "first_line", "valid", of: allLines, lineBlock.remainder(by: lineBlocks), lineBlocks)
      k.if(stretch.notEqual(current.value)) {
        if isPhased {
          copyPhases(k, source, to: patch, patchWidth, lines: linesToCopy(for: valid), batch, firstLine, first)
        } else {
          copyInput(k, source, to: patch, patchWidth, lines: linesToCopy(for: valid), batch, firstLine, first)
        }
        k.assign(current, stretch)
      }
      let own = k.let("own", (Expression.i64(panelCount) - panel).minimum(.i64(perChunk)))
      let weights = k.let("weights", (phase * .i64(panelCount) + panel) * .i64(lines * runs * runSize))
      let column = k.let("column", panel * .i64(columns))
      let size = k.let("phase_size", linesToCopy(for: valid) * patchWidth)
      let parts = k.let("parts", valid.ceilDivided(by: height))
      k.loop("part", to: parts) { part in
        let (line, lineCount) = k.block("line", "line_count", of: valid, part, parts)
        let rows = hangsOver ? k.let("rows", (lineCount - 1) * patchWidth + count) : count
        let lineDistance = k.let("line_distance", patchWidth * .i64(copiedStride * channels))
        func product(
          _ first: Expression, stride: Int, distance: Expression, runs count: Int, after: Int, adds: Bool
        ) {
          k.product(
            .init(
              to: .array(sums, 0), stride: .i64(width),
              left: .array(patch, line * lineDistance + first * .i64(channels)),
              stride: .i64(stride * channels), distance: distance * .i64(channels),
              panel: .buffer(filter, weights + .i64(after * runSize)), size: .i64(lines * runs * runSize), count: own,
              rows: rows, groups: hangsOver ? 1 : lineCount, groupDistance: hangsOver ? 0 : lineDistance,
              runs: .i64(count), depth: .i64(depth), columns: columns, accumulates: adds,
              isFollowed: order.isFar))
        }
        if isPhased {
          for line in 0..<lines {
            for tap in 0..<taps {
              let phase = line % lineStride * phases + tap % stride
              product(
                size * .i64(phase) + patchWidth * .i64(line / lineStride) + .i64(tap / stride), stride: 1, distance: 0,
                runs: 1, after: line * taps + tap, adds: line + tap > 0)
            }
          }
        } else if runs == 1 {
          // Lines of a filter are runs of one product.
          let shift = (isFlat ? 0 : places[0].shift * patchWidth) + places[last].shift
          product(shift, stride: stride, distance: patchWidth, runs: lines, after: 0, adds: false)
        } else {
          // Where taps lie apart, the taps of a line are.
          for line in 0..<lines {
            product(
              patchWidth * .i64(line), stride: stride, distance: .i64(dilation), runs: runs, after: line * runs,
              adds: line > 0)
          }
        }
        let whole = isFlat ? lineCount : form.existing(lineCount, from: firstLine + line, 0, places, k)
        let stored = form.existing(count, from: first, last, places, k)
        k.loop("innerline", to: whole) { inner in
          let place = isFlat ? [batch] : [batch, form.position(firstLine + line + inner, 0, places)]
          let row = k.let("row", offset(place, k.broadcastStrides(result.shape, to: result.shape)))
          k.loop("i", to: stored) { i in
            let position = form.position(first + i, last, places)
            rest.store(
              sums, at: k.let("from", (inner * (hangsOver ? patchWidth : count) + i) * .i64(width)), panels: own, to: y,
              line: row + position * .i64(filters), from: column, filters: filters, columns: columns,
              place: place + [position], k)
          }
        }
      }
    }
    var recipe = Recipe()
    let weight = recipe.addWeight(panels, name: (node.operands[1].map { graph[$0].name } ?? "") + " panels")
    recipe.steps.append(
      rest.step(
        k.finish(), reads: [.operand(0), weight], label: EpilogueOperands.label("conv", op.epilogue)))
    return recipe
  }

  /// Positions of zeros that neighbouring lines have in common where a piece has whole lines: what is right of one is left
  /// of the next.
  private var sharedZeros: Int {
    guard joinsLines, hangsOver, !isPhased, let left = form.axes[1].before.constant,
      let right = form.axes[1].after.constant
    else { return 0 }
    return max(0, min(left, right))
  }

  /// The distance from line to line in what is copied.
  private func patchWidth(_ segment: Expression, _ segments: Expression) -> Expression {
    if isPhased { return segment + .i64((taps - 1) / stride) }
    let width = (segment - 1) * .i64(stride) + .i64(reach + 1)
    guard sharedZeros > 0, segments.literal ?? 1 == 1 else { return width }
    let narrow = width - .i64(sharedZeros)
    return segments.literal == nil ? .choose(segments.equal(1), narrow, width) : narrow
  }

  /// Lines of results of a piece: as many as fit `mostPositions` and the copied inputs.
  private func lineCount(
    _ k: KernelBuilder, _ length: Expression, _ allLines: Expression, _ segments: Expression, _ patchWidth: Expression
  ) -> Expression {
    let byPositions =
      hangsOver
      ? (Expression.i64(mostPositions) - length.minimum(.i64(mostPositions))).divided(by: patchWidth) + 1
      : Expression.i64(mostPositions).divided(by: length.maximum(1))
    let several = byPositions.minimum(linesOfResults(patchElements, patchWidth)).minimum(allLines).maximum(1)
    let even = allLines.ceilDivided(by: allLines.ceilDivided(by: several).maximum(1)).maximum(1)
    if let segments = segments.literal { return segments == 1 ? k.let("height", even) : 1 }
    return k.let("height", .choose(segments.equal(1), even, 1))
  }

  /// Lines of results that share what is copied for them, a whole number of times `height`: they meet the same lines of
  /// the picture. Few enough to leave work for all threads.
  private func bandHeight(
    _ k: KernelBuilder, _ allLines: Expression, _ height: Expression, _ stretches: Expression, _ patchWidth: Expression,
    pieces: Int, _ threads: Int
  ) -> Expression {
    let byInputs = linesOfResults(patchElements / 2, patchWidth).divided(by: height)
    let byThreads = (stretches * allLines * .i64(pieces)).divided(by: height * .i64(threads * 8))
    let parts = byInputs.minimum(byThreads).minimum(4).maximum(1)
    return k.let("band", (parts * height).minimum(allLines.maximum(1)))
  }

  /// Copies `[line][position][channel]`: the lines that filters meet.
  private func copyInput(
    _ k: KernelBuilder, _ source: KernelBuffer, to patch: LocalArray, _ patchWidth: Expression, lines: Expression,
    _ batch: Expression, _ firstLine: Expression, _ first: Expression
  ) {
    let isFlat = x.rank == 3
    let width = k.size(x.shape[x.rank - 2])
    let from = k.let("from", first * .i64(stride) - k.size(form.axes[form.axes.count - 1].before))
    let low = k.let("low", (Expression.i64(0) - from).maximum(0).minimum(patchWidth))
    let high = k.let("high", (width - from).maximum(low).minimum(patchWidth))
    let size = Expression.i64(channels)
    if sharedZeros > 0 {
      // What the last line meets of the zeros that it would share.
      k.loop("i", to: .i64(sharedZeros * channels), .vector) {
        k.store(patch, lines * patchWidth * size + $0, .literal(0, element.computeType))
      }
    }
    k.loop("line", to: lines) { line in
      let at = k.let("at", line * patchWidth * size)
      func copy(_ start: Expression) {
        k.loop("i", to: low * size, .vector) { k.store(patch, at + $0, .literal(0, element.computeType)) }
        k.loop("i", from: low * size, to: high * size, .vector) { i in
          k.store(patch, at + i, k.load(source, start + i))
        }
        k.loop("i", from: high * size, to: patchWidth * size, .vector) {
          k.store(patch, at + $0, .literal(0, element.computeType))
        }
      }
      if isFlat {
        copy(k.let("source", (batch * width + from) * size))
      } else {
        let height = k.size(x.shape[1])
        let y = k.let("y", firstLine * .i64(lineStride) + line * .i64(lineDilation) - k.size(form.axes[0].before))
        k.if(y.greaterOrEqual(0).and(y.lessThan(height))) {
          copy(k.let("source", ((batch * height + y) * width + from) * size))
        } else: {
          k.loop("i", to: patchWidth * size, .vector) { k.store(patch, at + $0, .literal(0, element.computeType)) }
        }
      }
    }
  }

  /// Copies `[line phase][phase][line][position][channel]`.
  private func copyPhases(
    _ k: KernelBuilder, _ source: KernelBuffer, to patch: LocalArray, _ patchWidth: Expression, lines: Expression,
    _ batch: Expression, _ firstLine: Expression, _ first: Expression
  ) {
    let isFlat = x.rank == 3
    let (width, height) = (k.size(x.shape[x.rank - 2]), isFlat ? 1 : k.size(x.shape[1]))
    let size = Expression.i64(channels)
    let zero = Expression.literal(0, element.computeType)
    for linePhase in 0..<linePhases {
      for phase in 0..<phases {
        // The first position of this phase in the picture, which may lie before it.
        let from = k.let("from", first * .i64(stride) + .i64(phase) - k.size(form.axes[form.axes.count - 1].before))
        let low = k.let("low", (Expression.i64(0) - from).maximum(0).ceilDivided(by: stride).minimum(patchWidth))
        let high = k.let(
          "high", (width - from).maximum(0).ceilDivided(by: stride).maximum(low).minimum(patchWidth))
        k.loop("line", to: lines) { line in
          let at = k.let("at", (lines * .i64(linePhase * phases + phase) + line) * patchWidth * size)
          let y = k.let(
            "y", isFlat ? 0 : (firstLine + line) * .i64(lineStride) + .i64(linePhase) - k.size(form.axes[0].before))
          k.if(y.greaterOrEqual(0).and(y.lessThan(height))) {
            let start = k.let("start", ((batch * height + y) * width + from) * size)
            k.loop("i", to: low * size, .vector) { k.store(patch, at + $0, zero) }
            k.loop("position", from: low, to: high) { position in
              let (to, own) = (at + position * size, start + position * .i64(stride) * size)
              k.loop("i", to: size, .vector) { k.store(patch, to + $0, k.load(source, own + $0)) }
            }
            k.loop("i", from: high * size, to: patchWidth * size, .vector) { k.store(patch, at + $0, zero) }
          } else: {
            k.loop("i", to: patchWidth * size, .vector) { k.store(patch, at + $0, zero) }
          }
        }
      }
    }
  }

  /// The filters as `[phase][panel][line][run]` of panels, whose terms are `[tap of the run][channel]`.
  private func panels(_ w: Tensor) -> Tensor? {
    let (channels, filters, columns, tile, form) = (channels, filters, columns, tile, form)
    let (area, panelCount) = (lines * taps, tile.panelCount(filters))
    let tapsTogether = tapsTogether
    let size = tile.panel(depth: tapsTogether * channels)
    let runs = area / tapsTogether
    let shape = [form.phases * panelCount, runs, size / tile.line, tile.line]
    return tile.rearranged(shape, "convolution panels \(columns) \(tapsTogether)\(form.name)", w) { move in
      for phase in 0..<form.phases {
        for filter in 0..<filters {
          let (panel, column) = (phase * panelCount + filter / columns, filter % columns)
          for channel in 0..<channels {
            for tap in 0..<area {
              let run = (panel * runs + tap / tapsTogether) * size
              move(
                run + tile.place(tap % tapsTogether * channels + channel, column),
                form.weight(filter: filter, channel: channel, phase: phase, tap: tap))
            }
          }
        }
      }
    }
  }
}
