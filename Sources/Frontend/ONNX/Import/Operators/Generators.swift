import Foundation
import SwageGraph
import SwageTensor

/// Operators that make tensors from nothing or from sizes.
enum GeneratorOperators {
  static let table: [String: Handler] = [
    "Constant": constant, "ConstantOfShape": constantOfShape, "Range": range, "EyeLike": eyeLike,
    "HannWindow": { try window($0, [0.5, 0.5]) }, "HammingWindow": { try window($0, [25.0 / 46, 21.0 / 46]) },
    "BlackmanWindow": { try window($0, [0.42, 0.5, 0.08]) }, "MelWeightMatrix": melWeights,
  ]

  private static func constant(_ call: Call) throws -> [ImportedValue?] {
    guard call.attributes.count == 1, let (name, _) = call.attributes.first,
      let value = call.attribute(name)
    else {
      throw NodeFault.invalid("a constant has one attribute, this one \(call.attributes.count)")
    }
    switch value {
    case .tensor(let tensor):
      guard let numbers = tensor.tensor else {
        throw call.unsupported("its value has no numbers", remedy: "only initialisers take elements from a checkpoint")
      }
      return [call.constant(numbers)]
    case .float(let number): return [call.constant(Tensor(floats: [number], []))]
    case .int(let number): return [call.constant(Tensor(.i64, [], integers: [Int64(number)]))]
    case .floats(let numbers): return [call.constant(Tensor(floats: numbers, [numbers.count]))]
    case .ints(let numbers):
      return [call.constant(Tensor(.i64, [numbers.count], integers: numbers.map { Int64($0) }))]
    case .string(let text): return [call.constant(Tensor(strings: [text], []))]
    case .strings(let texts): return [call.constant(Tensor(strings: texts, [texts.count]))]
    case .graph, .graphs, .tensors, .type, .types, .reference:
      throw NodeFault.invalid("attribute \(name) is of kind \(value.kind)")
    }
  }

  private static func constantOfShape(_ call: Call) throws -> [ImportedValue?] {
    let shape = try call.sizes(of: try call.input(0), "sizes", areSizes: true)
    try call.require(shape.allSatisfy { $0.constant.map { $0 >= 0 } ?? true }, "sizes are negative: \(shape)")
    var fill = Tensor(scalar: 0, .f32)
    switch call.attribute("value") {
    case nil: break
    case .tensor(let given):
      guard let numbers = given.tensor, numbers.count == 1 else { throw NodeFault.invalid("value has not one element") }
      fill = numbers.reshaped([])
    case .some(let other): throw NodeFault.invalid("attribute value is of kind \(other.kind)")
    }
    let result = try call.broadcast(call.constant(fill), shape)
    if fill.elementType != .string { result.splat = fill.doubles[0] }
    return [result]
  }

  private static func range(_ call: Call) throws -> [ImportedValue?] {
    let type = try call.input(0).type.elementType
    let parts = try (0..<3).map { try call.reshape(try call.input($0), []) }
    try call.require(parts.allSatisfy { $0.type.elementType == type }, "start, limit and delta differ in type")
    let iota = { (count: Dim) in try call.emit(.iota(Iota(count: count)), [parts[0], parts[2]]) }
    if type.isInteger {
      let known = parts.compactMap { $0.known?.elements[0] }
      if known.count == 3, let delta = known[2].constant {
        try call.require(delta != 0, "delta is 0")
        let span = delta > 0 ? known[1] - known[0] : known[0] - known[1]
        guard let step = Int(exactly: delta.magnitude) else { throw NodeFault.invalid("delta is \(delta)") }
        return [try iota(call.sizes.larger(span, 0).ceilDivided(by: Dim(step)))]
      }
    } else {
      let numbers = parts.compactMap { call.folded($0)?.doubles.first }
      if numbers.count == 3 {
        let count = ((numbers[1] - numbers[0]) / numbers[2]).rounded(.up)
        try call.require(count.isFinite && count < 0x1p40, "a range of \(count) elements")
        return [try iota(Dim(max(Int(count), 0)))]
      }
    }
    // The number of elements is data.
    let span = try call.cast(try call.binary(.sub, parts[1], parts[0]), to: .f64)
    let ratio = try call.binary(.div, span, try call.cast(parts[2], to: .f64))
    let count = try call.binary(.max, try call.cast(try call.unary(.ceil, ratio), to: .i64), 0)
    let name = call.importer.symbols.freshSize()
    _ = try call.emitAll(.bindSymbols(BindSymbols([name])), [count])
    call.builder.define([name])
    return [try iota(.symbol(name))]
  }

  private static func eyeLike(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    try call.require(x.type.rank == 2, "eye of \(x.type)")
    let type = try call.elementType("dtype") ?? x.type.elementType
    let k = try call.int("k", default: 0)
    let row = try call.reshape(try call.counting(x.type.shape[0]), [x.type.shape[0], 1])
    let shifted = try call.binary(.add, row, call.constant(Tensor(.i64, [], integers: [Int64(k)])))
    return [try call.cast(try call.binary(.equal, shifted, try call.counting(x.type.shape[1])), to: type)]
  }

