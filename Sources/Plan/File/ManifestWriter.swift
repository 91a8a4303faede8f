import SwageTensor

/// A piece of the weight section.
struct PlanBlob: Hashable {
  /// Bytes from the start of the section.
  var offset: Int
  var length: Int
  var checksum: UInt64
}

/// Writes a plan as `swage_plan.Manifest` of `plan.proto`, which explains the fields.
struct ManifestWriter {
  let plan: Plan
  let blobs: [PlanBlob]
  /// The blob of each weight; strings have none.
  let blobOfWeight: [Int]

  func encoded() -> [UInt8] {
    var out = WireWriter()
    out.message(1, provenance)
    if let host = plan.host {
      out.message(2) {
        $0.text(1, host.architecture)
        for feature in host.features { $0.element(2, feature) }
      }
    }
    for blob in blobs {
      out.message(3) {
        $0.number(1, blob.offset)
        $0.number(2, blob.length)
        $0.fixed64(3, blob.checksum)
      }
    }
    for (index, weight) in plan.weights.enumerated() {
      out.message(4) {
        $0.text(1, weight.name)
        $0.number(2, Int(weight.tensor.elementType.rawValue))
        $0.packed(3, weight.tensor.shape)
        if weight.tensor.elementType == .string {
          for string in weight.tensor.stringBytes { $0.element(5, string) }
        } else {
          $0.number(4, blobOfWeight[index])
        }
      }
    }
    for module in plan.modules { out.message(5) { $0.text(1, module.name) } }
    for entry in plan.entryPoints { out.message(6) { write(entry, to: &$0) } }
    for attachment in plan.attachments { out.message(7) { $0.text(1, attachment.name) } }
    for body in plan.bodies { out.message(8) { write(body, to: &$0) } }
    return out.bytes
  }

  private func provenance(_ out: inout WireWriter) {
    out.text(1, plan.provenance.toolVersion)
    for source in plan.provenance.sources {
      out.message(2) {
        $0.text(1, source.name)
        $0.text(2, source.sha256)
      }
    }
    for flag in plan.provenance.flags { out.element(3, flag) }
    if let seed = plan.provenance.syntheticWeightsSeed { out.numberAlways(4, seed) }
  }

  private func write(_ entry: EntryPoint, to out: inout WireWriter) {
    out.text(1, entry.name)
    for symbol in entry.symbols { out.element(2, symbol) }
    for size in entry.sizes { out.element(3, size.description) }
    for value in entry.values { out.message(4) { write(value, to: &$0) } }
    for buffer in entry.buffers { out.message(5) { write(buffer, to: &$0) } }
    for check in entry.checks { out.message(6) { write(check, to: &$0) } }
    for port in entry.inputs { out.message(7) { write(port, to: &$0) } }
    for port in entry.outputs { out.message(8) { write(port, to: &$0) } }
    for flat in entry.flattened { out.message(9) { write(flat, to: &$0) } }
    out.packed(10, entry.body.results)
    out.packed(11, entry.parameters)
  }

  private func write(_ check: SizeCheck, to out: inout WireWriter) {
    out.number(1, check.left)
    out.number(2, Int(check.relation.rawValue))
    out.number(3, check.right)
    out.text(4, check.source)
  }

  private func write(_ port: Port, to out: inout WireWriter) {
    out.text(1, port.name)
    out.number(2, port.value)
    if let type = port.type { out.text(3, type.description) }
  }

  private func write(_ value: PlanValue, to out: inout WireWriter) {
    out.text(1, value.name)
    out.number(2, Int(value.elementType.rawValue))
    out.packed(3, value.shape)
    switch value.location {
    case .weight(let index):
      out.number(5, index)
    case .buffer(let index, let offset):
      out.number(4, 1)
      out.number(5, index)
      out.number(6, offset.map { $0 + 1 } ?? 0)
    case .input(let index):
      out.number(4, 2)
      out.number(5, index)
    }
    out.number(7, value.viewOf.map { $0 + 1 } ?? 0)
  }

  private func write(_ buffer: PlanBuffer, to out: inout WireWriter) {
    out.number(1, buffer.byteCount)
    switch buffer.placement {
    case .fixed(let offset): out.number(3, offset)
    case .arena: out.number(2, 1)
    case .dynamic: out.number(2, 2)
    }
    out.number(4, buffer.first)
    out.number(5, buffer.last)
    out.text(6, buffer.device)
  }

  private func write(_ flat: FlatInstruction, to out: inout WireWriter) {
    let instruction = flat.instruction
    out.packed(1, instruction.operands.map { $0.map { $0 + 1 } ?? 0 })
    out.packed(2, instruction.results)
    for definition in instruction.defines {
      out.message(3) {
        $0.number(1, definition.symbol)
        $0.number(2, definition.result)
        $0.number(3, definition.axis)
      }
    }
    out.text(4, instruction.label)
    for source in instruction.sources { out.element(5, source) }
    out.number(6, instruction.flops)
    out.number(7, instruction.bytes)
    for pair in instruction.inPlace {
      out.message(8) {
        $0.number(1, pair.operand)
        $0.number(2, pair.result)
      }
    }
    switch instruction.operation {
    case .kernel(let call):
      out.message(20) {
        $0.number(1, call.module)
        $0.text(2, call.function)
        $0.packed(3, call.sizes)
        $0.number(4, call.range)
        $0.number(5, call.grain)
        if let passes = call.passes { $0.numberAlways(6, UInt64(passes)) }
      }
    case .library(.convolution(let call)):
      out.message(21) {
        $0.packed(1, call.strides)
        $0.packed(2, call.dilations)
        $0.packed(3, call.padsBegin)
        $0.packed(4, call.padsEnd)
        $0.number(5, call.groups)
        $0.flag(6, call.channelsLast)
        $0.flag(7, call.isTransposed)
        $0.flag(8, call.hasBias)
        for postOp in call.postOps { $0.message(9) { write(postOp, to: &$0) } }
      }
    case .library(.matmul(let call)):
      out.message(22) {
        $0.flag(1, call.transposeA)
        $0.flag(2, call.transposeB)
        $0.flag(3, call.hasBias)
        for postOp in call.postOps { $0.message(4) { write(postOp, to: &$0) } }
      }
    case .device(let name, let payload, let sizes):
      out.message(23) {
        $0.text(1, name)
        $0.text(2, payload)
        $0.packed(3, sizes)
      }
    case .copy:
      out.message(24) { _ in }
    case .bindSymbols(let symbols):
      out.message(25) { $0.packed(1, symbols) }
    case .conditional(let then, let otherwise):
      out.message(26) {
        $0.number(1, flat.thenEnd - flat.position)
        $0.number(2, flat.end - flat.thenEnd)
        $0.packed(3, then.results)
        $0.packed(4, otherwise.results)
        for check in then.checks { $0.message(5) { write(check, to: &$0) } }
        for check in otherwise.checks { $0.message(6) { write(check, to: &$0) } }
      }
    case .fail(let message):
      out.message(27) { $0.text(1, message) }
    case .loop(let call):
      out.message(28) {
        $0.number(1, call.body)
        $0.number(2, call.carried)
        $0.packed(3, call.sizes)
      }
    }
  }

  private func write(_ postOp: PostOp, to out: inout WireWriter) {
    switch postOp {
    case .function(let function, let alpha, let beta):
      out.number(2, Int(function.rawValue))
      out.float(3, alpha)
      out.float(4, beta)
    case .combine(let combination, let operand):
      out.number(1, 1)
      out.number(2, Int(combination.rawValue))
      out.number(5, operand)
    }
  }
}
