import Foundation
import SwageKernel
import SwagePartition
import SwageTensor

/// Turns generated C into a shared object for this machine.
public enum NativeCompiler {
  public struct Options: Hashable, Sendable {
    /// A compiler to use instead of the one that is found: `SWAGE_CC` in the environment.
    public var compiler: String?
    public var usesCache: Bool
    /// Where compiled objects are kept; nil: the user's cache folder.
    public var cacheFolder: String?
    public var compilation: KernelCompilation

    public init(
      compiler: String? = nil, usesCache: Bool = true, cacheFolder: String? = nil,
      compilation: KernelCompilation = .kept
    ) {
      self.compiler = compiler ?? ProcessInfo.processInfo.environment["SWAGE_CC"].flatMap { $0.isEmpty ? nil : $0 }
      self.usesCache = usesCache
      self.cacheFolder = cacheFolder
      self.compilation = compilation
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
    /// Functions that this call compiled; the others were kept from earlier ones.
    public var compiled: Int
  }

  /// Compiles all functions of a library. The same library gives the same bytes with the same compiler on the same
  /// machine, whatever was kept before.
  public static func compile(
    _ library: KernelLibrary, _ options: Options = Options()
  ) throws(NativeCompilerError) -> Object {
    let compiler = try NativeToolchain.find(options.compiler)
    var job = try NativeCompilerJob(compiler, options)
    let image = try job.image(of: library)
    return Object(
      image: image, source: library.source, architecture: compiler.architecture, features: compiler.features,
      compiled: job.compiled)
  }
}
