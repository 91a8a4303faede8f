import SwageKernel
import SwageTensor

extension WinogradKernels {
  /// What the products read: the transformed filters, G g Gᵀ, as `[phase][point][panel][channel][column]`, or the
  /// filters themselves where they are transformed as needed.
  func addFilters(
    _ w: Tensor, _ filtering: WinogradPlan.Filtering, name: String, to recipe: inout Recipe
  ) -> Recipe.Slot? {
    if filtering == .stored { return transformed(w).map { recipe.addWeight($0, name: name + " transformed") } }
    guard let panels = panels(w) else { return nil }
    let weight = recipe.addWeight(panels, name: name + " panels")
    if filtering == .asNeeded { return weight }
    let temporary = recipe.addTemporary(
      TensorType(.f32, [Dim(form.phases * points), Dim(panelCount), Dim(channels), Dim(columns)]))
    recipe.steps.append(
      .init(
        action: .kernel(transformFilters()), reads: [weight], writes: [temporary],
        label: "transform filters (winograd \(transform.results))", isMain: false))
    return temporary
  }

  private func transformed(_ w: Tensor) -> Tensor? {
    let (form, columns, panelCount, points) = (form, columns, panelCount, points)
    let (matrix, side, taps) = (transform.filter, transform.inputs, transform.taps)
    let name = "winograd \(transform.results) points of panels \(columns)\(form.name)"
    return Tensor.deferred(.f32, [form.phases * points, panelCount, channels, columns], name, w) { from, to in
      let (source, target) = (from.bindMemory(to: Float.self), to.bindMemory(to: Float.self))
      var g = [Double](repeating: 0, count: taps * taps)
      var half = [Double](repeating: 0, count: taps)
      for phase in 0..<form.phases {
        for panel in 0..<panelCount {
          let own = min(columns, form.filters - panel * columns)
          // Columns are the inner loop: writes to a point follow each other.
          for place in 0..<form.channels * own {
            let (channel, column) = (place / own, place % own)
            for tap in g.indices {
              g[tap] = Double(
                source[form.weight(filter: panel * columns + column, channel: channel, phase: phase, tap: tap)])
            }
            for i in 0..<side {
              for tap in 0..<taps {
                half[tap] = 0
                for line in 0..<taps { half[tap] += matrix[i][line] * g[line * taps + tap] }
              }
              for j in 0..<side {
                var value = 0.0
                for tap in 0..<taps { value += matrix[j][tap] * half[tap] }
                let line = ((phase * points + i * side + j) * panelCount + panel) * form.channels + channel
                target[line * columns + column] = Float(value)
              }
            }
          }
        }
      }
    }
  }

  /// The filters as `[phase][panel][channel][tap][column]`, with zeros behind the last one.
  private func panels(_ w: Tensor) -> Tensor? {
    let (form, columns, panelCount) = (form, columns, panelCount)
    let name = "winograd panels \(columns)\(form.name)"
    func fill<T>(_ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer, _: T.Type) {
      let (source, target) = (from.bindMemory(to: T.self), to.bindMemory(to: T.self))
      // Lines of the target come one after the other; the filters of a panel are read side by side.
      for panel in 0..<form.phases * panelCount {
        let (phase, first) = (panel / panelCount, panel % panelCount * columns)
        let own = min(columns, form.filters - first)
        for channel in 0..<form.channels {
          for tap in 0..<form.taps {
            let line = ((panel * form.channels + channel) * form.taps + tap) * columns
            for column in 0..<own {
              target[line + column] =
                source[form.weight(filter: first + column, channel: channel, phase: phase, tap: tap)]
            }
          }
        }
      }
    }
    let isWide = w.elementType == .f32
    let shape = [form.phases * panelCount, channels, form.taps, columns]
    return Tensor.deferred(w.elementType, shape, name, w) { from, to in
      if isWide { fill(from, to, UInt32.self) } else { fill(from, to, UInt16.self) }
    }
  }

