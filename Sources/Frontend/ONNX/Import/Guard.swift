import SwageGraph
import SwageTensor

extension Call {
  /// The value, from a run in which the condition (a bool scalar) is false; other runs end with the message. For what a
  /// translation takes for granted, and only the run knows.
  func value(_ value: ImportedValue, unless condition: ImportedValue, _ message: String) throws -> ImportedValue {
    let goes = RegionBuilder(name: "goes on", parent: builder)
    goes.graph.addOutput(try goes.id(of: value), name: value.name)
    let ends = RegionBuilder(name: "ends", parent: builder)
    let type = TensorType(
      value.type.elementType, value.type.shape.map { $0.symbols.allSatisfy(builder.knows) ? $0 : 0 })
    let failed = try ends.graph.append(.fail(Fail(message: message, results: [type])), [], sources: [source])
    ends.graph.addOutput(failed[0], name: value.name)
    let captured = goes.captures.map(\.value)
    for region in [ends, goes] {
      try region.capture(captured)
      try region.arrangeInputs(captured)
    }
    return try emitAll(
      .if(If(results: [value.type])), [condition] + captured, regions: [ends.graph, goes.graph])[0]
  }
}
