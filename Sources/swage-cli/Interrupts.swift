import Foundation
import Swage

/// Leaves nothing half-written when the user stops the program: temporary files are removed, then the signal takes its
/// usual effect.
enum Interrupts {
  static func install() {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { received in
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
}
