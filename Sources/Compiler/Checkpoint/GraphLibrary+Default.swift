import Foundation
import SwageFrontend

extension GraphLibrary {
  /// Where graphs are looked for: SWAGE_GRAPHS, then `graphs` and `share/swage/graphs` in the folder of the executable
  /// and every folder above it.
  public static var defaultFolders: [String] {
    var folders: [String] = []
    if let named = ProcessInfo.processInfo.environment["SWAGE_GRAPHS"], !named.isEmpty { folders.append(named) }
    guard var place = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent() else {
      return folders
    }
    while true {
      for name in ["graphs", "share/swage/graphs"] {
        let path = place.appendingPathComponent(name).path
        if FileManager.default.fileExists(atPath: path) { folders.append(path) }
      }
      let above = place.deletingLastPathComponent()
      if above.path == place.path { return folders }
      place = above
    }
  }
}
