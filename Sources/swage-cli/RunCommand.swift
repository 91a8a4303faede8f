import ArgumentParser
import Foundation
import Swage

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs a plan.",
    discussion: """
      Examples:
        swage run model.plan --input image=scan.npy
        swage run model.plan --input image=scan.npy --output results --profile trace.json
      """)

  @OptionGroup var session: SessionArguments

  @Option(name: .shortAndLong, help: "Writes each output to this folder: NAME.npy, or NAME.pb for what is no tensor.")
  var output: String?

  @Option(name: .long, help: "Writes a Chrome trace (open it in Perfetto) and prints the time of every node.")
  var profile: String?

  @Flag(name: .long, help: "Prints the time of every node.")
  var times = false

  @Flag(name: .long, help: "Draws pictures and scores in the terminal.")
  var draw = false

  func run() throws {
    let (plan, session) = try session.open()
    let inputs = try self.session.inputs(for: session)
    if let seed = plan.provenance.syntheticWeightsSeed {
      Terminal.error("note: this plan has synthetic weights (seed \(seed)); its results mean nothing")
    }
    let results = try session.run(values: inputs)
    for port in session.outputs {
      guard let value = results[port.name] else { continue }
      print("\(port.name.printable): \(ValueSummary.text(value))")
      if let output { try OutputFolder.write(value, name: port.name, to: output) }
    }
    if draw { show(inputs.compactMapValues(\.tensor), results.compactMapValues(\.tensor), session) }
    guard profile != nil || times else { return }
    try session.bind(values: inputs)
    let measured = try session.profile()
    print(ProfileTable.text(measured, peak: .measured(threads: session.threads)))
    if let profile {
      try AtomicFile.write(Array(Trace.json(measured, name: session.entryPoint.name).utf8), to: profile)
    }
  }
}

extension RunCommand {
  /// The first input that is a picture, beside the scores of the first output that has some.
  private func show(_ inputs: [String: Tensor], _ results: [String: Tensor], _ session: Session) {
    let isColored = isatty(STDOUT_FILENO) == 1
    let ports = session.inputs.compactMap { inputs[$0.name] } + session.outputs.compactMap { results[$0.name] }
    let picture = ports.lazy.compactMap { tensor in
      TerminalPicture.lines(tensor, isColored: isColored).map { (lines: $0, width: tensor.shape.last ?? 0) }
    }.first
    let scores = session.outputs.reversed().lazy.compactMap { results[$0.name].flatMap(TerminalPicture.bars) }.first
    guard picture != nil || scores != nil else { return }
    print()
    print(TerminalPicture.beside(picture?.lines ?? [], width: picture?.width ?? 0, scores ?? []))
    print()
  }
}

/// `NAME.npy` files of outputs, `NAME.pb` of those that are no tensors; characters that a file name cannot hold become `_`.
enum OutputFolder {
  static func write(_ value: HostValue, name: String, to folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw Diagnostic(
        code: "output-folder", what: "the folder \(folder) cannot be made", place: .init(file: folder),
        why: error.localizedDescription, remedy: "choose another folder with --output")
    }
    let path = folder + "/" + fileName(name)
    if let tensor = value.tensor {
      try Npy.write(tensor, path: path + ".npy")
    } else {
      try HostValueFile.write(value, path: path + ".pb")
    }
  }

  static func fileName(_ name: String) -> String {
    let cleaned = String(name.map { $0 == "/" || $0 == "\0" || $0 == "\\" ? "_" : $0 })
    return cleaned.isEmpty || cleaned == "." || cleaned == ".." ? "_" + cleaned : String(cleaned.prefix(200))
  }
}

/// A value in one line; a sequence or map with its first entries.
enum ValueSummary {
  static func text(_ value: HostValue, depth: Int = 0) -> String {
    switch value {
    case .tensor(let tensor): return TensorSummary.text(tensor)
    case .optional(let inner): return inner.map { "optional of \(text($0, depth: depth + 1))" } ?? "optional, empty"
    case .sequence(let items):
      let shown = items.prefix(depth == 0 ? 10 : 3).map { text($0, depth: depth + 1) }
      let rest = items.count > shown.count ? "; …" : ""
      return (["sequence of \(items.count)"] + (shown.isEmpty ? [] : [shown.joined(separator: "; ") + rest]))
        .joined(separator: ": ")
    case .map(let keys, let values):
      let names =
        keys.elementType == .string ? keys.stringBytes.map { GraphPrinter.quoted($0) } : keys.integers.map { "\($0)" }
      let numbers =
        values.elementType == .string
        ? values.stringBytes.map { GraphPrinter.quoted($0) } : values.doubles.map { String(format: "%.5g", $0) }
      let shown = zip(names, numbers).prefix(10).map { "\($0): \($1)" }.joined(separator: ", ")
      return "{\(shown)\(names.count > 10 ? ", …" : "")}"
    }
  }
}

/// A tensor in one line: type, range, first values.
enum TensorSummary {
  static func text(_ tensor: Tensor) -> String {
    guard tensor.count > 0 else { return "\(tensor.type), empty" }
    if tensor.elementType == .string {
      let shown = tensor.stringBytes.prefix(10).map { GraphPrinter.quoted($0) }.joined(separator: ", ")
      return "\(tensor.type) [\(shown)\(tensor.count > 10 ? ", …" : "")]"
    }
    let values = tensor.doubles
    let finite = values.filter(\.isFinite)
    let shown =
      tensor.elementType.isFloat
      ? values.prefix(10).map { String(format: "%.5g", $0) }
      : tensor.integers.prefix(10).map {
        tensor.elementType == .u64 ? String(UInt64(bitPattern: $0)) : String($0)
      }
    var text = "\(tensor.type) [\(shown.joined(separator: ", "))\(values.count > 10 ? ", …" : "")]"
    if values.count > 10, let low = finite.min(), let high = finite.max() {
      text += String(format: " min %.5g max %.5g", low, high)
    }
    let broken = values.count - finite.count
    return broken == 0 ? text : text + ", \(broken) not finite"
  }
}
