import SwageGraph
import SwageTensor

/// Optionals. Whether one has a value is mostly known when the model is imported; the others are objects of a run.
enum OptionalOperators {
  static let table: [String: Handler] = [
    "Optional": optional, "OptionalHasElement": hasElement, "OptionalGetElement": getElement,
  ]

  private static func optional(_ call: Call) throws -> [ImportedValue?] {
    let declared = call.attribute("type")
    if let value = call.optional(0) {
      return [ImportedValue(.optional(value), object: .optional(value.valueType), sources: [call.source])]
    }
    guard case .type(let type)? = declared, let inner = ValueType(type) else {
      throw NodeFault.invalid("it has neither an input nor the type of one")
    }
    // The attribute names the type of the element, or of the optional itself.
    let whole: ValueType = if case .optional = inner { inner } else { .optional(inner) }
    return [ImportedValue(.optional(nil), object: whole, sources: [call.source])]
  }

  private static func hasElement(_ call: Call) throws -> [ImportedValue?] {
    func known(_ isPresent: Bool) -> [ImportedValue?] {
      [call.constant(Tensor(.bool, [], integers: [isPresent ? 1 : 0]))]
    }
    guard let value = call.optional(0) else { return known(false) }
    if case .optional(let inner) = value.content { return known(inner != nil) }
    guard case .optional? = value.objectType else { return known(true) }
    return [try call.emit(.object(ObjectOp(.hasElement, result: TensorType(.bool))), [value])]
  }

  private static func getElement(_ call: Call) throws -> [ImportedValue?] {
    let value = try call.input(0)
    if case .optional(let inner) = value.content {
      // It may stand in a branch that is never taken.
      guard let inner else { throw NodeFault.invalid("its input has no element") }
      return [inner]
    }
    guard case .optional(let type)? = value.objectType else { return [value] }
    return [try SequenceOperators.element(call, .getElement, [value], type)]
  }
}

extension ValueType {
  /// The type that a file declares; nil where it names no element type, or a kind of value that plans do not know.
  public init?(_ type: ONNXType) {
    switch type {
    case .tensor(let elementType?, let shape):
      let sizes = shape?.map { size -> Int? in
        if case .value(let value) = size, value > 0 { value } else { nil }
      }
      self = .tensor(elementType, sizes.map { .sizes($0) } ?? .any)
    case .sequence(let inner):
      guard let inner = ValueType(inner) else { return nil }
      self = .sequence(inner)
    case .optional(let inner):
      guard let inner = ValueType(inner) else { return nil }
      self = .optional(inner)
    case .map(let key, .tensor(let value?, _)):
      guard key == .i64 || key == .string else { return nil }
      self = .map(key: key, value: value)
    case .tensor, .map, .sparseTensor, .opaque: return nil
    }
  }
}
