import CPlan
import SwageTensor

/// Reads `swage_plan.Manifest` of `plan.proto`, which explains the fields.
///
/// It checks what the Swift types cannot hold: text, enumerations, numbers beyond `Int`, the nesting of blocks, the text
/// of sizes, and where blobs lie. Ids and all else are for `PlanValidator`.
struct ManifestReader {
  /// A plan without the content of its weights and modules.
  struct Manifest {
    struct Weight {
      var name: String
      var elementType: ElementType
      var shape: [Int]
      var blob: Int
      /// The elements, where they are strings.
      var strings: [[UInt8]]
    }

    var provenance: Provenance
    var host: HostRequirement?
    var blobs: [PlanBlob]
    var weights: [Weight]
    var moduleNames: [String]
    var entryPoints: [EntryPoint]
    var bodies: [EntryPoint]
    var attachmentNames: [String]
  }

  let file: String

  static func read(_ bytes: UnsafeRawBufferPointer, file: String) throws(PlanError) -> Manifest {
    var empty = SwagePlan__Manifest()
    swage_plan__manifest__init(&empty)
    do {
      let message = try ProtobufMessage<SwagePlan__Manifest>(
        bytes, schema: ProtobufSchema(empty.base.descriptor), file: file)
      return try message.withMessage { try ManifestReader(file: file).manifest($0) }
    } catch let error as PlanError {
      throw error
    } catch let error as ProtobufError {
      throw .manifest(file: file, fault: error)
    } catch {
      throw .badManifest(file: file, place: "its start", reason: String(describing: error))
    }
  }

  // MARK: - Parts

  private func refuse(_ place: String, _ reason: String) -> PlanError {
    .badManifest(file: file, place: place, reason: reason)
  }

