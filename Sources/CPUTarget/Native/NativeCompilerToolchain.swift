import CRuntime
import Foundation
import SwageTensor

/// A C compiler on this machine, and what it generates code for.
struct NativeToolchain: Sendable {
  var path: String
  /// The compiler's predefined macros: version, processor and instruction sets.
  var identity: String
  var flags: [String]
  var linkFlags: [String]
  var isClang: Bool
  var architecture: String
  var features: [String]

  /// The compiler named, or the first found: beside `swiftc`, on `PATH`, in `/usr/bin`; clang before others.
  static func find(_ named: String?) throws(NativeCompilerError) -> NativeToolchain {
    if let named {
      guard let path = resolve(named) else { throw .noCompiler(searched: [named]) }
      return try describe(path)
    }
    let manager = FileManager.default
    var candidates: [String] = []
    if let swiftc = resolve("swiftc") {
      candidates.append(
        URL(fileURLWithPath: swiftc).resolvingSymlinksInPath().deletingLastPathComponent().path + "/clang")
    }
    candidates += searchPath.map { $0 + "/clang" }
    let versioned = ((try? manager.contentsOfDirectory(atPath: "/usr/bin")) ?? []).compactMap {
      name -> (Int, String)? in
      guard name.hasPrefix("clang-"), let version = Int(name.dropFirst(6)) else { return nil }
      return (version, "/usr/bin/" + name)
    }
    candidates += versioned.sorted { $0.0 > $1.0 }.map(\.1)
    candidates += searchPath.flatMap { [$0 + "/cc", $0 + "/gcc"] }
    for candidate in candidates where manager.isExecutableFile(atPath: candidate) {
      if let found = try? describe(candidate) { return found }
    }
    throw .noCompiler(searched: ["clang beside swiftc", "clang, cc and gcc on PATH", "/usr/bin/clang-*"])
  }

  private static var searchPath: [String] {
    (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map(String.init)
      .filter { $0.hasPrefix("/") }
  }

  private static func resolve(_ name: String) -> String? {
    let candidates = name.contains("/") ? [name] : searchPath.map { "\($0)/\(name)" }
    return candidates.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// Asks the compiler for its macros under the flags that kernels are compiled with.
  private static func describe(_ path: String) throws(NativeCompilerError) -> NativeToolchain {
    var failure = NativeCompilerError.noCompiler(searched: [path])
    for native in ["-march=native", "-mcpu=native"] {
      var processor = [native]
      var (status, output) = try macros(path, processor)
      guard status == 0 else {
        failure = .failed(program: path, status: status, output: output)
        continue
      }
      // The compiler looks at the processor alone: the system may keep some of it from this process.
      let refused = refusals(of: names(output))
      if !refused.isEmpty {
        processor += refused
        (status, output) = try macros(path, processor)
        guard status == 0 else { throw .failed(program: path, status: status, output: output) }
      }
      let macros = names(output)
      let isClang = macros.contains("__clang__")
      let isARM = macros.contains("__aarch64__")
      var link = ["-shared", "-nostdlib", "-Wl,--build-id=none,-s,--as-needed", "-l:libm.so.6", "-l:libc.so.6"]
      let linker = URL(fileURLWithPath: path).deletingLastPathComponent().path + "/ld.lld"
      if isClang, FileManager.default.isExecutableFile(atPath: linker) { link.insert("-fuse-ld=lld", at: 0) }
      return NativeToolchain(
        path: path, identity: output, flags: flags(processor, isClang: isClang, macros: macros), linkFlags: link,
        isClang: isClang,
        architecture: isARM ? "aarch64" : macros.contains("__x86_64__") ? "x86_64" : "unknown",
        features: (isARM ? armFeatures : x86Features).filter { macros.contains($0.key[...]) }.map(\.value).sorted())
    }
    throw failure
  }

  /// What the compiler predefines under these flags, and how it ended.
  private static func macros(
    _ path: String, _ processor: [String]
  ) throws(NativeCompilerError) -> (status: Int32, output: String) {
    try NativeCompilerProcess(path, processor + ["-dM", "-E", "-x", "c", "-"]).wait()
  }

  private static func names(_ definitions: String) -> Set<Substring> {
    Set(
      definitions.split(separator: "\n").compactMap { line -> Substring? in
        let words = line.split(separator: " ", maxSplits: 2)
        return words.count >= 2 && words[0] == "#define" ? words[1] : nil
      })
  }

  /// Flags against the instruction sets that the compiler would use and this process may not.
  private static func refusals(of macros: Set<Substring>) -> [String] {
    x86Features.filter { macros.contains($0.key[...]) && !swage_cpu_has($0.value) }.keys.sorted().map {
      let name = $0.dropFirst(2).dropLast(2).lowercased()
      return "-mno-" + name.replacingOccurrences(of: "_", with: name.hasPrefix("sse") ? "." : "-")
    }
  }

  private static func flags(_ processor: [String], isClang: Bool, macros: Set<Substring>) -> [String] {
    var flags = processor
    flags += [
      "-std=gnu11", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math",
      "-fno-strict-aliasing", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-ident", "-w", "-g0",
      "-fno-stack-protector",
    ]
    if isClang { flags.append("-fno-color-diagnostics") }
    if isClang, macros.contains("__AVX512F__") { flags.append("-mprefer-vector-width=512") }
    return flags
  }

  /// Macros of the compiler and the kernel's names for the same instruction sets.
  private static let x86Features: [String: String] = [
    "__SSE3__": "pni", "__SSSE3__": "ssse3", "__SSE4_1__": "sse4_1", "__SSE4_2__": "sse4_2", "__POPCNT__": "popcnt",
    "__AVX__": "avx", "__AVX2__": "avx2", "__FMA__": "fma", "__F16C__": "f16c", "__BMI__": "bmi1", "__BMI2__": "bmi2",
    "__LZCNT__": "abm", "__MOVBE__": "movbe", "__GFNI__": "gfni", "__AVXVNNI__": "avx_vnni", "__AVX512F__": "avx512f",
    "__AVX512CD__": "avx512cd", "__AVX512BW__": "avx512bw", "__AVX512DQ__": "avx512dq", "__AVX512VL__": "avx512vl",
    "__AVX512VBMI__": "avx512vbmi", "__AVX512VBMI2__": "avx512_vbmi2", "__AVX512VNNI__": "avx512_vnni",
    "__AVX512BITALG__": "avx512_bitalg", "__AVX512VPOPCNTDQ__": "avx512_vpopcntdq", "__AVX512IFMA__": "avx512ifma",
    "__AVX512BF16__": "avx512_bf16", "__AVX512FP16__": "avx512_fp16", "__AMX_TILE__": "amx_tile",
    "__AMX_BF16__": "amx_bf16", "__AMX_INT8__": "amx_int8",
  ]
  private static let armFeatures: [String: String] = [
    "__ARM_NEON": "asimd", "__ARM_FEATURE_DOTPROD": "asimddp", "__ARM_FEATURE_FP16_VECTOR_ARITHMETIC": "asimdhp",
    "__ARM_FEATURE_BF16": "bf16", "__ARM_FEATURE_MATMUL_INT8": "i8mm", "__ARM_FEATURE_SVE": "sve",
    "__ARM_FEATURE_SVE2": "sve2", "__ARM_FEATURE_ATOMICS": "atomics", "__ARM_FEATURE_QRDMX": "asimdrdm",
  ]
}
