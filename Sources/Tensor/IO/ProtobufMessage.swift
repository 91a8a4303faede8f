import CONNX

/// An unpacked message of a generated C type `Message`, freed with its last user.
///
/// The bytes are scanned first and unpacked within a budget, so that no input can overflow the stack or exhaust memory.
public final class ProtobufMessage<Message> {
  private let message: UnsafeMutablePointer<ProtobufCMessage>
  private let budget: UnsafeMutablePointer<swage_protobuf_budget>

  /// `schema` must be of `Message`.
  public init(
    _ bytes: UnsafeRawBufferPointer, schema: ProtobufSchema, limits: ProtobufScan.Limits = .init(), file: String
  ) throws(ProtobufError) {
    let scan = try ProtobufScan.compact(bytes, schema: schema, limits: limits, file: file)
    let budget = UnsafeMutablePointer<swage_protobuf_budget>.allocate(capacity: 1)
    // Lists of records grow by doubling, hence twice the estimate.
    swage_protobuf_budget_init(budget, 2 * scan.memory + 1 << 16)
    let message = scan.compact.withUnsafeBufferPointer { compact in
      protobuf_c_message_unpack(
        schema.descriptor, &budget.pointee.allocator, compact.count, compact.baseAddress)
    }
    guard let message else {
      budget.deallocate()
      throw ProtobufError(file: file, offset: 0, fault: .notUnpacked)
    }
    self.message = message
    self.budget = budget
  }

  deinit {
    protobuf_c_message_free_unpacked(message, &budget.pointee.allocator)
    budget.deallocate()
  }

  /// Pointers into the message are valid inside `body` only.
  public func withMessage<R>(_ body: (Message) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) {
      try body(UnsafeRawPointer(message).assumingMemoryBound(to: Message.self).pointee)
    }
  }
}
