import SwageTensor
import Testing

@Suite struct TensorProtoTests {
  private func read(_ bytes: [UInt8]) throws -> Tensor {
    let folder = try TemporaryFolder()
    return try TensorProtoFile.read(path: folder.file("tensor.pb", bytes))
  }

  @Test(
    arguments: [
      ("f32 raw", Wire.tensor([2], type: 1, Wire.bytes(9, Wire.raw([Float(1.5), -2]))), ElementType.f32, [1.5, -2]),
      ("f32 typed", Wire.tensor([2], type: 1, Wire.bytes(4, Wire.raw([Float(1.5), -2]))), .f32, [1.5, -2]),
      (
        "f32 typed, unpacked",
        Wire.tensor(
          [2], type: 1, Wire.tag(4, 5), Wire.raw([Float(1.5)]), Wire.tag(4, 5), Wire.raw([Float(-2)])), .f32, [1.5, -2]
      ),
      ("f64 typed", Wire.tensor([1], type: 11, Wire.bytes(10, Wire.raw([0.1]))), .f64, [0.1]),
      ("i64 typed", Wire.tensor([2], type: 7, Wire.packed(7, [-1, 9])), .i64, [-1, 9]),
      ("i64 raw", Wire.tensor([1], type: 7, Wire.bytes(9, Wire.raw([Int64(-7)]))), .i64, [-7]),
      ("u64 typed", Wire.tensor([1], type: 13, Wire.packed(11, [5])), .u64, [5]),
      ("u32 typed", Wire.tensor([1], type: 12, Wire.packed(11, [4_294_967_295])), .u32, [4_294_967_295]),
      ("i32 typed", Wire.tensor([2], type: 6, Wire.packed(5, [-3, 4])), .i32, [-3, 4]),
      ("i16 typed", Wire.tensor([1], type: 5, Wire.packed(5, [-32768])), .i16, [-32768]),
      ("u16 typed", Wire.tensor([1], type: 4, Wire.packed(5, [65535])), .u16, [65535]),
      ("i8 typed", Wire.tensor([2], type: 3, Wire.packed(5, [-128, 127])), .i8, [-128, 127]),
      ("u8 typed", Wire.tensor([1], type: 2, Wire.packed(5, [255])), .u8, [255]),
      ("bool typed", Wire.tensor([2], type: 9, Wire.packed(5, [1, 0])), .bool, [1, 0]),
      ("f16 typed", Wire.tensor([1], type: 10, Wire.packed(5, [0x3e00])), .f16, [1.5]),
      ("bf16 typed", Wire.tensor([1], type: 16, Wire.packed(5, [0x3fc0])), .bf16, [1.5]),
      ("bf16 raw", Wire.tensor([1], type: 16, Wire.bytes(9, [0xc0, 0x3f])), .bf16, [1.5]),
      ("f8e4m3fn raw", Wire.tensor([1], type: 17, Wire.bytes(9, [0x38])), .f8e4m3fn, [1]),
      ("f8e5m2 typed", Wire.tensor([1], type: 19, Wire.packed(5, [0x3c])), .f8e5m2, [1]),
      ("f8e8m0 raw", Wire.tensor([1], type: 24, Wire.bytes(9, [128])), .f8e8m0, [2]),
      ("u4 raw, odd count", Wire.tensor([3], type: 21, Wire.bytes(9, [0x21, 0x03])), .u4, [1, 2, 3]),
      ("i4 typed", Wire.tensor([3], type: 22, Wire.packed(5, [0xf8, 0x07])), .i4, [-8, -1, 7]),
      ("f4e2m1 raw", Wire.tensor([2], type: 23, Wire.bytes(9, [0xa2])), .f4e2m1, [1, -1]),
      ("u2 raw", Wire.tensor([5], type: 25, Wire.bytes(9, [0b1110_0100, 1])), .u2, [0, 1, 2, 3, 1]),
      ("i2 typed", Wire.tensor([4], type: 26, Wire.packed(5, [0b1110_0100])), .i2, [0, 1, -2, -1]),
      ("scalar", Wire.tensor([], type: 6, Wire.packed(5, [42])), .i32, [42]),
      ("no elements", Wire.tensor([0, 3], type: 1), .f32, []),
      ("no elements beside a huge size", Wire.tensor([Int.max, 0], type: 1), .f32, []),
      (
        "last raw_data counts",
        Wire.tensor([1], type: 2, Wire.bytes(9, [1, 2, 3]), Wire.bytes(9, [4])), .u8, [4]
      ),
      ("unknown fields", Wire.tensor([1], type: 2, Wire.text(99, "x"), Wire.bytes(9, [4]), Wire.int(98, 1)), .u8, [4]),
    ] as [(String, [UInt8], ElementType, [Double])])
  func reads(name: String, bytes: [UInt8], type: ElementType, values: [Double]) throws {
    let tensor = try read(bytes)
    #expect(tensor.elementType == type)
    #expect(tensor.doubles == values)
  }

