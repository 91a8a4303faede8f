import Foundation
import Swage

/// What a generation tells at its end.
struct GenerateReport {
  let result: GenerationResult
  let files: [String]
  let pngSeconds: Double
  let planHash: String

  private var settings: GenerationSettings { result.settings }

  /// Settings, the time of each stage, and the files; a line each.
  var text: String {
    let times = result.times
    let steps = times.steps
    let mean = steps.isEmpty ? 0 : steps.reduce(0, +) / Double(steps.count)
    var facts = [
      "seed \(settings.seed)", settings.scheduler, "\(settings.steps) steps", "guidance \(settings.guidance)",
      "\(settings.width)x\(settings.height)",
    ]
    if let strength = settings.strength { facts.append("strength \(strength)") }
    var rows: [(String, Double, String)] = [("load", times.load, ""), ("text", times.text, "")]
    if settings.strength != nil { rows.append(("image", times.image, "")) }
    rows += [
      (
        "steps", steps.reduce(0, +),
        "\(steps.count) steps: mean \(Self.time(mean)), min \(Self.time(steps.min() ?? 0)), "
          + "max \(Self.time(steps.max() ?? 0))"
      ),
      ("decode", times.decode, result.isTiled ? "in tiles" : ""), ("png", pngSeconds, ""),
      ("total", times.total + pngSeconds, ""),
    ]
    var lines = [facts.joined(separator: ", ")]
    for (name, seconds, note) in rows {
      let line = "  " + name.padded(to: 8) + Self.time(seconds).leftPadded(to: 10) + (note.isEmpty ? "" : "   " + note)
      lines.append(line)
    }
    return (lines + files).joined(separator: "\n") + "\n"
  }

  /// The slowest nodes of each entry point, over all its runs.
  var nodes: String {
    let threads = result.profiles.first?.threads ?? HostCPU.coreCount
    let peak = MachinePeak.measured(threads: threads)
    let total = result.profiles.reduce(0) { $0 + $1.wallNanoseconds * Double($1.runs) }
    return result.profiles.map { profile in
      let share = profile.wallNanoseconds * Double(profile.runs) / max(total, 1)
      let limit = share > 0.5 ? 12 : share > 0.1 ? 5 : 2
      let runs = profile.runs == 1 ? "1 run" : "\(profile.runs) runs"
      return "\n== \(profile.entryPoint), \(runs), \(Int((share * 100).rounded()))% of the time\n"
        + ProfileTable.text(profile, peak: peak, limit: limit)
    }.joined()
  }

  /// One object; times in milliseconds.
  var json: String {
    let times = result.times
    let steps = times.steps
    func ms(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e3 }
    var object: [String: Any] = [
      "files": files, "prompts": settings.prompts, "seed": settings.seed, "scheduler": settings.scheduler,
      "steps": settings.steps, "guidance": settings.guidance, "width": settings.width, "height": settings.height,
      "count": settings.count, "plan_sha256": planHash, "tiled": result.isTiled,
      "dropped": result.dropped.map(\.dropped), "load_ms": ms(times.load), "text_ms": ms(times.text),
      "image_ms": ms(times.image), "steps_ms": steps.map(ms), "decode_ms": ms(times.decode), "png_ms": ms(pngSeconds),
      "total_ms": ms(times.total + pngSeconds), "peak_rss_bytes": HostCPU.peakResidentBytes,
      "threads": result.profiles.first?.threads ?? 0,
    ]
    if let negative = settings.negativePrompt { object["negative_prompt"] = negative }
    if let strength = settings.strength { object["strength"] = strength }
    if !steps.isEmpty {
      object["step_mean_ms"] = ms(steps.reduce(0, +) / Double(steps.count))
      object["step_min_ms"] = ms(steps.min() ?? 0)
      object["step_max_ms"] = ms(steps.max() ?? 0)
    }
    object["entry_points"] = result.profiles.map { profile in
      let slowest = profile.nodes.sorted { $0.hostNanoseconds > $1.hostNanoseconds }.prefix(10)
      return [
        "name": profile.entryPoint, "runs": profile.runs, "run_ms": ms(profile.wallNanoseconds * 1e-9),
        "slowest": slowest.map { node in
          ["node": node.label, "sources": node.sources, "ms": ms(node.hostNanoseconds * 1e-9)] as [String: Any]
        },
      ] as [String: Any]
    }
    let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = try? JSONSerialization.data(withJSONObject: object, options: options)
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// i64 `[text encoders, texts, tokens]`.
  static func tokenIDs(_ result: GenerationResult) -> Tensor {
    let tensors = result.tokenIDs.sorted { $0.key < $1.key }.map(\.value)
    let shape = tensors.first?.shape ?? [0, 0]
    return Tensor(.i64, [tensors.count] + shape, integers: tensors.flatMap(\.integers))
  }

  private static func time(_ seconds: Double) -> String {
    seconds < 1 ? String(format: "%.1f ms", seconds * 1000) : String(format: "%.2f s", seconds)
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(width - count, 0)) }
}
