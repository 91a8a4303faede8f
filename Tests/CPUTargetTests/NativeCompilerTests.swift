import Foundation
import SwageCPUTarget
import SwageKernel
import SwageTensor
import Testing

@Suite struct NativeCompilerTests {
  private func library(_ count: Int = 3) -> KernelLibrary {
    var library = KernelLibrary()
    for index in 0..<count {
      let k = KernelBuilder("scale")
      let x = k.input(.f32)
      let y = k.output(.f32)
      k.range = .symbol("n")
      let value = k.load(x, k.unit) * .f32(Double(index))
      k.store(y, k.unit, .call(.tanh, [value]))
      _ = library.add(k.finish())
    }
    return library
  }

  private func temporaryFolder() throws -> String {
    let path = NSTemporaryDirectory() + "/swage-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  @Test func theSameLibraryGivesTheSameBytes() throws {
    let options = NativeCompiler.Options(usesCache: false)
    let first = try NativeCompiler.compile(library(), options)
    let second = try NativeCompiler.compile(library(), options)
    #expect(first.image == second.image)
    #expect(first.source == library().source)
    #expect(first.features == first.features.sorted())
    #expect(first.architecture == "x86_64" || first.architecture == "aarch64")
    // No path of this machine stays in the object.
    let text = String(decoding: first.image, as: Unicode.ASCII.self)
    #expect(!text.contains(NSTemporaryDirectory()))
    #expect(!text.contains(FileManager.default.currentDirectoryPath))
  }

  @Test func largeLibrariesAreTwoUnits() throws {
    let options = NativeCompiler.Options(compilation: .once(optimization: 1))
    let large = library(300)
    let first = try NativeCompiler.compile(large, options)
    let second = try NativeCompiler.compile(large, options)
    #expect(first.image == second.image)
    let module = try LoadedModule(first.image)
    for unit in large.units { _ = try module.function(unit.symbol) }
  }

  @Test func functionsAreCompiledOnce() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let options = NativeCompiler.Options(cacheFolder: folder + "/new/kernels")
    let first = try NativeCompiler.compile(library(), options)
    let second = try NativeCompiler.compile(library(), options)
    #expect(first.compiled == 3 && second.compiled == 0)
    #expect(first.image == second.image)
    // Functions of a library that was never seen are kept ones too; its bytes are those of a first compilation.
    let larger = try NativeCompiler.compile(library(9), options)
    #expect(larger.compiled == 6)
    #expect(try larger.image == NativeCompiler.compile(library(9), .init(usesCache: false)).image)
    // A damaged entry is compiled again.
    for name in try FileManager.default.contentsOfDirectory(atPath: folder + "/new/kernels") {
      let path = folder + "/new/kernels/" + name
      var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
      bytes[bytes.count / 2] ^= 1
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
    let third = try NativeCompiler.compile(library(), options)
    #expect(third.compiled == 3)
    #expect(third.image == first.image)
  }

  @Test func aCacheThatCannotBeWrittenIsLeftAlone() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = folder + "/file"
    try Data().write(to: URL(fileURLWithPath: file))
    let object = try NativeCompiler.compile(library(), .init(cacheFolder: file + "/kernels"))
    #expect(!object.image.isEmpty && object.compiled == 3)
  }

  @Test func aMissingCompilerIsADiagnostic() {
    do {
      _ = try NativeCompiler.compile(library(), .init(compiler: "/nowhere/clang", usesCache: false))
      Issue.record("compiled without a compiler")
    } catch {
      #expect(error.diagnostics.map(\.code) == ["native-no-compiler"])
      #expect(error.diagnostics[0].description.contains("SWAGE_CC"))
    }
  }

  @Test func aFailingCompilerIsADiagnostic() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let script = folder + "/cc"
    // Answers the question for macros, then refuses.
    try "#!/bin/sh\ncase \"$*\" in *-dM*) echo '#define __x86_64__ 1';; *) echo 'no such luck' >&2; exit 3;; esac\n"
      .write(toFile: script, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
    do {
      _ = try NativeCompiler.compile(library(), .init(compiler: script, usesCache: false))
      Issue.record("compiled with a compiler that fails")
    } catch {
      #expect(error.diagnostics.map(\.code) == ["native-compile"])
      #expect(error.diagnostics[0].description.contains("no such luck"))
    }
  }

  /// All of the prelude, for another processor than this one.
  @Test func generatedCIsPortable() throws {
    let clang = try #require(
      ["/usr/bin/clang"].first { FileManager.default.isExecutableFile(atPath: $0) }
        ?? (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { $0 + "/clang" }
        .first { FileManager.default.isExecutableFile(atPath: $0) })
    for target in ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: clang)
      process.arguments = [
        "--target=\(target)", "-O1", "-Wall", "-Wno-pass-failed", "-Werror", "-c", "-x", "c", "-", "-o", "/dev/null",
      ]
      let input = Pipe()
      process.standardInput = input
      try process.run()
      try input.fileHandleForWriting.write(contentsOf: Data(everything().source.utf8))
      try input.fileHandleForWriting.close()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(target)")
    }
  }

  /// Every function and every conversion that kernels can call.
  private func everything() -> KernelLibrary {
    var library = KernelLibrary()
    for type in ScalarType.allCases where type != .bool {
      let element = ElementType.allCases.first { $0.name == type.name } ?? .f32
      for function in MathFunction.allCases {
        let isInteger = [.abs, .fmod, .mod, .max, .min, .divide, .shiftLeft, .shiftRight, .pow].contains(function)
        let isFloat = ![.divide, .shiftLeft, .shiftRight].contains(function)
        guard type.isFloat ? isFloat && (function != .roundToOdd || type == .f64) : isInteger else { continue }
        let k = KernelBuilder(function.rawValue)
        let x = k.input(element)
        let isTest = function == .isNaN || function == .isInf
        let y = k.output(isTest ? .bool : function == .roundToOdd ? .f32 : element)
        let count =
          switch function {
          case .fma, .clamp: 3
          case .fmod, .mod, .max, .min, .divide, .shiftLeft, .shiftRight, .pow: 2
          default: 1
          }
        k.store(y, k.unit, .call(function, (0..<count).map { k.load(x, k.unit + .i64($0)) }))
        _ = library.add(k.finish())
      }
    }
    for type in ElementType.allCases where type.isNumeric {
      let k = KernelBuilder("convert")
      let x = k.input(type)
      let y = k.output(type)
      let z = k.output(.f64)
      let value = k.let("v", k.load(x, k.unit))
      k.store(y, k.unit, .narrow(type, value))
      k.store(z, k.unit, value.cast(.f64))
      _ = library.add(k.finish())
    }
    for type in [ElementType.u8, .u16, .u32, .u64] {
      let k = KernelBuilder("turn")
      let x = k.input(type)
      let y = k.output(type)
      k.transpose(to: .buffer(y, 0), stride: 16, from: .buffer(x, 0), stride: 16)
      k.copy(to: y, at: 1, from: x, at: 2, count: k.size(.symbol("n")))
      _ = library.add(k.finish())
    }
    return library
  }
}
