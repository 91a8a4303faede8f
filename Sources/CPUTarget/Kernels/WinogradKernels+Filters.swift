import SwageKernel
import SwageTensor

extension WinogradKernels {
  /// The transformed filters, G g Gᵀ, as `[point][panel][channel][column]`: a weight for f32. Those of bf16 would take eight
  /// times the memory of the filters, and are made in each run.
  func addFilters(_ w: Tensor, name: String, to recipe: inout Recipe) -> Recipe.Slot? {
    if w.elementType == .f32 { return transformed(w).map { recipe.addWeight($0, name: name + " transformed") } }
    guard let panels = panels(w) else { return nil }
    let weight = recipe.addWeight(panels, name: name + " panels")
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
    return ProductTile.deferred(w.elementType, [panelCount, channels, 9, columns], name, w) { from, to in
      let (source, target) = (from.bindMemory(to: UInt16.self), to.bindMemory(to: UInt16.self))
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
        let taps = (0..<9).map { tap in
          k.let("g", k.load(source, (line * .i64(9) + .i64(tap)) * .i64(columns) + lane))
        }
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
}
