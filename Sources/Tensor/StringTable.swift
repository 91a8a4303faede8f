import Foundation

/// The strings of this process: each has a number, and equal bytes have the same one. Elements of `string` tensors are these
/// numbers, so that kernels move and compare strings as 64-bit integers.
///
/// Bytes are compared as they are: no Unicode form is applied, and they need not be UTF-8. Number 0 is the empty string.
/// Numbers depend on the order in which strings were seen: they never reach a file, and nothing is ordered by them. Strings
/// are never forgotten.
public enum StringTable {
  private static let table = Table()

  /// The number of a string.
  public static func id(of bytes: [UInt8]) -> UInt64 { table.ids(of: [bytes])[0] }

  /// The numbers of strings, in order.
  public static func ids(of strings: [[UInt8]]) -> [UInt64] { table.ids(of: strings) }

  /// The bytes of each number; a number that no string has reads as the empty string, since memory may hold anything.
  public static func bytes(of ids: [UInt64]) -> [[UInt8]] { table.bytes(of: ids) }

  private final class Table: @unchecked Sendable {
    private let lock = NSLock()
    private var numbers: [[UInt8]: UInt64] = [[]: 0]
    private var strings: [[UInt8]] = [[]]

    func ids(of wanted: [[UInt8]]) -> [UInt64] {
      lock.lock()
      defer { lock.unlock() }
      return wanted.map { bytes in
        if let known = numbers[bytes] { return known }
        let number = UInt64(strings.count)
        numbers[bytes] = number
        strings.append(bytes)
        return number
      }
    }

    func bytes(of ids: [UInt64]) -> [[UInt8]] {
      lock.lock()
      defer { lock.unlock() }
      return ids.map { $0 < UInt64(strings.count) ? strings[Int($0)] : [] }
    }
  }
}
