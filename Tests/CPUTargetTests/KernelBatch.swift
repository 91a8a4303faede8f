import Foundation
import SwageCPUTarget
import SwageGraph
import SwageKernel
import SwageTensor
import Testing

/// Nodes whose kernels are compiled together, run, and compared with the reference evaluator.
///
/// Every buffer ends at a page that cannot be touched, so that a kernel that reads or writes too far ends the test.
final class KernelBatch {
  struct Case {
    var name: String
    var graph: Graph
    var inputs: [Tensor]
    var kernels: [GeneratedKernel]
    var symbols: [String]
    var tolerance: Tolerance
    var checkInPlace: Bool
  }

  enum Tolerance {
    case exact
    /// Relative, in units of the result type's last place, and absolute.
    case near(ulps: Double, absolute: Double)
  }

  private var library = KernelLibrary()
  private var cases: [Case] = []

  /// Adds the last node of a graph whose other nodes are constants.
  func add(
    _ name: String, _ graph: Graph, _ inputs: [Tensor], tolerance: Tolerance = .exact, checkInPlace: Bool = true
  ) throws {
    let node = try #require(Array(graph.nodes).last)
    let kernels = try #require(
      ElementwiseKernels.make(node, in: graph) ?? MovementKernels.make(node, in: graph), "\(name) is not handled")
    let symbols = kernels.map { library.add($0.function) }
    cases.append(
      Case(
        name: name, graph: graph, inputs: inputs, kernels: kernels, symbols: symbols, tolerance: tolerance,
        checkInPlace: checkInPlace))
  }

  var caseCount: Int { cases.count }

  /// Compiles everything and compares every case; units run in pieces, the last first.
  func check(_ options: NativeCompiler.Options = .init(compilation: .once(optimization: 3))) throws {
    let object = try NativeCompiler.compile(library, options)
    let module = try LoadedModule(object.image)
    for item in cases { try check(item, module) }
  }

  private func check(_ item: Case, _ module: LoadedModule) throws {
    let graph = item.graph
    var context = EvaluationContext()
    let expected = try Evaluator.run(graph, item.inputs, &context)
    var values: [ValueID: Tensor] = [:]
    for (id, tensor) in zip(graph.inputs, item.inputs) { values[id] = tensor }
    for node in graph.nodes { if case .constant(let constant) = node.op { values[node.results[0]] = constant.value } }
    let node = Array(graph.nodes).last!
    let operands = node.operands.map { $0.flatMap { values[$0] } }
    let results = node.results.map { id in graph.outputs.firstIndex(of: id).map { expected[$0] } }

    var ways: [GeneratedKernel.Alias?] = [nil]
    if item.checkInPlace { ways += item.kernels.flatMap(\.inPlace).map { $0 } }
    for way in ways {
      let memory = results.map { GuardedBytes($0?.byteCount ?? 0) }
      let sources = operands.map { operand -> GuardedBytes in
        let bytes = GuardedBytes(operand?.byteCount ?? 0)
        operand?.withBytes { bytes.fill($0) }
        return bytes
      }
      for (kernel, symbol) in zip(item.kernels, item.symbols) {
        var buffers = kernel.operands.map { Optional(sources[$0].start) }
        for result in kernel.results {
          buffers.append(way?.result == result ? sources[way?.operand ?? 0].start : memory[result].start)
        }
        try withExtendedLifetime((memory, sources)) {
          try run(module.function(symbol), kernel.function, buffers, context.symbols, item.name)
        }
      }
      for index in results.indices {
        guard let want = results[index] else { continue }
        let bytes = way?.result == index ? sources[way!.operand] : memory[index]
        var got = Tensor(zeros: want.elementType, want.shape)
        withExtendedLifetime(bytes) {
          got.withMutableBytes {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: bytes.start, count: want.byteCount))
          }
        }
        let label = item.name + (way == nil ? "" : " in place of \(way!.operand)")
        compare(label, got, want, item.tolerance)
      }
    }
  }

  private func run(
    _ function: LoadedModule.Kernel, _ kernel: KernelFunction, _ buffers: [UnsafeMutableRawPointer?],
    _ symbols: [String: Int], _ name: String
  ) throws {
    let sizes = try kernel.sizes.map { Int64(try #require($0.evaluate(symbols), "\(name): size \($0)")) }
    let range = try #require(kernel.range.evaluate(symbols))
    let grain = try #require(kernel.grain.evaluate(symbols), "\(name): grain \(kernel.grain)")
    #expect(grain >= 1, "\(name): grain \(grain)")
    let pieces = 3
    for piece in (0..<pieces).reversed() {
      let (begin, end) = (range * piece / pieces, range * (piece + 1) / pieces)
      guard begin < end else { continue }
      buffers.withUnsafeBufferPointer { buffers in
        sizes.withUnsafeBufferPointer { function(buffers.baseAddress, $0.baseAddress, Int64(begin), Int64(end)) }
      }
    }
  }

  private func compare(_ name: String, _ got: Tensor, _ want: Tensor, _ tolerance: Tolerance) {
    if want.elementType.isFloat {
      let (a, b) = (got.doubles, want.doubles)
      for index in a.indices where !Self.agree(a[index], b[index], want.elementType, tolerance) {
        Issue.record("\(name): element \(index) is \(a[index]), not \(b[index])")
        return
      }
    } else {
      let (a, b) = (got.integers, want.integers)
      if let index = a.indices.first(where: { a[$0] != b[$0] }) {
        Issue.record("\(name): element \(index) is \(a[index]), not \(b[index])")
      }
    }
  }

  private static func agree(_ got: Double, _ want: Double, _ type: ElementType, _ tolerance: Tolerance) -> Bool {
    if want.isNaN || got.isNaN { return want.isNaN == got.isNaN }
    if got == want { return true }
    guard case .near(let ulps, let absolute) = tolerance else { return false }
    let epsilon: Double =
      switch type {
      case .f64: 0x1p-52
      case .f32: 0x1p-23
      case .f16: 0x1p-10
      case .bf16: 0x1p-7
      default: 0.25
      }
    let tiny: Double = type == .f16 ? 0x1p-24 : type == .f64 ? 0x1p-1070 : 0x1p-148
    if got.isInfinite || want.isInfinite {
      let largest: Double = type == .f16 ? 65504 : type == .f64 ? 0x1p1023 : 0x1.fep127
      return got.sign == want.sign && min(abs(got), abs(want)) >= largest
    }
    return abs(got - want) <= ulps * epsilon * abs(want) + absolute + ulps * tiny
  }
}

/// Bytes whose last one is followed by a page without access.
final class GuardedBytes {
  private let base: UnsafeMutableRawPointer
  private let length: Int
  let start: UnsafeMutableRawPointer

  init(_ count: Int) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let rounded = (count + page - 1) / page * page
    length = rounded + page
    base = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    mprotect(base + rounded, page, PROT_NONE)
    memset(base, 0xa5, rounded)
    start = base + (rounded - count)
  }

  func fill(_ bytes: UnsafeRawBufferPointer) { if bytes.count > 0 { memcpy(start, bytes.baseAddress!, bytes.count) } }

  deinit { munmap(base, length) }
}

