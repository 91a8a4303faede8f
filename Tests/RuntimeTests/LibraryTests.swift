import Foundation
import SwagePlan
import SwageRuntime
import SwageTensor
import Testing

/// Sizes of a convolution.
struct ConvolutionCase: CustomStringConvertible, Sendable {
  var batch = 1
  var channels = 3
  var outputs = 4
  var groups = 1
  var input: [Int]
  var kernel: [Int]
  var strides: [Int] = []
  var dilations: [Int] = []
  var begin: [Int] = []
  var end: [Int] = []
  var outputPadding: [Int] = []
  var transposed = false
  var channelsLast = true
  var bias = true

  var rank: Int { input.count }
  func filled(_ list: [Int], _ value: Int) -> [Int] { list.isEmpty ? [Int](repeating: value, count: rank) : list }

  var output: [Int] {
    let s = filled(strides, 1)
    let d = filled(dilations, 1)
    let b = filled(begin, 0)
    let e = filled(end, 0)
    let o = filled(outputPadding, 0)
    return (0..<rank).map { axis in
      let length = (kernel[axis] - 1) * d[axis] + 1
      return transposed
        ? (input[axis] - 1) * s[axis] + length - b[axis] - e[axis] + o[axis]
        : (input[axis] + b[axis] + e[axis] - length) / s[axis] + 1
    }
  }

  var description: String {
    "\(transposed ? "transposed " : "")n\(batch) \(channels)->\(outputs)/\(groups) \(input) k\(kernel) s\(strides) "
      + "d\(dilations)\(channelsLast ? " last" : " first")"
  }

  func activation(_ channels: Int, _ spatial: [Int]) -> [Int] {
    channelsLast ? [batch] + spatial + [channels] : [batch, channels] + spatial
  }

  var inputShape: [Int] { activation(channels, input) }
  var outputShape: [Int] { activation(outputs, output) }
  var weightShape: [Int] { (transposed ? [channels, outputs / groups] : [outputs, channels / groups]) + kernel }

  func call(_ maker: PlanMaker, postOps: [PostOp] = []) -> ConvolutionCall {
    ConvolutionCall(
      strides: filled(strides, 1), dilations: filled(dilations, 1),
      padsBegin: filled(begin, 0).map { maker.size(Dim($0)) }, padsEnd: filled(end, 0).map { maker.size(Dim($0)) },
      groups: groups, channelsLast: channelsLast, isTransposed: transposed, hasBias: bias, postOps: postOps)
  }

  private func offset(_ channels: Int, _ spatial: [Int], _ n: Int, _ c: Int, _ at: [Int]) -> Int {
    var index = n
    if channelsLast {
      for axis in 0..<rank { index = index * spatial[axis] + at[axis] }
      return index * channels + c
    }
    index = index * channels + c
    for axis in 0..<rank { index = index * spatial[axis] + at[axis] }
    return index
  }

  private static func positions(_ sizes: [Int]) -> [[Int]] {
    sizes.reduce([[]]) { list, size in list.flatMap { head in (0..<size).map { head + [$0] } } }
  }

  /// By the definition, in double precision.
  func expected(_ x: [Double], _ w: [Double], _ b: [Double]?) -> [Double] {
    let s = filled(strides, 1)
    let d = filled(dilations, 1)
    let pad = filled(begin, 0)
    let out = output
    var result = [Double](repeating: 0, count: outputShape.reduce(1, *))
    let outputsPerGroup = outputs / groups
    let inputsPerGroup = channels / groups
    let kernelCount = kernel.reduce(1, *)
    let taps = Self.positions(kernel)
    for n in 0..<batch {
      for o in 0..<outputs {
        let group = o / outputsPerGroup
        for at in Self.positions(out) {
          var sum = b?[o] ?? 0
          for (tap, k) in taps.enumerated() {
            var from = [Int](repeating: 0, count: rank)
            var inside = true
            for axis in 0..<rank {
              if transposed {
                let place = at[axis] + pad[axis] - k[axis] * d[axis]
                if place < 0 || place % s[axis] != 0 || place / s[axis] >= input[axis] { inside = false }
                from[axis] = place / s[axis]
              } else {
                from[axis] = at[axis] * s[axis] - pad[axis] + k[axis] * d[axis]
                if from[axis] < 0 || from[axis] >= input[axis] { inside = false }
              }
            }
            if !inside { continue }
            for i in 0..<inputsPerGroup {
              let c = group * inputsPerGroup + i
              let weight =
                transposed
                ? w[(c * outputsPerGroup + o % outputsPerGroup) * kernelCount + tap]
                : w[(o * inputsPerGroup + i) * kernelCount + tap]
              sum += x[offset(channels, input, n, c, from)] * weight
            }
          }
          result[offset(outputs, out, n, o, at)] = sum
        }
      }
    }
    return result
  }
}

