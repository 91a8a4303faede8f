import SwageTensor

/// A plan as text for people, and as JSON for programs. Both depend on the plan alone.
public enum PlanText {
  /// What `swage inspect PLAN` shows.
  public static func print(_ plan: Plan) -> String {
    var lines = provenance(plan)
    lines += modules(plan)
    lines += weights(plan)
    lines += attachments(plan)
    for entry in plan.entryPoints { lines += [""] + describe(entry, of: plan) }
    for (index, body) in plan.bodies.enumerated() { lines += [""] + describe(body, bodyIndex: index, of: plan) }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: - The plan

  private static func provenance(_ plan: Plan) -> [String] {
    let provenance = plan.provenance
    var lines = ["plan format \(PlanFormat.version), written by swage \(provenance.toolVersion.printable)"]
    for source in provenance.sources {
      lines.append("source \(source.name.printable), SHA-256 \(source.sha256.printable)")
    }
    if !provenance.flags.isEmpty { lines.append("flags \(provenance.flags.joined(separator: " ").printable)") }
    if let seed = provenance.syntheticWeightsSeed {
      lines.append("synthetic weights, seed \(seed): for timing only, the results mean nothing")
    }
    return lines
  }

  private static func modules(_ plan: Plan) -> [String] {
    guard !plan.modules.isEmpty else { return [] }
    var lines: [String] = []
    if let host = plan.host {
      let features = host.features.isEmpty ? "no extensions" : host.features.joined(separator: " ")
      lines.append("native code for \(host.architecture.printable): \(features.printable)")
    }
    var table = TextTable(["module", "name", ">image bytes", ">source bytes"])
    for (index, module) in plan.modules.enumerated() {
      table.add(["\(index)", module.name, "\(module.image.byteCount)", "\(module.source.utf8.count)"])
    }
    return lines + table.lines
  }

  private static func weights(_ plan: Plan) -> [String] {
    guard !plan.weights.isEmpty else { return ["no weights"] }
    let total = plan.weights.reduce(0) { $0 &+ $1.tensor.byteCount }
    var table = TextTable(["weight", "name", "type", ">bytes"])
    for (index, weight) in plan.weights.enumerated() {
      table.add(["\(index)", weight.name, weight.tensor.type.description, "\(weight.tensor.byteCount)"])
    }
    return ["\(plan.weights.count) weights, \(total) bytes"] + table.lines
  }

  private static func attachments(_ plan: Plan) -> [String] {
    guard !plan.attachments.isEmpty else { return [] }
    var table = TextTable(["attachment", ">bytes"])
    for attachment in plan.attachments { table.add([attachment.name, "\(attachment.bytes.count)"]) }
    var lines = table.lines
    if let pipeline = try? PipelineDescription(of: plan) { lines += pipeline.summary }
    return lines
  }

  // MARK: - Entry points

  private static func describe(_ entry: EntryPoint, bodyIndex: Int? = nil, of plan: Plan) -> [String] {
    var lines = [(bodyIndex.map { "body \($0)" } ?? "entry point") + " \(entry.name.printable)"]
    if !entry.parameters.isEmpty {
      lines.append("parameters \(entry.parameters.map { entry.symbols[$0] }.joined(separator: ", ").printable)")
    }
    if !entry.symbols.isEmpty { lines.append("symbols \(entry.symbols.joined(separator: ", ").printable)") }
    for port in entry.inputs { lines.append("input \(port.name.printable): \(entry.typeText(port.value))") }
    for port in entry.outputs {
      lines.append("output \(port.name.printable): \(entry.typeText(port.value)) in \(entry.locationText(port.value))")
    }
    for check in entry.checks { lines.append("check " + entry.text(check)) }
    return lines + instructions(entry, plan) + buffers(entry, plan)
  }

  private static func instructions(_ entry: EntryPoint, _ plan: Plan) -> [String] {
    var table = TextTable([">at", "label", "operation", "results", "operands", ">flops", ">bytes", "from"])
    for flat in entry.flattened {
      let instruction = flat.instruction
      let results = instruction.results.enumerated().map { index, result in
        let replaced = instruction.inPlace.first { $0.result == index }
        return entry.text(result) + (replaced.map { " over operand \($0.operand)" } ?? "")
      }
      table.add([
        "\(flat.position)", String(repeating: "  ", count: flat.depth) + instruction.label,
        entry.text(flat, of: plan), results.joined(separator: ", "),
        instruction.operands.map { $0.map { entry.text($0) } ?? "-" }.joined(separator: ", "),
        entry.sizes[instruction.flops].description, entry.sizes[instruction.bytes].description,
        instruction.sources.joined(separator: ", "),
      ])
    }
    return table.lines
  }

  private static func buffers(_ entry: EntryPoint, _ plan: Plan) -> [String] {
    guard !entry.buffers.isEmpty else { return [] }
    var table = TextTable(["buffer", "device", ">bytes", "placement", ">first", ">last"])
    for (index, buffer) in entry.buffers.enumerated() {
      let placement =
        switch buffer.placement {
        case .fixed(let offset): "at \(offset)"
        case .arena: "when sizes are known"
        case .dynamic: "during the run"
        }
      table.add([
        "\(index)", buffer.device, entry.sizes[buffer.byteCount].description, placement, "\(buffer.first)",
        "\(buffer.last)",
      ])
    }
    let arenas = ArenaVerifier.checkStatic(entry, of: plan).arenas.map { arena in
      "arena of \(arena.device.printable): \(arena.byteCount) bytes at fixed offsets, lower bound \(arena.lowerBound)"
    }
    return table.lines + arenas
  }
}

extension EntryPoint {
  /// `f32[1, h, w]`
  func typeText(_ value: ValueID) -> String {
    TensorType(values[value].elementType, values[value].shape.map { sizes[$0] }).description
  }

  /// `weight 3`, `buffer 2+64`, `input 0`
  func locationText(_ value: ValueID) -> String {
    switch values[value].location {
    case .weight(let index): "weight \(index)"
    case .input(let index): "input \(index)"
    case .buffer(let index, let offset): "buffer \(index)" + (offset.map { "+\(sizes[$0])" } ?? "")
    }
  }

  /// `%7 f32[1, h, w] buffer 2`
  func text(_ value: ValueID) -> String { "%\(value) \(typeText(value)) \(locationText(value))" }

  func text(_ check: SizeCheck) -> String {
    let relation =
      switch check.relation {
      case .equal: "="
      case .broadcast: "broadcasts to"
      case .atMost: "<="
      }
    return "\(sizes[check.left]) \(relation) \(sizes[check.right]) for \(check.source.printable)"
  }

  func text(_ flat: FlatInstruction, of plan: Plan) -> String {
    switch flat.instruction.operation {
    case .kernel(let call): "\(plan.modules[call.module].name).\(call.function)"
    case .library(.convolution(let call)): call.isTransposed ? "transposed convolution" : "convolution"
    case .library(.matmul): "matmul"
    case .device(let name, _, _): "device \(name)"
    case .copy: "copy"
    case .bindSymbols(let ids): "bind \(ids.map { symbols[$0] }.joined(separator: ", "))"
    case .conditional(let then, let otherwise):
      "if \(then.instructions.count) then \(otherwise.instructions.count) else, to \(flat.end)"
    case .fail(let message): "fail: \(message)"
    case .loop(let call): "loop of body \(call.body)"
    }
  }
}
