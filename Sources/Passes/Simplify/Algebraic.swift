/// Identities of operations and functions, each a rule of its own.
public let algebraic = Pass(
  name: "algebraic",
  rules: [
    addZero, multiplyOne, doubleNegation, identityFunction, powerToFunction, divideByConstant, mergeConstants, clamp,
    mergeTransposes,
    mergeReshapes, mergeCasts, mergeBroadcasts, broadcastIntoUser, mergeSlices, mergeConcats, emptyPad, selectConstant,
    gatherToSlice, trivialReduce, transposeIntoMatMul, transposeThroughReshape, permuteWeights,
  ])

/// Arithmetic on `sizes` nodes.
public let shapeArithmetic = Pass(name: "shape-arithmetic", rules: [sizeArithmetic])

/// Chains of multiplications and additions by numbers. It runs after the recognisers of composite operations, which
/// look for the single steps.
public let mergeLinearChains = Pass(name: "merge-linear-chains", rules: [mergeLinear])

/// Transposes that move nothing. It runs once the layout is settled.
public let freeTransposes = Pass(name: "free-transposes", rules: [transposeToReshape])