  private func text(_ data: ProtobufCBinaryData, _ place: String) throws -> String {
    guard let base = data.data, data.len > 0 else { return "" }
    let bytes = UnsafeBufferPointer(start: base, count: data.len)
    guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
      throw refuse(place, "text is not UTF-8, or holds a NUL")
    }
    return text
  }

  private func texts(_ count: Int, _ items: UnsafeMutablePointer<ProtobufCBinaryData>?, _ place: String) throws
    -> [String]
  {
    guard let items else { return [] }
    return try UnsafeBufferPointer(start: items, count: count).map { try text($0, place) }
  }

  private func integer(_ value: UInt64, _ place: String) throws -> Int {
    guard let value = Int(exactly: value) else { throw refuse(place, "\(value) does not fit") }
    return value
  }

  private func integers(_ count: Int, _ items: UnsafeMutablePointer<UInt64>?, _ place: String) throws -> [Int] {
    guard let items else { return [] }
    return try UnsafeBufferPointer(start: items, count: count).map { try integer($0, place) }
  }

  private func ids(_ count: Int, _ items: UnsafeMutablePointer<UInt32>?) -> [Int] {
    guard let items else { return [] }
    return UnsafeBufferPointer(start: items, count: count).map { Int($0) }
  }

  private func optional(_ id: UInt32) -> Int? { id == 0 ? nil : Int(id) - 1 }

  private func list<C, T>(
    _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<C>?>?, _ convert: (Int, C) throws -> T
  ) throws -> [T] {
    guard let items else { return [] }
    var result: [T] = []
    result.reserveCapacity(count)
    for index in 0..<count {
      if let item = items[index] { result.append(try convert(index, item.pointee)) }
    }
    return result
  }

  private func elementType(_ code: UInt32, _ place: String) throws -> ElementType {
    guard let raw = Int32(exactly: code), let type = ElementType(rawValue: raw) else {
      throw refuse(place, "there is no element type \(code)")
    }
    return type
  }

  // MARK: - Messages

  private func manifest(_ message: SwagePlan__Manifest) throws -> Manifest {
    Manifest(
      provenance: try provenance(message.provenance?.pointee),
      host: try (message.host?.pointee).map {
        HostRequirement(
          architecture: try text($0.architecture, "the host"),
          features: try texts($0.n_features, $0.features, "the host"))
      },
      blobs: try list(message.n_blobs, message.blobs) { index, blob in
        PlanBlob(
          offset: try integer(blob.offset, "blob \(index)"), length: try integer(blob.length, "blob \(index)"),
          checksum: blob.checksum)
      },
      weights: try list(message.n_weights, message.weights) { index, weight in
        let place = "weight \(index)"
        return Manifest.Weight(
          name: try text(weight.name, place), elementType: try elementType(weight.element_type, place),
          shape: try integers(weight.n_shape, weight.shape, place), blob: Int(weight.blob),
          strings: UnsafeBufferPointer(start: weight.strings, count: weight.n_strings).map {
            [UInt8](UnsafeBufferPointer(start: $0.data, count: $0.len))
          })
      },
      moduleNames: try list(message.n_modules, message.modules) { try text($1.name, "module \($0)") },
      entryPoints: try list(message.n_entry_points, message.entry_points) {
        try entryPoint($1, "entry point \($0)")
      },
      bodies: try list(message.n_bodies, message.bodies) { try entryPoint($1, "body \($0)") },
      attachmentNames: try list(message.n_attachments, message.attachments) {
        try text($1.name, "attachment \($0)")
      })
  }

  private func provenance(_ message: SwagePlan__Provenance?) throws -> Provenance {
    guard let message else { throw refuse("its start", "the provenance is missing") }
    let place = "the provenance"
    return Provenance(
      toolVersion: try text(message.tool_version, place),
      sources: try list(message.n_sources, message.sources) {
        Provenance.Source(name: try text($1.name, place), sha256: try text($1.sha256, place))
      },
      flags: try texts(message.n_flags, message.flags, place),
      syntheticWeightsSeed: message.has_synthetic_weights_seed != 0 ? message.synthetic_weights_seed : nil)
  }

  private func entryPoint(_ message: SwagePlan__EntryPoint, _ place: String) throws -> EntryPoint {
    let sizes = try texts(message.n_sizes, message.sizes, place).enumerated().map { index, text in
      guard let size = SizeText.parse(text) else {
        throw refuse("\(place), size \(index)", "'\(text)' is not a size expression in normal form")
      }
      return size
    }
    let instructions = try list(message.n_instructions, message.instructions) {
      try instruction($1, "\(place), instruction \($0)")
    }
    var cursor = 0
    let body = try block(
      instructions, &cursor, count: instructions.count,
      like: Block(results: ids(message.n_results, message.results)), depth: 0, place)
    return EntryPoint(
      name: try text(message.name, place), symbols: try texts(message.n_symbols, message.symbols, place), sizes: sizes,
      values: try list(message.n_values, message.values) { try value($1, "\(place), value \($0)") },
      buffers: try list(message.n_buffers, message.buffers) { try buffer($1, "\(place), buffer \($0)") },
      checks: try list(message.n_checks, message.checks) { try check($1, "\(place), check \($0)") },
      inputs: try list(message.n_inputs, message.inputs) { try port($1, "\(place), input \($0)") },
      outputs: try list(message.n_outputs, message.outputs) { try port($1, "\(place), output \($0)") }, body: body,
      parameters: ids(message.n_parameters, message.parameters))
  }

  private func port(_ message: SwagePlan__Port, _ place: String) throws -> Port {
    let words = try text(message.type, place)
    let type = ValueType(parsing: words)
    guard words.isEmpty || type.map({ !$0.isTensor && $0.description == words }) == true else {
      throw refuse(place, "'\(words)' is no type of a port")
    }
    return Port(name: try text(message.name, place), value: Int(message.value), type: type)
  }

  private func value(_ message: SwagePlan__Value, _ place: String) throws -> PlanValue {
    let index = Int(message.index)
    let location: PlanValue.Location
    switch message.place {
    case 0: location = .weight(index)
    case 1: location = .buffer(index, offset: optional(message.offset))
    case 2: location = .input(index)
    default: throw refuse(place, "there is no place \(message.place)")
    }
    return PlanValue(
      name: try text(message.name, place), elementType: try elementType(message.element_type, place),
      shape: ids(message.n_shape, message.shape), location: location, viewOf: optional(message.view_of))
  }

  private func buffer(_ message: SwagePlan__Buffer, _ place: String) throws -> PlanBuffer {
    let placement: PlanBuffer.Placement
    switch message.placement {
    case 0: placement = .fixed(offset: try integer(message.offset, place))
    case 1: placement = .arena
    case 2: placement = .dynamic
    default: throw refuse(place, "there is no placement \(message.placement)")
    }
    return PlanBuffer(
      byteCount: Int(message.byte_count), placement: placement, first: try integer(message.first, place),
      last: try integer(message.last, place), device: try text(message.device, place))
  }

  private func check(_ message: SwagePlan__Check, _ place: String) throws -> SizeCheck {
    guard let relation = SizeCheck.Relation(rawValue: message.relation) else {
      throw refuse(place, "there is no relation \(message.relation)")
    }
    return SizeCheck(
      left: Int(message.left), relation: relation, right: Int(message.right), source: try text(message.source, place))
  }

  // MARK: - Instructions

  /// An instruction with the number of instructions in its blocks, which follow it.
  private struct Flat {
    var instruction: Instruction
    var conditional: SwagePlan__Conditional?
  }

  private func instruction(_ message: SwagePlan__Instruction, _ place: String) throws -> Flat {
    Flat(
      instruction: Instruction(
        operation: try operation(message, place),
        operands: ids(message.n_operands, message.operands).map {
          $0 == 0 ? nil : $0 - 1
        },
        results: ids(message.n_results, message.results),
        defines: try list(message.n_defines, message.defines) {
          SymbolDefinition(symbol: Int($1.symbol), result: Int($1.result), axis: Int($1.axis))
        },
        label: try text(message.label, place), sources: try texts(message.n_sources, message.sources, place),
        flops: Int(message.flops), bytes: Int(message.bytes),
        inPlace: try list(message.n_in_place, message.in_place) {
          InPlace(operand: Int($1.operand), result: Int($1.result))
        }),
      conditional: message.conditional?.pointee)
  }

  private func operation(_ message: SwagePlan__Instruction, _ place: String) throws -> Operation {
    var found: [Operation] = []
    if let kernel = message.kernel?.pointee {
      found.append(
        .kernel(
          KernelCall(
            module: Int(kernel.module), function: try text(kernel.function, place),
            sizes: ids(kernel.n_sizes, kernel.sizes), range: Int(kernel.range), grain: Int(kernel.grain),
            passes: kernel.has_passes != 0 ? Int(kernel.passes) : nil)))
    }
    if let call = message.convolution?.pointee {
      found.append(
        .library(
          .convolution(
            ConvolutionCall(
              strides: try integers(call.n_strides, call.strides, place),
              dilations: try integers(call.n_dilations, call.dilations, place),
              padsBegin: ids(call.n_pads_begin, call.pads_begin), padsEnd: ids(call.n_pads_end, call.pads_end),
              groups: try integer(call.groups, place), channelsLast: call.channels_last != 0,
              isTransposed: call.is_transposed != 0, hasBias: call.has_bias != 0,
              postOps: try list(call.n_post_ops, call.post_ops) { try postOp($1, place) }))))
    }
    if let call = message.matmul?.pointee {
      found.append(
        .library(
          .matmul(
            MatMulCall(
              transposeA: call.transpose_a != 0, transposeB: call.transpose_b != 0, hasBias: call.has_bias != 0,
              postOps: try list(call.n_post_ops, call.post_ops) { try postOp($1, place) }))))
    }
    if let call = message.device?.pointee {
      found.append(
        .device(
          name: try text(call.name, place), payload: try text(call.payload, place),
          sizes: ids(call.n_sizes, call.sizes)))
    }
    if message.copy != nil { found.append(.copy) }
    if let bind = message.bind_symbols?.pointee { found.append(.bindSymbols(ids(bind.n_symbols, bind.symbols))) }
    if message.conditional != nil { found.append(.conditional(then: Block(), else: Block())) }
    if let fail = message.fail?.pointee { found.append(.fail(message: try text(fail.message, place))) }
    if let loop = message.loop?.pointee {
      found.append(
        .loop(
          LoopCall(body: Int(loop.body), carried: Int(loop.carried), sizes: ids(loop.n_sizes, loop.sizes))))
    }
    guard found.count == 1 else { throw refuse(place, "\(found.count) operations where there must be one") }
    return found[0]
  }

  private func postOp(_ message: SwagePlan__PostOp, _ place: String) throws -> PostOp {
    switch message.kind {
    case 0:
      guard let function = PostOp.Function(rawValue: message.code) else {
        throw refuse(place, "there is no post-op function \(message.code)")
      }
      return .function(function, alpha: message.alpha, beta: message.beta)
    case 1:
      guard let combination = PostOp.Combination(rawValue: message.code) else {
        throw refuse(place, "there is no post-op combination \(message.code)")
      }
      return .combine(combination, operand: Int(message.operand))
    default: throw refuse(place, "there is no kind \(message.kind) of post-op")
    }
  }

  /// Takes `count` instructions from the flat list, nested ones included, into a block with the results and checks of
  /// `empty`.
  private func block(
    _ flat: [Flat], _ cursor: inout Int, count: Int, like empty: Block, depth: Int, _ place: String
  ) throws -> Block {
    guard depth <= PlanFormat.maximumNesting else {
      throw refuse("\(place), instruction \(cursor)", "conditionals nest deeper than \(PlanFormat.maximumNesting)")
    }
    guard count <= flat.count - cursor else {
      throw refuse("\(place), instruction \(cursor)", "a block has more instructions than there are")
    }
    let end = cursor + count
    var block = empty
    while cursor < end {
      var item = flat[cursor]
      cursor += 1
      if let message = item.conditional {
        let thenCount = Int(message.then_count)
        let elseCount = Int(message.else_count)
        guard thenCount <= end - cursor, elseCount <= end - cursor - thenCount else {
          throw refuse("\(place), instruction \(cursor - 1)", "its blocks reach beyond the block that holds it")
        }
        let blockPlace = "\(place), instruction \(cursor - 1)"
        let empty = (
          then: Block(
            results: ids(message.n_then_results, message.then_results),
            checks: try list(message.n_then_checks, message.then_checks) { try check($1, blockPlace) }),
          else: Block(
            results: ids(message.n_else_results, message.else_results),
            checks: try list(message.n_else_checks, message.else_checks) { try check($1, blockPlace) })
        )
        let then = try self.block(flat, &cursor, count: thenCount, like: empty.then, depth: depth + 1, place)
        let otherwise = try self.block(flat, &cursor, count: elseCount, like: empty.else, depth: depth + 1, place)
        item.instruction.operation = .conditional(then: then, else: otherwise)
      }
      block.instructions.append(item.instruction)
    }
    return block
  }
}
