import ArgumentParser
import Foundation
import Swage

/// The command-line tool.
struct SwageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swage",
    abstract: "Compiles model checkpoints to device plans, shows what each pass did, runs and times plans.",
    discussion: """
      Examples:
        swage compile model.onnx                        a CPU plan beside the model: model.plan
        swage compile graph.onnx --weights w.safetensors -o model.plan
        swage inspect model.onnx --after fuse-elementwise
        swage run model.plan --input image=scan.npy --output results
        swage bench model.plan --random-inputs 1 --json
        swage generate models/emoji "a slice of pizza" -o pizza.png
      """,
    version: SwageVersion.current,
    subcommands: [
      CompileCommand.self, GenerateCommand.self, InspectCommand.self, RunCommand.self, BenchCommand.self,
      CoverageCommand.self, FuzzCommand.self, VerifyCommand.self, DevicesCommand.self,
    ])
}

/// Exit status: 0 done, 1 the input is at fault, 2 wrong usage, 70 a bug in swage, 130 stopped by SIGINT.
@main
enum Main {
  static func main() {
    Interrupts.install()
    do {
      var command = try SwageCommand.parseAsRoot()
      try command.run()
    } catch is Interrupted {
      AtomicFile.removeUnfinished()
      exit(130)
    } catch let error as any SwageError {
      fail(error.diagnostics)
    } catch {
      let code = SwageCommand.exitCode(for: error)
      if code == .success {
        print(SwageCommand.fullMessage(for: error))
        exit(0)
      }
      Terminal.error(SwageCommand.fullMessage(for: error))
      exit(code == .validationFailure ? 2 : 70)
    }
  }

  static func fail(_ diagnostics: [Diagnostic]) -> Never {
    for diagnostic in diagnostics.prefix(200) { Terminal.error(diagnostic.description) }
    if diagnostics.count > 200 { Terminal.error("and \(diagnostics.count - 200) more") }
    let worst = diagnostics.map(\.fault.rawValue).max() ?? 70
    exit(worst)
  }
}
