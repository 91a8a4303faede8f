import SwageFrontend
import SwageTensor
import Testing

@Suite struct LoadingSafetensorsTests {
  private static func file(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    let text = Array(header.utf8)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text + data
  }

  private static let zeros8 = [UInt8](repeating: 0, count: 8)

  /// A header with one tensor "t".
  private static func one(
    dtype: String = "\"F32\"", shape: String = "[2]", offsets: String = "[0,8]", _ data: [UInt8] = zeros8
  ) -> [UInt8] {
    file("{\"t\":{\"dtype\":\(dtype),\"shape\":\(shape),\"data_offsets\":\(offsets)}}", data)
  }

  private func load(_ bytes: [UInt8]) throws -> WeightSet {
    let folder = try LoadingFolder()
    return try Safetensors.load(paths: [folder.file("m.safetensors", bytes)])
  }

  @Test func reads() throws {
    let header =
      "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[4,12]},"
      + "\"a\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[0,4]},"
      + "\"e\":{\"dtype\":\"F32\",\"shape\":[0,9],\"data_offsets\":[4,4]}}   "
    let weights = try load(Self.file(header, [0xc0, 0x3f, 0, 0x40, 7, 0, 0, 0, 0, 0, 0, 0]))
    #expect(weights.names == ["a", "b", "e"])
    #expect(weights["a"]?.doubles == [1.5, 2])
    #expect(weights["a"]?.shape == [2, 1])
    #expect(weights["b"]?.integers == [7])
    #expect(weights["e"]?.shape == [0, 9])
    #expect(weights["c"] == nil)
    #expect(try load(Self.file("{}")).names == [])
  }

  @Test(arguments: [
    ("BOOL", 1, ElementType.bool), ("U8", 1, .u8), ("I8", 1, .i8), ("U16", 2, .u16), ("I16", 2, .i16), ("U32", 4, .u32),
    ("I32", 4, .i32), ("U64", 8, .u64), ("I64", 8, .i64), ("F16", 2, .f16), ("BF16", 2, .bf16), ("F32", 4, .f32),
    ("F64", 8, .f64), ("F8_E4M3", 1, .f8e4m3fn), ("F8_E5M2", 1, .f8e5m2), ("F8_E8M0", 1, .f8e8m0),
  ])
  func elementTypes(dtype: String, bytes: Int, type: ElementType) throws {
    let file = Self.one(
      dtype: "\"\(dtype)\"", shape: "[2]", offsets: "[0,\(2 * bytes)]", [UInt8](repeating: 0, count: 2 * bytes))
    #expect(try load(file)["t"]?.elementType == type)
  }

