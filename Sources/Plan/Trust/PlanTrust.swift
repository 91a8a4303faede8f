import Foundation
import SwageTensor

/// Whether native code inside a plan may be loaded.
public enum TrustPolicy: String, Hashable, Sendable, CaseIterable {
  /// Only where this user compiled the plan on this machine.
  case compiledHere
  /// The user said so: `--trust-native-code`.
  case allow
  /// The code will not be run.
  case inspectOnly
}

/// Marks plans with native code as compiled by this user on this machine, and recognises them.
///
/// The mark is an HMAC-SHA256 (RFC 2104) over the manifest, every native image and the machine's id, with a random key
/// that only the user can read. The manifest is part of it because native code takes its sizes from there. The same key
/// and plan give the same mark.
public struct PlanTrust: Hashable, Sendable {
  /// The folder of the key file; made, private to the user, with the first mark.
  public var folder: String

  public init(folder: String) { self.folder = folder }

  /// `$XDG_DATA_HOME/swage`, or `~/.local/share/swage`.
  public static var user: PlanTrust {
    let environment = ProcessInfo.processInfo.environment
    if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return PlanTrust(folder: data + "/swage") }
    let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? NSHomeDirectory()
    return PlanTrust(folder: home + "/.local/share/swage")
  }

  public var keyPath: String { folder + "/native-code.key" }

  private static let keyByteCount = 32

  /// The mark of a plan, by its manifest and native sections with their SHA-256; nil where the user has no key yet.
  func tag(over sections: [(section: PlanSection, digest: [UInt8])]) throws -> [UInt8]? {
    guard let key = try readKey() else { return nil }
    return Self.hmac(key: key, message: Self.message(sections))
  }

  /// As `tag`; makes the key where there is none.
  func makeTag(over sections: [(section: PlanSection, digest: [UInt8])]) throws -> [UInt8] {
    let key = try readKey() ?? makeKey()
    return Self.hmac(key: key, message: Self.message(sections))
  }

  /// Compares in a time that does not depend on where the two differ.
  static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    var difference: UInt8 = 0
    for index in a.indices { difference |= a[index] ^ b[index] }
    return difference == 0
  }

  private static func message(_ sections: [(section: PlanSection, digest: [UInt8])]) -> [UInt8] {
    var message = Array("swage native code 1\0".utf8)
    func append(_ value: Int) { withUnsafeBytes(of: UInt64(value).littleEndian) { message.append(contentsOf: $0) } }
    let machine = machineID
    append(machine.count)
    message.append(contentsOf: machine)
    append(sections.count)
    for (section, digest) in sections {
      append(Int(section.kind.rawValue))
      append(section.index)
      append(section.length)
      message.append(contentsOf: digest)
    }
    return message
  }

  /// What the system calls this machine (machine-id(5)); empty where it has no name, as in many containers.
  private static var machineID: [UInt8] {
    guard let file = try? MappedFile(path: "/etc/machine-id"), file.byteCount <= 256 else { return [] }
    return file.withBytes { $0.filter { $0 > 32 } }
  }

  static func hmac(key: [UInt8], message: [UInt8]) -> [UInt8] {
    let block = 64
    var padded = key.count > block ? key.withUnsafeBytes { SHA256.digest(of: $0) } : key
    padded.append(contentsOf: repeatElement(0, count: block - padded.count))
    let inner = (padded.map { $0 ^ 0x36 } + message).withUnsafeBytes { SHA256.digest(of: $0) }
    return (padded.map { $0 ^ 0x5c } + inner).withUnsafeBytes { SHA256.digest(of: $0) }
  }

  // MARK: - The key file

  private func readKey() throws -> [UInt8]? {
    let number = Foundation.open(keyPath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
    guard number >= 0 else {
      let reason = errno
      if reason == ENOENT || reason == ENOTDIR { return nil }
      throw PlanError.trustKey(path: keyPath, reason: Self.words(reason))
    }
    defer { close(number) }
    var status = stat()
    guard fstat(number, &status) == 0 else { throw PlanError.trustKey(path: keyPath, reason: Self.words(errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw PlanError.trustKey(path: keyPath, reason: "it is not a regular file")
    }
    guard status.st_uid == geteuid() else {
      throw PlanError.trustKey(path: keyPath, reason: "it belongs to another user")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw PlanError.trustKey(path: keyPath, reason: "other users may read or write it")
    }
    var key = [UInt8](repeating: 0, count: Self.keyByteCount + 1)
    let count = key.withUnsafeMutableBytes { Foundation.read(number, $0.baseAddress, $0.count) }
    guard count == Self.keyByteCount else {
      throw PlanError.trustKey(path: keyPath, reason: "it does not hold \(Self.keyByteCount) bytes")
    }
    return Array(key.prefix(Self.keyByteCount))
  }

  /// Makes a key, unless another process makes one at the same time: then that one counts.
  private func makeKey() throws -> [UInt8] {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw PlanError.trustKey(path: folder, reason: "the folder cannot be made: \(error.localizedDescription)")
    }
    var generator = SystemRandomNumberGenerator()
    let key = (0..<Self.keyByteCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    let temporary = "\(keyPath).\(getpid()).\(UInt32.random(in: .min ... .max))"
    let number = Foundation.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard number >= 0 else { throw PlanError.trustKey(path: keyPath, reason: Self.words(errno)) }
    defer { unlink(temporary) }
    let count = key.withUnsafeBytes { Foundation.write(number, $0.baseAddress, $0.count) }
    let reason = errno
    guard fsync(number) == 0 || errno == EINVAL, close(number) == 0, count == key.count else {
      throw PlanError.trustKey(path: keyPath, reason: count < 0 ? Self.words(reason) : "it cannot be written")
    }
    // Unlike a rename, a link never replaces a key that is already there.
    guard link(temporary, keyPath) == 0 || errno == EEXIST else {
      throw PlanError.trustKey(path: keyPath, reason: Self.words(errno))
    }
    guard let stored = try readKey() else { throw PlanError.trustKey(path: keyPath, reason: "it vanished") }
    return stored
  }

  private static func words(_ number: Int32) -> String { String(cString: strerror(number)) }
}

extension SHA256 {
  /// The 32 bytes of the digest.
  static func digest(of bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.bytes()
  }
}
