import Foundation
import SwageTensor

/// Why generated C did not become native code.
public enum NativeCompilerError: SwageError {
  /// No C compiler was found; the places that were searched.
  case noCompiler(searched: [String])
  /// The compiler could not be started, or a temporary file not be written.
  case cannotRun(program: String, errno: Int32)
  /// The compiler refused what swage generated.
  case failed(program: String, status: Int32, output: String)
  /// The compiler said success and left no shared object.
  case noObject(program: String)

  public var diagnostics: [Diagnostic] {
    switch self {
    case .noCompiler(let searched):
      [
        Diagnostic(
          code: "native-no-compiler", what: "no C compiler was found to compile the generated kernels",
          why: "searched \(searched.joined(separator: ", "))",
          remedy: "install clang (`apt-get install clang lld`), put Swift's toolchain on PATH, or name one in SWAGE_CC")
      ]
    case .cannotRun(let program, let errno):
      [
        Diagnostic(
          code: "native-compiler-start", what: "the C compiler \(program) could not be run",
          why: String(cString: strerror(errno)),
          remedy: "check that the program and the temporary folder (TMPDIR) can be used, or name a compiler in SWAGE_CC"
        )
      ]
    case .failed(let program, let status, let output) where output.allSatisfy(\.isWhitespace):
      [
        Diagnostic(
          code: "native-compile", what: "the C compiler \(program) ended with status \(status)",
          why: "it printed nothing, as where the system ends it",
          remedy: "check that memory and the temporary folder (TMPDIR) have space, or name another compiler in SWAGE_CC"
        )
      ]
    case .failed(let program, let status, let output) where output.contains(String(cString: strerror(ENOSPC))):
      [
        Diagnostic(
          code: "native-compile", what: "the C compiler \(program) ended with status \(status)",
          place: .init(file: NSTemporaryDirectory()), why: String(output.prefix(2000)),
          remedy: "make space in the temporary folder, or name another folder in TMPDIR")
      ]
    case .failed(let program, let status, let output):
      [
        Diagnostic(
          fault: .bug, code: "native-compile", what: "the C compiler \(program) ended with status \(status)",
          why: String(output.prefix(2000)),
          remedy:
            "try another compiler with SWAGE_CC; if clang fails too this is a bug in swage: report it with the model")
      ]
    case .noObject(let program):
      [
        Diagnostic(
          code: "native-no-object", what: "the C compiler \(program) left no shared object",
          remedy: "check that the temporary folder (TMPDIR) has space, or name another compiler in SWAGE_CC")
      ]
    }
  }
}
