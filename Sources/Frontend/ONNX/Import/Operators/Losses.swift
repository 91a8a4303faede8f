import SwageGraph
import SwageTensor

/// Losses of classifiers: scores [N, C, d1, …] against classes [N, d1, …].
enum LossOperators {
  static let table: [String: Handler] = [
    "NegativeLogLikelihoodLoss": { [try loss($0, try $0.input(0))] },
    "SoftmaxCrossEntropyLoss": softmaxCrossEntropy,
  ]

  private static func softmaxCrossEntropy(_ call: Call) throws -> [ImportedValue?] {
    let scores = try call.input(0)
    try call.require(scores.type.rank >= 2, "the scores are \(scores.type)")
    let logarithms = try call.emit(.softmax(Softmax(axis: 1, isLog: true)), [scores])
    return [try loss(call, logarithms), logarithms]
  }

  /// The negative logarithm of each target's probability times its class's weight; elements of class `ignore_index` have
  /// weight zero. The mean is over the weights, not over the elements.
  private static func loss(_ call: Call, _ logarithms: ImportedValue) throws -> ImportedValue {
    let given = try call.input(1)
    let type = logarithms.type.elementType
    let shape = given.type.shape
    try call.require(
      logarithms.type.rank >= 2 && given.type.rank == logarithms.type.rank - 1,
      "classes \(given.type) for scores \(logarithms.type)")
    var target = try call.cast(given, to: .i64)
    var isIgnored: ImportedValue?
    if let ignored = try call.int("ignore_index") {
      let number = call.constant(Tensor(.i64, [], integers: [Int64(ignored)]))
      let mask = try call.binary(.equal, target, number)
      target = try call.emit(.select(Select()), [mask, call.constant(Tensor(zeros: .i64, [])), target])
      isIgnored = mask
    }
    let column = try call.reshape(target, [shape[0], 1] + shape.dropFirst())
    let picked = try call.emit(.gatherElements(GatherElements(axis: 1)), [logarithms, column])
    var loss = try call.unary(.neg, try call.reshape(picked, shape))

    var weights: ImportedValue?
    if let perClass = call.optional(2) {
      try call.require(perClass.type.rank == 1, "the weights are \(perClass.type)")
      weights = try call.emit(.gather(Gather(axis: 0)), [try call.cast(perClass, to: type), target])
    }
    if let isIgnored {
      let (zero, one) = (call.scalar(0, type), call.scalar(1, type))
      weights = try call.emit(.select(Select()), [isIgnored, zero, weights ?? one])
      // Not a product alone: an ignored element counts zero also where its class has probability zero.
      loss = try call.emit(.select(Select()), [isIgnored, zero, loss])
    }
    if let weights { loss = try call.binary(.mul, loss, weights) }

    let axes = Array(shape.indices)
    switch try call.string("reduction", default: "mean") {
    case "none": return loss
    case "sum": return try call.reduce(.sum, loss, axes: axes, keeps: false)
    case "mean":
      guard let weights else { return try call.reduce(.mean, loss, axes: axes, keeps: false) }
      let total = try call.reduce(.sum, loss, axes: axes, keeps: false)
      return try call.binary(.div, total, try call.reduce(.sum, weights, axes: axes, keeps: false))
    case let name: throw NodeFault.invalid("there is no reduction \(name)")
    }
  }
}
