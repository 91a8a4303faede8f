import SwageKernel
import SwagePartition
import SwageTensor

/// Convolution by its definition, for element types that the library does not have. A unit is one row of results along
/// the last spatial axis of one filter.
enum ConvolutionKernels {
  static func make(_ op: Convolution, _ node: Node, in graph: Graph) -> Recipe? {
    guard let x = node.type(0, in: graph), let w = node.type(1, in: graph),
      let kernel = w.shape.dropFirst(2).map(\.constant) as [Int?]?, !kernel.contains(nil)
    else { return nil }
    let taps = kernel.compactMap { $0 }
    let result = graph.type(of: node.results[0])
    let spatial = x.rank - 2
    let element = x.elementType
    let compute = element.computeType
    let (channelAxis, firstAxis) = (op.layout.channelAxis(rank: x.rank), op.layout.firstSpatialAxis)
    let groups = Dim(op.groups)
    let (channels, filters) = (x.shape[channelAxis], result.shape[channelAxis])
    let channelsPerGroup = channels.floorDivided(by: groups)
    let filtersPerGroup = filters.floorDivided(by: groups)
    let k = KernelBuilder("convolution_\(element.name)")
    let source = k.input(element)
    let weights = k.input(w.elementType)
    let rest = KernelEpilogue(op.epilogue, node, in: graph, result: result.shape, element: result.elementType, k)
    let y = k.output(result.elementType)
    k.split(result.elementCount, work: channelsPerGroup * Dim(taps.reduce(2, &*)))

    let place = k.unravel(k.unit, result.shape)
    let filter = place[channelAxis]
    let perGroup = k.size(filtersPerGroup)
    let group = k.let("group", filter.divided(by: perGroup))
    let own = k.size(channelsPerGroup)
    let inputStrides = k.broadcastStrides(x.shape, to: x.shape)
    let base = k.let("base", place[0] * inputStrides[0] + group * own * inputStrides[channelAxis])
    let area = Expression.i64(taps.reduce(1, *))
    let sum = k.variable("sum", .literal(0, compute))
    func nest(_ axis: Int, _ at: Expression, _ tapIndex: Expression) {
      if axis == spatial {
        k.loop("channel", to: own) { channel in
          let weight =
            op.isTransposed
            ? ((group * own + channel) * perGroup + filter.remainder(by: perGroup)) * area + tapIndex
            : (filter * own + channel) * area + tapIndex
          let value = k.load(source, at + channel * inputStrides[channelAxis])
          k.assign(sum, sum.value.wrappingAdd(value.wrappingMultiply(k.load(weights, weight))))
        }
        return
      }
      let position = place[firstAxis + axis]
      let size = k.size(x.shape[firstAxis + axis])
      let (stride, dilation) = (Expression.i64(op.strides[axis]), Expression.i64(op.dilations[axis]))
      let begin = k.size(op.padsBegin[axis])
      k.loop("tap", to: .i64(taps[axis])) { tap in
        let next = tapIndex * .i64(taps[axis]) + tap
        func inside(_ index: Expression, also condition: Expression = .bool(true)) {
          k.if(condition.and(index.greaterOrEqual(0)).and(index.lessThan(size))) {
            nest(axis + 1, k.let("at", at + index * inputStrides[firstAxis + axis]), next)
          }
        }
        if op.isTransposed {
          let reach = k.let("reach", position + begin - tap * dilation)
          let index = k.let("index", reach.maximum(0).divided(by: stride))
          inside(index, also: reach.greaterOrEqual(0).and((index * stride).equal(reach)))
        } else {
          inside(k.let("index", position * stride + tap * dilation - begin))
        }
      }
    }
    nest(0, base, 0)
    let finish = rest.line(place.dropLast(), from: place[place.count - 1], k)
    k.store(y, k.unit, finish(sum.value, 0))
    return .kernel(k.finish(), operands: [0, 1] + rest.indices, label: EpilogueOperands.label("conv", op.epilogue))
  }
}
