/// The type of a value of a model: a tensor, or what holds tensors.
///
///     f32[2, ?]            f32[...]            sequence(f32[?])
///     optional(i64[])      map(string, f32)    sequence(map(i64, f32))
public indirect enum ValueType: Hashable, Sendable {
  case tensor(ElementType, ElementShape)
  case sequence(ValueType)
  case optional(ValueType)
  /// Keys are i64 or strings, values are scalars.
  case map(key: ElementType, value: ElementType)

  /// What is known of the sizes of tensors.
  public enum ElementShape: Hashable, Sendable {
    /// There has been no tensor yet: those of an empty sequence.
    case none
    /// Sizes that are not known are nil.
    case sizes([Int?])
    /// Not even the rank is known.
    case any
  }

  /// Types inside each other that the text form may have.
  public static let maximumDepth = 8

  public var isTensor: Bool { if case .tensor = self { true } else { false } }

  /// The least type that holds the values of both; nil where they differ in kind or element type.
  public func joined(_ other: ValueType) -> ValueType? {
    switch (self, other) {
    case (.tensor(_, .none), .tensor): other
    case (.tensor, .tensor(_, .none)): self
    case (.tensor(let a, let x), .tensor(let b, let y)): a == b ? .tensor(a, x.joined(y)) : nil
    case (.sequence(let a), .sequence(let b)): a.joined(b).map { .sequence($0) }
    case (.optional(let a), .optional(let b)): a.joined(b).map { .optional($0) }
    case (.map, .map): self == other ? self : nil
    // A value stands for an optional that has it.
    case (.optional(let a), _): a.joined(other).map { .optional($0) }
    case (_, .optional(let b)): joined(b).map { .optional($0) }
    default: nil
    }
  }

  /// Why a value is not of this type; nil where it is.
  public func mismatch(_ value: HostValue) -> String? {
    switch (self, value) {
    case (.tensor(let type, let shape), .tensor(let tensor)):
      let fits = type == tensor.elementType && shape.holds(tensor.shape)
      return fits ? nil : "a tensor is \(tensor.type), not \(self)"
    case (.sequence(let type), .sequence(let values)):
      for value in values { if let reason = type.mismatch(value) { return reason } }
      return nil
    case (.optional(let type), .optional(let value)): return value.flatMap { type.mismatch($0) }
    case (.map(let key, let type), .map(let keys, let values)):
      let fits = keys.elementType == key && values.elementType == type && keys.shape == values.shape
      return fits && keys.shape.count == 1 ? nil : "a map is from \(keys.type) to \(values.type), not \(self)"
    default: return "it is \(value.kind), not \(self)"
    }
  }
}

extension ValueType.ElementShape {
  public func joined(_ other: Self) -> Self {
    switch (self, other) {
    case (.none, let only), (let only, .none): only
    case (.sizes(let a), .sizes(let b)) where a.count == b.count: .sizes(zip(a, b).map { $0 == $1 ? $0 : nil })
    default: .any
    }
  }

  func holds(_ shape: [Int]) -> Bool {
    switch self {
    case .none, .any: true
    case .sizes(let sizes): sizes.count == shape.count && zip(sizes, shape).allSatisfy { $0 == nil || $0 == $1 }
    }
  }
}

// MARK: - Text

extension ValueType: CustomStringConvertible {
  public var description: String {
    switch self {
    case .tensor(let type, .sizes(let sizes)):
      "\(type.name)[\(sizes.map { $0.map(String.init) ?? "?" }.joined(separator: ", "))]"
    case .tensor(let type, .none), .tensor(let type, .any): "\(type.name)[...]"
    case .sequence(let inner): "sequence(\(inner))"
    case .optional(let inner): "optional(\(inner))"
    case .map(let key, let value): "map(\(key.name), \(value.name))"
    }
  }

  /// Reads what `description` writes; nil for all else. Tensors hold numbers or strings.
  public init?(parsing text: String) { self.init(parsing: Substring(text), depth: 0) }

  private init?(parsing text: Substring, depth: Int) {
    guard depth < Self.maximumDepth else { return nil }
    func inside(_ name: String) -> Substring? {
      guard text.hasPrefix(name + "("), text.hasSuffix(")") else { return nil }
      return text.dropFirst(name.count + 1).dropLast()
    }
    func element(_ name: Substring) -> ElementType? {
      ElementType(name: String(name)).flatMap { $0 == .object ? nil : $0 }
    }
    if let inner = inside("sequence") {
      guard let type = ValueType(parsing: inner, depth: depth + 1) else { return nil }
      self = .sequence(type)
    } else if let inner = inside("optional") {
      guard let type = ValueType(parsing: inner, depth: depth + 1) else { return nil }
      self = .optional(type)
    } else if let inner = inside("map") {
      let parts = inner.split(separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[1].hasPrefix(" "), let key = element(parts[0]), key == .i64 || key == .string,
        let value = element(parts[1].dropFirst())
      else { return nil }
      self = .map(key: key, value: value)
    } else {
      guard text.hasSuffix("]"), let open = text.firstIndex(of: "["), let type = element(text[..<open]) else {
        return nil
      }
      let sizes = text[text.index(after: open)...].dropLast()
      if sizes == "..." {
        self = .tensor(type, .any)
        return
      }
      var shape: [Int?] = []
      for (index, part) in (sizes.isEmpty ? [] : sizes.split(separator: ",", omittingEmptySubsequences: false))
        .enumerated()
      {
        let word = index > 0 && part.hasPrefix(" ") ? part.dropFirst() : part
        if word == "?" {
          shape.append(nil)
        } else {
          guard let size = Int(word), size >= 0, "\(size)" == word else { return nil }
          shape.append(size)
        }
      }
      guard shape.count <= TensorProtoDecoder.maximumRank else { return nil }
      self = .tensor(type, .sizes(shape))
    }
  }
}