/// A shared object in this process.
final class LoadedModule {
  typealias Kernel =
    @convention(c) (
      UnsafePointer<UnsafeMutableRawPointer?>?, UnsafePointer<Int64>?, Int64, Int64
    ) -> Void
  private let handle: UnsafeMutableRawPointer

  init(_ image: [UInt8]) throws {
    let path = NSTemporaryDirectory() + "/swage-test-\(UUID().uuidString).so"
    try Data(image).write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    handle = try #require(dlopen(path, RTLD_NOW | RTLD_LOCAL), "\(String(cString: dlerror()))")
  }

  func function(_ name: String) throws -> Kernel {
    unsafeBitCast(try #require(dlsym(handle, name), "\(name) is missing"), to: Kernel.self)
  }

  deinit { dlclose(handle) }
}

/// Numbers that are the same in every run.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A tensor of moderate values; floats are within ±`scale`.
  mutating func tensor(_ type: ElementType, _ shape: [Int], scale: Double = 4) -> Tensor {
    let count = shape.reduce(1, *)
    if type == .bool { return Tensor(.bool, shape, integers: (0..<count).map { _ in Int64(next() & 1) }) }
    if type.isFloat {
      return Tensor(type, shape, doubles: (0..<count).map { _ in Double.random(in: -scale...scale, using: &self) })
    }
    return Tensor(type, shape, integers: (0..<count).map { _ in Int64(bitPattern: next()) })
  }
}
