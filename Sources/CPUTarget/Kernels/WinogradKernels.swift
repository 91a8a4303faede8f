import SwageKernel
import SwagePartition
import SwageTensor

/// Convolutions of 3 by 3 filters by minimal filtering: 2.25, 4 or 5 times fewer multiplications than by the definition
/// (`WinogradTransform`). Those of 2 by 2, mostly phases of transposed ones (`ConvolutionForm`), take 2.25, 2.8 or 3 times
/// fewer. Elements are f32, or bf16 where no matrix unit multiplies them: those are widened as they are
/// transformed, and all between is f32.
///
/// A unit works through its share of pieces, each a block of tiles of the picture and a group of filters of a phase: the tiles'
/// inputs are transformed once for each piece into the unit's own scratch memory, multiplied with the filters' panels point
/// by point, and transformed back with the epilogue, a chunk of filters at a time. A value that is not finite spreads to the
/// other results of its tile.
struct WinogradKernels {
  let transform: WinogradTransform
  let x: TensorType
  let result: TensorType
  let form: ConvolutionForm
  let epilogue: Epilogue
  var channels: Int { form.channels }
  var filters: Int { form.filters }
  let tiles: [Dim]
  let columns: Int
  var points: Int { transform.inputs * transform.inputs }
  var panelCount: Int { (filters + columns - 1) / columns }
  /// Floats between points: neighbours in different sets of the first-level cache, whose sets repeat every 4 KiB.
  static let gap = 16

  /// The transforms that fit a node, and whether the cost model takes them.
  static func transforms(
    _ op: Convolution, _ node: Node, in graph: Graph
  ) -> [(transform: WinogradTransform, isPreferred: Bool)] {
    guard let (x, _, form) = operands(op, node, in: graph) else { return [] }
    let preferred = WinogradPlan.preferred(x.elementType, form, batch: x.shape[0])
    return WinogradPlan.fitting(x.elementType, form).map { ($0, $0.results == preferred?.results) }
  }

  /// nil where the transform does not fit.
  static func make(
    _ op: Convolution, _ node: Node, in graph: Graph, threads: Int, transform: WinogradTransform
  ) -> Recipe? {
    guard let (x, w, form) = operands(op, node, in: graph) else { return nil }
    let plan = WinogradPlan(transform, x.elementType, form, batch: x.shape[0], threads: threads)
    return WinogradKernels(transform, form, op.epilogue, x, graph.type(of: node.results[0]))
      .recipe(plan, w, node, in: graph)
  }

  private static func operands(
    _ op: Convolution, _ node: Node, in graph: Graph
  ) -> (x: TensorType, w: Tensor, form: ConvolutionForm)? {
    guard let x = node.type(0, in: graph), let w = node.constant(1, in: graph),
      x.elementType == .f32 || (x.elementType == .bf16 && ProductTile.of(.bf16)?.usesMatrixUnit == false),
      let form = ConvolutionForm(op, x, w, result: graph.type(of: node.results[0]))
    else { return nil }
    return (x, w, form)
  }

  private init(
    _ transform: WinogradTransform, _ form: ConvolutionForm, _ epilogue: Epilogue, _ x: TensorType, _ result: TensorType
  ) {
    self.transform = transform
    self.form = form
    self.epilogue = epilogue
    self.x = x
    self.result = result
    columns = WinogradPlan.tile(filters: form.filters).columns
    tiles = [x.shape[0]] + form.axes.map { $0.positions.ceilDivided(by: Dim(transform.results)) }
  }

