import Foundation
import SwagePlan
import SwageRuntime
import SwageTensor
import Testing

@Suite struct ControlTests {
  /// The positive elements of x, doubled: a size that depends on data.
  private func positivePlan() throws -> Plan {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let k = maker.symbol("k")
    let x = maker.input("x", .f32, [n])
    let count = maker.temporary("count", .i64, [1])
    let kept = maker.temporary("kept", .f32, [k], dynamic: true)
    let y = maker.temporary("y", .f32, [k], dynamic: true)
    maker.output("y", y)
    return try maker.plan([
      maker.instruction(maker.kernel("count_positive", sizes: [n], range: 1), [x], [count]),
      maker.instruction(.bindSymbols([1]), [count], []),
      maker.instruction(maker.kernel("take_positive", sizes: [n], range: 1), [x], [kept]),
      maker.instruction(maker.kernel("scale", sizes: [2], range: k), [kept], [y]),
    ])
  }

  @Test func sizesThatDependOnData() throws {
    let session = try Session(plan: try positivePlan())
    for values: [Float] in [[1, -1, 2], [-1, -2], [3], [1, 2, 3, 4, 5, -6], [-1, 7, -1], []] {
      let y = try session.run(["x": Tensor(floats: values, [values.count])])["y"]
      #expect(y?.floats == values.filter { $0 > 0 }.map { $0 * 2 })
    }
    // The same binding, other data.
    var x = Tensor(floats: [1, -1, -1], [3])
    try session.bind(["x": x])
    try session.execute()
    #expect(try session.results()["y"]?.shape == [1])
    x = Tensor(floats: [1, 1, 1], [3])
    try session.bind(["x": x])
    try session.execute()
    #expect(try session.results()["y"]?.shape == [3])
  }

  /// Ends of slices come from data too, and count from the end; a length that becomes negative is a fault.
  @Test func sizesFromDataMayBeNegative() throws {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let k = maker.symbol("k")
    let x = maker.input("x", .f32, [n])
    let end = maker.input("end", .i64, [1])
    let y = maker.temporary("y", .f32, [n + k], dynamic: true)
    maker.output("y", y)
    let plan = try maker.plan([
      maker.instruction(.bindSymbols([1]), [end], []),
      maker.instruction(maker.kernel("scale", sizes: [2], range: n + k), [x], [y]),
    ])
    let session = try Session(plan: plan)
    let x3 = Tensor(floats: [1, 2, 3], [3])
    #expect(try session.run(["x": x3, "end": Tensor(.i64, [1], integers: [-1])])["y"]?.floats == [2, 4])
    #expect(throws: RuntimeError.self) { try session.run(["x": x3, "end": Tensor(.i64, [1], integers: [-4])]) }
    #expect(try session.run(["x": x3, "end": Tensor(.i64, [1], integers: [0])])["y"]?.floats == [2, 4, 6])
  }

