import SwageTensor

/// Every operation of the graph. A new one is a payload file in `Operations/` and a case here; the compiler then names
/// each place that must handle it, since nothing switches over this type with a `default`.
public enum Op: Hashable, Sendable {
  case constant(Constant)
  case unary(Unary)
  case binary(Binary)
  case select(Select)
  case cast(Cast)
  case bitcast(Bitcast)
  case fused(Fused)
  case reshape(Reshape)
  case transpose(Transpose)
  case broadcast(Broadcast)
  case slice(Slice)
  case concat(Concat)
  case pad(Pad)
  case iota(Iota)
  case random(Random)
  case sizes(Sizes)
  case bindSymbols(BindSymbols)
  case gather(Gather)
  case gatherElements(GatherElements)
  case gatherND(GatherND)
  case scatterElements(ScatterElements)
  case scatterND(ScatterND)
  case nonZero(NonZero)
  case nonMaxSuppression(NonMaxSuppression)
  case reduce(Reduce)
  case argReduce(ArgReduce)
  case cumulative(Cumulative)
  case topK(TopK)
  case determinant(Determinant)
  case sliceOrder(SliceOrder)
  case softmax(Softmax)
  case layerNorm(LayerNorm)
  case groupNorm(GroupNorm)
  case matmul(MatMul)
  case convolution(Convolution)
  case pool(Pool)
  case resize(Resize)
  case recurrent(Recurrent)
  case attention(Attention)
  case linearAttention(LinearAttention)
  case treeEnsemble(TreeEnsemble)
  case pairwiseCoupling(PairwiseCoupling)
  case quantizeLinear(QuantizeLinear)
  case dequantizeLinear(DequantizeLinear)
  case `if`(If)
  case loop(Loop)
  case copy(Copy)
  case fail(Fail)
  case object(ObjectOp)
  case text(TextOp)
  case ngramCount(NgramCount)
}

extension Op {
  /// The payload behind the common interface.
  public var definition: any OpDefinition {
    switch self {
    case .constant(let op): op
    case .unary(let op): op
    case .binary(let op): op
    case .select(let op): op
    case .cast(let op): op
    case .bitcast(let op): op
    case .fused(let op): op
    case .reshape(let op): op
    case .transpose(let op): op
    case .broadcast(let op): op
    case .slice(let op): op
    case .concat(let op): op
    case .pad(let op): op
    case .iota(let op): op
    case .random(let op): op
    case .sizes(let op): op
    case .bindSymbols(let op): op
    case .gather(let op): op
    case .gatherElements(let op): op
    case .gatherND(let op): op
    case .scatterElements(let op): op
    case .scatterND(let op): op
    case .nonZero(let op): op
    case .nonMaxSuppression(let op): op
    case .reduce(let op): op
    case .argReduce(let op): op
    case .cumulative(let op): op
    case .topK(let op): op
    case .determinant(let op): op
    case .sliceOrder(let op): op
    case .softmax(let op): op
    case .layerNorm(let op): op
    case .groupNorm(let op): op
    case .matmul(let op): op
    case .convolution(let op): op
    case .pool(let op): op
    case .resize(let op): op
    case .recurrent(let op): op
    case .attention(let op): op
    case .linearAttention(let op): op
    case .treeEnsemble(let op): op
    case .pairwiseCoupling(let op): op
    case .quantizeLinear(let op): op
    case .dequantizeLinear(let op): op
    case .if(let op): op
    case .loop(let op): op
    case .copy(let op): op
    case .fail(let op): op
    case .object(let op): op
    case .text(let op): op
    case .ngramCount(let op): op
    }
  }

  public var mnemonic: String { type(of: definition).mnemonic }

  /// Whether every result element depends on the operands' elements at the same (broadcast) position only.
  public var isElementwise: Bool {
    switch self {
    case .unary, .binary, .select, .cast, .fused: true
    case .constant,
      .bitcast,
      .reshape,
      .transpose,
      .broadcast,
      .slice,
      .concat,
      .pad,
      .iota,
      .random,
      .sizes,
      .bindSymbols,
      .gather,
      .gatherElements,
      .gatherND,
      .scatterElements,
      .scatterND,
      .nonZero,
      .nonMaxSuppression,
      .reduce,
      .argReduce,
      .cumulative,
      .topK,
      .determinant,
      .sliceOrder,
      .softmax,
      .layerNorm,
      .groupNorm,
      .matmul,
      .convolution,
      .pool,
      .resize,
      .recurrent,
      .attention,
      .linearAttention,
      .treeEnsemble,
      .pairwiseCoupling,
      .quantizeLinear,
      .dequantizeLinear,
      .if,
      .loop,
      .copy,
      .fail,
      .object,
      .text,
      .ngramCount:
      false
    }
  }

