import SwageGraph
import SwagePasses
import SwageTensor
import Testing

/// Every rule is asked about every kind of node, in places where patterns expect others.
@Suite struct RobustnessTests {
  @Test func nodesWithoutOperandsOrResultsAreSafe() throws {
    var graph = try GraphParser.parse(
      """
      graph "g" (%0 "x": f32[h, 4], %1 "n": i64[1]) {
        bind_symbols(%1) {names = ["s0"]} from "a" (A)
        %2 = sizes() {values = [h, s0]} : i64[2] from "b" (B)
        %3 = reshape(%2) {shape = [2, 1]} : i64[2, 1] from "c" (C)
        %4 = constant f32[1] [1.0]
        %5 = reshape(%4) {shape = [1, 1]} : f32[1, 1] from "d" (D)
        %6 = binary(%0, %5) {function = div} : f32[h, 4] from "e" (E)
        %7 = binary(%4, %5) {function = pow} : f32[1, 1] from "f" (F)
        %8 = unary(%7) {function = rsqrt} : f32[1, 1] from "g" (G)
        %9 = binary(%6, %8) {function = mul} : f32[h, 4] from "h" (H)
        %10 = cast(%2) {to = f32} : f32[2] from "i" (I)
        %11 = unary(%10) {function = square} : f32[2] from "j" (J)
        %12 = unary(%11) {function = sqrt} : f32[2] from "k" (K)
        %13 = binary(%10, %12) {function = div} : f32[2] from "l" (L)
        return %3 "a", %9 "b", %13 "c"
      }
      """)
    let before = graph
    try Pipeline.standard().run(&graph)
    try assertSameResults(before, graph, symbols: ["h": 2])
  }
}
