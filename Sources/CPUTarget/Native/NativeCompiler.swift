import Foundation
import SwageKernel
import SwageTensor

/// Turns generated C into a shared object for this machine.
public enum NativeCompiler {
  public struct Options: Hashable, Sendable {
    /// A compiler to use instead of the one that is found: `SWAGE_CC` in the environment.
    public var compiler: String?
    public var usesCache: Bool
    /// Where compiled objects are kept; nil: the user's cache folder.
    public var cacheFolder: String?
    /// From 0 to 3.
    public var optimization: Int

    public init(
      compiler: String? = nil, usesCache: Bool = true, cacheFolder: String? = nil, optimization: Int = 3
    ) {
      self.optimization = optimization
      self.compiler = compiler ?? ProcessInfo.processInfo.environment["SWAGE_CC"].flatMap { $0.isEmpty ? nil : $0 }
      self.usesCache = usesCache
      self.cacheFolder = cacheFolder
    }
  }

  /// Native code and what it needs.
  public struct Object: Sendable {
    /// An ELF shared object.
    public var image: [UInt8]
    /// The C text it was compiled from.
    public var source: String
    /// `x86_64` or `aarch64`.
    public var architecture: String
    /// Instruction sets that the code may use, by the names of `/proc/cpuinfo`, sorted.
    public var features: [String]
    /// Whether the image was compiled by an earlier call.
    public var fromCache: Bool
  }

  /// Source beyond this many bytes is compiled as two translation units at the same time.
  private static let unitSize = 96_000

  /// Compiles all functions of a library. The same library gives the same bytes with the same compiler on the same
  /// machine.
  public static func compile(
    _ library: KernelLibrary, _ options: Options = Options()
  ) throws(NativeCompilerError) -> Object {
    var compiler = try NativeToolchain.find(options.compiler)
    compiler.flags.append("-O\(options.optimization)")
    let source = library.sources(.c)[0]
    let body = source.utf8.count - Dialect.c.prelude.utf8.count
    let units = body > unitSize ? library.sources(.c, count: 2) : [source]
    var hash = SHA256()
    for part in [compiler.path, compiler.identity] + compiler.flags + compiler.linkFlags + units {
      hash.update(part)
      hash.update("\0")
    }
    let key = hash.hexDigest()
    let cache = options.usesCache ? NativeCompilerCache(folder: options.cacheFolder) : nil
    var object = Object(
      image: [], source: source, architecture: compiler.architecture, features: compiler.features, fromCache: false)
    if let known = cache?.object(key) {
      object.image = known
      object.fromCache = true
    } else {
      object.image = try compile(units, compiler)
      cache?.store(object.image, key)
    }
    return object
  }

  private static func compile(
    _ units: [String], _ compiler: NativeToolchain
  ) throws(NativeCompilerError) -> [UInt8] {
    let temporary: TemporaryFolder
    do { temporary = try TemporaryFolder() } catch .write(_, let number) {
      throw .cannotRun(program: compiler.path, errno: number)
    } catch { throw .cannotRun(program: compiler.path, errno: EMFILE) }
    defer { withExtendedLifetime(temporary) {} }
    let folder = temporary.path
    let object = folder + "/kernels.so"
    if units.count == 1 {
      let arguments = compiler.flags + compiler.linkFlags + ["-x", "c", "-", "-o", object]
      try finish(NativeCompilerProcess(compiler.path, arguments, input: units[0], temporaryFolder: folder))
    } else {
      var running: [NativeCompilerProcess] = []
      var parts: [String] = []
      for (index, unit) in units.enumerated() {
        parts.append("\(folder)/part\(index).o")
        let arguments = compiler.flags + ["-c", "-x", "c", "-", "-o", parts[index]]
        running.append(try NativeCompilerProcess(compiler.path, arguments, input: unit, temporaryFolder: folder))
      }
      var failure: NativeCompilerError?
      for process in running {
        do { try finish(process) } catch { failure = failure ?? error }
      }
      if let failure { throw failure }
      try finish(
        NativeCompilerProcess(compiler.path, compiler.linkFlags + ["-o", object] + parts, temporaryFolder: folder))
    }
    guard let data = FileManager.default.contents(atPath: object), !data.isEmpty else {
      throw .noObject(program: compiler.path)
    }
    return [UInt8](data)
  }

  private static func finish(_ process: NativeCompilerProcess) throws(NativeCompilerError) {
    let program = process.program
    let (status, output) = process.wait()
    guard status == 0 else { throw .failed(program: program, status: status, output: output) }
  }
}

extension SHA256 {
  fileprivate mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }
}
