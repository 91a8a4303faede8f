import Foundation
import SwageGraph
import SwageTensor

/// `com.microsoft.nchwc`: images whose channels lie in blocks, as ONNX Runtime's optimiser writes them at its highest
/// level for the machine that it runs on. Here images stay channels first, filled up to whole blocks, and kernels get
/// their plain order back; so the block's size matters for kernels and for the filling alone.
enum ChannelBlockOperators {
  static let table: [String: Handler] = [
    "Conv": convolution, "ReorderInput": reorderInput, "ReorderOutput": reorderOutput, "Upsample": upsample,
    "MaxPool": { try $0.standard("MaxPool", opset: 12) }, "AveragePool": { try $0.standard("AveragePool", opset: 11) },
    "GlobalMaxPool": { try $0.standard("GlobalMaxPool", opset: 1) },
    "GlobalAveragePool": { try $0.standard("GlobalAveragePool", opset: 1) },
  ]

  // MARK: - The block's size

  /// Channels of one block. Kernels with a number of channels that 16 does not divide are of blocks of 8. Where all
  /// numbers fit both, it is the size for this machine: ONNX Runtime warns that such models run only where they were made.
  private static func block(_ call: Call) -> Int {
    let graph = call.importer.model.graph
    let names = Set(
      graph.nodes.filter { $0.domain == "com.microsoft.nchwc" && $0.inputs.count > 1 }.map { $0.inputs[1] })
    let kernels = graph.initializers.filter { names.contains($0.name) && $0.shape.count >= 2 }
    let isNarrow = kernels.contains { kernel in
      kernel.shape[0] % 16 != 0 || kernel.shape[1] >= 8 && kernel.shape[1] % 16 != 0
    }
    return isNarrow ? 8 : machineBlock
  }

  private static let machineBlock: Int = {
    guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return 8 }
    return text.contains(" avx512f") ? 16 : 8
  }()

  // MARK: - Operators

  private static func reorderInput(_ call: Call) throws -> [ImportedValue?] {
    var x = try call.input(0)
    if try call.flag("channels_last") { x = try ContributedLinear.channelsFirst(call, x) }
    try call.require(x.type.rank >= 3, "an image of \(x.type)")
    let size = Dim(block(call))
    let missing = x.type.shape[1].ceilDivided(by: size) * size - x.type.shape[1]
    if missing == 0 { return [x] }
    var (begins, ends) = ([Dim](repeating: 0, count: x.type.rank), [Dim](repeating: 0, count: x.type.rank))
    ends[1] = missing
    begins[1] = 0
    return [try call.emit(.pad(Pad(mode: .constant, begins: begins, ends: ends)), [x])]
  }

  private static func reorderOutput(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    guard let channels = try call.int("channels"), channels >= 1, x.type.rank >= 3 else {
      throw NodeFault.invalid("channels is missing, or \(x.type) is no image")
    }
    var sizes = x.type.shape
    sizes[1] = Dim(channels)
    let y = try MovementOperators.take(
      call, x, starts: [Dim](repeating: 0, count: x.type.rank), sizes: sizes)
    return [try call.flag("channels_last") ? ContributedLinear.channelsLast(call, y) : y]
  }

  private static func convolution(_ call: Call) throws -> [ImportedValue?] {
    let w = try plain(call, try call.input(1))
    var y = try ConvolutionOperators.convolution(call, w: w)
    if let other = call.optional(3) { y = try call.binary(.add, y, other) }
    return [try ContributedLinear.activated(call, y, try ContributedLinear.parameters(call, named: false))]
  }

  /// A kernel `[outputs, inputs, …]` without blocks: those of fewer inputs than a block have only their outputs in
  /// blocks, the others both.
  private static func plain(_ call: Call, _ w: ImportedValue) throws -> ImportedValue {
    guard let shape = w.type.staticShape, shape.count == 4 else {
      throw call.unsupported("a kernel of \(w.type)")
    }
    let size = block(call)
    let (outputs, inputs) = (shape[0], shape[1])
    try call.require(outputs % size == 0, "a kernel of \(outputs) channels in blocks of \(size)")
    let spatial = [Dim(shape[2]), Dim(shape[3])]
    let whole = [Dim(outputs), Dim(inputs)] + spatial
    if inputs < size {
      let parts = try call.reshape(w, [Dim(outputs / size), Dim(inputs)] + spatial + [Dim(size)])
      return try call.reshape(try call.transpose(parts, [0, 4, 1, 2, 3]), whole)
    }
    try call.require(inputs % size == 0, "a kernel of \(inputs) input channels in blocks of \(size)")
    let parts = try call.reshape(
      w, [Dim(outputs / size), Dim(inputs / size)] + spatial + [Dim(size), Dim(size)])
    return try call.reshape(try call.transpose(parts, [0, 5, 1, 4, 2, 3]), whole)
  }

  private static func upsample(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    guard let scales = try call.ints("scales"), scales.count == x.type.rank else {
      throw NodeFault.invalid("scales are missing, or do not fit \(x.type)")
    }
    let mode = try call.string("mode", default: "nearest")
    var attributes = call.attributes.filter { $0.key != "scales" }
    if mode == "nearest" { attributes["nearest_mode"] = .string("floor") }
    let factors = Tensor(floats: scales.map { Float($0) }, [scales.count])
    return try call.standard("Resize", opset: 13, inputs: [x, nil, call.constant(factors)], attributes: attributes)
  }
}

/// `com.ms.internal.nhwc`: operators of the default domain on images with their channels last; kernels are as usual.
enum ChannelsLastOperators {
  static let table: [String: Handler] = Dictionary(
    uniqueKeysWithValues: [
      "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool",
      "BatchNormalization", "InstanceNormalization", "LRN", "DepthToSpace", "SpaceToDepth", "GridSample", "QLinearConv",
    ].map { name in
      (
        name,
        { @Sendable call in
          var inputs = call.inputs
          if !inputs.isEmpty { inputs[0] = try ContributedLinear.channelsFirst(call, try call.input(0)) }
          let results = try call.standard(name, opset: call.opset, inputs: inputs)
          guard results.count >= 1, let y = results[0] else { return results }
          if call.wants(output: 1) { throw call.unsupported("its output 1 is read") }
          return [try ContributedLinear.channelsLast(call, y)]
        }
      )
    })
}
