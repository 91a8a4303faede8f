import SwagePlan
import SwageTensor
import Testing

@Suite struct SizeTests {
  /// Sizes come back from a file as they were.
  @Test func sizesSurvive() throws {
    let h = Dim.symbol("h")
    let w = Dim.symbol("w.1")
    var sizes: [Dim] = [0, 1, -7, Dim(1 << 50), h, h * w * 3 - 4, (h + 1).floorDivided(by: 2)]
    sizes.append(((h + 1).floorDivided(by: 2) * 2 + w).floorDivided(by: w + 1) * h)
    sizes.append(Dim.minimum(h, Dim.maximum(w, 4)).remainder(by: h + 2))
    sizes.append((h * h - 3).ceilDivided(by: 8) * (w - 2))
    var deep = h
    for step in 1..<20 { deep = Dim.maximum((deep + Dim(step)).floorDivided(by: 2), w) }
    sizes.append(deep)
    let folder = try TemporaryFolder()
    var plan = SamplePlans.small()
    plan.entryPoints[0].symbols = ["h", "w.1"]
    plan.entryPoints[0].sizes += sizes
    let input = PlanValue(
      name: "z", elementType: .f32, shape: [3 + 4, 3 + 4], location: .input(1))
    plan.entryPoints[0].values.append(input)
    plan.entryPoints[0].inputs.append(Port(name: "z", value: 3))
    plan.entryPoints[0].values[3].shape = [
      sizes.firstIndex(of: h).map { $0 + 3 } ?? 0, plan.entryPoints[0].sizes.count,
    ]
    plan.entryPoints[0].sizes.append(w)
    try PlanWriter.write(plan, to: folder.file("plan"))
    #expect(try PlanReader.open(path: folder.file("plan")).entryPoints[0].sizes == plan.entryPoints[0].sizes)
  }

  /// Texts that are no sizes, under checksums that are right; some would multiply out without end.
  @Test(arguments: [
    "", " ", "h", "x+1", "1 + x", "x  + 1", "(x)", "x * 2", "2*x", "00", "-0", "+1", "0x10", "1e3", "-", "x*", "x/2",
    "99999999999999999999", "9223372036854775807", "floordiv(x, 0)", "floordiv(x)", "pow(x, 2)", "min(x, x)",
    "mod(-9223372036854775807, 3)", "floordiv(4*x + 4, 4)", "floordiv(x, 2", "x\u{e9}",
    String(repeating: "min(x, ", count: 60) + "1" + String(repeating: ")", count: 60),
    Array(repeating: "floordiv(4*x + 4*x*x, 4)", count: 40).joined(separator: "*"),
    String(repeating: "x*", count: 5000) + "x",
  ]) func badSizesAreRefused(_ text: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("plan")
    let entry = message(1, Array("main".utf8)) + message(3, Array(text.utf8))
    try write(planFile(manifest: message(1, []) + message(6, entry)), to: path)
    #expect(
      code { _ = try PlanReader.open(path: path) } == (["h", "2*x"].contains(text) ? "plan-invalid" : "plan-manifest"))
  }

  @Test func goodSizesAreTaken() throws {
    let folder = try TemporaryFolder()
    let entry = message(1, Array("main".utf8)) + message(3, Array("-16".utf8))
    try write(planFile(manifest: message(1, []) + message(6, entry)), to: folder.file("plan"))
    #expect(try PlanReader.open(path: folder.file("plan")).entryPoints[0].sizes == [-16])
  }
}
