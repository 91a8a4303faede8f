/// Recognises what is often passed for an ONNX file, so that the message can say so.
enum ONNXSniffer {
  static let lfsPointer = "a Git LFS pointer, not the file it stands for"

  /// What the bytes are, or nil where they may be ONNX. None of these starts is one of a valid protobuf.
  static func kind(of bytes: UnsafeRawBufferPointer) -> String? {
    if bytes.isEmpty { return "an empty file" }
    let starts: [(String, String)] = [
      ("version https://git-lfs", lfsPointer), ("PK\u{3}\u{4}", "a zip archive or PyTorch checkpoint"),
      ("\u{7f}ELF", "a program"), ("{", "JSON text"), ("[", "JSON text"), ("<", "text or markup"),
    ]
    for (start, kind) in starts where bytes.starts(with: start.utf8) { return kind }
    if bytes.starts(with: [0x89] + Array("HDF\r\n".utf8)) { return "an HDF5 file" }
    if bytes.starts(with: [0x93] + Array("swage\r\n".utf8)) { return "a plan that swage compiled" }
    if bytes.starts(with: [0x1f, 0x8b, 8]) { return "a gzip archive" }
    if bytes.count > 8, bytes[8] == UInt8(ascii: "{"), bytes[5] == 0, bytes[6] == 0, bytes[7] == 0 {
      return "a safetensors checkpoint"
    }
    return nil
  }
}
