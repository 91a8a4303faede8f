import SwageGraph
import SwageTensor
import Testing

/// Random numbers are those of `numpy.random.RandomState`.
@Suite struct RandomTests {
  private func run(_ attributes: String, _ type: String, stream: Int64? = nil) throws -> [Double] {
    let input = stream == nil ? "" : "%0 \"stream\": i64[]"
    let text = """
      graph "g" (\(input)) {
        %1 = random(\(stream == nil ? "" : "%0")) {\(attributes)} : \(type)
        return %1 "y"
      }
      """
    var context = EvaluationContext()
    let inputs = stream.map { [Tensor(.i64, [], integers: [$0])] } ?? []
    return try Evaluator.run(try GraphParser.parse(text), inputs, &context)[0].doubles
  }

  @Test func uniformNumbers() throws {
    let plain = "distribution = uniform, type = f64, shape = [3], seed = 7"
    let expected = [0.07630828937395717, 0.7799187922401146, 0.4384092314408935]
    #expect(try run(plain, "f64[3]") == expected)
    #expect(try run(plain, "f64[3]", stream: 0) == expected)
    #expect(try run(plain + ", offset = -1.0, scale = 2.0", "f64[3]") == expected.map { -1 + 2 * $0 })
  }

  @Test func normalNumbersComeInPairs() throws {
    let values = try run("distribution = normal, type = f64, shape = [3], seed = 7", "f64[3]")
    for (value, expected) in zip(values, [1.690525703800356, -0.4659373705408328, 0.0328201636785844]) {
      #expect(abs(value - expected) < 1e-15)
    }
  }

  @Test func otherStreamsHaveOtherSeeds() throws {
    #expect(
      try run("distribution = uniform, type = f64, shape = [2], seed = 7", "f64[2]", stream: 3)
        == [0.9084401900528412, 0.3096629430399529])
  }
}
