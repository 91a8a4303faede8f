import SwageGraph

/// What sort of work an operation is: decides the colour of a node in a picture.
public enum NodeKind: String, Hashable, Sendable, CaseIterable {
  case constant, elementwise, product, normalize, reduce, image, movement, index, quantize, control, size, copy

  public init(_ op: Op) {
    self =
      switch op {
      case .constant: .constant
      case .unary, .binary, .select, .cast, .bitcast, .fused: .elementwise
      case .matmul, .convolution, .recurrent, .attention, .linearAttention, .treeEnsemble, .pairwiseCoupling: .product
      case .softmax, .layerNorm, .groupNorm: .normalize
      case .reduce, .argReduce, .cumulative, .topK, .sliceOrder, .determinant: .reduce
      case .pool, .resize: .image
      case .reshape, .transpose, .broadcast, .slice, .concat, .pad: .movement
      case .gather, .gatherElements, .gatherND, .scatterElements, .scatterND, .nonZero, .nonMaxSuppression: .index
      case .quantizeLinear, .dequantizeLinear: .quantize
      case .if, .loop, .fail, .object: .control
      case .text, .ngramCount: .index
      case .iota, .sizes, .bindSymbols: .size
      case .random: .constant
      case .copy: .copy
      }
  }

  /// Fill and line colours on a white page, as `#rrggbb`.
  var colors: (fill: String, line: String) {
    switch self {
    case .constant: ("#f4f4f5", "#a1a1aa")
    case .elementwise: ("#dcfce7", "#16a34a")
    case .product: ("#dbeafe", "#2563eb")
    case .normalize: ("#ede9fe", "#7c3aed")
    case .reduce: ("#fae8ff", "#c026d3")
    case .image: ("#cffafe", "#0891b2")
    case .movement: ("#fef3c7", "#d97706")
    case .index: ("#ffedd5", "#ea580c")
    case .quantize: ("#fce7f3", "#db2777")
    case .control: ("#fee2e2", "#dc2626")
    case .size: ("#e2e8f0", "#64748b")
    case .copy: ("#ccfbf1", "#0d9488")
    }
  }
}

/// How an operation is called in a picture: the function rather than the family, with its epilogue.
public enum NodeTitle {
  public static func text(_ op: Op) -> String {
    switch op {
    case .unary(let op): words(op.function.rawValue)
    case .binary(let op): words(op.function.rawValue)
    case .reduce(let op): "reduce \(words(op.function.rawValue))"
    case .argReduce(let op): op.isMax ? "argmax" : "argmin"
    case .pool(let op): "\(op.function.rawValue) pool"
    case .recurrent(let op): op.cell.rawValue
    case .softmax(let op): op.isLog ? "log softmax" : "softmax"
    case .layerNorm(let op): op.isRMS ? "rms norm" : "layer norm"
    case .groupNorm(let op): "group norm" + (op.activation.map { " + \(words($0.function.rawValue))" } ?? "")
    case .cast(let op): "cast to \(op.to.name)"
    case .bitcast(let op): "bits as \(op.to.name)"
    case .random(let op): "random \(op.distribution.rawValue)"
    case .copy(let op): "copy to \(op.target)"
    case .convolution(let op): (op.isTransposed ? "transposed convolution" : "convolution") + text(op.epilogue)
    case .matmul(let op): "matmul" + text(op.epilogue)
    case .constant, .select, .fused, .reshape, .transpose, .broadcast, .slice, .concat, .pad, .iota, .sizes,
      .bindSymbols, .gather, .gatherElements, .gatherND, .scatterElements, .scatterND, .nonZero, .nonMaxSuppression,
      .cumulative, .topK, .sliceOrder, .determinant,
      .resize, .attention, .linearAttention, .treeEnsemble, .pairwiseCoupling, .quantizeLinear, .dequantizeLinear, .if,
      .loop, .fail, .object, .text, .ngramCount:
      words(op.mnemonic)
    }
  }

  private static func words(_ name: String) -> String { name.replacing("_", with: " ") }

  private static func text(_ epilogue: Epilogue) -> String {
    epilogue.steps.map { step in
      switch step {
      case .unary(let unary): " + \(words(unary.function.rawValue))"
      case .binary(let function, _): " + \(function.rawValue)"
      }
    }.joined()
  }
}
