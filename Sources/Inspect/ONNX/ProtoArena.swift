import CONNX
import Foundation
import SwageTensor

/// Memory of protobuf-c messages while a model is put together; all of it goes when the arena does.
///
/// Tensor bytes are not copied: the arena keeps their storage alive.
final class ProtoArena {
  private var blocks: [UnsafeMutableRawPointer] = []
  private var storages: [Storage] = []

  deinit { for block in blocks { block.deallocate() } }

  private func allocate<T>(_ type: T.Type, count: Int) -> UnsafeMutablePointer<T> {
    let block = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, count * MemoryLayout<T>.stride), alignment: max(16, MemoryLayout<T>.alignment))
    blocks.append(block)
    return block.bindMemory(to: type, capacity: count)
  }

  /// A message, initialised by its generated `__init` and then by `body`.
  func message<T>(
    _ initialize: (UnsafeMutablePointer<T>?) -> Void, _ body: (inout T) -> Void = { _ in }
  ) -> UnsafeMutablePointer<T> {
    let pointer = allocate(T.self, count: 1)
    initialize(pointer)
    body(&pointer.pointee)
    return pointer
  }

  func array<T: BitwiseCopyable>(_ values: [T]) -> UnsafeMutablePointer<T>? {
    guard !values.isEmpty else { return nil }
    let pointer = allocate(T.self, count: values.count)
    for (index, value) in values.enumerated() { (pointer + index).initialize(to: value) }
    return pointer
  }

  func pointers<T>(_ items: [UnsafeMutablePointer<T>]) -> UnsafeMutablePointer<UnsafeMutablePointer<T>?>? {
    array(items.map { Optional($0) })
  }

  func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    ProtobufCBinaryData(len: bytes.count, data: array(bytes))
  }

  func data(_ text: String) -> ProtobufCBinaryData { data(Array(text.utf8)) }

  /// The tensor's own bytes.
  func data(_ tensor: Tensor) -> ProtobufCBinaryData {
    storages.append(tensor.storage)
    let start = (tensor.storage.base + tensor.byteOffset).assumingMemoryBound(to: UInt8.self)
    return ProtobufCBinaryData(len: tensor.byteCount, data: tensor.byteCount == 0 ? nil : UnsafeMutablePointer(start))
  }

  /// A field that the project's schema leaves out, encoded as length and bytes.
  func unknownField(tag: UInt32, _ bytes: [UInt8]) -> ProtobufCMessageUnknownField {
    let content = Self.lengthPrefixed(bytes)
    return ProtobufCMessageUnknownField(
      tag: tag, wire_type: PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, len: content.count, data: array(content))
  }

  static func lengthPrefixed(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var length = bytes.count
    repeat {
      result.append(UInt8(length & 0x7f) | (length > 0x7f ? 0x80 : 0))
      length >>= 7
    } while length > 0
    return result + bytes
  }
}
