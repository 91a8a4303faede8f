extension Pipeline {
  /// Every pass that exists. A pass or rule that is declared in `Sources/Passes` and not reachable from here fails a
  /// test.
  public static let all: [Pass] = [
    // Simplify
    constantFolding, shapeArithmetic, bindKnownSymbols, inlineIf, regionCaptures, algebraic, mergeLinearChains,
    commonSubexpressions,
    deadCode, freeTransposes, flushSubnormals,
    // Layout
    channelsLast,
    // Precision
    reducePrecision,
    // Fuse
    recognizeActivations, recognizeSoftmax, recognizeNorms, recognizeAttention, foldIntoConvolution,
    splitProducts, fuseEpilogues, fuseElementwise,
  ]

  /// What runs after every step that may leave something to simplify.
  static let simplification: [Pass] = [
    constantFolding, shapeArithmetic, bindKnownSymbols, inlineIf, regionCaptures, algebraic, commonSubexpressions,
    deadCode,
  ]

  /// Simplification alone, for work on whole graphs before the standard pipeline.
  public static let simplifying = Pipeline([.repeating(simplification, rounds: 8)])

  /// The pipeline of `swage compile`.
  public static func standard(_ options: PipelineOptions = PipelineOptions()) -> Pipeline {
    var stages: [Stage] = [.repeating(simplification, rounds: 8)]
    // Recognisers look for what exporters write: single steps, channels first.
    stages += [
      .once(recognizeActivations), .once(recognizeSoftmax), .once(recognizeNorms), .once(recognizeAttention),
      .repeating([foldIntoConvolution], rounds: 3), .once(mergeLinearChains), .once(splitProducts),
      .once(flushSubnormals),
    ]
    // Layout and precision want whole operations, and leave casts and transposes to simplify.
    let settling: [Stage] = [
      .repeating(simplification, rounds: 8),
      .repeating([freeTransposes, algebraic, commonSubexpressions, deadCode], rounds: 4),
    ]
    if options.usesChannelsLast { stages.append(.once(channelsLast)) }
    stages += settling
    // Exporters that write channels last put transposes between a convolution and its normalisation.
    if options.usesChannelsLast { stages.append(.repeating([foldIntoConvolution], rounds: 3)) }
    if options.precision != .f32 { stages += [.once(reducePrecision)] + settling }
    // Fusion of epilogues and elementwise chains wants the final layout and types.
    stages += [.once(fuseEpilogues), .once(fuseElementwise), .once(commonSubexpressions), .once(deadCode)]
    return Pipeline(stages)
  }
}
