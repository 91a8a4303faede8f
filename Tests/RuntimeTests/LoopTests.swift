import Foundation
import SwagePlan
import SwageRuntime
import SwageTensor
import Testing

/// Loops whose bodies are kernels.
@Suite struct LoopTests {
  /// Carries x: each iteration doubles it, goes on while x[0] is positive, and hands out what it has.
  private func doubling() throws -> Plan {
    let body = PlanMaker()
    body.entry.name = "main.loop1"
    let k = body.symbol("k")
    _ = body.input("0", .i64, [])
    _ = body.input("1", .bool, [])
    let x = body.input("2", .f32, [k])
    let next = body.temporary("next", .f32, [k])
    let more = body.temporary("more", .bool, [])
    body.output("0", more)
    body.output("1", next)
    body.output("2", next)
    let maker = try PlanMaker.withKernels()
    maker.bodies = [
      body.finish([
        body.instruction(body.kernel("scale", sizes: [2], range: k), [x], [next]),
        body.instruction(body.kernel("is_positive", sizes: [], range: 1), [next], [more]),
      ])
    ]
    let (n, t) = (maker.symbol("n"), maker.symbol("t"))
    let trips = maker.input("trips", .i64, [])
    let start = maker.input("x", .f32, [n])
    let y = maker.temporary("y", .f32, [n])
    let stack = maker.temporary("stack", .f32, [t, n], dynamic: true)
    maker.output("y", y)
    maker.output("stack", stack)
    return try maker.plan([
      maker.instruction(
        .loop(LoopCall(body: 0, carried: 1)), [trips, nil, start], [y, stack], label: "loop",
        defines: [SymbolDefinition(symbol: 1, result: 1, axis: 0)])
    ])
  }

  private func run(_ session: Session, _ trips: Int64, _ x: [Float]) throws -> (y: Tensor, stack: Tensor) {
    let results = try session.run([
      "trips": Tensor(.i64, [], integers: [trips]), "x": Tensor(floats: x, [x.count]),
    ])
    return (try #require(results["y"]), try #require(results["stack"]))
  }

  @Test func iterationsCarryAndStack() throws {
    let session = try Session(plan: try doubling())
    for _ in 0..<2 {
      let three = try run(session, 3, [1, -2])
      #expect(three.y.floats == [8, -16])
      #expect(three.stack.shape == [3, 2] && three.stack.floats == [2, -4, 4, -8, 8, -16])
      let one = try run(session, 1, [1, 2, 3])
      #expect(one.y.floats == [2, 4, 6] && one.stack.shape == [1, 3])
    }
  }

  @Test func noIteration() throws {
    let session = try Session(plan: try doubling())
    for trips in [0, -5] as [Int64] {
      let none = try run(session, trips, [1, 2])
      #expect(none.y.floats == [1, 2])
      #expect(none.stack.shape == [0, 2])
    }
    #expect(try run(session, 2, [1]).y.floats == [4])
  }

  @Test func theConditionEndsIt() throws {
    let stopped = try run(try Session(plan: try doubling()), 100, [-1, 5])
    #expect(stopped.y.floats == [-2, 10])
    #expect(stopped.stack.shape == [1, 2])
  }
}
