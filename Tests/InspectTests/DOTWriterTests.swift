import Foundation
import SwageInspect
import Testing

/// Statements of a DOT file, read with the language's own quoting; throws where brackets or quotes do not close.
private struct DOTStructure {
  struct Fault: Error { var message: String }
  var depth = 0
  var strings: [String] = []
  var edges = 0
  var clusters = 0

  init(_ text: String) throws {
    var iterator = text.unicodeScalars.makeIterator()
    var stack: [Unicode.Scalar] = []
    var word = ""
    var previous: Unicode.Scalar = " "
    while let scalar = iterator.next() {
      switch scalar {
      case "\"":
        var content = ""
        while true {
          guard let next = iterator.next() else { throw Fault(message: "a string does not close") }
          if next == "\"" { break }
          guard next.value >= 32, next.value != 127 else { throw Fault(message: "control character in a string") }
          content.unicodeScalars.append(next)
          if next == "\\" {
            guard let escaped = iterator.next() else { throw Fault(message: "a string ends in a backslash") }
            content.unicodeScalars.append(escaped)
          }
        }
        strings.append(content)
      case "{", "[":
        stack.append(scalar)
        depth = max(depth, stack.count)
      case "}", "]":
        guard stack.popLast() == (scalar == "}" ? "{" : "[") else { throw Fault(message: "\(scalar) closes nothing") }
      case ">" where previous == "-": edges += 1
      default: break
      }
      if scalar.properties.isAlphabetic {
        word.unicodeScalars.append(scalar)
      } else {
        if word == "subgraph" { clusters += 1 }
        word = ""
      }
      previous = scalar
    }
    guard stack.isEmpty else { throw Fault(message: "\(stack.count) brackets stay open") }
  }
}

@Suite struct DOTWriterTests {
  @Test func everyNodeAndEdgeStandsThere() throws {
    let structure = try DOTStructure(DOTWriter.text(try Sample.chain()))
    // x, w → conv; conv → relu; relu, two → mul; mul, x → add; add → y.
    #expect(structure.edges == 8)
    #expect(structure.strings.contains("f32[n, 2, 4, 4]"))
    #expect(structure.strings.contains("convolution\\nconv1"))
  }

  @Test func largeConstantsShowTheirTypeOnly() throws {
    let structure = try DOTStructure(DOTWriter.text(try Sample.chain()))
    #expect(structure.strings.contains("w\\nf32[2, 2, 3, 3]"))
    #expect(structure.strings.contains("two\\nf32[]\\n2.0"))
  }

  @Test func nestedGraphsAreClusters() throws {
    #expect(try DOTStructure(DOTWriter.text(try Sample.fused())).clusters == 1)
    #expect(try DOTStructure(DOTWriter.text(try Sample.conditional())).clusters == 2)
  }

  @Test func targetsShow() throws {
    var graph = try Sample.chain()
    for (index, id) in graph.order.enumerated() { graph.setTarget(index % 2 == 0 ? "cpu" : "reference", of: id) }
    let text = DOTWriter.text(graph)
    #expect(text.contains("on cpu") && text.contains("on reference"))
  }

  @Test func hostileNamesStayText() throws {
    let structure = try DOTStructure(DOTWriter.text(try Sample.hostileGraph()))
    #expect(structure.strings.contains { $0.contains("\\\"'\\\\ &amp;amp;") })
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/dot"), "Graphviz is not installed"))
  func graphvizReadsIt() throws {
    for graph in [try Sample.chain(), try Sample.fused(), try Sample.conditional(), try Sample.hostileGraph()] {
      let file = FileManager.default.temporaryDirectory.appendingPathComponent("swage-\(UUID().uuidString).dot")
      defer { try? FileManager.default.removeItem(at: file) }
      try Data(DOTWriter.text(graph).utf8).write(to: file)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/dot")
      process.arguments = ["-Tsvg", file.path]
      let (output, faults) = (Pipe(), Pipe())
      process.standardOutput = output
      process.standardError = faults
      try process.run()
      let picture = output.fileHandleForReading.readDataToEndOfFile()
      let complaint = String(decoding: faults.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(complaint)")
      #expect(String(decoding: picture, as: UTF8.self).contains("</svg>"))
    }
  }
}
