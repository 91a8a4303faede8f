import SwageGraph
import SwageTensor

/// Operators of object detectors.
enum DetectionOperators {
  static let table: [String: Handler] = ["NonMaxSuppression": nonMaxSuppression]

  private static func nonMaxSuppression(_ call: Call) throws -> [ImportedValue?] {
    let isCentered = try call.flag("center_point_box")
    // Without a number of boxes there are none.
    guard let most = call.optional(2) else { return [call.constant(Tensor(zeros: .i64, [0, 3]))] }
    let overlap = call.optional(3) ?? call.scalar(0, .f32)
    if let limit = overlap.tensor, limit.count == 1, limit.elementType.isFloat {
      try call.require((0...1).contains(limit.doubles[0]), "iou_threshold is \(limit.doubles[0]), not within 0 to 1")
    }
    let op = NonMaxSuppression(isCentered: isCentered, symbol: call.importer.symbols.freshSize())
    return [
      try call.emit(
        .nonMaxSuppression(op),
        [try call.input(0), try call.input(1), try call.cast(most, to: .i64), overlap, call.optional(4)])
    ]
  }
}
