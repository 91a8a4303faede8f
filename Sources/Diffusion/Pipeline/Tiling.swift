import SwageTensor

/// Runs a picture in overlapping square tiles and blends their borders, as diffusers' `AutoencoderKL.tiled_decode` and
/// `_tiled_encode` do: tiles overlap by a quarter; over the overlap, each tile fades into its neighbours above and to the
/// left, linearly.
struct Tiling {
  /// Of a tile, in pixels of the input.
  let side: Int
  /// From sizes of the input to sizes of the output.
  let scale: Ratio

  /// Tiles are not halved below this.
  static let smallestSide = 16

  /// `input` and what `body` makes of a tile: f32 `[n, channels, h, w]`.
  func run(_ input: Tensor, _ body: (Tensor) throws -> Tensor) throws -> Tensor {
    // In whole pixels of the smaller side, so that tiles of a picture meet at pixels of its latents.
    let step = side / scale.divide * 3 / 4 * scale.divide
    let blend = scale.of(side) / 4
    // What a tile adds to the result: the rest is its right and lower neighbours'.
    let kept = scale.of(side) - blend
    let (height, width) = (input.shape[2], input.shape[3])
    let rowStarts = Array(stride(from: 0, to: height, by: step))
    let columnStarts = Array(stride(from: 0, to: width, by: step))
    var above: [Plane] = []
    var rows: [Plane] = []
    for (row, y) in rowStarts.enumerated() {
      var current: [Plane] = []
      var line: [Plane] = []
      for (column, x) in columnStarts.enumerated() {
        let tile = Plane(input).cropped(y: y, x: x, height: side, width: side)
        var result = Plane(try body(tile.tensor))
        if row > 0 { result.fade(fromAbove: above[column], over: blend) }
        if column > 0 { result.fade(fromLeft: current[column - 1], over: blend) }
        current.append(result)
        line.append(result.cropped(y: 0, x: 0, height: kept, width: kept))
      }
      rows.append(Plane.beside(line))
      above = current
    }
    return Plane.stacked(rows).tensor
  }
}

/// Values of f32 `[n, channels, h, w]`, as lines of one width.
private struct Plane {
  var shape: [Int]
  var values: [Float]

  var layers: Int { shape[0] * shape[1] }
  var height: Int { shape[2] }
  var width: Int { shape[3] }
  var tensor: Tensor { Tensor(floats: values, shape) }

  init(_ tensor: Tensor) {
    shape = tensor.shape
    values = tensor.floats
  }

  init(shape: [Int]) {
    self.shape = shape
    values = [Float](repeating: 0, count: shape.reduce(1, *))
  }

  func index(_ layer: Int, _ y: Int, _ x: Int) -> Int { (layer * height + y) * width + x }

  /// The part from (y, x) on, cut where this ends.
  func cropped(y: Int, x: Int, height newHeight: Int, width newWidth: Int) -> Plane {
    let (rows, columns) = (min(newHeight, height - y), min(newWidth, width - x))
    if rows == height, columns == width { return self }
    var result = Plane(shape: [shape[0], shape[1], rows, columns])
    for layer in 0..<layers {
      for row in 0..<rows {
        let from = index(layer, y + row, x)
        let to = result.index(layer, row, 0)
        result.values.replaceSubrange(to..<to + columns, with: values[from..<from + columns])
      }
    }
    return result
  }

  mutating func fade(fromAbove other: Plane, over extent: Int) {
    let extent = min(other.height, height, extent)
    for layer in 0..<layers {
      for y in 0..<extent {
        let share = Double(y) / Double(extent)
        for x in 0..<min(width, other.width) {
          let before = other.values[other.index(layer, other.height - extent + y, x)]
          let place = index(layer, y, x)
          values[place] = before * Float(1 - share) + values[place] * Float(share)
        }
      }
    }
  }

  mutating func fade(fromLeft other: Plane, over extent: Int) {
    let extent = min(other.width, width, extent)
    for layer in 0..<layers {
      for y in 0..<min(height, other.height) {
        for x in 0..<extent {
          let share = Double(x) / Double(extent)
          let before = other.values[other.index(layer, y, other.width - extent + x)]
          let place = index(layer, y, x)
          values[place] = before * Float(1 - share) + values[place] * Float(share)
        }
      }
    }
  }

  static func beside(_ parts: [Plane]) -> Plane {
    let width = parts.reduce(0) { $0 + $1.width }
    var result = Plane(shape: [parts[0].shape[0], parts[0].shape[1], parts[0].height, width])
    var column = 0
    for part in parts {
      for layer in 0..<part.layers {
        for y in 0..<part.height {
          let from = part.index(layer, y, 0)
          let to = result.index(layer, y, column)
          result.values.replaceSubrange(to..<to + part.width, with: part.values[from..<from + part.width])
        }
      }
      column += part.width
    }
    return result
  }

  static func stacked(_ parts: [Plane]) -> Plane {
    let height = parts.reduce(0) { $0 + $1.height }
    var result = Plane(shape: [parts[0].shape[0], parts[0].shape[1], height, parts[0].width])
    var line = 0
    for part in parts {
      for layer in 0..<part.layers {
        let from = part.index(layer, 0, 0)
        let to = result.index(layer, line, 0)
        let count = part.height * part.width
        result.values.replaceSubrange(to..<to + count, with: part.values[from..<from + count])
      }
      line += part.height
    }
    return result
  }
}
