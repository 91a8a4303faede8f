import SwageGraph
import SwagePasses
import Testing

@Suite struct GraphDiffTests {
  @Test func onlyChangedLinesShow() throws {
    let before = try GraphParser.parse(
      """
      graph "g" (%0 "x": f32[4]) {
        %1 "a" = unary(%0) {function = neg} : f32[4] from "a" (Neg)
        %2 "b" = unary(%1) {function = neg} : f32[4] from "b" (Neg)
        %3 "c" = unary(%2) {function = exp} : f32[4] from "c" (Exp)
        %4 "d" = unary(%3) {function = tanh} : f32[4] from "d" (Tanh)
        %5 "e" = unary(%4) {function = tanh} : f32[4] from "e" (Tanh)
        return %5 "y"
      }
      """)
    var after = before
    try algebraic.run(&after)
    #expect(
      GraphDiff.text(before, after, context: 1) == """
         graph "g" (%x "x": f32[4]) {
        -  %a = unary(%x) {function = neg} : f32[4] from "a" (Neg)
        -  %b = unary(%a) {function = neg} : f32[4] from "b" (Neg)
        -  %c = unary(%b) {function = exp} : f32[4] from "c" (Exp)
        +  %c = unary(%x) {function = exp} : f32[4] from "c" (Exp)
           %d = unary(%c) {function = tanh} : f32[4] from "d" (Tanh)

        """)
  }

  @Test func equalGraphsAreUnchanged() throws {
    let graph = try GraphParser.parse("graph \"g\" (%0 \"x\": f32[4]) {\n return %0 \"y\"\n}")
    #expect(GraphDiff.text(graph, graph) == "(unchanged)\n")
  }
}
