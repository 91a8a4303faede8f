import Foundation
import SwageTensor

/// What `make_expected.py` wrote.
enum Expected {
  /// A JSON number, or a string for numbers that JSON does not have or that a double does not hold.
  enum Number: Decodable {
    case double(Double)
    case unsigned(UInt64)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      guard let text = try? container.decode(String.self) else {
        self = .double(try container.decode(Double.self))
        return
      }
      if let value = UInt64(text) { self = .unsigned(value) } else { self = .double(Double(text) ?? .nan) }
    }

    var value: Double {
      switch self {
      case .double(let value): value
      case .unsigned(let value): Double(value)
      }
    }

    var integer: Int64 {
      switch self {
      case .double(let value): Int64(value)
      case .unsigned(let value): Int64(bitPattern: value)
      }
    }
  }

  struct Floats: Decodable {
    struct Rounding: Decodable {
      let from: [Number]
      let to: [Number]
    }
    /// The value of every pattern, by type.
    let tables: [String: [Number]]
    let rounded: [String: Rounding]
  }

  struct Node: Decodable, CustomStringConvertible {
    struct Array: Decodable {
      let type: String
      let shape: [Int]
      let values: [Number]

      func tensor() throws -> Tensor {
        guard let type = ElementType(name: type) else { throw CocoaError(.coderInvalidValue) }
        return type.isFloat
          ? Tensor(type, shape, doubles: values.map(\.value)) : Tensor(type, shape, integers: values.map(\.integer))
      }
    }
    let name: String
    let graph: String
    let tolerance: Double
    let inputs: [Array]
    let outputs: [Array]
    var description: String { name }
  }

  private static func data(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(name))
  }

  static func floats() throws -> Floats { try JSONDecoder().decode(Floats.self, from: data("expected_floats.json")) }
  static func nodes() throws -> [Node] { try JSONDecoder().decode([Node].self, from: data("expected_nodes.json")) }
}
