import Foundation
import SwageKernel
import SwagePartition
import SwageTensor

/// One call of the native compiler: a folder for what it writes, object files, and the shared object of them all.
struct NativeCompilerJob {
  private let compiler: NativeToolchain
  private let folder: TemporaryFolder
  private let cache: NativeCompilerCache?
  private let compilation: KernelCompilation
  /// Functions that were compiled.
  private(set) var compiled = 0

  /// From so many functions on, the prelude is read once for all of them.
  private static let manyFunctions = 4
  /// Source of a whole library beyond this many bytes is compiled as two translation units at the same time.
  private static let unitSize = 96_000

  init(_ toolchain: NativeToolchain, _ options: NativeCompiler.Options) throws(NativeCompilerError) {
    var toolchain = toolchain
    compilation = options.compilation
    switch compilation {
    case .kept: toolchain.flags.append("-O3")
    case .once(let optimization): toolchain.flags.append("-O\(optimization)")
    }
    compiler = toolchain
    cache = options.usesCache && compilation == .kept ? NativeCompilerCache(folder: options.cacheFolder) : nil
    do { folder = try TemporaryFolder() } catch .write(_, let number) {
      throw .cannotRun(program: toolchain.path, errno: number)
    } catch { throw .cannotRun(program: toolchain.path, errno: EMFILE) }
  }

  /// The shared object.
  mutating func image(of library: KernelLibrary) throws(NativeCompilerError) -> [UInt8] {
    defer { withExtendedLifetime(folder) {} }
    let parts: [String]
    switch compilation {
    case .kept: parts = try objects(of: library)
    case .once: parts = try objects(together: library)
    }
    let target = folder.path + "/kernels.so"
    try run(compiler.linkFlags + ["-o", target] + parts)
    return try contents(target)
  }

  // MARK: - Object files

  /// An object file for each function, in order: kept ones, and those that are compiled now.
  private mutating func objects(of library: KernelLibrary) throws(NativeCompilerError) -> [String] {
    let common = digest([compiler.path, compiler.identity, Dialect.c.prelude] + compiler.flags)
    let keys = library.units.map { digest([common, $0.text]) }
    let paths = keys.indices.map { "\(folder.path)/part\($0).o" }
    var missing: [Int] = []
    for (index, key) in keys.enumerated() {
      if let known = cache?.object(key) { try write(known, paths[index]) } else { missing.append(index) }
    }
    let prelude = missing.count < Self.manyFunctions ? nil : try precompiledPrelude()
    let flags = compiler.flags + (prelude.map { ["-include-pch", $0] } ?? [])
    let head = prelude == nil ? Dialect.c.prelude + "\n" : ""
    try compileAll(missing.map { (flags, head + library.units[$0].text, paths[$0]) })
    compiled = missing.count
    if let cache, !missing.isEmpty {
      for index in missing { cache.store(try contents(paths[index]), keys[index]) }
      cache.removeOldest()
    }
    return paths
  }

  /// What clang makes of the prelude, to be read instead of it; nil for other compilers.
  private func precompiledPrelude() throws(NativeCompilerError) -> String? {
    guard compiler.isClang else { return nil }
    let path = folder.path + "/prelude.pch"
    try run(compiler.flags + ["-x", "c-header", "-", "-o", path], input: Dialect.c.prelude)
    return path
  }

  /// One object file for a small library, two for a large one.
  private mutating func objects(together library: KernelLibrary) throws(NativeCompilerError) -> [String] {
    let total = library.units.reduce(0) { $0 + $1.text.utf8.count }
    var sources: [String] = []
    if total < Self.unitSize {
      sources = [library.source]
    } else {
      var written = 0
      let half = library.units.firstIndex { unit in
        written += unit.text.utf8.count
        return written * 2 > total
      }
      let middle = (half ?? 0) + 1
      sources = [library.source(library.units[..<middle]), library.source(library.units[middle...])]
    }
    let paths = sources.indices.map { "\(folder.path)/part\($0).o" }
    try compileAll(zip(sources, paths).map { (compiler.flags, $0, $1) })
    compiled = library.units.count
    return paths
  }

  // MARK: - Processes and files

  /// Translation units, as many at a time as there are processors.
  private func compileAll(
    _ units: [(flags: [String], source: String, object: String)]
  ) throws(NativeCompilerError) {
    let (program, temporary) = (compiler.path, folder.path)
    try Parallel.forEach(units.count) { index throws(NativeCompilerError) in
      let unit = units[index]
      try NativeCompilerProcess.run(
        program, unit.flags + ["-c", "-x", "c", "-", "-o", unit.object], input: unit.source, temporaryFolder: temporary)
    }
  }

  private func run(_ arguments: [String], input: String = "") throws(NativeCompilerError) {
    try NativeCompilerProcess.run(compiler.path, arguments, input: input, temporaryFolder: folder.path)
  }

  private func contents(_ path: String) throws(NativeCompilerError) -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path), !data.isEmpty else {
      throw .noObject(program: compiler.path)
    }
    return [UInt8](data)
  }

  private func write(_ bytes: [UInt8], _ path: String) throws(NativeCompilerError) {
    guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
      throw .cannotRun(program: compiler.path, errno: errno == 0 ? EIO : errno)
    }
  }

  private func digest(_ parts: [String]) -> String { SHA256.hexDigest(of: parts.joined(separator: "\0")) }
}