  @Test func memoryLimitInTheMiddleOfARun() throws {
    let session = try Session(plan: try positivePlan(), options: SessionOptions(memoryLimit: 8192))
    #expect(throws: RuntimeError.self) {
      try session.run(["x": Tensor(floats: [Float](repeating: 1, count: 4000), [4000])])
    }
    #expect(try session.run(["x": Tensor(floats: [4], [1])])["y"]?.floats == [8])
  }

  /// if x[0] > 0 { 10·x } else { x + x }, in memory of their own.
  private func conditionalPlan(nested: Bool = false) throws -> Plan {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let x = maker.input("x", .f32, [n])
    let condition = maker.temporary("condition", .bool, [])
    let a = maker.temporary("a", .f32, [n])
    let b = maker.temporary("b", .f32, [n])
    let y = maker.temporary("y", .f32, [n])
    maker.output("y", y)
    let test = maker.instruction(maker.kernel("is_positive", sizes: [], range: 1), [x], [condition])
    var then = Block(
      instructions: [maker.instruction(maker.kernel("scale", sizes: [10], range: n), [x], [a])], results: [a])
    let otherwise = Block(
      instructions: [maker.instruction(maker.kernel("add", sizes: [], range: n), [x, x], [b])], results: [b])
    if nested {
      let inner = maker.temporary("inner", .f32, [n])
      let c = maker.temporary("c", .f32, [n])
      let failing = Block(instructions: [maker.instruction(.fail(message: "never"), [], [])])
      let conditional = maker.instruction(
        .conditional(
          then: then, else: failing), [condition], [inner])
      then = Block(
        instructions: [
          conditional, maker.instruction(maker.kernel("scale", sizes: [2], range: n), [inner], [c]),
        ], results: [c])
    }
    return try maker.plan([
      test, maker.instruction(.conditional(then: then, else: otherwise), [condition], [y], label: "if"),
    ])
  }

  @Test func oneOfTwoBlocksRuns() throws {
    for (nested, factor) in [(false, Float(10)), (true, 20)] {
      let session = try Session(plan: try conditionalPlan(nested: nested))
      #expect(try session.run(["x": Tensor(floats: [1, 2], [2])])["y"]?.floats == [factor, 2 * factor])
      #expect(try session.run(["x": Tensor(floats: [-1, 2], [2])])["y"]?.floats == [-2, 4])
      #expect(try session.run(["x": Tensor(floats: [1, 2, 3], [3])])["y"]?.floats == [factor, 2 * factor, 3 * factor])
    }
  }

  @Test func profileKnowsWhichBlockRan() throws {
    let session = try Session(plan: try conditionalPlan())
    try session.bind(["x": Tensor(floats: [1], [1])])
    let profile = try session.profile(warmup: 1, runs: 2)
    #expect(profile.nodes.map(\.wasReached) == [true, true, true, false])
    #expect(profile.nodes.map(\.depth) == [0, 0, 1, 1])
  }

  @Test func conditionalDefinesASize() throws {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let k = maker.symbol("k")
    let x = maker.input("x", .f32, [n])
    let condition = maker.temporary("condition", .bool, [])
    let whole = maker.temporary("whole", .f32, [n])
    let half = maker.temporary("half", .f32, [n - 2])
    let y = maker.temporary("y", .f32, [k], dynamic: true)
    let z = maker.temporary("z", .f32, [k], dynamic: true)
    maker.output("z", z)
    let then = Block(
      instructions: [maker.instruction(maker.kernel("scale", sizes: [1], range: n), [x], [whole])], results: [whole])
    let otherwise = Block(
      instructions: [maker.instruction(maker.kernel("scale", sizes: [1], range: n - 2), [x], [half])], results: [half])
    let plan = try maker.plan([
      maker.instruction(maker.kernel("is_positive", sizes: [], range: 1), [x], [condition]),
      maker.instruction(
        .conditional(then: then, else: otherwise), [condition], [y],
        defines: [SymbolDefinition(symbol: 1, result: 0, axis: 0)]),
      maker.instruction(maker.kernel("scale", sizes: [3], range: k), [y], [z]),
    ])
    let session = try Session(plan: plan)
    #expect(try session.run(["x": Tensor(floats: [1, 2, 3], [3])])["z"]?.floats == [3, 6, 9])
    #expect(try session.run(["x": Tensor(floats: [-1, 2, 3], [3])])["z"]?.floats == [-3])
    // One element: the second block has no meaning, and is only an error where it is taken.
    #expect(try session.run(["x": Tensor(floats: [5], [1])])["z"]?.floats == [15])
    #expect(throws: RuntimeError.self) { try session.run(["x": Tensor(floats: [-5], [1])]) }
    #expect(try session.run(["x": Tensor(floats: [1, 1], [2])])["z"]?.floats == [3, 3])
  }

  @Test func aRunCanFail() throws {
    let maker = PlanMaker()
    let y = maker.input("y", .f32, [1])
    maker.output("y", y)
    let plan = try maker.plan([maker.instruction(.fail(message: "no result"), [], [])])
    let session = try Session(plan: plan)
    let error = #expect(throws: RuntimeError.self) { try session.run(["y": Tensor(floats: [1], [1])]) }
    #expect(error == .failed(node: "node", message: "no result"))
  }
}

// MARK: Devices

/// Memory of its own, poisoned where it is not copied properly; the payload names what to do.
private final class FakeDevice: Device {
  let name = "fake"

  func prepare(payload: String, instruction: Instruction, objects: ObjectStore) throws -> any DeviceProgram {
    FakeProgram(payload)
  }

  final class FakeProgram: DeviceProgram {
    let payload: String
    init(_ payload: String) { self.payload = payload }
    var lastDeviceNanoseconds: UInt64? { 1000 }

