import Foundation
import SwageCPUTarget
import SwageKernel
import SwageRuntime
import SwageTensor
import Testing

/// Products of bf16 and of bytes in every form that this machine can run, whichever it would choose: matrix tiles, dot
/// products of pairs and quads, plain vectors.
@Suite struct ProductFormTests {
  struct Sizes {
    var rows: Int, depth: Int, runs: Int, panels: Int, columns: Int, accumulates: Bool
  }

  static let cases: [Sizes] = [
    Sizes(rows: 1, depth: 1, runs: 1, panels: 1, columns: 32, accumulates: false),
    Sizes(rows: 1, depth: 45, runs: 2, panels: 7, columns: 32, accumulates: true),
    Sizes(rows: 13, depth: 31, runs: 2, panels: 3, columns: 32, accumulates: true),
    Sizes(rows: 16, depth: 32, runs: 1, panels: 2, columns: 32, accumulates: false),
    Sizes(rows: 17, depth: 77, runs: 3, panels: 1, columns: 32, accumulates: true),
    Sizes(rows: 45, depth: 96, runs: 2, panels: 2, columns: 32, accumulates: false),
    Sizes(rows: 96, depth: 600, runs: 3, panels: 4, columns: 32, accumulates: true),
    Sizes(rows: 20, depth: 33, runs: 2, panels: 2, columns: 16, accumulates: true),
    Sizes(rows: 7, depth: 2050, runs: 1, panels: 1, columns: 16, accumulates: false),
    // Panels of one vector, two and three side by side.
    Sizes(rows: 9, depth: 41, runs: 2, panels: 3, columns: 16, accumulates: true),
    Sizes(rows: 25, depth: 64, runs: 1, panels: 4, columns: 16, accumulates: false),
    Sizes(rows: 12, depth: 70, runs: 3, panels: 5, columns: 16, accumulates: false),
  ]

  private func kernel(_ sizes: Sizes, _ type: ElementType) throws -> KernelFunction {
    let k = KernelBuilder("product")
    let sums = try #require(Statement.Product.sums(of: type))
    let (left, panel, y) = (k.input(type), k.input(Statement.Product.panels(of: type)), k.output(sums))
    k.product(
      .init(
        to: .buffer(y, 0), stride: .i64(sizes.panels * sizes.columns), left: .buffer(left, 0),
        stride: .i64(sizes.depth * sizes.runs), distance: .i64(sizes.depth), panel: .buffer(panel, 0),
        size: .i64(sizes.runs * lines(sizes, type) * line(sizes, type)), count: .i64(sizes.panels),
        rows: .i64(sizes.rows),
        runs: .i64(sizes.runs), depth: .i64(sizes.depth), columns: sizes.columns, accumulates: sizes.accumulates,
        isFollowed: sizes.rows > 64))
    return k.finish()
  }

  /// Lines of a run in a panel, and the elements of a line.
  private func lines(_ sizes: Sizes, _ type: ElementType) -> Int {
    let together = Statement.Product.termsTogether(type)
    return (sizes.depth + together - 1) / together
  }
  private func line(_ sizes: Sizes, _ type: ElementType) -> Int {
    sizes.columns * Statement.Product.termsTogether(type)
  }

  /// Compilers that do not know the instructions named.
  @Test(arguments: [[], ["__AMX_BF16__"], ["__AMX_BF16__", "__AVX512BF16__"]])
  func pairs(without macros: [String]) throws { try everyFormGivesTheSums(.bf16, without: macros) }

  @Test(arguments: [
    [], ["__AMX_INT8__"], ["__AMX_INT8__", "__AVX512VNNI__"], ["__AMX_INT8__", "__AVX512VNNI__", "__AVXVNNI__"],
    ["__AMX_INT8__", "__AVX512VNNI__", "__AVXVNNI__", "__AVX512BW__"],
    ["__AMX_INT8__", "__AVX512VNNI__", "__AVXVNNI__", "__AVX512BW__", "__AVX2__"],
    ["__AMX_INT8__", "__AVX512VNNI__", "__AVXVNNI__", "__SSE2__", "__ARM_FEATURE_MATMUL_INT8"],
  ])
  func quads(without macros: [String]) throws { try everyFormGivesTheSums(.u8, without: macros) }

