import CFile
import Foundation
import SwageTensor

/// A program that is run to its end, with text on its standard input and its output collected.
struct NativeCompilerProcess {
  let program: String
  private let process: pid_t
  private let output: CInt

  /// Starts `program` in the process group of the caller, so that an interrupt from the terminal reaches it too. Its own
  /// temporary files go to `temporaryFolder`: compilers leave them behind when they are interrupted.
  init(
    _ program: String, _ arguments: [String], input: String = "", temporaryFolder: String? = nil
  ) throws(NativeCompilerError) {
    self.program = program
    let source = try Self.unnamedFile(program)
    defer { close(source) }
    output = try Self.unnamedFile(program)
    var text = input
    let written = text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count {
        let count = write(source, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 {
          if errno == EINTR { continue }
          return false
        }
        done += count
      }
      return true
    }
    guard written, lseek(source, 0, SEEK_SET) == 0 else {
      let reason = errno
      close(output)
      throw .cannotRun(program: program, errno: reason)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, source, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)
    var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var process = pid_t()
    var variables = ProcessInfo.processInfo.environment
    if let temporaryFolder { variables["TMPDIR"] = temporaryFolder }
    var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for variable in environment { free(variable) } }
    var status = posix_spawn(&process, program, &actions, nil, &argv, &environment)
    // A program that was just written is busy while a process that another thread forked meanwhile, and that has not
    // come to its exec, still holds the descriptor it was written through.
    for _ in 0..<100 where status == ETXTBSY {
      usleep(5000)
      status = posix_spawn(&process, program, &actions, nil, &argv, &environment)
    }
    guard status == 0 else {
      close(output)
      throw .cannotRun(program: program, errno: status)
    }
    self.process = process
  }

  /// Runs a compiler to its end, which must be a good one.
  static func run(
    _ program: String, _ arguments: [String], input: String = "", temporaryFolder: String? = nil
  ) throws(NativeCompilerError) {
    let process = try NativeCompilerProcess(program, arguments, input: input, temporaryFolder: temporaryFolder)
    let (status, output) = process.wait()
    guard status == 0 else { throw .failed(program: program, status: status, output: output) }
  }

  /// Waits for the end; returns the exit status (128 and more: a signal) and what was printed.
  consuming func wait() -> (status: Int32, output: String) {
    var state: Int32 = 0
    while waitpid(process, &state, 0) < 0, errno == EINTR {}
    defer { close(output) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    lseek(output, 0, SEEK_SET)
    while true {
      let count = read(output, &chunk, chunk.count)
      guard count > 0 else { break }
      text += chunk[..<count]
    }
    let signal = state & 0x7f
    return (signal == 0 ? (state >> 8) & 0xff : 128 + signal, String(decoding: text, as: UTF8.self))
  }

  /// An open file in memory, gone with its last descriptor, whenever a signal comes.
  private static func unnamedFile(_ program: String) throws(NativeCompilerError) -> CInt {
    let descriptor = swage_memory_file()
    guard descriptor >= 0 else { throw .cannotRun(program: program, errno: errno) }
    return descriptor
  }
}
