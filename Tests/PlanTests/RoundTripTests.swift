import Foundation
import SwagePlan
import SwageTensor
import Testing

@Suite struct RoundTripTests {
  @Test(arguments: ["small", "rich", "looping"]) func plansSurvive(_ name: String) throws {
    let folder = try TemporaryFolder()
    let plan = SamplePlans.named(name)
    let path = folder.file("plan")
    try PlanWriter.write(plan, to: path, keys: folder.keys)
    let read = try PlanReader.open(path: path, keys: folder.keys)
    #expect(reflection(of: read) == reflection(of: plan))
    #expect(PlanText.json(read) == PlanText.json(plan))
    try PlanWriter.write(read, to: folder.file("again"), keys: folder.keys)
    #expect(try bytes(of: path) == bytes(of: folder.file("again")))
    #expect(folder.names.filter { $0 != "keys" } == ["again", "plan"])
  }

  @Test func samePlanGivesSameBytes() throws {
    let folder = try TemporaryFolder()
    var files: Set<[UInt8]> = []
    for index in 0..<20 {
      let path = folder.file("plan-\(index)")
      try PlanWriter.write(SamplePlans.rich(), to: path, keys: folder.keys)
      files.insert(try bytes(of: path))
    }
    #expect(files.count == 1)
  }

  @Test func weightsAreMappedAlignedAndStoredOnce() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("plan")
    var plan = SamplePlans.small()
    let same = Tensor(floats: (0..<1000).map { Float($0) }, [1000])
    for index in 0..<50 { plan.weights.append(PlanWeight(name: "copy \(index)", tensor: same)) }
    for index in 0..<50 {
      let copy = Tensor(floats: (0..<1000).map { Float($0) }, [10, 100])
      plan.weights.append(PlanWeight(name: "equal \(index)", tensor: copy))
    }
    try PlanWriter.write(plan, to: path)
    #expect(try bytes(of: path).count < 20_000)
    let read = try PlanReader.open(path: path)
    let bases = read.weights.map { $0.tensor.withBytes { UInt(bitPattern: $0.baseAddress) } }
    #expect(bases.allSatisfy { $0 % 64 == 0 })
    #expect(Set(bases).count == 2)
    #expect(read.weights.allSatisfy { $0.tensor.storage === read.weights[0].tensor.storage })
    #expect(read.weights.last?.tensor.floats == same.floats)
  }

  @Test func headerNamesItsSections() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("plan")
    try PlanWriter.write(SamplePlans.rich(), to: path, keys: folder.keys)
    let header = try PlanReader.header(path: path)
    #expect(header.toolVersion == "0.1.0")
    #expect(
      header.sections.map(\.kind) == [
        .manifest, .weights, .native, .native, .source, .attachment, .attachment, .attachment,
      ])
    #expect(header.sections.map(\.index) == [0, 0, 0, 1, 0, 0, 1, 2])
    #expect(PlanFormat.isPlan(path: path))
    #expect(!PlanFormat.isPlan(path: folder.file("missing")))
  }

  @Test func emptyPlan() throws {
    let folder = try TemporaryFolder()
    let plan = Plan(provenance: Provenance(toolVersion: ""))
    try PlanWriter.write(plan, to: folder.file("plan"))
    #expect(reflection(of: try PlanReader.open(path: folder.file("plan"))) == reflection(of: plan))
  }

  @Test func unwritablePlacesAreTypedErrors() throws {
    let folder = try TemporaryFolder()
    #expect(code { try PlanWriter.write(SamplePlans.small(), to: folder.file("missing/plan")) } == "file-write")
    #expect(code { try PlanWriter.write(SamplePlans.small(), to: folder.path) } == "file-not-regular")
    #expect(folder.names.isEmpty)
  }

  @Test func invalidPlanIsNotWritten() throws {
    let folder = try TemporaryFolder()
    var plan = SamplePlans.small()
    plan.entryPoints[0].values[0].shape = [99]
    #expect(code { try PlanWriter.write(plan, to: folder.file("plan")) } == "plan-invalid")
    #expect(folder.names.isEmpty)
  }

  @Test(arguments: ["small", "rich", "looping"]) func textNamesEverything(_ name: String) throws {
    let plan = SamplePlans.named(name)
    let text = PlanText.print(plan)
    for entry in plan.entryPoints + plan.bodies {
      for flat in entry.flattened { #expect(text.contains(flat.instruction.label)) }
      for port in entry.inputs + entry.outputs { #expect(text.contains(port.name)) }
    }
    for weight in plan.weights { #expect(text.contains(weight.name)) }
    for module in plan.modules { #expect(text.contains(module.name)) }
    for attachment in plan.attachments { #expect(text.contains(attachment.name)) }
    let json = try JSONSerialization.jsonObject(with: Data(PlanText.json(plan).utf8)) as? [String: Any]
    #expect((json?["entry_points"] as? [Any])?.count == plan.entryPoints.count)
    #expect((json?["bodies"] as? [Any])?.count == plan.bodies.count)
    let instructions = ((json?["entry_points"] as? [[String: Any]])?[0]["instructions"] as? [Any])?.count
    #expect(instructions == plan.entryPoints[0].flattened.count)
  }

  /// The generated C is what protoc-c makes of the schema; tested where protoc-c is installed.
  @Test func generatedCodeIsCurrent() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let source = root.appendingPathComponent("Sources/C/CPlan")
    let isInstalled = ["/usr/bin", "/usr/local/bin"].contains {
      FileManager.default.isExecutableFile(atPath: $0 + "/protoc-c")
    }
    guard isInstalled else { return }
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [source.appendingPathComponent("generate.sh").path, folder.path]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    for name in ["plan.pb-c.c", "include/plan.pb-c.h"] {
      let committed = try Data(contentsOf: source.appendingPathComponent(name))
      #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file(name))) == committed, "run generate.sh")
    }
  }
}