  /// Whether operands may have this element type: strings and objects are numbers in memory that only what moves, compares
  /// or knows them may touch.
  public func takes(_ type: ElementType) -> Bool {
    guard type == .string || type == .object else { return true }
    switch self {
    case .constant, .if, .loop, .copy, .fail, .object: return true
    case .text, .ngramCount: return type == .string
    case .binary(let op): return type == .string && op.function == .equal
    case .select, .fused, .reshape, .transpose, .broadcast, .slice, .concat, .pad, .gather, .gatherElements, .gatherND,
      .nonZero, .sliceOrder:
      return type == .string
    case .scatterElements(let op): return type == .string && op.reduction == .none
    case .scatterND(let op): return type == .string && op.reduction == .none
    case .unary, .cast, .bitcast, .iota, .random, .sizes, .bindSymbols, .reduce, .argReduce, .cumulative, .topK,
      .nonMaxSuppression, .determinant,
      .softmax,
      .layerNorm, .groupNorm, .matmul, .convolution, .pool, .resize, .recurrent, .attention, .linearAttention,
      .treeEnsemble, .pairwiseCoupling,
      .quantizeLinear, .dequantizeLinear:
      return false
    }
  }

  /// Whether the node must stay although nobody reads its results.
  public var hasEffect: Bool {
    switch self {
    case .bindSymbols, .fail: true
    default: false
    }
  }

  public func substituting(_ values: [String: Dim]) -> Op {
    switch self {
    case .constant(let op): .constant(op.substituting(values))
    case .unary(let op): .unary(op.substituting(values))
    case .binary(let op): .binary(op.substituting(values))
    case .select(let op): .select(op.substituting(values))
    case .cast(let op): .cast(op.substituting(values))
    case .bitcast(let op): .bitcast(op.substituting(values))
    case .fused(let op): .fused(op.substituting(values))
    case .reshape(let op): .reshape(op.substituting(values))
    case .transpose(let op): .transpose(op.substituting(values))
    case .broadcast(let op): .broadcast(op.substituting(values))
    case .slice(let op): .slice(op.substituting(values))
    case .concat(let op): .concat(op.substituting(values))
    case .pad(let op): .pad(op.substituting(values))
    case .iota(let op): .iota(op.substituting(values))
    case .random(let op): .random(op.substituting(values))
    case .sizes(let op): .sizes(op.substituting(values))
    case .bindSymbols(let op): .bindSymbols(op.substituting(values))
    case .gather(let op): .gather(op.substituting(values))
    case .gatherElements(let op): .gatherElements(op.substituting(values))
    case .gatherND(let op): .gatherND(op.substituting(values))
    case .scatterElements(let op): .scatterElements(op.substituting(values))
    case .scatterND(let op): .scatterND(op.substituting(values))
    case .nonZero(let op): .nonZero(op.substituting(values))
    case .nonMaxSuppression(let op): .nonMaxSuppression(op.substituting(values))
    case .reduce(let op): .reduce(op.substituting(values))
    case .argReduce(let op): .argReduce(op.substituting(values))
    case .cumulative(let op): .cumulative(op.substituting(values))
    case .topK(let op): .topK(op.substituting(values))
    case .determinant(let op): .determinant(op.substituting(values))
    case .sliceOrder(let op): .sliceOrder(op.substituting(values))
    case .softmax(let op): .softmax(op.substituting(values))
    case .layerNorm(let op): .layerNorm(op.substituting(values))
    case .groupNorm(let op): .groupNorm(op.substituting(values))
    case .matmul(let op): .matmul(op.substituting(values))
    case .convolution(let op): .convolution(op.substituting(values))
    case .pool(let op): .pool(op.substituting(values))
    case .resize(let op): .resize(op.substituting(values))
    case .recurrent(let op): .recurrent(op.substituting(values))
    case .attention(let op): .attention(op.substituting(values))
    case .linearAttention(let op): .linearAttention(op.substituting(values))
    case .treeEnsemble(let op): .treeEnsemble(op.substituting(values))
    case .pairwiseCoupling(let op): .pairwiseCoupling(op.substituting(values))
    case .quantizeLinear(let op): .quantizeLinear(op.substituting(values))
    case .dequantizeLinear(let op): .dequantizeLinear(op.substituting(values))
    case .if(let op): .if(op.substituting(values))
    case .loop(let op): .loop(op.substituting(values))
    case .copy(let op): .copy(op.substituting(values))
    case .fail(let op): .fail(op.substituting(values))
    case .object(let op): .object(op.substituting(values))
    case .text(let op): .text(op.substituting(values))
    case .ngramCount(let op): .ngramCount(op.substituting(values))
    }
  }

