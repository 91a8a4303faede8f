import Foundation

/// The files that a model's tensors may refer to: plain files in the model's folder and below it, reached without
/// following any link, each opened once.
public final class ExternalData {
  /// What a tensor says about where its bytes are, not yet looked at.
  public struct Reference: Sendable {
    public var entries: [(key: String, value: String)]

    public init(entries: [(key: String, value: String)]) { self.entries = entries }
  }

  /// The location that stands for "in the checkpoint, under the tensor's name" where no file has this name.
  public static let weightlessLocation = "weights"

  /// Paths of the files in order of first use.
  public private(set) var paths: [String] = []

  private let model: String
  private let folderPath: String
  private let folder: FileDescriptor?
  private var files: [String: MappedFile] = [:]
  private var digests: [String: String] = [:]

  /// `model` is the path of the model file.
  public init(model: String) throws(FileError) {
    self.model = model
    let slash = model.utf8.lastIndex(of: UInt8(ascii: "/"))
    folderPath = slash.map { String(model[...$0]) } ?? ""
    let path = folderPath.isEmpty ? "." : folderPath
    let number = FileDescriptor.retrying { Foundation.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard number >= 0 else { throw .open(path: path, errno: errno) }
    folder = FileDescriptor(number)
  }

  /// For a model that was not read from a file: every reference but a weightless one is refused.
  public init(withoutFolderFor name: String) {
    model = name
    folderPath = ""
    folder = nil
  }

  /// A view of the bytes that `reference` names; nil where it is weightless.
  public func tensor(
    _ name: String, _ type: ElementType, _ shape: [Int], byteCount: Int, _ reference: Reference
  ) throws(ExternalDataError) -> Tensor? {
    func fault(_ fault: ExternalDataError.Fault) -> ExternalDataError {
      ExternalDataError(file: model, tensor: name, fault: fault)
    }
    var values: [String: String] = [:]
    for (key, value) in reference.entries {
      guard ["location", "offset", "length", "checksum"].contains(key) else { throw fault(.unknownKey(key)) }
      guard values.updateValue(value, forKey: key) == nil else { throw fault(.duplicateKey(key)) }
    }
    guard let location = values["location"] else { throw fault(.noLocation) }
    var numbers: [String: Int] = [:]
    for key in ["offset", "length"] {
      guard let text = values[key] else { continue }
      guard let number = Self.number(text) else { throw fault(.number(key: key, text: text)) }
      numbers[key] = number
    }
    let file: MappedFile
    do throws(LocationFault) {
      guard let found = try open(location) else { return nil }
      file = found
    } catch {
      throw fault(error.fault)
    }
    let offset = numbers["offset"] ?? 0
    let length = numbers["length"] ?? byteCount
    guard let end = Checked.add(offset, length), end <= file.byteCount else {
      throw fault(.range(location: location, offset: offset, length: length, fileSize: file.byteCount))
    }
    guard length == byteCount else { throw fault(.length(found: length, expected: byteCount)) }
    if let expected = values["checksum"] {
      let found = digests[location] ?? file.withBytes { SHA1.hexDigest(of: $0) }
      digests[location] = found
      guard found == expected.lowercased() else {
        throw fault(.checksum(location: location, found: found, expected: expected))
      }
    }
    guard let tensor = file.tensor(type, shape, at: offset) else {
      throw fault(.length(found: length, expected: byteCount))
    }
    return tensor
  }

  /// Digits only, no sign, space, or leading zero.
  static func number(_ text: String) -> Int? {
    let digits = Array(text.utf8)
    guard !digits.isEmpty, digits.count <= 19, digits.allSatisfy({ $0 >= 48 && $0 <= 57 }),
      digits.count == 1 || digits[0] != 48
    else { return nil }
    return Int(text)
  }

  // MARK: - Opening

  private struct LocationFault: Error {
    var fault: ExternalDataError.Fault
  }

  private func open(_ location: String) throws(LocationFault) -> MappedFile? {
    if let file = files[location] { return file }
    let components: [String]
    switch Self.components(of: location) {
    case .success(let parts): components = parts
    case .failure(let fault): throw fault
    }
    guard let folder else {
      if location == Self.weightlessLocation { return nil }
      throw LocationFault(fault: .noFolder(location: location))
    }
    var current = folder
    for (index, component) in components.enumerated() {
      let isLast = index == components.count - 1
      let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (isLast ? 0 : O_DIRECTORY)
      let number = FileDescriptor.retrying { openat(current.number, component, flags) }
      if number < 0 {
        let reason = errno
        if reason == ENOENT, location == Self.weightlessLocation { return nil }
        throw LocationFault(fault: explain(reason, location, component, in: current))
      }
      current = FileDescriptor(number)
    }
    do {
      let path = folderPath + components.joined(separator: "/")
      let status = try current.status(path: path)
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw LocationFault(fault: .notRegular(location: location, kind: FileDescriptor.kind(status.st_mode)))
      }
      guard status.st_nlink <= 1 else {
        throw LocationFault(fault: .link(location: location, kind: "file with a second (hard) link"))
      }
      let file = try MappedFile(current, path: path)
      files[location] = file
      paths.append(path)
      return file
    } catch let fault as LocationFault {
      throw fault
    } catch {
      throw LocationFault(
        fault: .open(location: location, reason: (error as? FileError)?.diagnostics.first?.why ?? "unreadable"))
    }
  }

  private func explain(
    _ reason: Int32, _ location: String, _ component: String, in parent: FileDescriptor
  ) -> ExternalDataError.Fault {
    var status = stat()
    let found = fstatat(parent.number, component, &status, AT_SYMLINK_NOFOLLOW) == 0
    if found, status.st_mode & S_IFMT == S_IFLNK { return .link(location: location, kind: "symbolic link") }
    if found, reason == ENXIO {
      return .notRegular(location: location, kind: FileDescriptor.kind(status.st_mode))
    }
    if reason == ENOENT || reason == ENOTDIR { return .missing(location: location) }
    return .open(location: location, reason: FileError.words(reason))
  }

  private static func components(of location: String) -> Result<[String], LocationFault> {
    func refuse(_ reason: String) -> Result<[String], LocationFault> {
      .failure(LocationFault(fault: .path(location: location, reason: reason)))
    }
    if location.contains("_ORT_MEM_ADDR_") {
      return .failure(LocationFault(fault: .memoryAddress(location: location)))
    }
    if location.isEmpty { return refuse("it is empty") }
    let bytes = Array(location.utf8)
    if bytes.contains(0) { return refuse("it holds a NUL") }
    if bytes.contains(UInt8(ascii: "\\")) { return refuse("it holds a backslash") }
    if bytes[0] == UInt8(ascii: "/") { return refuse("it is an absolute path") }
    if bytes[0] == UInt8(ascii: "~") { return refuse("it starts with ~") }
    if location.contains("://") { return refuse("it is a URL") }
    if bytes.count >= 2, bytes[1] == UInt8(ascii: ":"), bytes[0] | 32 >= 97, bytes[0] | 32 <= 122 {
      return refuse("it names a drive")
    }
    let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    if parts.contains("..") { return refuse("it leaves its folder by ..") }
    if parts.contains("") { return refuse("a part of it is empty") }
    let kept = parts.filter { $0 != "." }
    if kept.isEmpty { return refuse("it names a folder") }
    if kept.count > 64 || bytes.count > 4096 { return refuse("it is too long") }
    return .success(kept)
  }
}
