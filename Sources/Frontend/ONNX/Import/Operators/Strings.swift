import SwageGraph
import SwageTensor

/// Operators on the characters of strings.
enum StringOperators {
  static let table: [String: Handler] = [
    "StringConcat": concat, "StringSplit": split, "StringNormalizer": normalizer, "RegexFullMatch": fullMatch,
  ]

  private static func concat(_ call: Call) throws -> [ImportedValue?] {
    let (x, y) = (try call.input(0), try call.input(1))
    var context = TypeContext(operands: [])
    let shape: [Dim]
    do { shape = try context.broadcast(x.type.shape, y.type.shape) } catch let fault as TypeFault {
      throw NodeFault.invalid(fault.message)
    }
    return [try call.emit(.text(TextOp(.concat, results: [TensorType(.string, shape)])), [x, y])]
  }

  private static func split(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let width = Dim.symbol(call.importer.symbols.freshSize())
    let types = [TensorType(.string, x.type.shape + [width]), TensorType(.i64, x.type.shape)]
    let delimiter = try call.string("delimiter", default: "")
    let limit = try call.int("maxsplit") ?? -1
    return try call.emitAll(.text(TextOp(.split, words: [delimiter], limit: max(limit, -1), results: types)), [x])
  }

  private static func normalizer(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let action = try call.string("case_change_action", default: "NONE")
    try call.require(["LOWER", "UPPER", "NONE"].contains(action), "there is no case_change_action \(action)")
    let locale = try call.string("locale", default: "")
    let words = [action, locale] + (try call.strings("stopwords") ?? [])
    let isSensitive = try call.flag("is_case_sensitive")
    let isRow = x.type.rank == 2
    let width = Dim.symbol(call.importer.symbols.freshSize())
    let type = TensorType(.string, isRow ? [1, width] : [width])
    return [try call.emit(.text(TextOp(.normalize, words: words, limit: isSensitive ? 1 : 0, results: [type])), [x])]
  }

  private static func fullMatch(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    guard call.attributes["pattern"] != nil else { throw NodeFault.invalid("attribute pattern is missing") }
    let pattern = try call.string("pattern", default: "")
    do { try TextOp.check(pattern: pattern) } catch let fault as TypeFault {
      throw call.unsupported(
        fault.message, remedy: "write the pattern in the syntax of RE2, without classes of scripts")
    }
    let type = TensorType(.bool, x.type.shape)
    return [try call.emit(.text(TextOp(.fullMatch, words: [pattern], results: [type])), [x])]
  }
}