  @Test(
    arguments: [
      ("empty file", [], "tensor-element-type"),
      ("undefined type", Wire.tensor([1], type: 0, Wire.bytes(9, [0])), "tensor-element-type"),
      ("unknown type", Wire.tensor([1], type: 9999, Wire.bytes(9, [0])), "tensor-element-type"),
      ("negative type", Wire.tensor([1], type: -1, Wire.bytes(9, [0])), "tensor-element-type"),
      ("complex64", Wire.tensor([1], type: 14, Wire.bytes(9, [0, 0, 0, 0, 0, 0, 0, 0])), "tensor-element-type"),
      ("float6", Wire.tensor([4], type: 27, Wire.bytes(9, [0, 0, 0])), "tensor-element-type"),
      ("negative size", Wire.tensor([-1], type: 1, Wire.bytes(9, [])), "tensor-shape"),
      ("smallest size", Wire.tensor([Int.min], type: 1), "tensor-shape"),
      ("sizes overflow", Wire.tensor([1 << 40, 1 << 40], type: 1), "tensor-shape"),
      ("sizes wrap around to 16", Wire.tensor([1 << 60, 1 << 60, 16], type: 1), "tensor-shape"),
      ("bytes overflow", Wire.tensor([1 << 62], type: 11), "tensor-shape"),
      ("too many elements", Wire.tensor([1 << 41], type: 2), "tensor-shape"),
      ("rank", Wire.tensor([Int](repeating: 1, count: 65), type: 2, Wire.bytes(9, [0])), "tensor-shape"),
      ("segment", Wire.tensor([1], type: 2, Wire.bytes(3, Wire.int(1, 0)), Wire.bytes(9, [0])), "tensor-segment"),
      ("no data", Wire.tensor([1], type: 1), "tensor-data-missing"),
      (
        "raw short by one", Wire.tensor([2], type: 1, Wire.bytes(9, [UInt8](repeating: 0, count: 7))),
        "tensor-data-size"
      ),
      (
        "raw long by one", Wire.tensor([2], type: 1, Wire.bytes(9, [UInt8](repeating: 0, count: 9))), "tensor-data-size"
      ),
      ("raw for no elements", Wire.tensor([0], type: 1, Wire.bytes(9, [0])), "tensor-data-size"),
      ("odd int4 short", Wire.tensor([3], type: 22, Wire.bytes(9, [0])), "tensor-data-size"),
      ("typed count", Wire.tensor([3], type: 7, Wire.packed(7, [1, 2])), "tensor-data-size"),
      (
        "raw and typed",
        Wire.tensor([1], type: 1, Wire.bytes(9, [0, 0, 0, 0]), Wire.bytes(4, [0, 0, 0, 0])), "tensor-data-ambiguous"
      ),
      ("wrong field", Wire.tensor([1], type: 1, Wire.packed(5, [1])), "tensor-data-field"),
      ("f16 in float_data", Wire.tensor([1], type: 10, Wire.bytes(4, [0, 0, 0, 0])), "tensor-data-field"),
      ("string with raw_data", Wire.tensor([1], type: 8, Wire.bytes(9, [65])), "tensor-data-field"),
      ("i8 out of range", Wire.tensor([1], type: 3, Wire.packed(5, [128])), "tensor-data-range"),
      ("u8 negative", Wire.tensor([1], type: 2, Wire.packed(5, [-1])), "tensor-data-range"),
      ("f16 out of range", Wire.tensor([1], type: 10, Wire.packed(5, [65536])), "tensor-data-range"),
      ("bool 2", Wire.tensor([1], type: 9, Wire.packed(5, [2])), "tensor-data-range"),
      ("raw bool 2", Wire.tensor([1], type: 9, Wire.bytes(9, [2])), "tensor-data-range"),
      ("u32 out of range", Wire.tensor([1], type: 12, Wire.packed(11, [1 << 32])), "tensor-data-range"),
      ("i4 byte out of range", Wire.tensor([2], type: 22, Wire.packed(5, [256])), "tensor-data-range"),
      ("unknown location", Wire.tensor([1], type: 2, Wire.bytes(9, [1]), Wire.int(14, 2)), "tensor-data-location"),
      (
        "external in a tensor file",
        Wire.tensor([1], type: 2, Wire.bytes(13, Wire.text(1, "location") + Wire.text(2, "x")), Wire.int(14, 1)),
        "external-no-folder"
      ),
      ("endless varint", [UInt8](repeating: 0xff, count: 32), "protobuf-varint"),
      ("cut varint", [0x08, 0x80], "protobuf-varint"),
      ("field zero", [0x00, 0x01], "protobuf-tag"),
      ("group", [0x0b, 0x0c], "protobuf-wire-type"),
      ("wire type 7", [0x0f], "protobuf-wire-type"),
      ("length past the end", [0x4a, 0x05, 0x00], "protobuf-truncated"),
      ("length of 2^35", [0x4a, 0xff, 0xff, 0xff, 0xff, 0x7f], "protobuf-truncated"),
      ("fixed32 cut off", [0x25, 0, 0], "protobuf-truncated"),
      ("dims as fixed32", [0x0d, 0, 0, 0, 0], "protobuf-field-type"),
      ("raw_data as varint", [0x48, 0x01], "protobuf-field-type"),
      ("packed floats cut off", Wire.tensor([1], type: 1, Wire.bytes(4, [0, 0, 0])), "protobuf-packed"),
      ("packed ints cut off", Wire.tensor([1], type: 7, Wire.bytes(7, [0x80])), "protobuf-packed"),
      ("segment twice", Wire.bytes(3, []) + Wire.bytes(3, []), "protobuf-repeated"),
    ] as [(String, [UInt8], String)])
  func refuses(name: String, bytes: [UInt8], expected: String) {
    #expect(code { _ = try read(bytes) } == expected)
  }

