import Foundation

/// A profile in the JSON form of Chrome's trace viewer, which Perfetto opens too.
///
/// Format: "Trace Event Format" (Google, 2016): complete events, times in microseconds.
public enum Trace {
  /// The last run of the profile, one event for each instruction it came to. `name` is the process's name in the viewer.
  public static func json(_ profile: Profile, name: String) -> String { json([profile], name: name) }

  /// The same for several entry points, below each other in the viewer; each begins at time zero.
  public static func json(_ profiles: [Profile], name: String) -> String {
    let events = profiles.enumerated().flatMap { index, profile in self.events(profile, name: name, process: index + 1)
    }
    return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" + events.joined(separator: ",\n") + "\n]}\n"
  }

  private static func events(_ profile: Profile, name: String, process: Int) -> [String] {
    func metadata(_ kind: String, track: Int, _ text: String) -> String {
      "{\"ph\":\"M\",\"pid\":\(process),\"tid\":\(track),\"name\":\"\(kind)\",\"args\":{\"name\":\(quoted(text))}}"
    }
    var events = [
      metadata("process_name", track: 1, name),
      metadata("thread_name", track: 1, "instructions of \(profile.entryPoint)"),
    ]
    let hasDevice = profile.nodes.contains { $0.deviceNanoseconds != nil }
    if hasDevice { events.append(metadata("thread_name", track: 2, "device")) }
    for node in profile.nodes where node.wasReached {
      events.append(event(node, process, track: 1, nanoseconds: node.durationNanoseconds))
      if let device = node.deviceNanoseconds {
        events.append(event(node, process, track: 2, nanoseconds: min(device, node.durationNanoseconds)))
      }
    }
    return events
  }

  private static func event(_ node: Profile.Node, _ process: Int, track: Int, nanoseconds: Double) -> String {
    let seconds = max(nanoseconds, 1) * 1e-9
    let sources = node.sources.map(quoted).joined(separator: ",")
    var arguments = [
      "\"position\":\(node.position)", "\"flops\":\(node.flops)", "\"bytes\":\(node.bytes)",
      "\"GFLOP/s\":\(number(Double(node.flops) / seconds * 1e-9))",
      "\"GB/s\":\(number(Double(node.bytes) / seconds * 1e-9))", "\"sources\":[\(sources)]",
    ]
    if let name = node.implementation { arguments.append("\"implementation\":\(quoted(name))") }
    return "{\"ph\":\"X\",\"pid\":\(process),\"tid\":\(track),\"ts\":\(number(node.startNanoseconds * 1e-3)),"
      + "\"dur\":\(number(nanoseconds * 1e-3)),\"cat\":\(quoted(node.kind)),\"name\":\(quoted(node.label)),"
      + "\"args\":{\(arguments.joined(separator: ","))}}"
  }

  private static func number(_ value: Double) -> String { String(format: "%.3f", value.isFinite ? value : 0) }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7f {
          let digits = String(scalar.value, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}
