import SwageTensor

/// The value of an attribute in the text form.
public enum AttributeValue: Hashable, Sendable {
  case integer(Int)
  case float(Double)
  case bool(Bool)
  case string(String)
  case word(String)
  case list([AttributeValue])
  case dimension(Dim)
}

/// Named attributes of an operation, in printing order.
public struct AttributeList: Hashable, Sendable {
  public private(set) var items: [(name: String, value: AttributeValue)] = []

  public init() {}

  public static func == (a: AttributeList, b: AttributeList) -> Bool {
    a.items.count == b.items.count && zip(a.items, b.items).allSatisfy { $0.name == $1.name && $0.value == $1.value }
  }

  public func hash(into hasher: inout Hasher) {
    for item in items {
      hasher.combine(item.name)
      hasher.combine(item.value)
    }
  }

  public func with(_ name: String, _ value: AttributeValue) -> AttributeList {
    var copy = self
    copy.items.append((name, value))
    return copy
  }

  /// Adds the attribute only where it differs from its default.
  public func with(_ name: String, _ value: AttributeValue, unless omitted: AttributeValue) -> AttributeList {
    value == omitted ? self : with(name, value)
  }

  public func with(_ name: String, _ value: Int) -> AttributeList { with(name, .integer(value)) }
  public func with(_ name: String, _ value: [Int]) -> AttributeList { with(name, .list(value.map { .integer($0) })) }
  public func with(_ name: String, _ value: [Dim]) -> AttributeList {
    with(name, .list(value.map { .dimension($0) }))
  }
  public func with(_ name: String, _ value: ElementType) -> AttributeList { with(name, .word(value.name)) }
  public func with<E: RawRepresentable<String>>(_ name: String, _ value: E) -> AttributeList {
    with(name, .word(value.rawValue))
  }
}

/// Takes attributes by name when an operation is read from text; unknown ones are reported at the end.
public struct AttributeReader {
  private var values: [String: AttributeValue]
  public let op: String

  public init(op: String, _ items: [(name: String, value: AttributeValue)]) throws {
    self.op = op
    values = [:]
    for item in items {
      guard values.updateValue(item.value, forKey: item.name) == nil else {
        throw TypeFault("attribute \(item.name) stands twice")
      }
    }
  }

  private mutating func take(_ name: String) -> AttributeValue? { values.removeValue(forKey: name) }

  public mutating func integer(_ name: String, default fallback: Int? = nil) throws -> Int {
    switch take(name) {
    case .integer(let value): return value
    case .dimension(let value): if let constant = value.constant { return constant }
    case nil: if let fallback { return fallback }
    default: break
    }
    throw TypeFault("attribute \(name) must be an integer")
  }

  public mutating func float(_ name: String, default fallback: Double? = nil) throws -> Double {
    switch take(name) {
    case .float(let value): return value
    case .integer(let value): return Double(value)
    case .dimension(let value): if let constant = value.constant { return Double(constant) }
    case nil: if let fallback { return fallback }
    default: break
    }
    throw TypeFault("attribute \(name) must be a number")
  }

  public mutating func bool(_ name: String, default fallback: Bool? = nil) throws -> Bool {
    switch take(name) {
    case .bool(let value): return value
    case nil: if let fallback { return fallback }
    default: break
    }
    throw TypeFault("attribute \(name) must be true or false")
  }

  public mutating func string(_ name: String, default fallback: String? = nil) throws -> String {
    switch take(name) {
    case .string(let value), .word(let value): return value
    case .dimension(let value): if let symbol = value.symbolName { return symbol }
    case nil: if let fallback { return fallback }
    default: break
    }
    throw TypeFault("attribute \(name) must be a string")
  }

  public mutating func word<E: RawRepresentable<String>>(_ name: String, default fallback: E? = nil) throws -> E {
    let present = values[name] != nil
    if !present, let fallback { return fallback }
    let text = try string(name)
    guard let value = E(rawValue: text) else { throw TypeFault("attribute \(name) cannot be \(text)") }
    return value
  }

  public mutating func elementType(_ name: String) throws -> ElementType {
    let text = try string(name)
    guard let type = ElementType(name: text) else { throw TypeFault("there is no element type \(text)") }
    return type
  }

  public mutating func dimension(_ name: String) throws -> Dim {
    switch take(name) {
    case .dimension(let value): return value
    case .integer(let value): return Dim(value)
    default: throw TypeFault("attribute \(name) must be a size")
    }
  }

  private mutating func list(_ name: String) throws -> [AttributeValue]? {
    switch take(name) {
    case .list(let values): return values
    case nil: return nil
    default: throw TypeFault("attribute \(name) must be a list")
    }
  }

  public mutating func integers(_ name: String, default fallback: [Int]? = nil) throws -> [Int] {
    guard let values = try list(name) else {
      if let fallback { return fallback }
      throw TypeFault("attribute \(name) is missing")
    }
    return try values.map {
      switch $0 {
      case .integer(let value): return value
      case .dimension(let value): if let constant = value.constant { return constant }
      default: break
      }
      throw TypeFault("attribute \(name) must hold integers")
    }
  }

  /// A list of numbers; nil when the attribute is absent.
  public mutating func floats(_ name: String) throws -> [Double]? {
    try list(name)?.map {
      switch $0 {
      case .float(let value): return value
      case .integer(let value): return Double(value)
      case .dimension(let value): if let constant = value.constant { return Double(constant) }
      default: break
      }
      throw TypeFault("attribute \(name) must hold numbers")
    }
  }

  public mutating func dimensions(_ name: String, default fallback: [Dim]? = nil) throws -> [Dim] {
    guard let values = try list(name) else {
      if let fallback { return fallback }
      throw TypeFault("attribute \(name) is missing")
    }
    return try values.map {
      switch $0 {
      case .integer(let value): return Dim(value)
      case .dimension(let value): return value
      default: throw TypeFault("attribute \(name) must hold sizes")
      }
    }
  }

  public mutating func strings(_ name: String, default fallback: [String]? = nil) throws -> [String] {
    guard let values = try list(name) else {
      if let fallback { return fallback }
      throw TypeFault("attribute \(name) is missing")
    }
    return try values.map {
      switch $0 {
      case .string(let value), .word(let value): return value
      case .dimension(let value): if let symbol = value.symbolName { return symbol }
      default: break
      }
      throw TypeFault("attribute \(name) must hold strings")
    }
  }

  /// Fails when attributes are left that the operation does not know.
  public func finish() throws {
    if let name = values.keys.sorted().first { throw TypeFault("\(op) has no attribute \(name)") }
  }
}
