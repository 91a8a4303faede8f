import SwageRuntime
import SwageTensor

/// A part of the pipeline that can be run: an entry point of a plan, or a stand-in for it.
package protocol ModelPart: AnyObject {
  var inputs: [PortDescription] { get }
  func run(_ inputs: [String: Tensor]) throws -> [String: Tensor]
  /// The first value of the last run that was not finite.
  func firstNonFinite() throws -> NonFiniteValue?
  /// Where the time of the runs so far went; nil where it was not measured.
  var profile: Profile? { get }
}

/// An entry point of a plan, with the time of its nodes taken.
final class SessionPart: ModelPart {
  private let session: Session
  private let recorder: ProfileRecorder
  private var hasRun = false

  init(_ session: Session) {
    self.session = session
    recorder = ProfileRecorder(session)
  }

  var inputs: [PortDescription] { session.inputs }
  var profile: Profile? { hasRun ? recorder.profile() : nil }

  func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
    try session.bind(inputs)
    try recorder.execute()
    hasRun = true
    return try session.results()
  }

  func firstNonFinite() throws -> NonFiniteValue? { try session.firstNonFinite() }
}

/// The parts of a pipeline by name: made when first used, and counted.
final class ModelParts {
  /// Throws where the part is there but cannot be opened; nil where there is none of that name.
  typealias Maker = (_ name: String, _ memoryLimit: Int?) throws -> (any ModelPart)?

  private let make: Maker
  private var open: [String: (part: any ModelPart, limit: Int?)] = [:]
  private var finished: [Profile] = []
  private(set) var loadSeconds = 0.0

  init(_ make: @escaping Maker) { self.make = make }

  /// The part; nil where there is none. `memoryLimit` bounds its working memory.
  func optional(_ name: String, memoryLimit: Int? = nil) throws -> (any ModelPart)? {
    if let known = open[name], known.limit == memoryLimit { return known.part }
    release(name)
    let start = ContinuousClock.now
    guard let part = try make(name, memoryLimit) else { return nil }
    loadSeconds += (ContinuousClock.now - start).inSeconds
    open[name] = (part, memoryLimit)
    return part
  }

  func callAsFunction(_ name: String, memoryLimit: Int? = nil) throws -> any ModelPart {
    guard let part = try optional(name, memoryLimit: memoryLimit) else {
      throw DiffusionError.missingAttachment(name: "the entry point \(name)", needed: "text to image")
    }
    return part
  }

  /// Closes a part: its working memory is free again.
  func release(_ name: String) {
    guard let known = open.removeValue(forKey: name), let profile = known.part.profile else { return }
    finished.append(profile)
  }

  func beginCounting() {
    loadSeconds = 0
    finished = []
  }

  /// The profiles of all parts that ran, in the order of `names`; a part that was opened twice has two.
  func profiles(_ names: [String]) -> [Profile] {
    let all = finished + open.values.compactMap(\.part.profile)
    return names.flatMap { name in all.filter { $0.entryPoint == name } }
  }
}

extension ModelPart {
  /// Runs the part, and throws `DiffusionError` where an output lacks, has another type, or is not finite; `stage` says
  /// in words what ran.
  func run(_ tensors: [String: Tensor], outputs: [String], of name: String, stage: String) throws -> [String: Tensor] {
    let results = try run(tensors)
    for output in outputs {
      guard let tensor = results[output], tensor.elementType == .f32, tensor.shape.count > 0 else {
        throw DiffusionError.wrongPort(
          entryPoint: name, port: output, reason: "it gives no tensor of f32 under this name")
      }
      guard tensor.isFinite else {
        guard let fault = try firstNonFinite() else {
          throw DiffusionError.notFinite(
            stage: stage, node: nil, sources: [], detail: "a second run was finite throughout")
        }
        let counts = "\(fault.nans) of \(fault.count) values are NaN, \(fault.infinities) are infinite"
        throw DiffusionError.notFinite(
          stage: stage, node: fault.isInput ? "input \(fault.node)" : fault.node, sources: fault.sources,
          detail: "this is the first value that is not finite: \(counts)")
      }
    }
    return results
  }

  /// Runs rows in pieces of the size that the port `rowPort` has, or all at once where that is a symbol; `limit` bounds
  /// the rows of a piece. Every tensor has a row for each picture or prompt.
  func runRows(
    _ tensors: [String: Tensor], rowPort: String, limit: Int? = nil, outputs: [String], of name: String, stage: String
  ) throws -> [String: Tensor] {
    let count = tensors[rowPort]?.shape.first ?? 0
    let piece = rowsPerRun(rowPort) ?? min(count, limit ?? count)
    var pieces: [[String: Tensor]] = []
    for start in stride(from: 0, to: count, by: max(piece, 1)) {
      let range = start..<min(start + piece, count)
      let results = try run(
        tensors.mapValues { $0.rows(range, paddedTo: piece) }, outputs: outputs, of: name, stage: stage)
      pieces.append(
        results.mapValues { $0.shape.first == piece ? $0.rows(0..<range.count, paddedTo: range.count) : $0 })
    }
    return Dictionary(
      uniqueKeysWithValues: outputs.map { output in (output, Tensor.joined(pieces.compactMap { $0[output] })) })
  }

  /// How many rows every run has; nil where any number will do.
  func rowsPerRun(_ port: String) -> Int? {
    inputs.first { $0.name == port }.flatMap { $0.type.shape.first?.constant }.flatMap { $0 > 0 ? $0 : nil }
  }
}

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
