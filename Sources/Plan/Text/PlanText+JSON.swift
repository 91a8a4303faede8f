import SwageTensor

extension PlanText {
  /// The same facts as `print`, as one JSON object. Sizes are texts, since they may hold symbols.
  public static func json(_ plan: Plan) -> String {
    let root = JSONValue.object([
      ("format_version", .number("\(PlanFormat.version)")),
      ("provenance", provenanceJSON(plan.provenance)),
      ("host", plan.host.map { hostJSON($0) } ?? .null),
      ("modules", .array(plan.modules.map { moduleJSON($0) })),
      ("weights", .array(plan.weights.map { weightJSON($0) })),
      (
        "attachments",
        .array(plan.attachments.map { .object([("name", .string($0.name)), ("bytes", .number($0.bytes.count))]) })
      ),
      ("entry_points", .array(plan.entryPoints.map { entryJSON($0, plan) })),
      ("bodies", .array(plan.bodies.map { entryJSON($0, plan) })),
    ])
    return root.text + "\n"
  }

  private static func provenanceJSON(_ provenance: Provenance) -> JSONValue {
    .object([
      ("tool_version", .string(provenance.toolVersion)),
      (
        "sources",
        .array(provenance.sources.map { .object([("name", .string($0.name)), ("sha256", .string($0.sha256))]) })
      ),
      ("flags", .array(provenance.flags.map { .string($0) })),
      ("synthetic_weights_seed", provenance.syntheticWeightsSeed.map { .number("\($0)") } ?? .null),
    ])
  }

  private static func hostJSON(_ host: HostRequirement) -> JSONValue {
    .object([
      ("architecture", .string(host.architecture)), ("features", .array(host.features.map { .string($0) })),
    ])
  }

  private static func moduleJSON(_ module: NativeModule) -> JSONValue {
    .object([
      ("name", .string(module.name)), ("image_bytes", .number(module.image.byteCount)),
      ("source_bytes", .number(module.source.utf8.count)),
    ])
  }

  private static func weightJSON(_ weight: PlanWeight) -> JSONValue {
    .object([
      ("name", .string(weight.name)), ("element_type", .string(weight.tensor.elementType.name)),
      ("shape", .array(weight.tensor.shape.map { .number($0) })), ("bytes", .number(weight.tensor.byteCount)),
    ])
  }

  private static func entryJSON(_ entry: EntryPoint, _ plan: Plan) -> JSONValue {
    let ports = { (ports: [Port]) -> JSONValue in
      .array(
        ports.map { port in
          .object(
            [
              ("name", .string(port.name)), ("value", .number(port.value)),
              ("element_type", .string(entry.values[port.value].elementType.name)),
              ("shape", .array(entry.values[port.value].shape.map { .string(entry.sizes[$0].description) })),
            ] + (port.type.map { [("type", .string($0.description))] } ?? []))
        })
    }
    return .object([
      ("name", .string(entry.name)),
      ("symbols", .array(entry.symbols.map { .string($0) })),
      ("parameters", .array(entry.parameters.map { .number($0) })),
      ("inputs", ports(entry.inputs)),
      ("outputs", ports(entry.outputs)),
      ("checks", .array(entry.checks.map { .string(entry.text($0)) })),
      ("values", .array(entry.values.indices.map { valueJSON($0, entry) })),
      ("instructions", .array(entry.flattened.map { instructionJSON($0, entry, plan) })),
      ("buffers", .array(entry.buffers.map { bufferJSON($0, entry) })),
      (
        "arenas",
        .array(
          ArenaVerifier.checkStatic(entry, of: plan).arenas.map {
            .object([
              ("device", .string($0.device)), ("fixed_bytes", .number($0.byteCount)),
              ("lower_bound_bytes", .number($0.lowerBound)),
            ])
          })
      ),
    ])
  }

  private static func valueJSON(_ id: ValueID, _ entry: EntryPoint) -> JSONValue {
    let value = entry.values[id]
    return .object([
      ("name", .string(value.name)), ("element_type", .string(value.elementType.name)),
      ("shape", .array(value.shape.map { .string(entry.sizes[$0].description) })),
      ("location", .string(entry.locationText(id))),
      ("view_of", value.viewOf.map { .number($0) } ?? .null),
    ])
  }

  private static func instructionJSON(_ flat: FlatInstruction, _ entry: EntryPoint, _ plan: Plan) -> JSONValue {
    let instruction = flat.instruction
    return .object([
      ("position", .number(flat.position)), ("depth", .number(flat.depth)), ("label", .string(instruction.label)),
      ("operation", .string(entry.text(flat, of: plan))),
      ("results", .array(instruction.results.map { .number($0) })),
      ("operands", .array(instruction.operands.map { $0.map { .number($0) } ?? .null })),
      (
        "in_place",
        .array(
          instruction.inPlace.map { .object([("operand", .number($0.operand)), ("result", .number($0.result))]) })
      ),
      ("flops", .string(entry.sizes[instruction.flops].description)),
      ("bytes", .string(entry.sizes[instruction.bytes].description)),
      ("sources", .array(instruction.sources.map { .string($0) })),
    ])
  }

  private static func bufferJSON(_ buffer: PlanBuffer, _ entry: EntryPoint) -> JSONValue {
    let placement: JSONValue =
      switch buffer.placement {
      case .fixed(let offset): .object([("kind", .string("fixed")), ("offset", .number(offset))])
      case .arena: .object([("kind", .string("arena"))])
      case .dynamic: .object([("kind", .string("dynamic"))])
      }
    return .object([
      ("device", .string(buffer.device)), ("bytes", .string(entry.sizes[buffer.byteCount].description)),
      ("placement", placement), ("first", .number(buffer.first)), ("last", .number(buffer.last)),
    ])
  }
}

/// A JSON value whose members keep their order.
private enum JSONValue {
  case null
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([(String, JSONValue)])

  static func number(_ value: Int) -> JSONValue { .number(String(value)) }

  var text: String {
    var result = ""
    write(to: &result, indent: "")
    return result
  }

  private func write(to out: inout String, indent: String) {
    switch self {
    case .null: out += "null"
    case .number(let digits): out += digits
    case .string(let string): Self.write(string, to: &out)
    case .array(let items) where items.isEmpty: out += "[]"
    case .array(let items):
      let isFlat = items.allSatisfy { if case .object = $0 { false } else { true } }
      let inner = indent + "  "
      out += "["
      for (index, item) in items.enumerated() {
        out += (index == 0 ? "" : ",") + (isFlat ? (index == 0 ? "" : " ") : "\n" + inner)
        item.write(to: &out, indent: inner)
      }
      out += isFlat ? "]" : "\n\(indent)]"
    case .object(let members):
      let inner = indent + "  "
      out += "{"
      for (index, member) in members.enumerated() {
        out += (index == 0 ? "\n" : ",\n") + inner
        Self.write(member.0, to: &out)
        out += ": "
        member.1.write(to: &out, indent: inner)
      }
      out += "\n\(indent)}"
    }
  }

  private static func write(_ string: String, to out: inout String) {
    out += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..."\u{1f}", "\u{7f}":
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