/// The largest difference beside the largest magnitude.
func relativeError(_ actual: [Double], _ expected: [Double]) -> Double {
  guard actual.count == expected.count else { return .infinity }
  let scale = expected.map(abs).max() ?? 0
  let difference = zip(actual, expected).map { $0 == $1 ? 0 : abs($0 - $1) }.max() ?? 0
  return difference.isNaN ? .infinity : difference / max(scale, 1e-30)
}

private func dims(_ shape: [Int]) -> [Dim] { shape.map { Dim($0) } }

@Suite struct ConvolutionTests {
  static let cases: [ConvolutionCase] = [
    .init(input: [8, 9], kernel: [3, 3], begin: [1, 1], end: [1, 1]),
    .init(batch: 2, channels: 16, outputs: 32, input: [7, 7], kernel: [3, 3], begin: [1, 1], end: [1, 1]),
    .init(channels: 17, outputs: 19, input: [9, 6], kernel: [3, 2], strides: [2, 1], begin: [0, 1], end: [1, 0]),
    .init(channels: 8, outputs: 8, input: [12, 12], kernel: [3, 3], dilations: [2, 3], begin: [2, 3], end: [2, 3]),
    .init(channels: 24, outputs: 40, input: [5, 5], kernel: [1, 1]),
    .init(channels: 24, outputs: 24, input: [6, 6], kernel: [1, 1], strides: [2, 2], bias: false),
    .init(channels: 18, outputs: 18, groups: 18, input: [9, 9], kernel: [3, 3], begin: [1, 1], end: [1, 1]),
    .init(
      channels: 8, outputs: 16, groups: 8, input: [9, 9], kernel: [5, 5], strides: [2, 2], begin: [2, 2], end: [2, 2]),
    .init(channels: 12, outputs: 8, groups: 4, input: [6, 6], kernel: [3, 3]),
    .init(channels: 5, outputs: 1, input: [6, 6], kernel: [3, 3], begin: [1, 1], end: [1, 1]),
    .init(channels: 6, outputs: 7, input: [30], kernel: [5], strides: [2], begin: [2], end: [1]),
    .init(channels: 10, outputs: 10, groups: 10, input: [30], kernel: [5], begin: [4], end: [0]),
    .init(batch: 2, channels: 1, outputs: 10, input: [40], kernel: [16], strides: [8], bias: false),
    .init(channels: 1, outputs: 10, input: [41], kernel: [16], strides: [8]),
    .init(channels: 3, outputs: 5, input: [4, 5, 6], kernel: [2, 3, 3], begin: [0, 1, 1], end: [0, 1, 1]),
    .init(input: [8, 9], kernel: [3, 3], begin: [1, 1], end: [1, 1], channelsLast: false),
    .init(channels: 10, outputs: 10, groups: 10, input: [8, 9], kernel: [3, 3], channelsLast: false),
    .init(channels: 4, outputs: 6, input: [20], kernel: [3], channelsLast: false),
    .init(channels: 6, outputs: 5, input: [4, 5], kernel: [2, 2], strides: [2, 2], transposed: true),
    .init(
      batch: 2, channels: 6, outputs: 8, input: [4, 5], kernel: [3, 3], strides: [2, 2], begin: [1, 1], end: [1, 1],
      outputPadding: [1, 1], transposed: true),
    .init(
      channels: 8, outputs: 4, groups: 2, input: [5, 5], kernel: [4, 3], strides: [2, 1], begin: [1, 0], end: [1, 1],
      transposed: true, bias: false),
    .init(channels: 6, outputs: 6, groups: 6, input: [5, 5], kernel: [4, 4], strides: [2, 2], transposed: true),
    .init(channels: 6, outputs: 5, input: [9], kernel: [4], strides: [2], begin: [1], end: [1], transposed: true),
    .init(
      channels: 6, outputs: 5, input: [9], kernel: [4], strides: [2], begin: [1], end: [1], transposed: true,
      channelsLast: false),
    .init(channels: 3, outputs: 2, input: [3, 3], kernel: [3, 3], dilations: [2, 2], transposed: true),
  ]

