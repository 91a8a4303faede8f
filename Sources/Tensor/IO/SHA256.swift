import CCrypto
import Foundation

/// SHA-256 (FIPS 180-4) by libcrypto.
public struct SHA256: ~Copyable {
  private let digest: Digest

  public init() { digest = Digest(EVP_sha256()) }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) { digest.update(bytes) }

  /// 64 lower-case hexadecimal digits. Ends the digest.
  public consuming func hexDigest() -> String { Hex.text(digest.finish()) }

  /// The 32 bytes of the digest. Ends the digest.
  public consuming func bytes() -> [UInt8] { digest.finish() }

  public static func hexDigest(of bytes: UnsafeRawBufferPointer) -> String {
    var hash = SHA256()
    hash.update(bytes)
    return hash.hexDigest()
  }

  public static func hexDigest(of text: String) -> String {
    var text = text
    return text.withUTF8 { hexDigest(of: UnsafeRawBufferPointer($0)) }
  }

  /// Part by part: of large files little stays in memory.
  public static func hexDigest(ofFile path: String) throws(FileError) -> String {
    let file = try MappedFile(path: path)
    var hash = SHA256()
    for start in stride(from: 0, to: file.byteCount, by: 1 << 24) {
      let part = start..<min(start + 1 << 24, file.byteCount)
      file.withBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[part])) }
      file.storage.releaseMemory(of: part)
    }
    return hash.hexDigest()
  }
}

/// SHA-1, which ONNX uses for the checksums of external data. It finds damage; against tampering it is no help.
enum SHA1 {
  static func hexDigest(of bytes: UnsafeRawBufferPointer) -> String {
    let digest = Digest(EVP_sha1())
    digest.update(bytes)
    return Hex.text(digest.finish())
  }
}

/// A running libcrypto digest. Without memory for a context, or with a library that lacks the algorithm, there is no
/// result to give, and the process ends.
private final class Digest {
  private let context: OpaquePointer

  init(_ algorithm: OpaquePointer?) {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, algorithm, nil) == 1 else {
      preconditionFailure("libcrypto cannot start a digest")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  func update(_ bytes: UnsafeRawBufferPointer) {
    guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
      preconditionFailure("libcrypto cannot continue a digest")
    }
  }

  func finish() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    guard EVP_DigestFinal_ex(context, &bytes, &count) == 1 else {
      preconditionFailure("libcrypto cannot end a digest")
    }
    return Array(bytes.prefix(Int(count)))
  }
}

enum Hex {
  static func text(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
