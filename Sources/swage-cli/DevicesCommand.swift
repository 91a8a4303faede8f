import ArgumentParser
import Foundation
import Swage

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices", abstract: "Lists the devices of this machine and what they reach.")

  @Flag(name: .long, help: "Leaves out the measurement of peaks.") var quick = false

  func run() throws {
    print("cpu        \(HostCPU.architecture), \(HostCPU.coreCount) cores")
    print("           features: \(HostCPU.features.joined(separator: " "))")
    if !quick {
      let peak = MachinePeak.measured(threads: HostCPU.coreCount)
      print(
        String(
          format: "           measured on %d threads: %.0f Gflop/s f32, %.1f GB/s read", peak.threads,
          peak.flopsPerSecond / 1e9, peak.bytesPerSecond / 1e9))
    }
    print("reference  evaluates every operation in double precision; slow, runs anywhere")
  }
}
