import Foundation
import SwageCompiler
import SwageGraph
import SwagePartition
import SwagePlan
import SwageReferenceDevice
import SwageRuntime
import SwageTensor

/// Holds several cases against all oracles. Their kernels are compiled as one module: entry points of one plan.
public struct BatchChecker {
  /// Told what is about to happen, so that whoever watches knows what to blame for a crash: the index of the case, or
  /// nil for all, and the oracle.
  public typealias Note = (_ index: Int?, _ oracle: Oracle) -> Void

  public struct Report: Sendable {
    /// By index of the case.
    public var failures: [Int: [FuzzFailure]] = [:]
    public var explained = 0
    public var compared = 0
  }

  private let cases: [FuzzCase]
  private let only: Oracle?
  private let compilation: KernelCompilation
  private let note: Note
  private var checkers: [CaseChecker]
  /// In the plan: the case itself, and its twin under another placement.
  private enum Kind: String, CaseIterable { case optimized, placed }

  private init(_ cases: [FuzzCase], _ only: Oracle?, _ compilation: KernelCompilation, _ note: @escaping Note) {
    self.cases = cases
    self.only = only
    self.compilation = compilation
    self.note = note
    checkers = cases.map { CaseChecker($0) }
  }

  /// `only` asks one oracle, and what it needs; `compilation` is that of `LoweringOptions`.
  public static func check(
    _ cases: [FuzzCase], only: Oracle? = nil, compilation: KernelCompilation = .once(optimization: 3),
    note: @escaping Note = { _, _ in }
  ) -> Report {
    var batch = BatchChecker(cases, only, compilation, note)
    return batch.check()
  }

  private mutating func check() -> Report {
    for index in cases.indices { checkers[index].check(only: only) { note(index, $0) } }
    if needsPlan { checkPlans(Array(cases.indices)) }
    var report = Report()
    for (index, checker) in checkers.enumerated() {
      if !checker.failures.isEmpty { report.failures[index] = checker.failures }
      report.explained += checker.explained
      report.compared += checker.compared
    }
    return report
  }

  private var needsPlan: Bool {
    switch only {
    case nil, .plan, .placement, .reload, .threads: true
    case .text, .onnx, .pass, .pipeline: false
    }
  }

  // MARK: - Plans

  private static func name(_ index: Int, _ kind: Kind) -> String { "\(index)-\(kind.rawValue)" }

  /// Choices for a case, the same whatever its place in a batch.
  private func random(_ index: Int, stream: UInt64) -> FuzzRandom {
    let digest = cases[index].graph.name.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
      ($0 ^ UInt64($1)) &* 1_099_511_628_211
    }
    return FuzzRandom(seed: digest, stream: stream)
  }

  /// The graph under an entry point's name, and how to compile it.
  private func item(_ index: Int, _ kind: Kind) -> (graph: Graph, request: CompileRequest) {
    var graph = cases[index].graph
    var random = random(index, stream: 1)
    graph.name = Self.name(index, kind)
    var request = CompileRequest(models: [], threads: 2)
    if kind == .placed {
      request.randomPlacementSeed = random.next()
      request.maxRewrites = random.chance(50) ? 0 : random.chance(50) ? random.below(12) : nil
    }
    return (graph, request)
  }

  /// Every second case has a twin: compiling kernels is most of the work.
  private func kinds(_ index: Int) -> [Kind] {
    switch only {
    case .placement: return [.placed]
    case .plan, .reload, .threads: return [.optimized]
    case nil, .text, .onnx, .pass, .pipeline:
      var random = random(index, stream: 2)
      return cases.count == 1 || random.chance(50) ? Kind.allCases : [.optimized]
    }
  }

  private mutating func checkPlans(_ indices: [Int]) {
    note(indices.count == 1 ? indices[0] : nil, .plan)
    let plan: Plan
    do {
      let items = indices.flatMap { index in kinds(index).map { item(index, $0) } }
      plan = try Compiler.compile(
        items, targets: ["cpu", "reference"], threads: 2, compilation: compilation
      ).plan
    } catch {
      guard indices.count > 1 else {
        checkers[indices[0]].fail(blame(indices[0]), error)
        return
      }
      // Half and half until the guilty one stands alone.
      checkPlans(Array(indices[..<(indices.count / 2)]))
      checkPlans(Array(indices[(indices.count / 2)...]))
      return
    }
    let reopened = only == nil || only == .reload ? reopen(plan, indices) : nil
    for index in indices { run(index, plan, reopened) }
  }

  private func compile(alone index: Int) throws -> Plan {
    try Compiler.compile(
      [item(index, .optimized)], targets: ["cpu", "reference"], threads: 2, compilation: compilation
    ).plan
  }

  /// Which of the two ways of compiling fails.
  private func blame(_ index: Int) -> Oracle {
    do {
      _ = try compile(alone: index)
      return .placement
    } catch { return .plan }
  }

  private mutating func reopen(_ plan: Plan, _ indices: [Int]) -> Plan? {
    do {
      let folder = try TemporaryFolder()
      defer { withExtendedLifetime(folder) {} }
      try PlanWriter.write(plan, to: folder.path + "/fuzz.plan")
      return try PlanReader.open(path: folder.path + "/fuzz.plan")
    } catch {
      guard indices.count > 1 else {
        checkers[indices[0]].fail(.reload, error)
        return nil
      }
      for index in indices where checkers[index].failures.isEmpty {
        if let alone = try? compile(alone: index) { _ = reopen(alone, [index]) }
      }
      return nil
    }
  }

  private mutating func run(_ index: Int, _ plan: Plan, _ reopened: Plan?) {
    let item = cases[index]
    func session(_ plan: Plan, _ kind: Kind, threads: Int) throws -> Session {
      try Session(
        plan: plan, entryPoint: Self.name(index, kind), options: SessionOptions(threads: threads),
        devices: [ReferenceDevice()])
    }
    func results(_ session: Session, _ run: Int) throws -> [Tensor] {
      let named = try session.run(item.runs[run])
      return item.graph.outputNames.compactMap { named[$0] }
    }
    var oracle = Oracle.plan
    do {
      if kinds(index).contains(.optimized) {
        note(index, oracle)
        // One session for all sizes: it binds them anew.
        let single = try session(plan, .optimized, threads: 1)
        var first: [[Tensor]] = []
        for run in item.runs.indices {
          first.append(try results(single, run))
          checkers[index].compare(first[run], run: run, .plan)
        }
        if only == nil || only == .threads {
          oracle = .threads
          note(index, oracle)
          let several = try session(plan, .optimized, threads: 3)
          for run in item.runs.indices.reversed() {
            checkers[index].compareBits(first[run], try results(several, run), run: run, .threads)
          }
        }
        if let reopened {
          oracle = .reload
          note(index, oracle)
          let again = try session(reopened, .optimized, threads: 1)
          for run in item.runs.indices {
            checkers[index].compareBits(first[run], try results(again, run), run: run, .reload)
          }
        }
      }
      if kinds(index).contains(.placed) {
        oracle = .placement
        note(index, oracle)
        let placed = try session(plan, .placed, threads: 2)
        for run in item.runs.indices { checkers[index].compare(try results(placed, run), run: run, .placement) }
      }
    } catch {
      checkers[index].fail(oracle, error)
    }
  }
}
