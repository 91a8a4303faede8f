import Foundation

/// Where this user's programs keep what they can make again: the XDG Base Directory Specification.
public enum UserCache {
  /// `$XDG_CACHE_HOME/swage/NAME`, or `~/.cache/swage/NAME`; nil where neither is known. The folder may not exist.
  public static func folder(_ name: String) -> String? {
    let environment = ProcessInfo.processInfo.environment
    let bases = [environment["XDG_CACHE_HOME"], environment["HOME"].map { $0 + "/.cache" }]
    // Relative paths are to be ignored.
    return bases.compactMap { $0 }.first { $0.hasPrefix("/") }.map { "\($0)/swage/\(name)" }
  }

  /// Makes the folder, for this user alone.
  public static func make(_ folder: String) throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }
}
