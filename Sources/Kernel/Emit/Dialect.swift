import SwageTensor

/// What differs between the languages in which a kernel is printed. Statements and operators are common to all.
public struct Dialect: Sendable {
  public enum Language: Hashable, Sendable {
    /// For people: parameters with their element types, no conversions spelled out.
    case text
    /// C11 with clang's loop pragmas.
    case c
  }

  public var language: Language
  /// Text before the first function: types, conversions and mathematics.
  public var prelude: String

  public static let text = Dialect(language: .text, prelude: "")
  public static let c = Dialect(language: .c, prelude: CPrelude.text)

  func name(_ type: ScalarType) -> String {
    if language == .text { return type.name }
    switch type {
    case .f32: return "float"
    case .f64: return "double"
    case .i32: return "int32_t"
    case .i64: return "int64_t"
    case .u32: return "uint32_t"
    case .u64: return "uint64_t"
    case .bool: return "bool"
    }
  }

  /// The type that elements have in memory.
  func storageName(_ type: ElementType) -> String {
    if language == .text { return type.name }
    switch type {
    case .f32: return "float"
    case .f64: return "double"
    case .i8: return "int8_t"
    case .i16: return "int16_t"
    case .i32: return "int32_t"
    case .i64: return "int64_t"
    case .u16, .f16, .bf16: return "uint16_t"
    case .u32: return "uint32_t"
    case .u64, .string, .object: return "uint64_t"
    default: return "uint8_t"
    }
  }

  /// Lines before a loop that carry its hint, and the vectors of a loop that rounds sums to bf16.
  func loopPragma(_ hint: Statement.Loop.Hint, rounded: RoundedVector? = nil) -> String? {
    if language == .c, let own = rounded?.pragma(hint) { return own }
    return switch (language, hint) {
    case (_, .plain): nil
    case (.text, _): nil
    case (.c, .vector): "#pragma clang loop vectorize(assume_safety)"
    case (.c, .reduction): "#pragma clang loop vectorize(enable)"
    case (.c, .tail): "SWAGE_TAIL"
    case (.c, .sequential): "#pragma clang loop vectorize(disable)"
    case (.c, .unroll): "#pragma clang loop unroll(full)"
    }
  }

  /// The first line inside a loop that carries its hint.
  func bodyPragma(_ hint: Statement.Loop.Hint) -> String? {
    language == .c && hint == .reduction ? "#pragma clang fp reassociate(on)" : nil
  }
}
