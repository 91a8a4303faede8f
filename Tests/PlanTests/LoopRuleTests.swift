import SwagePlan
import SwageTensor
import Testing

/// What the validator asks of loops and their bodies.
@Suite struct LoopRuleTests {
  private static func change(_ plan: inout Plan, _ body: (inout LoopCall) -> Void) {
    guard case .loop(var call) = plan.entryPoints[0].body.instructions[0].operation else { return }
    body(&call)
    plan.entryPoints[0].body.instructions[0].operation = .loop(call)
  }

  static let breakages: [Breakage] = [
    .init(.ids, "no such body") { change(&$0) { $0.body = 2 } },
    .init(.ids, "negative body") { change(&$0) { $0.body = -1 } },
    .init(.ids, "a body that repeats itself") { plan in
      guard case .loop(var call) = plan.bodies[1].body.instructions[0].operation else { return }
      call.body = 1
      plan.bodies[1].body.instructions[0].operation = .loop(call)
    },
    .init(.ids, "a body of two loops") { plan in
      plan.entryPoints.append(plan.entryPoints[0])
      plan.entryPoints[1].name = "again"
    },
    .init(.ids, "a body of no loop") { plan in
      plan.bodies.append(plan.bodies[0])
      plan.bodies[2].name = "other"
    },
    .init(.names, "two bodies of one name") { $0.bodies[0].name = "main.loop1" },
    .init(.ids, "a size that is not there") { change(&$0) { $0.sizes = [99] } },
    .init(.arity, "no size for the parameter") { change(&$0) { $0.sizes = [] } },
    .init(.arity, "too much carried") { change(&$0) { $0.carried = 2 } },
    .init(.arity, "negative carried") { change(&$0) { $0.carried = -1 } },
    .init(.arity, "an operand too few") { $0.entryPoints[0].body.instructions[0].operands.removeLast() },
    .init(.arity, "an absent carried value") { $0.entryPoints[0].body.instructions[0].operands[2] = nil },
    .init(.arity, "a body output too few") { $0.bodies[1].outputs.removeLast() },
    .init(.types, "trip count of bool") { $0.entryPoints[0].body.instructions[0].operands[0] = 1 },
    .init(.types, "condition of floats") { $0.bodies[1].outputs[0].value = 2 },
    .init(.types, "carried value of another type") { $0.entryPoints[0].values[3].elementType = .i32 },
    .init(.types, "part of the stack's rank") { $0.entryPoints[0].values[4].shape.removeLast() },
    .init(.symbols, "parameters of an entry point") { $0.entryPoints[0].parameters = [0] },
    .init(.symbols, "one parameter twice") { $0.bodies[0].parameters = [0, 0] },
    .init(.ids, "a parameter that is no symbol") { $0.bodies[0].parameters = [7] },
  ]

  @Test func theSampleIsValid() { #expect(PlanValidator.faults(in: SamplePlans.looping()) == []) }

  @Test(arguments: breakages) func brokenRulesAreFound(_ breakage: Breakage) {
    var plan = SamplePlans.looping()
    breakage.apply(&plan)
    let faults = PlanValidator.faults(in: plan)
    #expect(faults.contains { $0.rule == breakage.rule }, "\(faults)")
  }

  @Test func loopsNestWithinALimit() {
    var plan = SamplePlans.looping()
    // 80 bodies, each in the next.
    let (inner, outer) = (plan.bodies[0], plan.bodies[1])
    plan.bodies = [inner]
    for index in 0..<79 {
      var body = outer
      body.name = "body \(index)"
      body.body.instructions[0].operation = .loop(LoopCall(body: index, carried: 1, sizes: [0]))
      if index < 78 { body.outputs.removeLast() }
      plan.bodies.append(body)
    }
    Self.change(&plan) { $0.body = 79 }
    #expect(PlanValidator.faults(in: plan).contains { $0.rule == .nesting })
  }
}