  private func run(
    _ test: ConvolutionCase, _ type: ElementType = .f32, threads: Int = 2, constant: Bool = true
  ) throws -> (actual: [Double], expected: [Double]) {
    var numbers = Numbers(7)
    let x = numbers.tensor(type, test.inputShape)
    let w = numbers.tensor(type, test.weightShape)
    let b = numbers.tensor(type, [test.outputs])
    let maker = PlanMaker()
    let input = maker.input("x", type, dims(test.inputShape))
    let weights = constant ? maker.weight("w", w) : maker.input("w", type, dims(test.weightShape))
    var operands: [ValueID?] = [input, weights]
    if test.bias { operands.append(maker.weight("b", b)) }
    let y = maker.temporary("y", type, dims(test.outputShape))
    maker.output("y", y)
    let call = test.call(maker)
    let plan = try maker.plan([maker.instruction(.library(.convolution(call)), operands, [y])])
    let session = try Session(plan: plan, options: SessionOptions(threads: threads))
    let result = try session.run(constant ? ["x": x] : ["x": x, "w": w])
    return (
      try #require(result["y"]).doubles, test.expected(x.doubles, w.doubles, test.bias ? b.doubles : nil)
    )
  }

  @Test(arguments: cases) func agreesWithTheDefinition(_ test: ConvolutionCase) throws {
    let result = try run(test)
    #expect(relativeError(result.actual, result.expected) < 1e-5)
  }

  @Test(arguments: cases) func narrowTypes(_ test: ConvolutionCase) throws {
    let bf16 = try run(test, .bf16)
    #expect(relativeError(bf16.actual, bf16.expected) < 0.01)
    let f16 = try run(test, .f16)
    #expect(relativeError(f16.actual, f16.expected) < 0.002)
  }

  @Test(arguments: cases) func threadsChangeNoMoreThanTheLastBits(_ test: ConvolutionCase) throws {
    let one = try run(test, threads: 1).actual
    let two = try run(test, threads: 2).actual
    // oneDNN may sum in another order on another number of threads, but for no more than the last bits.
    #expect(relativeError(one, two) < 1e-6)
  }

  @Test(arguments: [cases[1], cases[6], cases[10], cases[19]]) func weightsThatAreComputed(
    _ test: ConvolutionCase
  ) throws {
    let result = try run(test, constant: false)
    #expect(relativeError(result.actual, result.expected) < 1e-5)
  }

