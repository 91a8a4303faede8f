import Foundation
import SwagePlan
import SwageTensor

/// Builds small plans by hand. A class: calls nest as arguments of each other.
final class PlanMaker {
  init() {}

  var entry = EntryPoint(name: "main")
  var weights: [PlanWeight] = []
  var modules: [NativeModule] = []
  var bodies: [EntryPoint] = []
  private var nextInput = 0

  func size(_ dim: Dim) -> SizeID {
    if let index = entry.sizes.firstIndex(of: dim) { return index }
    entry.sizes.append(dim)
    return entry.sizes.count - 1
  }

  func symbol(_ name: String) -> Dim {
    entry.symbols.append(name)
    return .symbol(name)
  }

  func input(_ name: String, _ type: ElementType, _ shape: [Dim]) -> ValueID {
    let id = value(name, type, shape, .input(nextInput))
    nextInput += 1
    entry.inputs.append(Port(name: name, value: id))
    return id
  }

  func value(
    _ name: String, _ type: ElementType, _ shape: [Dim], _ location: PlanValue.Location, viewOf: ValueID? = nil
  ) -> ValueID {
    let sizes = shape.map { size($0) }
    entry.values.append(
      PlanValue(name: name, elementType: type, shape: sizes, location: location, viewOf: viewOf))
    return entry.values.count - 1
  }

  /// A value in a buffer of its own.
  func temporary(
    _ name: String, _ type: ElementType, _ shape: [Dim], dynamic: Bool = false, device: String = "cpu"
  ) -> ValueID {
    let bytes = size(TensorType(type, shape).byteCount)
    entry.buffers.append(
      PlanBuffer(byteCount: bytes, placement: dynamic ? .dynamic : .arena, first: 0, last: 0, device: device))
    return value(name, type, shape, .buffer(entry.buffers.count - 1, offset: nil))
  }

  func weight(_ name: String, _ tensor: Tensor) -> ValueID {
    weights.append(PlanWeight(name: name, tensor: tensor))
    return value(name, tensor.elementType, tensor.shape.map { Dim($0) }, .weight(weights.count - 1))
  }

  func instruction(
    _ operation: SwagePlan.Operation, _ operands: [ValueID?], _ results: [ValueID], label: String = "node",
    defines: [SymbolDefinition] = [], flops: Dim = 0, bytes: Dim = 0, sources: [String]? = nil
  ) -> Instruction {
    Instruction(
      operation: operation, operands: operands, results: results, defines: defines, label: label,
      sources: sources ?? [label], flops: size(flops), bytes: size(bytes))
  }

  func kernel(_ function: String, sizes: [Dim], range: Dim, grain: Dim = 1) -> SwagePlan.Operation {
    .kernel(
      KernelCall(
        module: 0, function: function, sizes: sizes.map { size($0) }, range: size(range), grain: size(grain)))
  }

  func output(_ name: String, _ value: ValueID) { entry.outputs.append(Port(name: name, value: value)) }

  /// The entry point, with the lifetimes that its instructions give.
  func finish(_ body: [Instruction]) -> EntryPoint {
    var entry = entry
    entry.body = Block(instructions: body)
    for (id, life) in Lifetimes(entry).buffers.enumerated() {
      entry.buffers[id].first = life?.lowerBound ?? 0
      entry.buffers[id].last = life?.upperBound ?? 0
    }
    return entry
  }

  func plan(_ body: [Instruction]) throws -> Plan {
    let entry = finish(body)
    let host = modules.isEmpty ? nil : HostRequirement(architecture: Self.architecture, features: [])
    let plan = Plan(
      provenance: Provenance(toolVersion: "test"), host: host, weights: weights, modules: modules,
      entryPoints: [entry], bodies: bodies)
    try PlanValidator.validate(plan)
    return plan
  }

  #if arch(x86_64)
    static let architecture = "x86_64"
  #else
    static let architecture = "aarch64"
  #endif
}

/// The kernels that tests use, compiled once.
enum TestKernels {
  static let source = """
    #include <stdint.h>
    #define ARGUMENTS void *const *b, const int64_t *s, int64_t begin, int64_t end
    /* y = s0 * x */
    void scale(ARGUMENTS) {
      const float *x = b[0]; float *y = b[1];
      for (int64_t i = begin; i < end; i++) y[i] = (float)s[0] * x[i];
    }
    void add(ARGUMENTS) {
      const float *x = b[0], *y = b[1]; float *z = b[2];
      for (int64_t i = begin; i < end; i++) z[i] = x[i] + y[i];
    }
    void nothing(ARGUMENTS) {}
    /* number of positive elements */
    void count_positive(ARGUMENTS) {
      const float *x = b[0]; int64_t *n = b[1];
      n[0] = 0;
      for (int64_t i = 0; i < s[0]; i++) n[0] += x[i] > 0;
    }
    void take_positive(ARGUMENTS) {
      const float *x = b[0]; float *y = b[1]; int64_t n = 0;
      for (int64_t i = 0; i < s[0]; i++) if (x[i] > 0) y[n++] = x[i];
    }
    void is_positive(ARGUMENTS) { *(uint8_t *)b[1] = *(const float *)b[0] > 0; }
    /* the number of the chunk that did each unit must not show: y = begin-independent value */
    void number(ARGUMENTS) {
      int64_t *y = b[0];
      for (int64_t i = begin; i < end; i++) y[i] = i * s[0];
    }
    """

  static let module: Result<NativeModule, any Error> = Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swage-kernels-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let input = folder.appendingPathComponent("kernels.c")
    let output = folder.appendingPathComponent("kernels.so")
    try source.write(to: input, atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["clang", "-O2", "-shared", "-fPIC", "-nostdlib", "-o", output.path, input.path]
    try process.run()
    process.waitUntilExit()
    let bytes = [UInt8](try Data(contentsOf: output))
    let storage = Storage(zeroed: bytes.count)
    bytes.withUnsafeBytes { storage.base.copyMemory(from: $0.baseAddress!, byteCount: bytes.count) }
    return NativeModule(name: "kernels", image: storage, source: source)
  }
}

extension PlanMaker {
  /// A maker whose module 0 is `TestKernels`.
  static func withKernels() throws -> PlanMaker {
    let maker = PlanMaker()
    maker.modules = [try TestKernels.module.get()]
    return maker
  }
}

/// Random numbers that are the same in every run.
struct Numbers {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 2 &+ 1 }

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
  }

  mutating func tensor(_ type: ElementType, _ shape: [Int]) -> Tensor {
    let count = shape.reduce(1, *)
    return Tensor(type, shape, doubles: (0..<count).map { _ in Double(next()) })
  }
}
