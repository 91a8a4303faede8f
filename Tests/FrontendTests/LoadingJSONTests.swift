import SwageFrontend
import SwageTensor
import Testing

@Suite struct LoadingJSONTests {
  private func parse(_ text: String, depth: Int = 64) throws -> StrictJSON {
    try Array(text.utf8).withUnsafeBytes { try StrictJSON.parse($0, maximumDepth: depth) }
  }

  @Test func readsValues() throws {
    let json = try parse(#" {"a": [1, -2.5e1, true, null], "b": {"c": "\u00e9\ud83d\ude00\n\/"}} "#)
    #expect(json["a"]?.array?[0].integer == 1)
    if case .number(let value)? = json["a"]?.array?[1] { #expect(value == -25) } else { Issue.record("no number") }
    #expect(json["b"]?["c"]?.string == "é😀\n/")
    #expect(try parse("9223372036854775807").integer == Int.max)
    #expect(try parse("9223372036854775808").integer == nil)
    #expect(try parse("-9223372036854775808").integer == Int.min)
    #expect(try parse("2.0").integer == nil)
    #expect(try parse("1e3").integer == nil)
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "[1 2]", "01",
    "-", "+1", ".5", "1.", "1e", "NaN", "Infinity", "tru", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
    "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "1 1", "{} x", "\u{feff}{}", "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}", "// x\n1",
  ])
  func refuses(text: String) {
    #expect(throws: StrictJSON.Fault.self) { try parse(text) }
  }

  @Test func refusesBytesThatAreNotUTF8() {
    #expect(throws: StrictJSON.Fault.self) {
      try ([34, 0xff, 34] as [UInt8]).withUnsafeBytes { try StrictJSON.parse($0) }
    }
  }

  @Test func limitsNesting() throws {
    #expect(throws: StrictJSON.Fault.self) { try parse(String(repeating: "[", count: 1_000_000)) }
    #expect(throws: StrictJSON.Fault.self) { try parse("[[[1]]]", depth: 3) }
    _ = try parse("[[[1]]]", depth: 4)
  }
}
