import SwageGraph
import SwageTensor

/// A table of a report: cells are plain text.
public struct ReportTable: Sendable {
  public var title: String
  public var columns: [String]
  public var rows: [[String]]

  public init(title: String, columns: [String], rows: [[String]]) {
    self.title = title
    self.columns = columns
    self.rows = rows
  }
}

/// Where a node was placed, and what each target answered.
public struct PlacementRow: Sendable {
  /// The target that took the node.
  public var target: String
  public var operation: String
  public var source: String
  /// What each target answered: an estimate such as `cpu: 12.5 us`, or why it refused.
  public var answers: [String]

  public init(target: String, operation: String, source: String, answers: [String]) {
    self.target = target
    self.operation = operation
    self.source = source
    self.answers = answers
  }
}

/// One self-contained page in which a person follows a graph through the compiler: what each pass changed, every node
/// with its types, attributes, sources and cost, where it was placed and why.
///
/// The page loads nothing: styles, program and data stand in it, and it works from a file without a network. Text from
/// models reaches the page as data only, never as markup.
public enum HTMLReport {
  /// - Parameters:
  ///   - stages: at least the graph itself; each stage is compared with the one before.
  ///   - sizes: values for symbols, with which flops and bytes are shown; the reader can change them.
  public static func text(
    title: String, stages: [InspectedStage], placement: [PlacementRow] = [], plan: ReportTable? = nil,
    sizes: [String: Int] = [:]
  ) -> String {
    var data = ReportData()
    for stage in stages { data.add(stage) }
    let document = data.document(title: title, placement: placement, plan: plan, sizes: sizes)
    let scripts = [
      PackageResources.model_js, PackageResources.layout_js, PackageResources.canvas_js, PackageResources.panels_js,
      PackageResources.main_js,
    ].map { String(decoding: $0, as: UTF8.self) }
    // Data goes in last, and a title has no `@`: nothing that a model holds can stand for a marker.
    return String(decoding: PackageResources.page_html, as: UTF8.self)
      .replacing("@STYLE@", with: String(decoding: PackageResources.style_css, as: UTF8.self))
      .replacing("@SCRIPT@", with: scripts.joined(separator: "\n"))
      .replacing("@TITLE@", with: escaped(title))
      .replacing("@DATA@", with: document.text())
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "&": result += "&amp;"
      case "\"": result += "&quot;"
      case "@": result += "&#64;"
      default: result.unicodeScalars.append(scalar.value < 32 ? " " : scalar)
      }
    }
    return result
  }
}
