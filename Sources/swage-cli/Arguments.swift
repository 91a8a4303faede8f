import ArgumentParser
import Foundation
import Swage

/// `NAME=1x3x640x640`
struct ShapeArgument: ExpressibleByArgument {
  var name: String
  var sizes: [Int]

  init?(argument: String) {
    guard let equals = argument.lastIndex(of: "="), equals > argument.startIndex else { return nil }
    name = String(argument[..<equals])
    let text = argument[argument.index(after: equals)...]
    let parts = text.isEmpty ? [] : text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard !parts.contains(where: { $0 == nil || $0! < 0 }) else { return nil }
    sizes = parts.compactMap { $0 }
  }
}

/// `NAME=FILE`
struct InputArgument: ExpressibleByArgument {
  var name: String
  var path: String

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
    name = String(argument[..<equals])
    path = String(argument[argument.index(after: equals)...])
    guard !path.isEmpty else { return nil }
  }

  /// The tensor in an `.npy` file, or the value of the port's type in a `.pb` file.
  func value(for port: PortDescription?) throws -> HostValue {
    guard path.hasSuffix(".pb") else { return .tensor(try Npy.read(path: path)) }
    return try HostValueFile.read(path: path, as: port?.objectType ?? .tensor(.f32, .any))
  }
}

/// A list of targets with commas between.
struct TargetList: ExpressibleByArgument {
  var names: [String]
  init(_ names: [String]) { self.names = names }
  init?(argument: String) { names = argument.split(separator: ",").map(String.init) }
  var defaultValueDescription: String { names.joined(separator: ",") }
}

/// How to compile; shared by `compile` and `inspect`.
struct CompileArguments: ParsableArguments {
  @Option(name: .long, help: "Safetensors files (or a .safetensors.index.json) that hold the graph's weights, by name.")
  var weights: [String] = []

  @Option(name: .long, help: "Targets in order of preference: cpu, reference.")
  var target = TargetList(["cpu", "reference"])

  @Option(name: .long, help: "Precision of heavy operations: f32, bf16 or f16.")
  var precision: PrecisionArgument = .f32

  @Option(name: .long, help: "Fixes the sizes of an input: NAME=1x3x640x640. Sizes not fixed stay symbols.")
  var shape: [ShapeArgument] = []

  @Option(name: .customLong("synthetic-weights"), help: "Fills missing weights from this seed: for timing only.")
  var syntheticWeights: UInt64?

  @Option(name: .long, help: "Threads that the plan is made for (default: all cores).")
  var threads: Int?

  @Option(name: .customLong("max-rewrites"), help: "Stops after this many rewrites: finds the guilty one by bisection.")
  var maxRewrites: Int?

  func request(models: [String]) throws -> CompileRequest {
    var shapes: [String: [Int]] = [:]
    for item in shape { shapes[item.name] = item.sizes }
    if let threads, threads < 1 || threads > 1024 {
      throw ValidationError("--threads must be between 1 and 1024, not \(threads)")
    }
    return CompileRequest(
      models: models, weights: weights, targets: target.names, precision: precision.precision, shapes: shapes,
      syntheticSeed: syntheticWeights, threads: threads ?? HostCPU.coreCount, maxRewrites: maxRewrites)
  }
}

enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
  case f32, bf16, f16

  var precision: PipelineOptions.Precision {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    case .f16: .f16
    }
  }
}

/// How to open and run a plan; shared by `run` and `bench`.
struct SessionArguments: ParsableArguments {
  @Argument(help: "The plan.")
  var plan: String

  @Option(name: .customLong("entry-point"), help: "The entry point to run (default: the first).")
  var entryPoint: String?

  @Option(name: .long, help: "An input: NAME=FILE.npy or NAME=FILE.pb.")
  var input: [InputArgument] = []

  @Option(name: .customLong("random-inputs"), help: "Fills inputs that are not given from this seed.")
  var randomInputs: UInt64?

  @Option(name: .long, help: "Sizes of random inputs: NAME=1x3x640x640 (symbols without a size are 1).")
  var shape: [ShapeArgument] = []

  @Option(name: .long, help: "Threads (default: all cores).")
  var threads: Int?

  @Flag(name: .customLong("trust-native-code"), help: "Runs native code that another user or machine compiled.")
  var trustNativeCode = false

  func open() throws -> (plan: Plan, session: Session) {
    if let threads, threads < 1 || threads > 1024 {
      throw ValidationError("--threads must be between 1 and 1024, not \(threads)")
    }
    let plan = try PlanReader.open(path: self.plan, trust: trustNativeCode ? .allow : .compiledHere)
    let options = SessionOptions(threads: threads)
    return (plan, try Session(plan: plan, entryPoint: entryPoint, options: options, devices: [ReferenceDevice()]))
  }

  /// The inputs given and, where asked for, random ones for the rest.
  func inputs(for session: Session) throws -> [String: HostValue] {
    var values: [String: HostValue] = [:]
    for item in input {
      values[item.name] = try item.value(for: session.inputs.first { $0.name == item.name })
    }
    if let seed = randomInputs {
      var symbols: [String: Int] = [:]
      let tensors = values.compactMapValues(\.tensor)
      let given = shape.map { ($0.name, $0.sizes) } + tensors.map { ($0.key, $0.value.shape) }
      for (name, sizes) in given {
        guard let port = session.inputs.first(where: { $0.name == name }), port.type.rank == sizes.count else {
          throw ValidationError("--shape \(name) does not fit an input of the plan")
        }
        for (dimension, size) in zip(port.type.shape, sizes) {
          if let symbol = dimension.symbolName { symbols[symbol] = size }
        }
      }
      let random = try session.randomInputs(seed: seed, sizes: symbols, except: Set(values.keys))
      values.merge(random.mapValues { .tensor($0) }) { given, _ in given }
    }
    return values
  }
}
