import SwageKernel
import SwageTensor

extension WinogradKernels {
  /// What the products read: the transformed filters, G g Gᵀ, as `[point][panel][channel][column]`, or the filters
  /// themselves where they are transformed as needed.
  func addFilters(
    _ w: Tensor, _ filtering: WinogradPlan.Filtering, name: String, to recipe: inout Recipe
  ) -> Recipe.Slot? {
    if filtering == .stored { return transformed(w).map { recipe.addWeight($0, name: name + " transformed") } }
    guard let panels = panels(w) else { return nil }
    let weight = recipe.addWeight(panels, name: name + " panels")
    if filtering == .asNeeded { return weight }
    let temporary = recipe.addTemporary(
      TensorType(.f32, [Dim(points), Dim(panelCount), Dim(channels), Dim(columns)]))
    recipe.steps.append(
      .init(
        action: .kernel(transformFilters()), reads: [weight], writes: [temporary],
        label: "transform filters (winograd \(transform.results))", isMain: false))
    return temporary
  }

  private func transformed(_ w: Tensor) -> Tensor? {
    let (channels, filters, columns, panelCount) = (channels, filters, columns, panelCount)
    let (matrix, side) = (transform.filter, transform.inputs)
    let name = "winograd \(transform.results) points of panels \(columns)"
    return ProductTile.deferred(.f32, [points, panelCount, channels, columns], name, w) { from, to in
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
              target[(((i * side + j) * panelCount + panel) * channels + channel) * columns + column] = Float(value)
            }
          }
        }
      }
    }
  }

  /// `[filter][channel][3][3]` as `[panel][channel][tap][column]`, with zeros behind the last filter.
  private func panels(_ w: Tensor) -> Tensor? {
    let (channels, filters, columns) = (channels, filters, columns)
    let name = "winograd panels \(columns)"
    func fill<T>(_ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer, _: T.Type) {
      let (source, target) = (from.bindMemory(to: T.self), to.bindMemory(to: T.self))
      for filter in 0..<filters {
        let (panel, column) = (filter / columns, filter % columns)
        for channel in 0..<channels {
          for tap in 0..<9 {
            target[((panel * channels + channel) * 9 + tap) * columns + column] =
              source[(filter * channels + channel) * 9 + tap]
          }
        }
      }
    }
    let isWide = w.elementType == .f32
    return ProductTile.deferred(w.elementType, [panelCount, channels, 9, columns], name, w) { from, to in
      if isWide { fill(from, to, UInt32.self) } else { fill(from, to, UInt16.self) }
    }
  }

  /// A unit is a stretch of the channels of a panel.
  private func transformFilters() -> KernelFunction {
    let stretch = 16
    let stretches = (channels + stretch - 1) / stretch
    let side = transform.inputs
    let k = KernelBuilder("winograd\(transform.results)_filters_\(x.elementType.name)")
    let source = k.input(x.elementType)
    let target = k.output(.f32)
    k.split(Dim(panelCount * stretches), work: Dim(stretch * columns * points * 4))
    let panel = k.let("panel", k.unit.divided(by: .i64(stretches)))
    let begin = k.let("begin", k.unit.remainder(by: .i64(stretches)) * .i64(stretch))
    let end = k.let("end", (begin + .i64(stretch)).minimum(.i64(channels)))
    k.loop("channel", from: begin, to: end) { channel in
      let line = k.let("line", panel * .i64(channels) + channel)
      k.loop("lane", to: .i64(columns), .vector) { lane in
        let taps = self.taps(k, source, line, lane)
        let half = (0..<3).map { column in
          transform.rows(transform.filter, of: (0..<3).map { taps[$0 * 3 + column] }, k).map { k.let("h", $0) }
        }
        for i in 0..<side {
          for (j, value) in transform.rows(transform.filter, of: half.map { $0[i] }, k).enumerated() {
            let point = (i * side + j) * panelCount * channels
            k.store(target, (line + .i64(point)) * .i64(columns) + lane, value)
          }
        }
      }
    }
    return k.finish()
  }

  /// Channels whose filters are transformed together as needed.
  var termsAsNeeded: Int { min(channels, 384) }

  /// Transforms `count` panels from `panel` on for some channels and one line of points at a time, as
  /// `[point of the line][panel][channel][column]`, and calls `product` with each point and its place.
  func filterAsNeeded(
    _ k: KernelBuilder, _ source: KernelBuffer, panel: Expression, count: Expression, to target: KernelBuffer,
    at start: Expression,
    product: (
      _ point: Expression, _ place: Expression, _ begin: Expression, _ terms: Expression, _ adds: Bool
    ) -> Void
  ) {
    let (side, most) = (transform.inputs, termsAsNeeded)
    let coefficients = k.array("coefficients", .f32, count: side * 3)
    for (index, value) in transform.filter.joined().enumerated() { k.store(coefficients, .i64(index), .f32(value)) }
    let stride = k.let("line_stride", count * .i64(most * columns))
    k.loop("begin", to: .i64(channels), step: most) { begin in
      let terms = k.let("terms", (Expression.i64(channels) - begin).minimum(.i64(most)))
      k.loop("i", to: .i64(side)) { i in
        let own = (0..<3).map { k.let("coefficient", k.load(coefficients, i * .i64(3) + .i64($0))) }
        k.loop("p", to: count) { p in
          k.loop("term", to: terms) { term in
            let line = k.let("line", (panel + p) * .i64(channels) + begin + term)
            let to = k.let("to", start + (p * .i64(most) + term) * .i64(columns))
            k.loop("lane", to: .i64(columns), .vector) { lane in
              let taps = self.taps(k, source, line, lane)
              let half = (0..<3).map { column in
                k.let("h", own[0] * taps[column] + own[1] * taps[3 + column] + own[2] * taps[6 + column])
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

  /// The nine taps of a line of `[panel][channel][tap][column]`.
  private func taps(_ k: KernelBuilder, _ source: KernelBuffer, _ line: Expression, _ lane: Expression) -> [Expression]
  {
    (0..<9).map { tap in k.let("g", k.load(source, (line * .i64(9) + .i64(tap)) * .i64(columns) + lane)) }
  }
}