  private func recipe(_ plan: WinogradPlan, _ w: Tensor, _ node: Node, in graph: Graph) -> Recipe? {
    let element = x.elementType
    var recipe = Recipe()
    guard let operand = addFilters(w, plan.filtering, name: node.operands[1].map { graph[$0].name } ?? "", to: &recipe)
    else { return nil }
    let k = KernelBuilder("winograd\(transform.results)_\(element.name)")
    let source = k.input(element)
    let filter = k.input(plan.filtering == .asNeeded ? element : .f32)
    let rest = KernelEpilogue(epilogue, node, in: graph, result: result.shape, element: element, k)
    let y = k.output(element, mayAlias: rest.sameShape)
    let scratch = k.output(.f32)

    let groups = (panelCount + plan.panels - 1) / plan.panels
    let width = min(plan.chunk, panelCount) * columns
    let inputStride = plan.largest * channels + Self.gap
    let productStride = plan.largest * width + Self.gap
    let lineSize = plan.filtering == .asNeeded ? transform.inputs * termsAsNeeded * width : 0
    let size = points * (inputStride + productStride) + lineSize
    let memory = recipe.addTemporary(TensorType(.f32, [Dim(plan.units), Dim(size)]))

    let all = k.size(tiles.reduce(1, *))
    // As many pieces for each thread.
    let least = all.ceilDivided(by: plan.largest)
    let even = least.ceilDivided(by: plan.units) * .i64(plan.units)
    let few = groups == 1 ? all.ceilDivided(by: 6).minimum(.i64(plan.units)) : least
    let blocks =
      groups * form.phases % plan.units == 0 ? least : .choose(least.lessThan(.i64(plan.units)), few, even)
    let tileBlocks = k.let("tile_blocks", blocks.maximum(1))
    let inputs = k.let("inputs", k.unit * .i64(size))
    let products = k.let("products", inputs + .i64(points * inputStride))
    let lines = k.let("lines", products + .i64(points * productStride))
    let work = tiles.reduce(1, *) * Dim(form.phases * points * channels * filters)
    k.share(tileBlocks * .i64(groups * form.phases), units: plan.units, work: work) { item in
      let part = k.let("part", item.divided(by: tileBlocks))
      let group = k.let("group", part.remainder(by: .i64(groups)) * .i64(plan.panels))
      let phase = form.phases == 1 ? 0 : k.let("phase", part.divided(by: .i64(groups)))
      let places = form.place(phase, k)
      let (first, count) = k.block("first", "count", of: all, item.remainder(by: tileBlocks), tileBlocks)
      transformInput(k, source, to: scratch, at: inputs, places, first: first, count: count, stride: inputStride)
      let until = k.let("until", (group + .i64(plan.panels)).minimum(.i64(panelCount)))
      /// The products of one point with some terms of the filters.
      func product(
        _ point: Expression, _ panel: Statement.Place, count own: Expression, size: Int, from begin: Expression,
        terms: Expression, adds: Bool
      ) {
        k.product(
          .init(
            to: .buffer(scratch, products + point * .i64(productStride)), stride: .i64(width),
            left: .buffer(scratch, inputs + point * .i64(inputStride) + begin), stride: .i64(channels), panel: panel,
            size: .i64(size), count: own, rows: count, depth: terms, columns: columns, accumulates: adds,
            isFollowed: plan.filtering != .asNeeded && plan.isFar))
      }
      k.loop("panel", from: group, to: until, step: plan.chunk) { panel in
        let own = k.let("own", (until - panel).minimum(.i64(plan.chunk)))
        if plan.filtering == .asNeeded {
          filterAsNeeded(k, filter, panel: phase * .i64(panelCount) + panel, count: own, to: scratch, at: lines) {
            point, place, begin, terms, adds in
            product(
              point, .buffer(scratch, place), count: own, size: termsAsNeeded * columns, from: begin, terms: terms,
              adds: adds)
          }
        } else {
          k.loop("point", to: .i64(points)) { point in
            let place = ((phase * .i64(points) + point) * .i64(panelCount) + panel) * .i64(channels * columns)
            product(
              point, .buffer(filter, place), count: own, size: channels * columns, from: 0, terms: .i64(channels),
              adds: false)
          }
        }
        let column = k.let("column", panel * .i64(columns))
        let lanes = k.let("lanes", (Expression.i64(filters) - column).minimum(own * .i64(columns)))
        transformOutput(
          k, scratch, at: products, stride: productStride, width: width, to: y, rest, places, first: first,
          count: count,
          column: column, lanes: lanes)
      }
    }
    recipe.steps.append(
      rest.step(
        k.finish(), reads: [.operand(0), operand], others: [memory],
        label: EpilogueOperands.label("conv", epilogue) + " (winograd \(transform.results))"))
    return recipe
  }
}