  /// A unit is a stretch of the channels of a panel.
  private func transformFilters() -> KernelFunction {
    let stretch = 16
    let stretches = (channels + stretch - 1) / stretch
    let (side, taps) = (transform.inputs, transform.taps)
    let k = KernelBuilder("winograd\(transform.results)_filters_\(x.elementType.name)")
    let source = k.input(x.elementType)
    let target = k.output(.f32)
    k.split(Dim(form.phases * panelCount * stretches), work: Dim(stretch * columns * points * 4))
    let panel = k.let("panel", k.unit.divided(by: .i64(stretches)))
    let begin = k.let("begin", k.unit.remainder(by: .i64(stretches)) * .i64(stretch))
    let end = k.let("end", (begin + .i64(stretch)).minimum(.i64(channels)))
    k.loop("channel", from: begin, to: end) { channel in
      let line = k.let("line", panel * .i64(channels) + channel)
      // Panels are counted through all phases, and points lie between phase and panel.
      let before =
        form.phases == 1 ? 0 : panel.divided(by: .i64(panelCount)) * .i64((points - 1) * panelCount * channels)
      let first = k.let("first", line + before)
      k.loop("lane", to: .i64(columns), .vector) { lane in
        let g = filter(k, source, line, lane)
        let half = (0..<taps).map { column in
          transform.rows(transform.filter, of: (0..<taps).map { g[$0 * taps + column] }, k).map { k.let("h", $0) }
        }
        for i in 0..<side {
          for (j, value) in transform.rows(transform.filter, of: half.map { $0[i] }, k).enumerated() {
            let point = (i * side + j) * panelCount * channels
            k.store(target, (first + .i64(point)) * .i64(columns) + lane, value)
          }
        }
      }
    }
    return k.finish()
  }

  /// Channels whose filters are transformed together as needed.
  var termsAsNeeded: Int { min(channels, 384) }

  /// Transforms `count` panels from `panel` on, counted through all phases, for some channels and one line of points at a time, as
  /// `[point of the line][panel][channel][column]`, and calls `product` with each point and its place.
  func filterAsNeeded(
    _ k: KernelBuilder, _ source: KernelBuffer, panel: Expression, count: Expression, to target: KernelBuffer,
    at start: Expression,
    product: (
      _ point: Expression, _ place: Expression, _ begin: Expression, _ terms: Expression, _ adds: Bool
    ) -> Void
  ) {
    let (side, most, taps) = (transform.inputs, termsAsNeeded, transform.taps)
    let coefficients = k.array("coefficients", .f32, count: side * taps)
    for (index, value) in transform.filter.joined().enumerated() { k.store(coefficients, .i64(index), .f32(value)) }
    let stride = k.let("line_stride", count * .i64(most * columns))
    k.loop("begin", to: .i64(channels), step: most) { begin in
      let terms = k.let("terms", (Expression.i64(channels) - begin).minimum(.i64(most)))
      k.loop("i", to: .i64(side)) { i in
        let own = (0..<taps).map { k.let("coefficient", k.load(coefficients, i * .i64(taps) + .i64($0))) }
        k.loop("p", to: count) { p in
          k.loop("term", to: terms) { term in
            let line = k.let("line", (panel + p) * .i64(channels) + begin + term)
            let to = k.let("to", start + (p * .i64(most) + term) * .i64(columns))
            k.loop("lane", to: .i64(columns), .vector) { lane in
              let g = filter(k, source, line, lane)
              let half = (0..<taps).map { column in
                k.let("h", (1..<taps).reduce(own[0] * g[column]) { $0 + own[$1] * g[$1 * taps + column] })
              }
              for (j, value) in transform.rows(transform.filter, of: half, k).enumerated() {
                k.store(target, to + .i64(j) * stride + lane, value)
              }
            }
          }
        }
        k.loop("j", to: .i64(side)) { j in
          let point = k.let("point", i * .i64(side) + j)
          let place = k.let("place", start + j * stride)
          k.if(begin.equal(0)) {
            product(point, place, begin, terms, false)
          } else: {
            product(point, place, begin, terms, true)
          }
        }
      }
    }
  }

  /// All taps of a line of `[panel][channel][tap][column]`.
  private func filter(
    _ k: KernelBuilder, _ source: KernelBuffer, _ line: Expression, _ lane: Expression
  ) -> [Expression] {
    (0..<form.taps).map { tap in
      k.let("g", k.load(source, (line * .i64(form.taps) + .i64(tap)) * .i64(columns) + lane))
    }
  }
}
