import Foundation
import Swage

/// The plan that `generate` works with: a plan file, or a checkpoint folder, which is compiled when it has changed.
struct GeneratePlan {
  let model: String
  let precision: PrecisionArgument
  let target: TargetList
  let threads: Int
  let trust: TrustPolicy

  /// The plan and its path. A folder's plan is kept in the user's cache, under a name that depends on the folder's files
  /// and the graph library's files (names, sizes, times of change), the options and the version of swage.
  func open() throws -> (plan: Plan, path: String) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: model, isDirectory: &isFolder), isFolder.boolValue else {
      return (try PlanReader.open(path: model, trust: trust), model)
    }
    let place = Self.hash([URL(fileURLWithPath: model).resolvingSymlinksInPath().path]).prefix(16)
    let options = [SwageVersion.current, precision.rawValue, target.names.joined(separator: ","), "\(threads)"]
    let state = Self.hash(options + HostCPU.features + Self.files(model) + Self.graphFiles()).prefix(32)
    let folder = try Self.cacheFolder()
    let path = "\(folder)/\(place)-\(state).plan"
    // A plan that cannot be used any more is made again.
    if let plan = try? PlanReader.open(path: path, trust: trust) { return (plan, path) }
    let request = CompileRequest(
      models: [model], targets: target.names, precision: precision.precision, threads: threads)
    let result = try Compiler(request).compile { Terminal.progress("compiling \(model): \($0)") }
    Terminal.progress("writing \(path)")
    try PlanWriter.write(result.plan, to: path)
    Terminal.clearProgress()
    Self.removeOlder(folder, prefix: "\(place)-", keeping: path)
    return (try PlanReader.open(path: path, trust: trust), path)
  }

  /// `$XDG_CACHE_HOME/swage/plans`, or `~/.cache/swage/plans`.
  private static func cacheFolder() throws -> String {
    func fault(_ folder: String?, _ why: String) -> Diagnostic {
      Diagnostic(
        code: "plan-cache", what: "there is no place to keep the compiled plan", place: .init(file: folder), why: why,
        remedy: "compile the folder with `swage compile`, and give the plan")
    }
    guard let folder = UserCache.folder("plans") else { throw fault(nil, "HOME is not set") }
    do {
      try UserCache.make(folder)
    } catch {
      throw fault(folder, error.localizedDescription)
    }
    return folder
  }

  /// Names, sizes and times of change of the files in and below the folder, sorted.
  private static func files(_ folder: String) -> [String] {
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return names.sorted().compactMap { name in
      var status = stat()
      guard stat(folder + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
      return "\(name)\0\(status.st_size)\0\(status.st_mtim.tv_sec)\0\(status.st_mtim.tv_nsec)"
    }
  }

  /// As `files`, of the architectures in the default graph library.
  private static func graphFiles() -> [String] {
    GraphLibrary.defaultFolders.flatMap { folder in
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      let places = names.sorted().map { folder + "/" + $0 }
      return places.filter { FileManager.default.fileExists(atPath: $0 + "/architecture.json") }
        .flatMap { place in [place] + files(place) }
    }
  }

  private static func hash(_ texts: [String]) -> String {
    Array(texts.joined(separator: "\0\0").utf8).withUnsafeBytes { SHA256.hexDigest(of: $0) }
  }

  private static func removeOlder(_ folder: String, prefix: String, keeping path: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names where name.hasPrefix(prefix) && name.hasSuffix(".plan") {
      let other = folder + "/" + name
      if other != path { unlink(other) }
    }
  }
}
