import Foundation
import Swage

/// Leaves nothing half-written when the user stops the program: temporary files are removed, then the signal takes its
/// usual effect.
enum Interrupts {
  static func install() {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { received in
        if received == SIGINT, interruptState == .awaited {
          // The loop asks before its next step; a second signal does not wait for it.
          interruptState = .received
          return
        }
        AtomicFile.removeUnfinished()
        signal(received, SIG_DFL)
        raise(received)
      }
    }
    // Writing to a closed pipe is an error of the write, not a signal.
    signal(SIGPIPE, SIG_IGN)
    // So is writing beyond the limit of file sizes (ulimit -f).
    signal(SIGXFSZ, SIG_IGN)
  }

  /// From now on SIGINT is noted, for `check`.
  static func await() { interruptState = .awaited }

  /// Throws `Interrupted` where SIGINT came since `await`.
  static func check() throws {
    if interruptState == .received { throw Interrupted() }
  }
}

/// The user stopped the program with SIGINT: exit status 130.
struct Interrupted: Error {}

private enum InterruptState: UInt8 {
  case immediate, awaited, received
}

// A plain byte: the handler reads and writes it.
nonisolated(unsafe) private var interruptState = InterruptState.immediate
