import COneDNN
import Foundation
import SwagePlan
import SwageTensor

/// The library operations of one instruction: the one for the present sizes, and a few for earlier ones, so that sizes
/// which alternate cost nothing.
final class LibraryStep {
  private static let kept = 8

  private struct Entry {
    var call: UnsafeMutablePointer<swage_dnn_call>
    var operation: OpaquePointer
  }

  private let context: LibraryContext
  private let postOps: [PostOp]
  private let operandCount: Int
  /// The call with everything but the sizes.
  private let call: UnsafeMutablePointer<swage_dnn_call>
  private let pads: (begin: [SizeID], end: [SizeID])
  private let window: (strides: [Int], dilations: [Int])
  /// The most recently used one first.
  private var entries: [Entry] = []

  /// Throws a reason where the library has no such operation for any sizes.
  init(context: LibraryContext, call library: LibraryCall, operandCount: Int) throws(LibraryFault) {
    self.context = context
    self.operandCount = operandCount
    call = .allocate(capacity: 1)
    // The bytes between fields are compared too.
    memset(call, 0, MemoryLayout<swage_dnn_call>.size)
    switch library {
    case .convolution(let convolution):
      call.pointee.has_bias = convolution.hasBias
      call.pointee.channels_last = convolution.channelsLast
      call.pointee.is_transposed = convolution.isTransposed
      call.pointee.groups = Int64(convolution.groups)
      postOps = convolution.postOps
      pads = (convolution.padsBegin, convolution.padsEnd)
      window = (convolution.strides, convolution.dilations)
    case .matmul(let matmul):
      call.pointee.is_matmul = true
      call.pointee.transpose_a = matmul.transposeA
      call.pointee.transpose_b = matmul.transposeB
      call.pointee.has_bias = matmul.hasBias
      postOps = matmul.postOps
      pads = ([], [])
      window = ([], [])
    }
    let axes = window.strides.count
    guard operandCount <= Int(SWAGE_DNN_OPERANDS), postOps.count <= Int(SWAGE_DNN_POST_OPS),
      axes <= Int(SWAGE_DNN_SPATIAL), window.dilations.count == axes, pads.begin.count == axes,
      pads.end.count == axes
    else { throw LibraryFault(reason: "more operands, post-ops or axes than the library takes") }
    call.pointee.operand_count = Int32(operandCount)
    call.pointee.post_op_count = Int32(postOps.count)
    for (index, postOp) in postOps.enumerated() {
      let target = swage_dnn_post_op_at(call, Int32(index))
      switch postOp {
      case .function(let function, let alpha, let beta):
        target?.pointee.code = Int32(function.rawValue)
        target?.pointee.alpha = alpha
        target?.pointee.beta = beta
      case .combine(let combination, let operand):
        guard operand >= 0, operand < operandCount else {
          throw LibraryFault(reason: "a post-op names operand \(operand) of \(operandCount)")
        }
        target?.pointee.combines = true
        target?.pointee.code = Int32(combination.rawValue)
        target?.pointee.operand = Int32(operand)
      }
    }
  }

  deinit {
    for entry in entries {
      swage_dnn_destroy(entry.operation)
      entry.call.deallocate()
    }
    call.deallocate()
  }

  /// A tensor of the call: nil sizes where the operand is absent.
  struct Argument {
    var elementType: ElementType
    var sizes: [Int]
    var constant: UnsafeRawPointer?
  }

  /// The operation for these tensors. `buffers` are the operands' addresses, then the result's; `size` evaluates sizes.
  func operation(
    operands: [Argument?], result: Argument, buffers: UnsafePointer<UnsafeMutableRawPointer?>, size: (SizeID) -> Int
  ) throws(LibraryFault) -> OpaquePointer {
    for (index, operand) in operands.enumerated() {
      guard let target = swage_dnn_operand(call, Int32(index)) else { continue }
      try Self.fill(target, operand)
    }
    try withResult { target throws(LibraryFault) in try Self.fill(target, result) }
    for axis in 0..<window.strides.count {
      swage_dnn_set_axis(
        call, Int32(axis), Int64(window.strides[axis]), Int64(window.dilations[axis]), Int64(size(pads.begin[axis])),
        Int64(size(pads.end[axis])))
    }
    call.pointee.result_operand = -1
    for case .combine(_, let operand) in postOps where buffers[operand] == buffers[operandCount] {
      call.pointee.result_operand = Int32(operand)
    }

    let bytes = MemoryLayout<swage_dnn_call>.size
    if let index = entries.firstIndex(where: { memcmp($0.call, call, bytes) == 0 }) {
      if index > 0 { entries.insert(entries.remove(at: index), at: 0) }
      return entries[0].operation
    }
    var reason = [CChar](repeating: 0, count: 256)
    guard let operation = swage_dnn_create(context.pointer, call, &reason, reason.count) else {
      let text = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw LibraryFault(reason: String(decoding: text, as: UTF8.self))
    }
    let copy = UnsafeMutablePointer<swage_dnn_call>.allocate(capacity: 1)
    memcpy(copy, call, bytes)
    entries.insert(Entry(call: copy, operation: operation), at: 0)
    if entries.count > Self.kept {
      let last = entries.removeLast()
      swage_dnn_destroy(last.operation)
      last.call.deallocate()
    }
    return operation
  }

  private func withResult(
    _ body: (UnsafeMutablePointer<swage_dnn_tensor>) throws(LibraryFault) -> Void
  ) throws(LibraryFault) {
    var result = call.pointee.result
    try body(&result)
    call.pointee.result = result
  }

  private static func fill(
    _ target: UnsafeMutablePointer<swage_dnn_tensor>, _ argument: Argument?
  ) throws(LibraryFault) {
    guard let argument else {
      target.pointee.rank = -1
      return
    }
    guard argument.sizes.count <= Int(SWAGE_DNN_RANK) else {
      throw LibraryFault(reason: "a tensor has \(argument.sizes.count) axes, more than the library takes")
    }
    guard [.f32, .f16, .bf16].contains(argument.elementType) else {
      throw LibraryFault(reason: "the library call has a tensor of type \(argument.elementType.name)")
    }
    target.pointee.type = argument.elementType.rawValue
    target.pointee.rank = Int32(argument.sizes.count)
    target.pointee.constant = argument.constant
    let sizes = swage_dnn_sizes(target)
    for index in 0..<Int(SWAGE_DNN_RANK) {
      sizes?[index] = index < argument.sizes.count ? Int64(argument.sizes[index]) : 0
    }
  }
}

/// Why the library cannot do a call.
struct LibraryFault: Error {
  var reason: String
}