  private func everyFormGivesTheSums(_ type: ElementType, without macros: [String]) throws {
    // Asks the system for matrix tiles, as loading a plan does.
    _ = HostCPU.features
    let folder = NSTemporaryDirectory() + "/swage-compiler-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clang = try #require(
      (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/clang" }.first {
        FileManager.default.isExecutableFile(atPath: $0)
      }, "there is no clang on PATH")
    let compiler = folder + "/clang"
    let undefined = macros.map { "-U" + $0 }.joined(separator: " ")
    try "#!/bin/sh\nexec '\(clang)' \(undefined) \"$@\"\n".write(toFile: compiler, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: compiler)

    var library = KernelLibrary()
    let symbols = try Self.cases.map { library.add(try kernel($0, type)) }
    let options = NativeCompiler.Options(compiler: compiler, usesCache: false)
    let module = try LoadedModule(NativeCompiler.compile(library, options).image)
    var random = SeededNumbers(71)
    for (sizes, symbol) in zip(Self.cases, symbols) { try check(sizes, type, module.function(symbol), &random) }
  }

  private func check(
    _ sizes: Sizes, _ type: ElementType, _ function: LoadedModule.Kernel, _ random: inout SeededNumbers
  ) throws {
    let together = Statement.Product.termsTogether(type)
    let (depth, columns) = (sizes.depth, sizes.columns)
    let width = sizes.panels * columns
    let panelType = Statement.Product.panels(of: type)
    let left = random.tensor(type, [sizes.rows, sizes.runs * depth], scale: 1)
    let right = random.tensor(panelType, [sizes.runs * depth, width], scale: 1)
    let start =
      type == .u8
      ? Tensor(.i32, [sizes.rows, width], integers: (0..<sizes.rows * width).map { Int64($0 * 7 - 900) })
      : random.tensor(.f32, [sizes.rows, width], scale: 1)
    // Zeros follow the last terms.
    var packed = [Double](repeating: 0, count: sizes.panels * sizes.runs * lines(sizes, type) * columns * together)
    let (a, b) = (left.doubles, right.doubles)
    for column in 0..<width {
      for run in 0..<sizes.runs {
        for term in 0..<depth {
          let line = (column / columns * sizes.runs + run) * lines(sizes, type) + term / together
          packed[(line * columns + column % columns) * together + term % together] =
            b[(run * depth + term) * width + column]
        }
      }
    }
    let operands = [left, Tensor(panelType, [packed.count], doubles: packed), start].map { tensor in
      let bytes = GuardedBytes(tensor.byteCount)
      tensor.withBytes { bytes.fill($0) }
      return bytes
    }
    // The bytes live as long as their owners.
    let result = withExtendedLifetime(operands) {
      function(operands.map { Optional($0.start) }, [], 0, 1)
      func read<T>(_: T.Type) -> UnsafeBufferPointer<T> {
        UnsafeBufferPointer(start: operands[2].start.assumingMemoryBound(to: T.self), count: start.count)
      }
      return type == .u8 ? read(Int32.self).map(Double.init) : read(Float.self).map(Double.init)
    }
    let initial = start.doubles
    for row in 0..<sizes.rows {
      for column in 0..<width {
        var want = sizes.accumulates ? initial[row * width + column] : 0
        for term in 0..<sizes.runs * depth {
          want += a[row * sizes.runs * depth + term] * b[term * width + column]
        }
        let got = result[row * width + column]
        // The error of sums of f32 grows with the number of terms; those of integers are exact.
        let bound = type == .u8 ? 0 : 1e-5 * Double(sizes.runs * depth).squareRoot() + 1e-6
        #expect(abs(got - want) <= bound, "\(sizes) at \(row), \(column)")
        if abs(got - want) > 1e-2 { return }
      }
    }
  }
}