    func run(operands: [Tensor?], sizes: [Int]) throws -> [Tensor] {
      let values = operands[0]?.floats ?? []
      switch payload {
      case "positive":
        let kept = values.filter { $0 > 0 }
        return [Tensor(floats: kept, [kept.count])]
      case "sizes": return [Tensor(floats: sizes.map(Float.init), [sizes.count])]
      case "wrong type": return [Tensor(zeros: .f64, [values.count])]
      case "wrong size": return [Tensor(zeros: .f32, [values.count + 1])]
      default: return [Tensor(floats: values.map { -$0 }, [values.count])]
      }
    }
  }
}

@Suite struct DeviceTests {
  private func plan(_ payload: String) throws -> Plan {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let x = maker.input("x", .f32, [n])
    let there = maker.temporary("there", .f32, [n], device: "fake")
    let back = maker.temporary("back", .f32, [n], device: "fake")
    let here = maker.temporary("here", .f32, [n])
    let y = maker.temporary("y", .f32, [n])
    maker.output("y", y)
    return try maker.plan([
      maker.instruction(.copy, [x], [there]),
      maker.instruction(.device(name: "fake", payload: payload), [there], [back], label: "device"),
      maker.instruction(.copy, [back], [here]),
      maker.instruction(maker.kernel("scale", sizes: [2], range: n), [here], [y]),
    ])
  }

  @Test func aDeviceTakesPart() throws {
    let session = try Session(plan: try plan("negate"), devices: [FakeDevice()])
    #expect(try session.run(["x": Tensor(floats: [1, 2], [2])])["y"]?.floats == [-2, -4])
    #expect(try session.run(["x": Tensor(floats: [3], [1])])["y"]?.floats == [-6])
    let profile = try session.profile(warmup: 0, runs: 2)
    #expect(profile.nodes[1].deviceNanoseconds == 1000)
    #expect(profile.nodes[3].deviceNanoseconds == nil)
  }

  @Test func wrongResultsAreRefused() throws {
    for payload in ["wrong type", "wrong size"] {
      let session = try Session(plan: try plan(payload), devices: [FakeDevice()])
      let error = #expect(throws: RuntimeError.self) { try session.run(["x": Tensor(floats: [1, 2], [2])]) }
      #expect(error?.diagnostics.first?.code == "runtime-device-result")
    }
    let error = #expect(throws: RuntimeError.self) { try Session(plan: try plan("negate")) }
    #expect(error?.diagnostics.first?.code == "runtime-missing-device")
  }

  @Test func aDeviceIsToldSizes() throws {
    let maker = PlanMaker()
    let n = maker.symbol("n")
    let x = maker.input("x", .f32, [n])
    let y = maker.temporary("y", .f32, [2])
    maker.output("y", y)
    let sizes = [maker.size(n), maker.size(n * 2 - 9)]
    let plan = try maker.plan([
      maker.instruction(.device(name: "fake", payload: "sizes", sizes: sizes), [x], [y])
    ])
    let session = try Session(plan: plan, devices: [FakeDevice()])
    #expect(try session.run(["x": Tensor(zeros: .f32, [3])])["y"]?.floats == [3, -3])
    #expect(try session.run(["x": Tensor(zeros: .f32, [7])])["y"]?.floats == [7, 5])
  }

  @Test func aDeviceDefinesASize() throws {
    let maker = try PlanMaker.withKernels()
    let n = maker.symbol("n")
    let k = maker.symbol("k")
    let x = maker.input("x", .f32, [n])
    let kept = maker.temporary("kept", .f32, [k], dynamic: true)
    let y = maker.temporary("y", .f32, [k], dynamic: true)
    maker.output("y", y)
    let plan = try maker.plan([
      maker.instruction(
        .device(name: "fake", payload: "positive"), [x], [kept],
        defines: [SymbolDefinition(symbol: 1, result: 0, axis: 0)]),
      maker.instruction(maker.kernel("scale", sizes: [2], range: k), [kept], [y]),
    ])
    let session = try Session(plan: plan, devices: [FakeDevice()])
    for values: [Float] in [[1, -1, 2], [-1], [1, 2, 3, 4, 5]] {
      #expect(
        try session.run(["x": Tensor(floats: values, [values.count])])["y"]?.floats
          == values.filter { $0 > 0 }.map { $0 * 2 })
    }
  }
}
