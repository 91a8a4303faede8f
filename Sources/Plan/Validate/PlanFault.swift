/// A rule that every plan keeps. The runtime relies on all of them.
public enum PlanRule: String, Hashable, Sendable, CaseIterable {
  /// Names of entry points, modules, symbols and ports are well formed and unique in their list.
  case names
  /// Attachments are named as files in folders are, and are not too many or too large.
  case attachments
  /// Every id is an index into its list.
  case ids
  /// Sizes are expressions over declared symbols that survive their text form.
  case sizes
  /// Constant sizes are not negative, and byte counts fit an `Int`.
  case shapes
  /// Conditionals nest at most `PlanFormat.maximumNesting` deep.
  case nesting
  /// Values lie inside their weight, buffer or input, and have a type with a fixed width.
  case locations
  /// Input `i` is the caller's memory `i`.
  case inputs
  /// A value is the result of at most one instruction, in a buffer.
  case results
  /// Operands, views' sources, outputs and block results are defined where they are used.
  case defined
  /// A view is no result, shares its source's location, and does not view itself.
  case views
  /// A symbol is bound before a size that needs it is used, and not a second time while it is bound: what a block binds,
  /// it binds for itself.
  case symbols
  /// The number of operands and results fits the operation.
  case arity
  /// Element types, ranks and constant sizes fit the operation.
  case types
  /// In-place pairs name an operand and a result in the same buffer.
  case inPlace = "in-place"
  /// Native code names an existing module and a C function, and the plan says which machine it is for.
  case native
  /// Sizes and offsets of buffers fit their placement.
  case placement
  /// A buffer's positions cover all its uses.
  case lifetimes
  /// Values that are needed at the same time do not overlap.
  case overlap
}

/// A rule that a plan breaks, and where.
public struct PlanFault: Hashable, Sendable {
  public var rule: PlanRule
  /// `main: 12 conv+bias+relu`, `main: value x`.
  public var place: String
  public var detail: String

  public init(_ rule: PlanRule, _ place: String, _ detail: String) {
    self.rule = rule
    self.place = place
    self.detail = detail
  }
}