  @Test func sizesAlternate() throws {
    let maker = PlanMaker()
    let h = maker.symbol("h")
    let test = { (height: Int) in
      ConvolutionCase(
        batch: 1, channels: 4, outputs: 6, input: [height, 5], kernel: [3, 3], begin: [1, 1], end: [1, 1])
    }
    var numbers = Numbers(3)
    let w = numbers.tensor(.f32, test(1).weightShape)
    let b = numbers.tensor(.f32, [6])
    let x = maker.input("x", .f32, [1, h, 5, 4])
    let y = maker.temporary("y", .f32, [1, h, 5, 6])
    maker.output("y", y)
    let call = test(1).call(maker)
    let operands = [x, maker.weight("w", w), maker.weight("b", b)]
    let plan = try maker.plan([maker.instruction(.library(.convolution(call)), operands, [y])])
    let session = try Session(plan: plan)
    for height in [4, 9, 4, 1, 9, 30, 0, 4] {
      let input = numbers.tensor(.f32, test(height).inputShape)
      let result = try #require(try session.run(["x": input])["y"])
      #expect(result.shape == [1, height, 5, 6])
      if height > 0 {
        #expect(relativeError(result.doubles, test(height).expected(input.doubles, w.doubles, b.doubles)) < 1e-5)
      }
    }
  }

  @Test func noChannelsGiveTheBias() throws {
    let test = ConvolutionCase(channels: 0, outputs: 3, input: [4, 4], kernel: [3, 3])
    let result = try run(test)
    #expect(result.actual == result.expected)
    #expect(result.actual.contains { $0 != 0 })
  }

  @Test func sizesThatDoNotFitAreAnError() throws {
    let maker = PlanMaker()
    let x = maker.input("x", .f32, [1, 5, 5, 4])
    let w = maker.weight("w", Tensor(zeros: .f32, [6, 3, 3, 3]))
    let y = maker.temporary("y", .f32, [1, 3, 3, 6])
    maker.output("y", y)
    let call = ConvolutionCase(channels: 4, outputs: 6, input: [5, 5], kernel: [3, 3], bias: false).call(maker)
    let plan = try maker.plan([maker.instruction(.library(.convolution(call)), [x, w], [y])])
    let error = #expect(throws: RuntimeError.self) {
      try Session(plan: plan).run(["x": Tensor(zeros: .f32, [1, 5, 5, 4])])
    }
    #expect(error?.diagnostics.first?.code == "runtime-library")
  }
}

@Suite struct MatMulTests {
  struct Case: Sendable, CustomStringConvertible {
    var a: [Int]
    var b: [Int]
    var transposeA = false
    var transposeB = false
    var description: String { "\(a)\(transposeA ? "ᵀ" : "") × \(b)\(transposeB ? "ᵀ" : "")" }

    /// By the definition: result sizes and elements.
    func expected(_ x: [Double], _ y: [Double]) -> (shape: [Int], values: [Double]) {
      var left = a.count == 1 ? [1] + a : a
      var right = b.count == 1 ? b + [1] : b
      let (ta, tb) = (transposeA && a.count > 1, transposeB && b.count > 1)
      let rank = max(left.count, right.count)
      left = [Int](repeating: 1, count: rank - left.count) + left
      right = [Int](repeating: 1, count: rank - right.count) + right
      let rows = ta ? left[rank - 1] : left[rank - 2]
      let depth = ta ? left[rank - 2] : left[rank - 1]
      let columns = tb ? right[rank - 2] : right[rank - 1]
      let batch = (0..<(rank - 2)).map { max(left[$0], right[$0]) }
      var values: [Double] = []
      for index in 0..<batch.reduce(1, *) {
        var rest = index
        var at = [Int](repeating: 0, count: batch.count)
        for axis in batch.indices.reversed() {
          at[axis] = rest % batch[axis]
          rest /= batch[axis]
        }
        var p = 0
        var q = 0
        for axis in batch.indices {
          p = p * left[axis] + (left[axis] == 1 ? 0 : at[axis])
          q = q * right[axis] + (right[axis] == 1 ? 0 : at[axis])
        }
        for row in 0..<rows {
          for column in 0..<columns {
            var sum = 0.0
            for k in 0..<depth {
              let u = p * rows * depth + (ta ? k * rows + row : row * depth + k)
              let v = q * depth * columns + (tb ? column * depth + k : k * columns + column)
              sum += x[u] * y[v]
            }
            values.append(sum)
          }
        }
      }
      let shape = batch + (a.count == 1 ? [] : [rows]) + (b.count == 1 ? [] : [columns])
      return (shape, values)
    }
  }

