import Foundation
import SwagePlan
import SwageTensor
import Testing

@Suite struct TrustTests {
  private func open(_ path: String, _ trust: TrustPolicy = .compiledHere, _ keys: PlanTrust) -> String? {
    code { _ = try PlanReader.open(path: path, trust: trust, keys: keys) }
  }

  @Test func onlyTheUserWhoCompiledRunsIt() throws {
    let folder = try TemporaryFolder()
    let stranger = try TemporaryFolder()
    let path = folder.file("plan")
    try PlanWriter.write(SamplePlans.rich(), to: path, keys: folder.keys)
    #expect(open(path, .compiledHere, folder.keys) == nil)
    #expect(open(path, .compiledHere, stranger.keys) == "plan-untrusted")
    #expect(stranger.names.isEmpty, "reading makes no key")
    #expect(open(path, .allow, stranger.keys) == nil)
    #expect(open(path, .inspectOnly, stranger.keys) == nil)
    try PlanWriter.write(SamplePlans.rich(), to: stranger.file("plan"), keys: stranger.keys)
    #expect(try bytes(of: path) != bytes(of: stranger.file("plan")))
    #expect(open(stranger.file("plan"), .compiledHere, folder.keys) == "plan-untrusted")
  }

  @Test func plansWithoutNativeCodeNeedNoKey() throws {
    let folder = try TemporaryFolder()
    try PlanWriter.write(SamplePlans.small(), to: folder.file("plan"), keys: folder.keys)
    #expect(folder.names == ["plan"])
    #expect(open(folder.file("plan"), .compiledHere, folder.keys) == nil)
  }

  /// The manifest says with which sizes native code is called: it is part of what the tag covers.
  @Test func changedPlansAreNotTrusted() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("plan")
    try PlanWriter.write(SamplePlans.rich(), to: path, keys: folder.keys)
    let original = try bytes(of: path)
    let manifest = sections(of: original)[0]
    let name = Array("kernels".utf8)
    let range = original[manifest.offset..<manifest.offset + manifest.length]
    let at = try #require(range.indices.first { original[$0...].starts(with: name) })
    var changed = original
    changed[at] = UInt8(ascii: "x")
    reseal(&changed)
    try write(changed, to: path)
    #expect(open(path, .compiledHere, folder.keys) == "plan-untrusted")
    #expect(open(path, .allow, folder.keys) == nil)

    var untagged = original
    untagged.replaceSubrange(64..<96, with: [UInt8](repeating: 0, count: 32))
    reseal(&untagged)
    try write(untagged, to: path)
    #expect(throws: PlanError.untrusted(file: path, hasTag: false)) {
      try PlanReader.open(path: path, keys: folder.keys)
    }
  }

  @Test func theKeyIsPrivate() throws {
    let folder = try TemporaryFolder()
    let keys = folder.keys
    try PlanWriter.write(SamplePlans.rich(), to: folder.file("plan"), keys: keys)
    let attributes = try FileManager.default.attributesOfItem(atPath: keys.keyPath)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    #expect(try bytes(of: keys.keyPath).count == 32)
    #expect(try FileManager.default.contentsOfDirectory(atPath: keys.folder).count == 1)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: keys.keyPath)
    #expect(open(folder.file("plan"), .compiledHere, keys) == "plan-trust-key")
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: keys.keyPath)
    try write([1, 2, 3], to: keys.keyPath)
    #expect(open(folder.file("plan"), .compiledHere, keys) == "plan-trust-key")
    let blocked = PlanTrust(folder: folder.file("plan") + "/keys")
    #expect(
      code { try PlanWriter.write(SamplePlans.rich(), to: folder.file("again"), keys: blocked) } == "plan-trust-key")
    #expect(!folder.names.contains("again"))
  }

  @Test func theFolderFollowsTheEnvironment() {
    let folder = PlanTrust.user.folder
    let data = ProcessInfo.processInfo.environment["XDG_DATA_HOME"]
    #expect(data.map { folder == $0 + "/swage" } ?? folder.hasSuffix("/.local/share/swage"))
  }

  @Test func otherMachinesAreNamed() throws {
    let host = HostRequirement(architecture: "x86_64", features: ["avx2", "amx_bf16", "avx512f"])
    try host.check(architecture: "x86_64", features: ["avx512f", "avx2", "amx_bf16", "sse2"])
    #expect(throws: PlanError.missingFeatures(["amx_bf16", "avx512f"])) {
      try host.check(architecture: "x86_64", features: ["avx2"])
    }
    #expect(throws: PlanError.otherArchitecture(plan: "x86_64", machine: "aarch64")) {
      try host.check(architecture: "aarch64", features: ["asimd"])
    }
    #expect(PlanError.missingFeatures(["amx_bf16"]).diagnostics[0].what.contains("amx_bf16"))
  }
}
