import SwageGraph
import SwageTensor

/// Steps of optimisers, of the domain ai.onnx.preview.training: a learning rate, the number of the update, then tensors,
/// their gradients and what the optimiser keeps for each.
enum TrainingOperators {
  static let table: [String: Handler] = ["Adagrad": adagrad, "Adam": adam, "Momentum": momentum]

  /// What one tensor becomes: the tensor, then what is kept.
  private typealias Step = (_ x: ImportedValue, _ gradient: ImportedValue, _ kept: [ImportedValue]) throws
    -> [ImportedValue]

  /// Applies a step to each tensor. Inputs and results come in groups: all tensors, all gradients, all of the rest.
  private static func each(_ call: Call, kept count: Int, _ step: Step) throws -> [ImportedValue?] {
    let inputs = try call.allInputs()
    let groups = count + 2
    try call.require(inputs.count > 2 && (inputs.count - 2) % groups == 0, "it has \(inputs.count) inputs")
    let tensors = (inputs.count - 2) / groups
    let norm = try call.float("norm_coefficient", default: 0)
    var results = [[ImportedValue]](repeating: [], count: count + 1)
    for index in 0..<tensors {
      let x = inputs[2 + index]
      let gradient = try call.binary(.add, try call.unary(.linear, x, alpha: norm), inputs[2 + tensors + index])
      let kept = (0..<count).map { inputs[2 + (2 + $0) * tensors + index] }
      for (place, value) in try step(x, gradient, kept).enumerated() { results[place].append(value) }
    }
    return results.flatMap { $0 }
  }

  private static func scalar(_ call: Call, _ index: Int, _ type: ElementType) throws -> ImportedValue {
    try call.cast(try call.reshape(try call.input(index), []), to: type)
  }

  private static func adagrad(_ call: Call) throws -> [ImportedValue?] {
    let (decay, epsilon) = (try call.float("decay_factor", default: 0), try call.float("epsilon", default: 1e-6))
    return try each(call, kept: 1) { x, gradient, kept in
      let type = x.type.elementType
      let slowing = try call.unary(.linear, try scalar(call, 1, type), alpha: decay, beta: 1)
      let rate = try call.binary(.div, try scalar(call, 0, type), slowing)
      let squares = try call.binary(.add, kept[0], try call.unary(.square, gradient))
      let root = try call.unary(.linear, try call.unary(.sqrt, squares), beta: epsilon)
      let change = try call.binary(.div, try call.binary(.mul, rate, gradient), root)
      return [try call.binary(.sub, x, change), squares]
    }
  }

  private static func adam(_ call: Call) throws -> [ImportedValue?] {
    let (alpha, beta) = (try call.float("alpha", default: 0.9), try call.float("beta", default: 0.999))
    let epsilon = try call.float("epsilon", default: 1e-6)
    let after = try call.float("norm_coefficient_post", default: 0)
    return try each(call, kept: 2) { x, gradient, kept in
      let type = x.type.elementType
      let momentum = try call.binary(
        .add, try call.unary(.linear, kept[0], alpha: alpha), try call.unary(.linear, gradient, alpha: 1 - alpha))
      let squares = try call.binary(
        .add, try call.unary(.linear, kept[1], alpha: beta),
        try call.unary(.linear, try call.unary(.square, gradient), alpha: 1 - beta))
      // From the second update on, what the zeros at the start weigh is taken out.
      let count = try scalar(call, 1, type)
      func rest(_ factor: Double) throws -> ImportedValue {
        try call.unary(.linear, try call.binary(.pow, call.scalar(factor, type), count), alpha: -1, beta: 1)
      }
      let given = try scalar(call, 0, type)
      let corrected = try call.binary(
        .div, try call.binary(.mul, given, try call.unary(.sqrt, try rest(beta))), try rest(alpha))
      let rate = try call.emit(.select(Select()), [try call.binary(.greater, count, 0), corrected, given])
      let root = try call.unary(.linear, try call.unary(.sqrt, squares), beta: epsilon)
      let change = try call.binary(.mul, rate, try call.binary(.div, momentum, root))
      return [try call.unary(.linear, try call.binary(.sub, x, change), alpha: 1 - after), momentum, squares]
    }
  }

  private static func momentum(_ call: Call) throws -> [ImportedValue?] {
    guard let alpha = try call.float("alpha"), let beta = try call.float("beta") else {
      throw NodeFault.invalid("alpha or beta is missing")
    }
    let mode = try call.string("mode", default: "standard")
    try call.require(mode == "standard" || mode == "nesterov", "there is no mode \(mode)")
    return try each(call, kept: 1) { x, gradient, kept in
      let type = x.type.elementType
      // The first update takes the whole gradient.
      let isLater = try call.binary(.greater, try scalar(call, 1, type), 0)
      let share = try call.emit(.select(Select()), [isLater, call.scalar(beta, type), call.scalar(1, type)])
      let kept = try call.unary(.linear, kept[0], alpha: alpha)
      let momentum = try call.binary(.add, kept, try call.binary(.mul, share, gradient))
      let direction =
        mode == "standard"
        ? momentum : try call.binary(.add, gradient, try call.unary(.linear, momentum, alpha: alpha))
      return [try call.binary(.sub, x, try call.binary(.mul, try scalar(call, 0, type), direction)), momentum]
    }
  }
}