  /// Cosine windows: the sum of (-1)^i · a_i · cos(2πik/n).
  private static func window(_ call: Call, _ coefficients: [Double]) throws -> [ImportedValue?] {
    let type = try call.elementType("output_datatype") ?? .f32
    let sizes = try call.sizes(of: try call.input(0), "the size", areSizes: true)
    try call.require(sizes.count == 1, "\(sizes.count) sizes")
    let isPeriodic = try call.flag("periodic", default: true)
    guard let size = sizes[0].constant else {
      // The same sum of cosines as operations.
      let count = ImportedValue(.scalar(isPeriodic ? sizes[0] : sizes[0] - 1), .i64, sources: [call.source])
      let step = try call.binary(.div, call.scalar(2 * .pi, .f64), try call.cast(count, to: .f64))
      let angles = try call.binary(.mul, try call.cast(try call.counting(sizes[0]), to: .f64), step)
      var sum = try call.unary(.linear, angles, alpha: 0, beta: coefficients[0])
      for (index, coefficient) in coefficients.enumerated().dropFirst() {
        let wave = try call.unary(.cos, try call.unary(.linear, angles, alpha: Double(index)))
        sum = try call.binary(
          .add, sum, try call.unary(.linear, wave, alpha: index % 2 == 0 ? coefficient : -coefficient))
      }
      return [try call.cast(sum, to: type)]
    }
    try call.require((0...(1 << 20)).contains(size), "a window of \(size)")
    let length = Double(isPeriodic ? size : size - 1)
    let values = (0..<size).map { k in
      coefficients.enumerated().reduce(0) { sum, term in
        sum + (term.offset % 2 == 0 ? 1 : -1) * term.element * cos(2 * .pi * Double(term.offset * k) / length)
      }
    }
    return [call.constant(Tensor(type, [size], doubles: values))]
  }

  /// Triangles over the bins of a spectrum whose corners lie at equal steps of the mel scale, 2595 · log10(1 + f / 700).
  private static func melWeights(_ call: Call) throws -> [ImportedValue?] {
    let type = try call.elementType("output_datatype") ?? .f32
    func number(_ index: Int) throws -> ImportedValue {
      try call.cast(try call.reshape(try call.input(index), []), to: .f64)
    }
    let bands = try call.sizes(of: try call.input(0), "num_mel_bins", areSizes: true)
    let lengths = try call.sizes(of: try call.input(1), "dft_length", areSizes: true)
    try call.require(bands.count == 1 && lengths.count == 1, "\(bands.count) and \(lengths.count) sizes")
    let (count, length) = (bands[0], lengths[0])
    try call.require(
      [count, length].allSatisfy { $0.constant.map { $0 >= 0 } ?? true }, "\(count) bands of \(length) samples")
    let scale = 2595 / log(10.0)
    func mel(_ frequency: ImportedValue) throws -> ImportedValue {
      try call.unary(
        .linear, try call.unary(.log, try call.unary(.linear, frequency, alpha: 1.0 / 700, beta: 1)), alpha: scale)
    }
    let low = try mel(try number(3))
    let steps = ImportedValue(.scalar(count + 2), .i64, sources: [call.source])
    let step = try call.binary(.div, try call.binary(.sub, try mel(try number(4)), low), try call.cast(steps, to: .f64))
    let corners = try call.binary(
      .add, try call.binary(.mul, try call.cast(try call.counting(count + 2), to: .f64), step), low)
    let ratio = try call.unary(.exp, try call.unary(.linear, corners, alpha: 1 / scale))
    let hertz = try call.unary(.linear, ratio, alpha: 700, beta: -700)
    let samples = ImportedValue(.scalar(length + 1), .i64, sources: [call.source])
    let places = try call.unary(
      .floor, try call.binary(.div, try call.binary(.mul, try call.cast(samples, to: .f64), hertz), try number(2)))
    func corner(_ index: Int) throws -> ImportedValue {
      try MovementOperators.take(call, places, starts: [Dim(index)], sizes: [count])
    }
    let (left, peak, right) = (try corner(0), try corner(1), try corner(2))
    let rows = length.floorDivided(by: 2) + 1
    let bin = try call.reshape(try call.cast(try call.counting(rows), to: .f64), [rows, 1])
    func choose(_ condition: ImportedValue, _ a: ImportedValue, _ b: ImportedValue) throws -> ImportedValue {
      try call.emit(.select(Select()), [condition, a, b])
    }
    func isBetween(_ a: ImportedValue, _ b: ImportedValue, _ end: Binary.Function) throws -> ImportedValue {
      try call.binary(.and, try call.binary(.greaterOrEqual, bin, a), try call.binary(end, bin, b))
    }
    let rise = try call.binary(.div, try call.binary(.sub, bin, left), try call.binary(.sub, peak, left))
    let fall = try call.binary(.div, try call.binary(.sub, right, bin), try call.binary(.sub, right, peak))
    let isPeak = try call.binary(.equal, bin, peak)
    let onRise = try choose(try isBetween(left, peak, .lessOrEqual), rise, call.scalar(0, .f64))
    let risen = try choose(isPeak, call.scalar(1, .f64), onRise)
    return [try call.cast(try choose(try isBetween(peak, right, .less), fall, risen), to: type)]
  }
}
