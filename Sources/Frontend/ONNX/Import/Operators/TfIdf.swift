import SwageGraph
import SwageTensor

/// `TfIdfVectorizer`: n-grams are counted, then weighted.
enum TfIdfOperators {
  static let table: [String: Handler] = ["TfIdfVectorizer": vectorizer]

  private static func vectorizer(_ call: Call) throws -> [ImportedValue?] {
    func number(_ name: String) throws -> Int {
      guard let value = try call.int(name) else { throw NodeFault.invalid("attribute \(name) is missing") }
      return value
    }
    let (shortest, longest, skip) = (
      try number("min_gram_length"), try number("max_gram_length"), try number("max_skip_count")
    )
    try call.require(
      shortest >= 1 && shortest <= longest && longest < 1 << 20 && (0..<1 << 20).contains(skip),
      "grams of \(shortest) to \(longest) elements, with skips to \(skip)")
    guard let starts = try call.ints("ngram_counts"), let places = try call.ints("ngram_indexes"),
      let largest = places.max(), let smallest = places.min()
    else { throw NodeFault.invalid("ngram_counts or ngram_indexes is missing or empty") }
    try call.require(smallest >= 0 && largest < 1 << 30, "ngram_indexes are from \(smallest) to \(largest)")

    var x = try call.input(0)
    let pool: Tensor
    switch (try call.strings("pool_strings"), try call.ints("pool_int64s")) {
    case (let words?, nil): pool = Tensor(strings: words, [words.count])
    case (nil, let numbers?): pool = Tensor(.i64, [numbers.count], integers: numbers.map { Int64($0) })
    default: throw NodeFault.invalid("it has not one of pool_strings and pool_int64s")
    }
    try call.require(
      pool.elementType == .string ? x.type.elementType == .string : x.type.elementType.isInteger,
      "grams of \(pool.elementType.name) in \(x.type)")
    try checkPool(call, starts, places, pool.count, longest: longest)
    if pool.elementType == .i64 { x = try call.cast(x, to: .i64) }
    if x.type.rank == 0 { x = try call.reshape(x, [1]) }

    let op = NgramCount(starts: starts, lengths: shortest...longest, largestSkip: skip, width: largest + 1)
    let indices = Tensor(.i64, [places.count], integers: places.map { Int64($0) })
    let counts = try call.emit(.ngramCount(op), [x, call.constant(pool), call.constant(indices)])
    let weights = try call.floats("weights").map { given -> ImportedValue in
      // One weight for each gram, at the place of the gram.
      try call.require(given.count == places.count, "\(given.count) weights for \(places.count) grams")
      var values = [Double](repeating: 0, count: largest + 1)
      for (place, weight) in zip(places, given) { values[place] = weight }
      return call.constant(Tensor(.f32, [largest + 1], doubles: values))
    }
    switch try call.string("mode", default: "") {
    case "TF": return [counts]
    case "IDF":
      let isThere = try call.binary(.greater, counts, 0)
      return [try call.emit(.select(Select()), [isThere, weights ?? call.scalar(1, .f32), call.scalar(0, .f32)])]
    case "TFIDF": return [try weights.map { try call.binary(.mul, counts, $0) } ?? counts]
    case let mode: throw NodeFault.invalid("there is no mode \(mode)")
    }
  }

  /// Every gram has a place.
  private static func checkPool(_ call: Call, _ starts: [Int], _ places: [Int], _ count: Int, longest: Int) throws {
    var grams = 0
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : count
      try call.require(
        start >= 0 && start <= end && end <= count, "ngram_counts \(starts) do not fit a pool of \(count)")
      grams += (end - start) / (index + 1)
    }
    try call.require(grams == places.count, "\(places.count) places for \(grams) grams")
  }
}