  static let cases: [Case] = [
    .init(a: [5, 7], b: [7, 9]),
    .init(a: [5, 7], b: [9, 7], transposeB: true),
    .init(a: [7, 5], b: [7, 9], transposeA: true),
    .init(a: [7, 5], b: [9, 7], transposeA: true, transposeB: true),
    .init(a: [1, 64], b: [64, 33]),
    .init(a: [2, 3, 7], b: [7, 9]),
    .init(a: [2, 7, 3], b: [7, 9], transposeA: true),
    .init(a: [2, 3, 5, 7], b: [2, 3, 7, 4]),
    .init(a: [2, 3, 5, 7], b: [2, 3, 4, 7], transposeB: true),
    .init(a: [2, 1, 5, 7], b: [1, 3, 7, 4]),
    .init(a: [5, 7], b: [3, 7, 4]),
    .init(a: [3, 5, 7], b: [1, 7, 4]),
    .init(a: [2, 3, 5, 7], b: [3, 7, 4]),
    .init(a: [7], b: [7, 4]),
    .init(a: [5, 7], b: [7]),
    .init(a: [7], b: [7]),
    .init(a: [2, 3, 5, 7], b: [7]),
    .init(a: [4, 0], b: [0, 3]),
    .init(a: [0, 4], b: [4, 3]),
    .init(a: [64, 128], b: [128, 96]),
  ]

  private func run(
    _ test: Case, _ type: ElementType, constant: Bool, threads: Int = 2
  ) throws -> (actual: [Double], expected: [Double]) {
    var numbers = Numbers(11)
    let a = numbers.tensor(type, test.a)
    let b = numbers.tensor(type, test.b)
    let expected = test.expected(a.doubles, b.doubles)
    let maker = PlanMaker()
    let x = maker.input("a", type, dims(test.a))
    let y = constant ? maker.weight("b", b) : maker.input("b", type, dims(test.b))
    let z = maker.temporary("z", type, dims(expected.shape))
    maker.output("z", z)
    let call = MatMulCall(transposeA: test.transposeA, transposeB: test.transposeB, hasBias: false, postOps: [])
    let plan = try maker.plan([maker.instruction(.library(.matmul(call)), [x, y], [z])])
    let session = try Session(plan: plan, options: SessionOptions(threads: threads))
    let result = try session.run(constant ? ["a": a] : ["a": a, "b": b])
    return (try #require(result["z"]).doubles, expected.values)
  }

  @Test(arguments: cases) func agreesWithTheDefinition(_ test: Case) throws {
    for constant in [true, false] {
      let f32 = try run(test, .f32, constant: constant)
      #expect(relativeError(f32.actual, f32.expected) < 1e-5)
      let bf16 = try run(test, .bf16, constant: constant)
      #expect(relativeError(bf16.actual, bf16.expected) < 0.01)
      let f16 = try run(test, .f16, constant: constant)
      #expect(relativeError(f16.actual, f16.expected) < 0.002)
    }
  }

  @Test(arguments: cases) func threadsChangeNoMoreThanTheLastBits(_ test: Case) throws {
    for constant in [true, false] {
      let one = try run(test, .f32, constant: constant, threads: 1)
      let two = try run(test, .f32, constant: constant, threads: 2)
      #expect(relativeError(one.actual, two.actual) < 1e-6)
    }
  }
}

@Suite struct PostOpTests {
  private static func value(_ function: PostOp.Function, _ x: Double, _ alpha: Double, _ beta: Double) -> Double {
    switch function {
    case .relu: max(x, 0)
    case .sigmoid: 1 / (1 + exp(-x))
    case .tanh: tanh(x)
    case .swish: x / (1 + exp(-alpha * x))
    case .geluErf: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .exp: exp(x)
    case .abs: abs(x)
    case .sqrt: x.squareRoot()
    case .square: x * x
    case .hardSwish: x * min(max(x + 3, 0), 6) / 6
    case .linear: alpha * x + beta
    case .clip: min(max(x, alpha), beta)
    case .leakyRelu: x < 0 ? alpha * x : x
    case .elu: x < 0 ? alpha * (exp(x) - 1) : x
    }
  }

