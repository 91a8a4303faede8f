import SwageTensor
import Testing

@Suite struct StringTests {
  @Test func equalBytesHaveOneNumber() {
    let words: [[UInt8]] = [[], [0], Array("é".utf8), Array("e\u{301}".utf8), [0xff], Array("é".utf8)]
    let ids = StringTable.ids(of: words)
    #expect(ids[0] == 0)
    #expect(ids[2] == ids[5])
    // Equal as Unicode text, not as bytes.
    #expect(Set(ids).count == 5)
    #expect(StringTable.bytes(of: ids) == words)
    #expect(StringTable.bytes(of: [.max]) == [[]])
  }

  @Test func tensorsMoveAndCompareAsNumbers() {
    let tensor = Tensor(strings: ["b", "", "a", "b"], [2, 2])
    #expect(tensor.byteCount == 32)
    #expect(tensor.reshaped([4]).strings == ["b", "", "a", "b"])
    #expect(Tensor(zeros: .string, [2]).strings == ["", ""])
    #expect(tensor.integers[0] == tensor.integers[3])
  }

  @Test(arguments: [
    Tensor(strings: ["no", "naïve", "", "日本"], [2, 2]), Tensor(strings: [], [0, 3]), Tensor(strings: ["x"], []),
    Tensor(stringBytes: [[0xff, 1], [2]], [2]),
  ])
  func npyKeepsStrings(_ tensor: Tensor) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/strings.npy"
    try Npy.write(tensor, path: path)
    let read = try Npy.read(path: path)
    #expect(read.shape == tensor.shape)
    #expect(read.stringBytes == tensor.stringBytes)
  }

  private static let values: [(HostValue, ValueType)] = [
    (.tensor(Tensor(strings: ["a", ""], [2])), .tensor(.string, .sizes([nil]))),
    (.sequence([]), .sequence(.tensor(.f32, .any))),
    (
      .sequence([.tensor(Tensor(floats: [1, 2], [2])), .tensor(Tensor(floats: [3], [1]))]),
      .sequence(.tensor(.f32, .sizes([nil])))
    ),
    (.optional(nil), .optional(.tensor(.i64, .sizes([])))),
    (.optional(.sequence([.tensor(Tensor(scalar: 7, .i64))])), .optional(.sequence(.tensor(.i64, .sizes([]))))),
    (
      .sequence([
        .map(keys: Tensor(strings: ["x", "y"], [2]), values: Tensor(floats: [0.25, 0.75], [2])),
        .map(keys: Tensor(strings: [], [0]), values: Tensor(zeros: .f32, [0])),
      ]), .sequence(.map(key: .string, value: .f32))
    ),
    (
      .map(keys: Tensor(.i64, [2], integers: [0, -5]), values: Tensor(.i64, [2], integers: [1, 2])),
      .map(key: .i64, value: .i64)
    ),
  ]

  private func text(_ value: HostValue) -> String {
    switch value {
    case .tensor(let t): t.elementType == .string ? "\(t.type)\(t.strings)" : "\(t.type)\(t.doubles)"
    case .sequence(let items): "[\(items.map(text).joined(separator: "; "))]"
    case .optional(let inner): "optional \(inner.map(text) ?? "none")"
    case .map(let keys, let values): "{\(text(.tensor(keys))) \(text(.tensor(values)))}"
    }
  }

  @Test(arguments: values.indices) func valueFilesRoundTrip(_ index: Int) throws {
    let (value, type) = Self.values[index]
    let folder = try TemporaryFolder()
    let path = folder.path + "/value.pb"
    try HostValueFile.write(value, path: path)
    let read = try HostValueFile.read(path: path, as: type)
    #expect(text(read) == text(value))
    #expect(type.mismatch(read) == nil)
    #expect(ValueType(parsing: type.description) == type)
    // Files cut short, or of another kind, are errors or other values, never traps.
    let bytes = try MappedFile(path: path).withBytes { Array($0) }
    for count in 0..<bytes.count {
      for (_, other) in Self.values {
        _ = try? HostValueFile.read(path: folder.file("cut.pb", Array(bytes[..<count])), as: other)
      }
    }
  }

  @Test(arguments: [
    "", "f32", "f32[", "f32[-1]", "f32[01]", "object[]", "sequence(f32[1]", "map(f32, f32)", "map(i64)",
    String(repeating: "sequence(", count: 20) + "f32[]" + String(repeating: ")", count: 20),
  ])
  func noTypes(_ text: String) {
    #expect(ValueType(parsing: text) == nil)
  }

  @Test func numbersOfAnEarlierRunAreStale() {
    let store = ObjectStore()
    let first = store.add(.sequence([]))
    #expect(store.value(first) != nil)
    store.truncate(to: 0)
    #expect(store.value(first) == nil)
    _ = store.add(.optional(nil))
    #expect(store.value(first) == nil)
    #expect(store.value(Tensor(zeros: .object, [])) == nil)
  }
}
