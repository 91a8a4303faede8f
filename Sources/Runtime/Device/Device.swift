import CRuntime
import Foundation
import SwagePlan
import SwageTensor

/// Which way bytes go in `Device.copy`.
public enum CopyDirection: Hashable, Sendable {
  case toDevice
  case fromDevice
  case within
}

/// What runs the `Operation.device` instructions of a name, and owns the buffers of that name.
public protocol Device: Sendable {
  /// The name in `PlanBuffer.device` and `Operation.device`.
  var name: String { get }

  /// Memory for the plan's buffers on this device, aligned to 64 bytes.
  func allocate(byteCount: Int) throws -> Storage

  /// Copies bytes between host and device, or within the device, and waits for the end.
  func copy(
    from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int, direction: CopyDirection) throws

  /// Makes `payload` ready to run. Called once per instruction, when a session is made. Elements of type `object` are
  /// numbers in `objects`, the session's.
  func prepare(payload: String, instruction: Instruction, objects: ObjectStore) throws -> any DeviceProgram
}

/// An instruction that is ready to run on a device.
public protocol DeviceProgram: AnyObject {
  /// Runs the instruction. `operands` are views of the planned memory, not to be kept; nil where absent. `sizes` are the
  /// values of the instruction's sizes. Returns one
  /// tensor in host memory for each result of the instruction, of the result's element type and rank. Sizes that the
  /// instruction defines are taken from these tensors.
  func run(operands: [Tensor?], sizes: [Int]) throws -> [Tensor]

  /// Time that the device itself spent in the last run; nil where it does not measure, or is the host.
  var lastDeviceNanoseconds: UInt64? { get }
}

extension Device {
  public func allocate(byteCount: Int) throws -> Storage { try HostMemory.allocate(byteCount: byteCount) }

  public func copy(
    from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int, direction: CopyDirection
  ) throws {
    memmove(target, source, byteCount)
  }
}

extension DeviceProgram {
  public var lastDeviceNanoseconds: UInt64? { nil }
}

enum HostMemory {
  /// Zeroed memory aligned to 64 bytes, in pages of its own where it is large.
  static func allocate(byteCount: Int) throws -> Storage {
    if byteCount < 1 << 18 { return Storage(zeroed: byteCount) }
    let size = byteCount
    guard let base = swage_pages_allocate(size) else { throw RuntimeError.noMemory(bytes: byteCount) }
    return Storage(base: base, byteCount: size) { swage_pages_free(base, size) }
  }
}