  private static func combine(_ combination: PostOp.Combination, _ x: Double, _ y: Double) -> Double {
    switch combination {
    case .add: x + y
    case .multiply: x * y
    case .maximum: max(x, y)
    case .minimum: min(x, y)
    case .subtract: x - y
    case .divide: x / y
    }
  }

  private static let convolution = ConvolutionCase(
    batch: 2, channels: 8, outputs: 16, input: [5, 6], kernel: [3, 3], begin: [1, 1], end: [1, 1])

  /// Runs a convolution or product with post-ops; `tensors` are their operands.
  private func check(
    _ test: ConvolutionCase?, _ postOps: [PostOp], _ tensors: [Tensor], _ type: ElementType, tolerance: Double,
    inPlace: Bool = false, expect: (Double, Int) -> Double
  ) throws {
    var numbers = Numbers(5)
    let maker = PlanMaker()
    let inputShape = test?.inputShape ?? [3, 4, 8]
    let resultShape = test?.outputShape ?? [3, 4, 16]
    let x = numbers.tensor(type, inputShape)
    let w = numbers.tensor(type, test?.weightShape ?? [8, 16])
    let b = numbers.tensor(type, [16])
    var operands: [ValueID?] = [
      maker.input("x", type, dims(inputShape)), maker.weight("w", w), maker.weight("b", b),
    ]
    var body: [Instruction] = []
    let y = maker.temporary("y", type, dims(resultShape))
    for (index, tensor) in tensors.enumerated() {
      if inPlace {
        // The operand's memory becomes the result's.
        let source = maker.weight("source\(index)", tensor)
        guard case .buffer(let buffer, _) = maker.entry.values[y].location else { continue }
        let copy = maker.value("copy", type, dims(tensor.shape), .buffer(buffer, offset: nil))
        body.append(maker.instruction(.copy, [source], [copy]))
        operands.append(copy)
      } else {
        operands.append(maker.weight("operand\(index)", tensor))
      }
    }
    maker.output("y", y)
    let call: LibraryCall
    let sums: [Double]
    if let test {
      call = .convolution(test.call(maker, postOps: postOps))
      sums = test.expected(x.doubles, w.doubles, b.doubles)
    } else {
      call = .matmul(MatMulCall(transposeA: false, transposeB: false, hasBias: true, postOps: postOps))
      let product = MatMulTests.Case(a: [3, 4, 8], b: [8, 16]).expected(x.doubles, w.doubles).values
      let bias = b.doubles
      sums = product.enumerated().map { $1 + bias[$0 % 16] }
    }
    var instruction = maker.instruction(.library(call), operands, [y])
    if inPlace { instruction.inPlace = [InPlace(operand: 3, result: 0)] }
    body.append(instruction)
    let plan = try maker.plan(body)
    let result = try #require(try Session(plan: plan).run(["x": x])["y"])
    #expect(
      relativeError(result.doubles, sums.enumerated().map { expect($1, $0) }) < tolerance,
      "\(postOps) \(tensors.map(\.shape)) \(type)")
  }

  @Test(arguments: PostOp.Function.allCases) func functions(_ function: PostOp.Function) throws {
    let (alpha, beta): (Float, Float) = function == .clip ? (-0.5, 0.75) : function == .swish ? (1.5, 0) : (0.3, 0.2)
    let list: [PostOp] =
      function == .sqrt
      ? [.function(.abs, alpha: 0, beta: 0), .function(.sqrt, alpha: 0, beta: 0)]
      : [.function(function, alpha: alpha, beta: beta)]
    for test in [Self.convolution, nil] {
      for (type, tolerance) in [(ElementType.f32, 1e-5), (.bf16, 0.015), (.f16, 0.003)] {
        try check(test, list, [], type, tolerance: tolerance) { x, _ in
          Self.value(function, function == .sqrt ? abs(x) : x, Double(alpha), Double(beta))
        }
      }
    }
    var transposed = Self.convolution
    transposed.transposed = true
    try check(transposed, list, [], .f32, tolerance: 1e-5) { x, _ in
      Self.value(function, function == .sqrt ? abs(x) : x, Double(alpha), Double(beta))
    }
  }

