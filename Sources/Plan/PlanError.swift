import SwageTensor

/// A plan file could not be written, read, or trusted.
public enum PlanError: SwageError, Hashable {
  /// The file does not begin as a plan does.
  case notAPlan(file: String)
  /// The file ends early, or goes on after its end.
  case wrongLength(file: String, expected: Int, actual: Int)
  /// Another version of the format. `writtenBy` is the swage version the file names.
  case otherVersion(file: String, version: UInt32, writtenBy: String)
  /// The header's checksum does not match, or a part of it has no meaning.
  case damagedHeader(file: String, offset: Int, reason: String)
  /// A section lies where it may not.
  case badSection(file: String, section: String, offset: Int, reason: String)
  /// Bytes are not what was written.
  case damaged(file: String, part: String, offset: Int)
  /// The manifest is no message of the schema.
  case manifest(file: String, fault: ProtobufError)
  /// A part of the manifest has no meaning.
  case badManifest(file: String, place: String, reason: String)
  /// Rules of `PlanValidator` are broken; `file` is nil where the plan was about to be written.
  case invalid(file: String?, faults: [PlanFault])
  /// More than the format holds.
  case tooLarge(part: String, bytes: Int, limit: Int)
  /// The plan has no pipeline, or one that does not fit its entry points.
  case pipeline(reason: String)
  /// Native code that this user did not compile on this machine.
  case untrusted(file: String, hasTag: Bool)
  /// The user's key for native code cannot be made or used.
  case trustKey(path: String, reason: String)
  /// The plan's native code is for another architecture.
  case otherArchitecture(plan: String, machine: String)
  /// The machine lacks instruction sets that the plan's native code uses.
  case missingFeatures([String])

  public var diagnostics: [Diagnostic] {
    let compileAgain = "compile the model again"
    let fetchAgain = "copy the file again, or compile the model again"
    switch self {
    case .notAPlan(let file):
      return [
        Diagnostic(
          code: "plan-magic", what: "not a plan file", place: .init(file: file, byteOffset: 0),
          why: "its first eight bytes are not those of a plan", remedy: "give a file that `swage compile` wrote")
      ]
    case .wrongLength(let file, let expected, let actual):
      return [
        Diagnostic(
          code: "plan-length", what: actual < expected ? "the plan is cut off" : "the plan goes on after its end",
          place: .init(file: file, byteOffset: min(expected, actual)),
          why: "the file has \(actual) bytes and should have \(expected)", remedy: fetchAgain)
      ]
    case .otherVersion(let file, let version, let writer):
      return [
        Diagnostic(
          code: "plan-version", what: "the plan has format version \(version); this swage reads \(PlanFormat.version)",
          place: .init(file: file, byteOffset: 8), why: "swage \(writer) wrote it",
          remedy: "compile the model again with this swage")
      ]
    case .damagedHeader(let file, let offset, let reason):
      return [
        Diagnostic(
          code: "plan-header", what: "the plan's header is damaged", place: .init(file: file, byteOffset: offset),
          why: reason, remedy: fetchAgain)
      ]
    case .badSection(let file, let section, let offset, let reason):
      return [
        Diagnostic(
          code: "plan-section", what: "the \(section) section is misplaced",
          place: .init(file: file, byteOffset: offset), why: reason, remedy: compileAgain)
      ]
    case .damaged(let file, let part, let offset):
      return [
        Diagnostic(
          code: "plan-checksum", what: "\(part): the bytes are damaged", place: .init(file: file, byteOffset: offset),
          why: "they are not what their checksum says", remedy: fetchAgain)
      ]
    case .manifest(let file, let fault):
      let inner = fault.diagnostics.first
      return [
        Diagnostic(
          code: "plan-manifest", what: "the plan's manifest cannot be read",
          place: .init(file: file), why: inner.map { $0.what + ($0.why.map { ": " + $0 } ?? "") },
          remedy: compileAgain)
      ]
    case .badManifest(let file, let place, let reason):
      return [
        Diagnostic(
          code: "plan-manifest", what: "the plan's manifest has no meaning at \(place)", place: .init(file: file),
          why: reason, remedy: compileAgain)
      ]
    case .invalid(let file, let faults):
      return faults.map { fault in
        Diagnostic(
          fault: file == nil ? .bug : .input, code: "plan-invalid", what: fault.detail,
          place: .init(file: file, node: fault.place), why: "rule \(fault.rule.rawValue)",
          remedy: file == nil ? "report this model to the authors of swage" : compileAgain)
      }
    case .tooLarge(let part, let bytes, let limit):
      return [
        Diagnostic(
          code: "plan-too-large", what: "the plan's \(part) would be too large",
          why: "\(bytes) bytes, the limit is \(limit)", remedy: "compile fewer entry points into one plan")
      ]
    case .pipeline(let reason):
      return [
        Diagnostic(
          code: "plan-pipeline", what: "the plan is no text-to-image pipeline that can run", why: reason,
          remedy: "compile a diffusers checkpoint folder with `swage compile FOLDER`")
      ]
    case .untrusted(let file, let hasTag):
      return [
        Diagnostic(
          code: "plan-untrusted", what: "the plan holds native code that was not compiled here",
          place: .init(file: file),
          why: hasTag
            ? "its tag was not made by this user on this machine, or the plan was changed afterwards"
            : "it carries no tag",
          remedy: "compile the model here, or pass --trust-native-code if you trust who made the plan")
      ]
    case .trustKey(let path, let reason):
      return [
        Diagnostic(
          code: "plan-trust-key", what: "the key that marks native code as compiled here cannot be used",
          place: .init(file: path), why: reason,
          remedy: "make the folder private to this user and writable, or set XDG_DATA_HOME to one that is")
      ]
    case .otherArchitecture(let plan, let machine):
      return [
        Diagnostic(
          code: "plan-architecture", what: "the plan's native code is for \(plan), this machine is \(machine)",
          remedy: "compile the model on a machine of this kind")
      ]
    case .missingFeatures(let features):
      return [
        Diagnostic(
          code: "plan-cpu-features",
          what: "the plan's native code needs instruction sets that this machine lacks: "
            + features.joined(separator: ", "),
          why: "it was compiled for another machine", remedy: "compile the model on this machine")
      ]
    }
  }
}