  @Test(
    arguments: [
      ("empty", [], "safetensors-truncated"),
      ("7 bytes", [2, 0, 0, 0, 0, 0, 0], "safetensors-truncated"),
      ("length 0", [UInt8](repeating: 0, count: 16), "safetensors-header-length"),
      ("length 1", [1] + [UInt8](repeating: 0, count: 15), "safetensors-header-length"),
      ("length past the end", [3, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8), "safetensors-header-length"),
      ("length 2^63", [0, 0, 0, 0, 0, 0, 0, 128] + Array("{}".utf8), "safetensors-header-length"),
      ("length 2^64 - 1", [UInt8](repeating: 255, count: 8) + Array("{}".utf8), "safetensors-header-length"),
      ("big-endian length", [0, 0, 0, 0, 0, 0, 0, 2] + Array("{}".utf8), "safetensors-header-length"),
      ("not an object", file("[]"), "safetensors-header"),
      ("leading space", file(" {}"), "safetensors-header"),
      ("byte order mark", file("\u{feff}{}"), "safetensors-header"),
      ("not UTF-8", [5, 0, 0, 0, 0, 0, 0, 0] + [123, 34, 0xff, 34, 125], "safetensors-json"),
      ("NUL after", file("{}\0"), "safetensors-json"),
      ("text after", file("{} x"), "safetensors-json"),
      ("trailing comma", file("{\"__metadata__\":{},}"), "safetensors-json"),
      ("tensor twice", file("{\"__metadata__\":{},\"__metadata__\":{}}"), "safetensors-json"),
      (
        "dtype twice",
        file("{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"), "safetensors-json"
      ),
      ("NFC twins", file("{\"\u{e9}\":1,\"e\u{301}\":2}"), "safetensors-json"),
      ("not NFC", file("{\"e\u{301}\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"), "safetensors-name"),
      (
        "NUL in a name", file("{\"a\\u0000\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
        "safetensors-name"
      ),
      ("metadata is a number", file("{\"__metadata__\":{\"a\":1}}"), "safetensors-header"),
      ("metadata is text", file("{\"__metadata__\":\"a\"}"), "safetensors-header"),
      (
        "tensor named __metadata__",
        file("{\"__metadata__\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"), "safetensors-header"
      ),
      ("entry is a list", file("{\"t\":[]}"), "safetensors-header"),
      ("no shape", file("{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}"), "safetensors-header"),
      (
        "one key more", file("{\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}}"),
        "safetensors-header"
      ),
      ("dtype is a number", one(dtype: "1"), "safetensors-header"),
      ("unknown dtype", one(dtype: "\"C64\""), "safetensors-element-type"),
      ("lower-case dtype", one(dtype: "\"f32\""), "safetensors-element-type"),
      ("odd sub-byte count", one(dtype: "\"F4\"", shape: "[3]", offsets: "[0,2]", [0, 0]), "safetensors-shape"),
      ("negative size", one(shape: "[-2]"), "safetensors-shape"),
      ("fractional size", one(shape: "[2.0]"), "safetensors-shape"),
      ("size with exponent", one(shape: "[2e0]"), "safetensors-shape"),
      ("size 2^64", one(shape: "[18446744073709551616]"), "safetensors-shape"),
      ("sizes overflow", one(shape: "[4294967296,4294967296]"), "safetensors-shape"),
      ("bytes overflow", one(shape: "[4611686018427387904]"), "safetensors-shape"),
      ("shape is a number", one(shape: "2"), "safetensors-shape"),
      ("offsets swapped", one(offsets: "[8,0]"), "safetensors-offsets"),
      ("offsets past the end", one(offsets: "[8,16]"), "safetensors-offsets"),
      ("largest offsets", one(offsets: "[9223372036854775799,9223372036854775807]"), "safetensors-offsets"),
      ("negative offset", one(offsets: "[-8,0]"), "safetensors-offsets"),
      ("fractional offset", one(offsets: "[0,8.0]"), "safetensors-offsets"),
      ("three offsets", one(offsets: "[0,8,8]"), "safetensors-offsets"),
      ("too few bytes", one(offsets: "[0,7]"), "safetensors-size"),
      ("hole at the start", one(offsets: "[1,9]", zeros8 + [0]), "safetensors-hole"),
      ("bytes after the last tensor", one(zeros8 + Array("PK\u{3}\u{4}".utf8)), "safetensors-hole"),
      ("empty tensor at an odd place", one(shape: "[0]", offsets: "[3,3]"), "safetensors-hole"),
      (
        "hole in the middle",
        file(
          "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
          [0, 0, 0, 0, 0]), "safetensors-hole"
      ),
      (
        "overlap",
        file(
          "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
          [0, 0, 0]), "safetensors-overlap"
      ),
    ] as [(String, [UInt8], String)])
  func refuses(name: String, bytes: [UInt8], expected: String) {
    #expect(loadingCodes { _ = try load(bytes) } == [expected])
  }

  // A test of its own: arguments are written out, these would be 20 MB.
  @Test func refusesDeepNesting() {
    let bytes = Self.file(String(repeating: "{\"a\":", count: 1_000_000))
    #expect(loadingCodes { _ = try load(bytes) } == ["safetensors-json"])
  }

  @Test func refusesEveryTruncation() {
    let good = Self.one()
    for count in good.indices {
      #expect(!loadingCodes { _ = try load(Array(good.prefix(count))) }.isEmpty, "\(count) bytes load")
    }
  }

  // MARK: - Several files

  private static func tensor(_ name: String, _ value: UInt8) -> [UInt8] {
    file("{\"\(name)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", [value])
  }

  private func codes(index: String) throws -> [String] {
    let folder = try LoadingFolder()
    _ = try folder.file("one.safetensors", Self.tensor("a", 1))
    _ = try folder.file("two.safetensors", Self.tensor("b", 2))
    let path = try folder.file("m.safetensors.index.json", Array(index.utf8))
    return loadingCodes { _ = try Safetensors.load(paths: [path]) }
  }

  @Test func shards() throws {
    let folder = try LoadingFolder()
    let one = try folder.file("one.safetensors", Self.tensor("a", 1))
    let two = try folder.file("two.safetensors", Self.tensor("b", 2))
    let index = try folder.file(
      "m.safetensors.index.json",
      Array(
        "{\"metadata\":{\"total_size\":2.0},\"weight_map\":{\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"}}".utf8)
    )
    for paths in [[index], [one, two]] {
      let weights = try Safetensors.load(paths: paths)
      #expect(weights["a"]?.integers == [1])
      #expect(weights["b"]?.integers == [2])
    }
    #expect(try Safetensors.load(paths: [index]).files == [index, one, two])
    #expect(loadingCodes { _ = try Safetensors.load(paths: [one, one]) } == ["safetensors-duplicate"])
    #expect(loadingCodes { _ = try Safetensors.load(paths: [folder.path + "/gone"]) } == ["file-missing"])
  }

  @Test(arguments: [
    ("{}", "safetensors-index"), ("{\"weight_map\":[]}", "safetensors-index"), ("x", "safetensors-json"),
    ("{\"weight_map\":{\"a\":1}}", "safetensors-index"),
    ("{\"weight_map\":{\"a\":\"gone.safetensors\"}}", "file-missing"),
    ("{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "safetensors-shard-path"),
    ("{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "safetensors-shard-path"),
    ("{\"weight_map\":{\"a\":\"..\"}}", "safetensors-shard-path"),
    ("{\"weight_map\":{\"a\":\"\"}}", "safetensors-shard-path"),
    ("{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}", "safetensors-json"),
    ("{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"one.safetensors\"}}", "safetensors-index-tensor"),
    ("{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"}}", "safetensors-index-tensor"),
    ("{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"two.safetensors\"}}", "safetensors-index-tensor"),
  ])
  func badIndex(index: String, expected: String) throws {
    #expect(try codes(index: index) == [expected])
  }
}
