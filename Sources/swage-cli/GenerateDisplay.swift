import Foundation
import Swage

/// Progress of a generation on standard error: a bar with the time of a step and the time left, and the picture as it
/// develops. Quiet in a pipe.
final class GenerateDisplay {
  private let showsPreview: Bool
  /// Lines of the picture on the screen, above the bar.
  private var pictureLines = 0
  private var lastPreview = ContinuousClock.now
  private var previewSeconds = 0.0

  init(showsPreview: Bool) { self.showsPreview = showsPreview && Terminal.isInteractive }

  func show(_ progress: GenerationProgress) throws {
    guard Terminal.isInteractive else { return }
    switch progress.stage {
    case .text: Terminal.progress("reading the prompt")
    case .image: Terminal.progress("encoding the picture")
    case .decoding: Terminal.progress("decoding")
    case .denoising:
      if showsPreview, let preview = progress.preview, progress.step > 0 { try show(preview) }
      Terminal.progress(Self.bar(progress.step, of: progress.steps, seconds: progress.seconds))
    }
  }

  /// Removes bar and picture.
  func clear() {
    Terminal.clearProgress()
    if pictureLines > 0 { Terminal.errorText("\u{1B}[\(pictureLines)A\u{1B}[J") }
    pictureLines = 0
  }

  /// `step` steps are done, the next one runs.
  static func bar(_ step: Int, of steps: Int, seconds: [Double]) -> String {
    let width = 30
    let filled = steps > 0 ? step * width / steps : 0
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    // The first step also makes library calls ready; the median does not mind.
    let median = seconds.sorted().dropFirst(seconds.count / 2).first
    let pace = median.map { median in
      ", \(duration(median))/step, \(duration(median * Double(steps - step))) left"
    }
    return "\(bar) step \(min(step + 1, steps)) of \(steps)\(pace ?? "")"
  }

  static func duration(_ seconds: Double) -> String {
    if seconds < 1 { return String(format: "%.0f ms", seconds * 1000) }
    if seconds < 100 { return String(format: "%.1f s", seconds) }
    let whole = Int(min(seconds, 1e9).rounded())
    return whole < 3600
      ? "\(whole / 60) min \(whole % 60) s" : "\(whole / 3600) h \(whole / 60 % 60) min"
  }

  /// Previews may take a fifth of the time.
  private func show(_ preview: () throws -> Picture) throws {
    guard (ContinuousClock.now - lastPreview).seconds >= 4 * previewSeconds else { return }
    let start = ContinuousClock.now
    let picture = TerminalGraphics.fit(try preview(), width: 64, height: 32)
    let lines = HalfBlocks.lines(picture)
    let up = pictureLines > 0 ? "\u{1B}[\(pictureLines)A" : ""
    Terminal.errorText("\r\(up)\u{1B}[J" + lines.joined(separator: "\n") + "\n")
    pictureLines = lines.count
    lastPreview = ContinuousClock.now
    previewSeconds = (lastPreview - start).seconds
  }
}
