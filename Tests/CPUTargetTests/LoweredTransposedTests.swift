import SwageGraph
import SwagePartition
import SwageTensor
import Testing

/// Transposed convolutions by phases, by the definition and by minimal filtering, against the definition in doubles.
@Suite struct LoweredTransposedTests {
  private struct Setting {
    var c: Int, m: Int, size: [Int], kernel: [Int], strides: [Int], begin: [Int], end: [Int]
    var outputPadding: [Int]?
  }

  private static func check(
    _ settings: [Setting], _ types: [ElementType], _ random: inout SeededNumbers, tolerance: Double? = nil
  ) throws {
    let cases = LoweredCases()
    for (setting, type) in settings.flatMap({ setting in types.map { (setting, $0) } }) {
      let x = random.tensor(type, [2] + setting.size + [setting.c], scale: 1)
      let w = random.tensor(type == .u8 ? .i8 : type, [setting.c, setting.m] + setting.kernel, scale: 0.2)
      let result = setting.size.indices.map {
        setting.strides[$0] * (setting.size[$0] - 1) + setting.kernel[$0] - setting.begin[$0] - setting.end[$0]
          + (setting.outputPadding?[$0] ?? 0)
      }
      let bias = random.tensor(type, [setting.m], scale: 1)
      let residual = random.tensor(type, [2] + result + [setting.m], scale: 1)
      let epilogue = Epilogue([.binary(.add, operand: 2), .unary(Unary(.silu)), .binary(.add, operand: 3)])
      for epilogue in type == .u8 ? [Epilogue()] : [Epilogue(), epilogue] {
        let op = Convolution(
          strides: setting.strides, dilations: setting.strides.map { _ in 1 },
          padsBegin: setting.begin.map { Dim($0) }, padsEnd: setting.end.map { Dim($0) }, layout: .channelsLast,
          isTransposed: true, outputPadding: setting.outputPadding, epilogue: epilogue)
        let extra: [LoweredCases.Operand] = epilogue.steps.isEmpty ? [] : [.constant(bias), .input(residual)]
        func add(_ name: String, _ first: LoweredCases.Operand) throws {
          if let tolerance {
            try cases.single(name, .convolution(op), [first, .constant(w)] + extra, tolerance: tolerance)
          } else {
            try cases.single(name, .convolution(op), [first, .constant(w)] + extra)
          }
        }
        try add("transposed", .input(x))
        guard epilogue.steps.isEmpty else { continue }
        let names = [Dim.symbol("n")] + setting.size.indices.map { .symbol("d\($0)") } + [Dim(setting.c)]
        try add("transposed symbolic", .symbolic(x, names))
      }
    }
    try cases.check()
  }

  /// One tap to three for each phase, one and two axes, results that are no multiple of the strides, windows that begin
  /// behind the picture's first position, lines of one position.
  @Test func phases() throws {
    var random = SeededNumbers(71)
    try Self.check(
      [
        Setting(c: 5, m: 16, size: [9, 8], kernel: [2, 2], strides: [2, 2], begin: [0, 0], end: [0, 0]),
        Setting(c: 20, m: 33, size: [7, 30], kernel: [4, 4], strides: [2, 2], begin: [1, 1], end: [1, 1]),
        Setting(c: 9, m: 17, size: [6, 5], kernel: [6, 3], strides: [2, 3], begin: [3, 2], end: [0, 1]),
        Setting(c: 9, m: 24, size: [5, 1], kernel: [4, 6], strides: [4, 2], begin: [3, 5], end: [0, 0]),
        Setting(c: 7, m: 40, size: [130], kernel: [8], strides: [4], begin: [2], end: [3]),
        Setting(c: 12, m: 64, size: [50], kernel: [5], strides: [5], begin: [0], end: [0]),
        Setting(
          c: 6, m: 18, size: [4, 11], kernel: [2, 4], strides: [1, 2], begin: [1, 0], end: [0, 2],
          outputPadding: [0, 1]),
        Setting(
          c: 11, m: 70, size: [3, 100], kernel: [3, 2], strides: [3, 2], begin: [0, 0], end: [2, 0],
          outputPadding: [2, 0]),
      ], [.f32, .f64, .bf16, .u8], &random)
  }

  /// Tiles of four and six inputs, filters kept, made at the beginning and made as needed; odd sizes, borders, more taps.
  @Test func minimalFiltering() throws {
    var random = SeededNumbers(72)
    try Self.check(
      [
        Setting(c: 64, m: 70, size: [19, 23], kernel: [4, 4], strides: [2, 2], begin: [1, 1], end: [1, 1]),
        Setting(c: 37, m: 45, size: [12, 9], kernel: [4, 4], strides: [2, 2], begin: [1, 2], end: [2, 0]),
        Setting(c: 128, m: 128, size: [30, 31], kernel: [4, 4], strides: [2, 2], begin: [2, 1], end: [0, 1]),
        Setting(c: 401, m: 320, size: [9, 7], kernel: [4, 4], strides: [2, 2], begin: [1, 1], end: [1, 1]),
        Setting(c: 48, m: 33, size: [13, 12], kernel: [6, 6], strides: [2, 2], begin: [2, 2], end: [2, 2]),
        Setting(
          c: 96, m: 64, size: [11, 10], kernel: [4, 6], strides: [2, 3], begin: [1, 2], end: [1, 0],
          outputPadding: [1, 2]),
        Setting(c: 80, m: 48, size: [20, 20], kernel: [2, 2], strides: [1, 1], begin: [1, 0], end: [0, 1]),
      ], [.f32, .bf16], &random, tolerance: 4e-5)
  }
}
