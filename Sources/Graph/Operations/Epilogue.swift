import SwageTensor

/// Elementwise work on the result of a product before it is stored, in order.
public struct Epilogue: Hashable, Sendable {
  public enum Step: Hashable, Sendable {
    case unary(Unary)
    /// Combines with an operand of the node, given by its index, that broadcasts to the result.
    case binary(Binary.Function, operand: Int)
  }

  public var steps: [Step]
  public init(_ steps: [Step] = []) { self.steps = steps }

  /// Text form: `["add:2", "relu", "leaky_relu(0.1)"]`.
  var attribute: AttributeValue {
    .list(
      steps.map {
        switch $0 {
        case .unary(let unary): .string(EpilogueText.unary(unary))
        case .binary(let function, let operand): .string("\(function.rawValue):\(operand)")
        }
      })
  }

  init(_ attributes: inout AttributeReader) throws {
    steps = try attributes.strings("epilogue", default: []).map { text in
      guard let colon = text.lastIndex(of: ":") else { return .unary(try EpilogueText.parseUnary(text)) }
      guard let function = Binary.Function(rawValue: String(text[..<colon])),
        let operand = Int(text[text.index(after: colon)...])
      else { throw TypeFault("there is no epilogue step \(text)") }
      return .binary(function, operand: operand)
    }
  }

  /// Checks the operands that the steps name against the type they are applied to.
  func check(_ context: inout TypeContext, result: TensorType, firstOperand: Int) throws {
    for step in steps {
      switch step {
      case .unary(let unary):
        var inner = TypeContext(operands: [result])
        let type = try unary.resultTypes(&inner)[0]
        try context.require(type == result, "\(unary.function.rawValue) changes \(result) to \(type)")
      case .binary(let function, let operand):
        try context.require(!function.isComparison && operand >= firstOperand, "no epilogue: \(function.rawValue)")
        let other = try context.type(operand)
        try context.require(other.elementType == result.elementType, "epilogue operand \(other) for \(result)")
        try context.require(other.rank <= result.rank, "epilogue operand \(other) is larger than \(result)")
        for (a, b) in zip(other.shape, result.shape.suffix(other.rank)) where a != 1 {
          try context.requireEqual(a, b, "epilogue operand \(operand)")
        }
      }
    }
  }

  func apply(_ tensor: Tensor, _ operands: [Tensor?]) throws -> Tensor {
    guard !steps.isEmpty else { return tensor }
    var values = tensor.doubles
    for step in steps {
      switch step {
      case .unary(let unary): values = values.map { unary.apply($0) }
      case .binary(let function, let index):
        let other = operands[index]!.broadcast(to: tensor.shape).doubles
        let binary = Binary(function)
        for i in values.indices { values[i] = binary.apply(values[i], other[i]) }
      }
    }
    return Tensor(tensor.elementType, tensor.shape, doubles: values)
  }

  func flops(_ result: TensorType) -> Dim { result.elementCount * Dim(steps.count) }
}

/// Functions with their parameters as short text: `relu`, `clip(0, 6)`.
enum EpilogueText {
  static func unary(_ unary: Unary) -> String {
    let defaults = unary.function.defaults
    var parameters: [String] = []
    if defaults.alpha != nil { parameters.append("\(unary.alpha)") }
    if defaults.beta != nil { parameters.append("\(unary.beta)") }
    return unary.function.rawValue + (parameters.isEmpty ? "" : "(\(parameters.joined(separator: ", ")))")
  }

  static func parseUnary(_ text: String) throws -> Unary {
    let name = String(text.prefix { $0 != "(" })
    guard let function = Unary.Function(rawValue: name) else { throw TypeFault("there is no function \(text)") }
    let inside = text.dropFirst(name.count).dropFirst().dropLast()
    let numbers = inside.split(separator: ",").map { Double($0.filter { $0 != " " }) }
    guard !numbers.contains(nil) else { throw TypeFault("the parameters of \(text) are no numbers") }
    return Unary(function, alpha: numbers.first ?? nil, beta: numbers.count > 1 ? numbers[1] : nil)
  }
}
