import Foundation
import SwagePlan
import SwageTensor

/// Digests of the files that a plan was made from.
enum SourceHash {
  static func sources(_ paths: [String]) throws -> [Provenance.Source] {
    try paths.map { path in
      Provenance.Source(
        name: URL(fileURLWithPath: path).lastPathComponent, sha256: try SHA256.hexDigest(ofFile: path))
    }
  }
}
