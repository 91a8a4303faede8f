import SwageGraph
import SwageTensor

/// Pooling over windows, and over whole images.
enum PoolingOperators {
  static let table: [String: Handler] = [
    "MaxPool": maxPool, "AveragePool": { [try pool($0, .average, try $0.input(0))] },
    "LpPool": lpPool, "GlobalMaxPool": { try global($0, .max) }, "GlobalAveragePool": { try global($0, .mean) },
    "GlobalLpPool": globalLp,
  ]

  private static func pool(_ call: Call, _ function: Pool.Function, _ x: ImportedValue) throws -> ImportedValue {
    try call.require(x.type.rank >= 3, "pooling of \(x.type)")
    guard let kernel = try call.ints("kernel_shape") else { throw NodeFault.invalid("kernel_shape is missing") }
    return try call.emit(.pool(try operation(call, function, x, kernel: kernel)), [x])
  }

  private static func operation(_ call: Call, _ function: Pool.Function, _ x: ImportedValue, kernel: [Int]) throws
    -> Pool
  {
    let window = try ConvolutionOperators.window(call, kernel: kernel, spatial: Array(x.type.shape.dropFirst(2)))
    return Pool(
      function, kernel: kernel, strides: window.strides, dilations: window.dilations, padsBegin: window.begins,
      padsEnd: window.ends, ceilMode: try call.flag("ceil_mode"), countsPadding: try call.flag("count_include_pad"))
  }

  private static func maxPool(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let result = try pool(call, .max, x)
    guard call.wants(output: 1), let kernel = try call.ints("kernel_shape") else { return [result, nil] }
    let op = try operation(call, .max, x, kernel: kernel)
    let indices = try UnpoolingOperators.indices(
      call, x, op, result: result.type.shape, columnMajor: try call.flag("storage_order"))
    return [result, indices]
  }

  /// Sums of powers are averages that count the padding, times the window's size.
  private static func lpPool(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let p = try call.int("p", default: 2)
    if p == 2 { return [try pool(call, .l2, x)] }
    try call.require(p >= 1, "p is \(p)")
    guard let kernel = try call.ints("kernel_shape"), let area = Checked.product(kernel), !(try call.flag("ceil_mode"))
    else { throw call.unsupported("p is \(p) with ceil_mode") }
    let counting = call.replacing(["count_include_pad": .int(1)])
    let magnitude = try call.unary(.abs, x)
    let power = p == 1 ? magnitude : try call.binary(.pow, magnitude, Double(p))
    let mean = try pool(counting, .average, power)
    let sum = try call.unary(.linear, mean, alpha: Double(area))
    return [p == 1 ? sum : try call.binary(.pow, sum, 1 / Double(p))]
  }

  private static func spatialAxes(_ call: Call, _ x: ImportedValue) throws -> [Int] {
    try call.require(x.type.rank >= 3, "pooling of \(x.type)")
    return Array(2..<x.type.rank)
  }

  private static func global(_ call: Call, _ function: Reduce.Function) throws -> [ImportedValue?] {
    let x = try call.input(0)
    return [try call.reduce(function, x, axes: try spatialAxes(call, x), keeps: true)]
  }

  private static func globalLp(_ call: Call) throws -> [ImportedValue?] {
    let x = try call.input(0)
    let axes = try spatialAxes(call, x)
    let p = try call.int("p", default: 2)
    return [try norm(call, x, p: p, axes: axes)]
  }

  /// The p-norm along axes, which stay with size one.
  static func norm(_ call: Call, _ x: ImportedValue, p: Int, axes: [Int]) throws -> ImportedValue {
    switch p {
    case 1: return try call.reduce(.l1, x, axes: axes, keeps: true)
    case 2: return try call.reduce(.l2, x, axes: axes, keeps: true)
    default:
      try call.require(p >= 1, "p is \(p)")
      let power = try call.binary(.pow, try call.unary(.abs, x), Double(p))
      return try call.binary(.pow, try call.reduce(.sum, power, axes: axes, keeps: true), 1 / Double(p))
    }
  }
}