  /// Builds the payload named `mnemonic` from attributes; nil for operations that need more than attributes.
  static func parse(_ mnemonic: String, _ attributes: inout AttributeReader) throws -> Op? {
    switch mnemonic {
    case Unary.mnemonic: .unary(try Unary(&attributes))
    case Binary.mnemonic: .binary(try Binary(&attributes))
    case Select.mnemonic: .select(try Select(&attributes))
    case Cast.mnemonic: .cast(try Cast(&attributes))
    case Bitcast.mnemonic: .bitcast(try Bitcast(&attributes))
    case Fused.mnemonic: .fused(try Fused(&attributes))
    case Reshape.mnemonic: .reshape(try Reshape(&attributes))
    case Transpose.mnemonic: .transpose(try Transpose(&attributes))
    case Broadcast.mnemonic: .broadcast(try Broadcast(&attributes))
    case Slice.mnemonic: .slice(try Slice(&attributes))
    case Concat.mnemonic: .concat(try Concat(&attributes))
    case Pad.mnemonic: .pad(try Pad(&attributes))
    case Iota.mnemonic: .iota(try Iota(&attributes))
    case Random.mnemonic: .random(try Random(&attributes))
    case Sizes.mnemonic: .sizes(try Sizes(&attributes))
    case BindSymbols.mnemonic: .bindSymbols(try BindSymbols(&attributes))
    case Gather.mnemonic: .gather(try Gather(&attributes))
    case GatherElements.mnemonic: .gatherElements(try GatherElements(&attributes))
    case GatherND.mnemonic: .gatherND(try GatherND(&attributes))
    case ScatterElements.mnemonic: .scatterElements(try ScatterElements(&attributes))
    case ScatterND.mnemonic: .scatterND(try ScatterND(&attributes))
    case NonZero.mnemonic: .nonZero(try NonZero(&attributes))
    case NonMaxSuppression.mnemonic: .nonMaxSuppression(try NonMaxSuppression(&attributes))
    case Reduce.mnemonic: .reduce(try Reduce(&attributes))
    case ArgReduce.mnemonic: .argReduce(try ArgReduce(&attributes))
    case Cumulative.mnemonic: .cumulative(try Cumulative(&attributes))
    case TopK.mnemonic: .topK(try TopK(&attributes))
    case Determinant.mnemonic: .determinant(try Determinant(&attributes))
    case SliceOrder.mnemonic: .sliceOrder(try SliceOrder(&attributes))
    case Softmax.mnemonic: .softmax(try Softmax(&attributes))
    case LayerNorm.mnemonic: .layerNorm(try LayerNorm(&attributes))
    case GroupNorm.mnemonic: .groupNorm(try GroupNorm(&attributes))
    case MatMul.mnemonic: .matmul(try MatMul(&attributes))
    case Convolution.mnemonic: .convolution(try Convolution(&attributes))
    case Pool.mnemonic: .pool(try Pool(&attributes))
    case Resize.mnemonic: .resize(try Resize(&attributes))
    case Recurrent.mnemonic: .recurrent(try Recurrent(&attributes))
    case Attention.mnemonic: .attention(try Attention(&attributes))
    case LinearAttention.mnemonic: .linearAttention(try LinearAttention(&attributes))
    case TreeEnsemble.mnemonic: .treeEnsemble(try TreeEnsemble(&attributes))
    case PairwiseCoupling.mnemonic: .pairwiseCoupling(try PairwiseCoupling(&attributes))
    case QuantizeLinear.mnemonic: .quantizeLinear(try QuantizeLinear(&attributes))
    case DequantizeLinear.mnemonic: .dequantizeLinear(try DequantizeLinear(&attributes))
    case NgramCount.mnemonic: .ngramCount(try NgramCount(&attributes))
    case Copy.mnemonic: .copy(try Copy(&attributes))
    default: nil
    }
  }
}