  @Test func largeRawDataIsAView() throws {
    let folder = try TemporaryFolder()
    let values = (0..<65536).map { Float($0) }
    let path = try folder.file("large.pb", Wire.tensor([65536], type: 1, Wire.bytes(9, Wire.raw(values))))
    let tensor = try TensorProtoFile.read(path: path)
    #expect(tensor.storage.byteCount > tensor.byteCount)
    #expect(tensor.floats == values)
  }

  @Test func writingToAViewLeavesTheFileAlone() throws {
    let folder = try TemporaryFolder()
    let bytes = Wire.tensor([65536], type: 2, Wire.bytes(9, [UInt8](repeating: 7, count: 65536)))
    let path = try folder.file("large.pb", bytes)
    var tensor = try TensorProtoFile.read(path: path)
    tensor.withMutableBytes { $0[0] = 9 }
    #expect(tensor.integers[0] == 9)
    #expect(try TensorProtoFile.read(path: path).integers[0] == 7)
  }

  @Test func everyTruncationAndBitFlipIsAnErrorOrATensor() throws {
    let folder = try TemporaryFolder()
    let good =
      Wire.tensor([2, 2], type: 1, Wire.text(8, "name"), Wire.bytes(9, Wire.raw([Float(1), 2, 3, 4])))
      + Wire.packed(7, []) + Wire.int(14, 0)
    var refused = 0
    var variants = (0..<good.count).map { Array(good.prefix($0)) }
    for index in good.indices {
      for bit in 0..<8 {
        var flipped = good
        flipped[index] ^= 1 << UInt8(bit)
        variants.append(flipped)
      }
    }
    for variant in variants {
      let outcome = code { _ = try TensorProtoFile.read(path: folder.file("t.pb", variant)) }
      #expect(!(outcome ?? "").hasPrefix("not a SwageError"))
      if outcome != nil { refused += 1 }
    }
    #expect(refused > variants.count / 4)
  }
}