  @Test(arguments: PostOp.Combination.allCases) func combinations(_ combination: PostOp.Combination) throws {
    let cases: [(ConvolutionCase?, [[Int]])] = [
      (Self.convolution, [[2, 5, 6, 16], [16], [], [1], [2, 1, 1, 16], [5, 6, 16], [2, 5, 6, 1], [1, 5, 1, 1]]),
      (nil, [[3, 4, 16], [4, 16], [16], [], [3, 1, 16], [3, 1, 1], [3, 4, 1]]),
    ]
    for (test, shapes) in cases {
      let resultShape = test?.outputShape ?? [3, 4, 16]
      for shape in shapes {
        var numbers = Numbers(23)
        for type in [ElementType.f32, .bf16] {
          // Away from zero: the operand may divide.
          let operand = Tensor(
            type, shape, doubles: (0..<shape.reduce(1, *)).map { _ in Double(numbers.next()) * 0.4 + 1 })
          let values = operand.doubles
          let tolerance = type == .f32 ? 1e-5 : 0.015
          try check(
            test, [.combine(combination, operand: 3), .function(.relu, alpha: 0, beta: 0)], [operand], type,
            tolerance: tolerance
          ) { x, index in
            max(Self.combine(combination, x, values[Self.broadcast(index, resultShape, shape)]), 0)
          }
        }
      }
    }
  }

  /// The operand's element for element `index` of the result.
  private static func broadcast(_ index: Int, _ result: [Int], _ operand: [Int]) -> Int {
    var rest = index
    var stride = 1
    var place = 0
    for axis in result.indices.reversed() {
      let at = rest % result[axis]
      rest /= result[axis]
      let own = axis - (result.count - operand.count)
      guard own >= 0 else { continue }
      if operand[own] != 1 { place += at * stride }
      stride *= operand[own]
    }
    return place
  }

  @Test(arguments: PostOp.Combination.allCases) func operandInTheResultsMemory(
    _ combination: PostOp.Combination
  ) throws {
    for test in [Self.convolution, nil] {
      for type in [ElementType.f32, .bf16] {
        var numbers = Numbers(31)
        let shape = test?.outputShape ?? [3, 4, 16]
        let operand = Tensor(
          type, shape, doubles: (0..<shape.reduce(1, *)).map { _ in Double(numbers.next()) * 0.4 + 1 })
        let values = operand.doubles
        try check(
          test, [.function(.tanh, alpha: 0, beta: 0), .combine(combination, operand: 3)], [operand], type,
          tolerance: type == .f32 ? 1e-5 : 0.015, inPlace: true
        ) { x, index in Self.combine(combination, tanh(x), values[index]) }
      }
    }
  }

  @Test func longChains() throws {
    var numbers = Numbers(41)
    let scale = numbers.tensor(.f32, [16])
    let shift = numbers.tensor(.f32, [2, 5, 6, 16])
    let (s, t) = (scale.doubles, shift.doubles)
    let list: [PostOp] = [
      .combine(.multiply, operand: 3), .function(.swish, alpha: 1, beta: 0), .combine(.add, operand: 4),
      .function(.clip, alpha: -1, beta: 2), .function(.linear, alpha: 2, beta: 1),
    ]
    for transposed in [false, true] {
      var test = Self.convolution
      test.transposed = transposed
      try check(test, list, [scale, shift], .f32, tolerance: 1e-5) { x, index in
        let scaled = x * s[index % 16]
        return min(max(scaled / (1 + exp(-scaled)) + t[index], -1), 2) * 2 + 1
      }
    }
  }
}
