import SwageTensor
import Testing

@Suite struct NpyTests {
  private static func file(_ header: String, _ data: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let length =
      version == 1
      ? [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)]
      : [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8), 0, 0]
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(header.utf8) + data
  }

  private func read(_ bytes: [UInt8]) throws -> Tensor {
    let folder = try TemporaryFolder()
    return try Npy.read(path: folder.file("a.npy", bytes))
  }

  @Test(arguments: [
    (ElementType.f32, ElementType.f32), (.f64, .f64), (.f16, .f16), (.bf16, .f32), (.f8e4m3fn, .f32), (.bool, .bool),
    (.i8, .i8), (.u8, .u8), (.i16, .i16), (.u16, .u16), (.i32, .i32), (.u32, .u32), (.i64, .i64), (.u64, .u64),
    (.i4, .i8), (.u4, .u8), (.u2, .u8), (.f4e2m1, .f32),
  ])
  func roundTrips(type: ElementType, stored: ElementType) throws {
    let folder = try TemporaryFolder()
    let tensor = Tensor(type, [2, 3], doubles: [0, 1, 1, 0, 1, 1])
    let path = folder.path + "/a.npy"
    try Npy.write(tensor, path: path)
    let back = try Npy.read(path: path)
    #expect(back.elementType == stored)
    #expect(back.shape == [2, 3])
    #expect(back.doubles == tensor.doubles)
    #expect(folder.names == ["a.npy"])
  }

  @Test(arguments: [[], [0], [5], [0, 4], [1, 2, 3, 4]])
  func shapes(shape: [Int]) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.npy"
    try Npy.write(Tensor(zeros: .f32, shape), path: path)
    #expect(try Npy.read(path: path).shape == shape)
  }

  @Test func otherOrders() throws {
    let fortran = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }"
    #expect(try read(Self.file(fortran, [1, 4, 2, 5, 3, 6])).integers == [1, 2, 3, 4, 5, 6])
    let big = "{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}"
    #expect(try read(Self.file(big, [1, 0, 0, 2])).integers == [256, 2])
    let bf16 = "{\"shape\": (1,), \"descr\": '<V2', 'fortran_order': False}\n"
    #expect(try read(Self.file(bf16, [0xc0, 0x3f], version: 2)).doubles == [1.5])
    let unicode = "{'descr': '|b1', 'fortran_order': False, 'shape': ()}"
    #expect(try read(Self.file(unicode, [1], version: 3)).integers == [1])
  }

  @Test(
    arguments: [
      ([], "npy-magic"),
      (Array("PK\u{3}\u{4} something else".utf8), "npy-magic"),
      (file("", [], version: 4), "npy-version"),
      (Array(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", []).prefix(20)), "npy-header"),
      (file("{'descr': '<f4', 'fortran_order': False}", []), "npy-header"),
      (file("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", []), "npy-header"),
      (file("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", []), "npy-header"),
      (file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", []), "npy-header"),
      (file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", []), "npy-header"),
      (file("__import__('os').system('true')", []), "npy-header"),
      (file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", []), "npy-header"),
      (file("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", []), "npy-element-type"),
      (file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", []), "npy-element-type"),
      (file("{'descr': '', 'fortran_order': False, 'shape': (1,)}", []), "npy-element-type"),
      (file("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", []), "npy-shape"),
      (file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", [0, 0, 0]), "npy-size"),
      (file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", [0, 0, 0, 0, 0]), "npy-size"),
    ] as [([UInt8], String)])
  func refuses(bytes: [UInt8], expected: String) {
    #expect(code { _ = try read(bytes) } == expected)
  }

  @Test func emptyFortranArrayWithHugeSizes() throws {
    let header = "{'descr': '>f8', 'fortran_order': True, 'shape': (0, 4611686018427387904, 4)}"
    #expect(try read(Self.file(header, [])).count == 0)
  }
}
