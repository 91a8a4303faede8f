import SwageTensor

/// A picture of 8-bit RGB.
public struct Picture: Hashable, Sendable {
  public let width: Int
  public let height: Int
  /// Row by row from the top, three bytes a pixel; `3 * width * height` of them.
  public private(set) var pixels: [UInt8]

  /// nil where a side is not positive, or `pixels` are not of the picture's size.
  public init?(width: Int, height: Int, pixels: [UInt8]) {
    guard width > 0, height > 0, Checked.product([3, width, height]) == pixels.count else { return nil }
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// The pixel in column `x` of row `y`.
  public subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
    let index = 3 * (y * width + x)
    return (pixels[index], pixels[index + 1], pixels[index + 2])
  }
}

// MARK: - Tensors

extension Picture {
  /// Picture `index` of what a VAE decoder gives, f32 `[n, 3, h, w]` with values around [-1, 1]: halved, moved to [0, 1],
  /// clamped, and rounded to 8 bits with ties to even, as diffusers' `VaeImageProcessor` does. NaN becomes black. nil
  /// where the tensor is not of this form.
  public init?(decoded tensor: Tensor, index: Int = 0) {
    let shape = tensor.shape
    guard tensor.elementType == .f32, shape.count == 4, shape[1] == 3, (0..<shape[0]).contains(index), shape[2] > 0,
      shape[3] > 0
    else { return nil }
    let plane = shape[2] * shape[3]
    var pixels = [UInt8](repeating: 0, count: 3 * plane)
    tensor.withBytes { bytes in
      let start = 3 * plane * index
      for channel in 0..<3 {
        for position in 0..<plane {
          let value = bytes.loadUnaligned(fromByteOffset: 4 * (start + channel * plane + position), as: Float.self)
          let unit = min(max(value * 0.5 + 0.5, 0), 1)
          pixels[3 * position + channel] = unit.isNaN ? 0 : UInt8((unit * 255).rounded(.toNearestOrEven))
        }
      }
    }
    self.init(width: shape[3], height: shape[2], pixels: pixels)
  }

  /// f32 `[1, 3, height, width]` from -1 (black) to 1: what a VAE encoder takes.
  public var encoderInput: Tensor {
    let plane = width * height
    var values = [Float](repeating: 0, count: 3 * plane)
    for position in 0..<plane {
      for channel in 0..<3 { values[channel * plane + position] = 2 * Float(pixels[3 * position + channel]) / 255 - 1 }
    }
    return Tensor(floats: values, [1, 3, height, width])
  }

  /// Brightness of each pixel, row by row: ITU-R BT.601's luma in the fixed-point form that Pillow's "L" has,
  /// `(19595 R + 38470 G + 7471 B + 32768) / 65536`.
  public var luma: [UInt8] {
    (0..<width * height).map { position in
      let red = Int(pixels[3 * position]), green = Int(pixels[3 * position + 1]), blue = Int(pixels[3 * position + 2])
      return UInt8(clamping: (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16)
    }
  }
}
