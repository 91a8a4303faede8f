import SwageTensor

/// Checks every rule of `PlanRule` that does not need the sizes of a run. The writer runs it before it writes and the reader
/// before it hands a plan out.
public enum PlanValidator {
  /// No more faults than this are listed.
  public static let maximumFaults = 200

  /// Throws `PlanError.invalid` with all faults.
  public static func validate(_ plan: Plan) throws(PlanError) {
    let faults = faults(in: plan)
    guard faults.isEmpty else { throw .invalid(file: nil, faults: faults) }
  }

  /// All faults, in the order of the plan; empty for a valid plan.
  public static func faults(in plan: Plan) -> [PlanFault] {
    var faults: [PlanFault] = []
    checkNames(plan.entryPoints.map(\.name), "entry point", "plan", &faults)
    checkModules(plan, &faults)
    checkAttachments(plan.attachments, &faults)
    for weight in plan.weights where weight.tensor.elementType == .object {
      faults.append(PlanFault(.locations, "plan: weight '\(weight.name)'", "an object exists in a run only"))
    }
    checkNames(plan.bodies.map(\.name), "body", "plan", &faults)
    for (index, body) in plan.bodies.enumerated() { check(body, bodyIndex: index, of: plan, &faults) }
    for entry in plan.entryPoints { check(entry, bodyIndex: nil, of: plan, &faults) }
    if faults.isEmpty { checkBodies(plan, &faults) }
    return Array(faults.prefix(maximumFaults))
  }

  private static func check(_ entry: EntryPoint, bodyIndex: Int?, of plan: Plan, _ faults: inout [PlanFault]) {
    guard isNestedWithinLimit(entry.body, depth: 0) else {
      faults.append(PlanFault(.nesting, entry.name, "conditionals nest deeper than \(PlanFormat.maximumNesting)"))
      return
    }
    var validator = EntryValidator(plan: plan, entry: entry, bodyIndex: bodyIndex)
    validator.run()
    if validator.faults.isEmpty { validator.faults = ArenaVerifier.checkStatic(entry, of: plan).faults }
    faults += validator.faults
  }

  /// A body belongs to one loop, so that a session has as many parts as the plan; and loops nest within the limit.
  private static func checkBodies(_ plan: Plan, _ faults: inout [PlanFault]) {
    var uses = [Int](repeating: 0, count: plan.bodies.count)
    var depths = uses
    func visit(_ block: Block, _ depth: inout Int) {
      for instruction in block.instructions {
        switch instruction.operation {
        case .loop(let call):
          uses[call.body] += 1
          depth = max(depth, depths[call.body] + 1)
        case .conditional(let then, let otherwise):
          visit(then, &depth)
          visit(otherwise, &depth)
        case .kernel, .library, .device, .copy, .bindSymbols, .fail: break
        }
      }
    }
    // A body calls those before it only, so their depths are known.
    for index in plan.bodies.indices {
      var depth = 0
      visit(plan.bodies[index].body, &depth)
      depths[index] = depth
    }
    var deepest = 0
    for entry in plan.entryPoints { visit(entry.body, &deepest) }
    for (body, count) in zip(plan.bodies, uses) where count != 1 {
      faults.append(PlanFault(.ids, body.name, "\(count) loops repeat the body; each belongs to one"))
    }
    if deepest > PlanFormat.maximumNesting {
      faults.append(PlanFault(.nesting, "plan", "loops nest deeper than \(PlanFormat.maximumNesting)"))
    }
  }

  /// Names must not be empty, and each may occur once.
  static func checkNames(_ names: [String], _ kind: String, _ place: String, _ faults: inout [PlanFault]) {
    var seen: Set<String> = []
    for (index, name) in names.enumerated() {
      if name.isEmpty { faults.append(PlanFault(.names, place, "\(kind) \(index) has no name")) }
      if !seen.insert(name).inserted {
        faults.append(PlanFault(.names, place, "there is more than one \(kind) '\(name)'"))
      }
    }
  }

  private static func checkModules(_ plan: Plan, _ faults: inout [PlanFault]) {
    checkNames(plan.modules.map(\.name), "module", "plan", &faults)
    for module in plan.modules {
      if !isModuleName(module.name) {
        faults.append(
          PlanFault(.names, "plan", "module '\(module.name)' is not made of letters, digits, '_', '-' and '.'"))
      }
      if module.image.byteCount == 0 {
        faults.append(PlanFault(.native, "plan: module '\(module.name)'", "its image is empty"))
      }
    }
    if !plan.modules.isEmpty, plan.host == nil {
      faults.append(PlanFault(.native, "plan", "native modules without the machine they are for"))
    }
    if let host = plan.host, host.architecture.isEmpty || host.features.contains("") {
      faults.append(PlanFault(.names, "plan", "the machine's architecture or a feature has no name"))
    }
  }

  private static func checkAttachments(_ attachments: [PlanAttachment], _ faults: inout [PlanFault]) {
    checkNames(attachments.map(\.name), "attachment", "plan", &faults)
    for attachment in attachments where !PlanAttachment.isName(attachment.name) {
      faults.append(
        PlanFault(
          .attachments, "plan",
          "attachment '\(attachment.name)' is not named by words of letters, digits, '_', '-' and '.' between slashes"))
    }
    if attachments.count > PlanAttachment.maximumCount {
      faults.append(
        PlanFault(
          .attachments, "plan", "\(attachments.count) attachments, the limit is \(PlanAttachment.maximumCount)"))
    }
    // Overflow would need more bytes than fit in memory.
    let total = attachments.reduce(0) { $0 &+ $1.bytes.count }
    if total > PlanAttachment.maximumTotalBytes {
      faults.append(
        PlanFault(
          .attachments, "plan", "attachments of \(total) bytes, the limit is \(PlanAttachment.maximumTotalBytes)"))
    }
  }

  private static func isModuleName(_ name: String) -> Bool {
    name.utf8.count <= 200 && name.utf8.first != UInt8(ascii: ".") && name.utf8.allSatisfy(isNameByte)
  }

  static func isNameByte(_ byte: UInt8) -> Bool {
    isWordByte(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
  }

  /// Whether C allows the name for a function.
  static func isCIdentifier(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
    return name.utf8.count <= 500 && name.utf8.allSatisfy(isWordByte)
  }

  private static func isNestedWithinLimit(_ block: Block, depth: Int) -> Bool {
    guard depth <= PlanFormat.maximumNesting else { return false }
    return block.instructions.allSatisfy { instruction in
      guard case .conditional(let then, let otherwise) = instruction.operation else { return true }
      return isNestedWithinLimit(then, depth: depth + 1) && isNestedWithinLimit(otherwise, depth: depth + 1)
    }
  }
}
