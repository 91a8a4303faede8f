import SwagePlan
import SwageTensor

/// The sizes of an entry point, compiled: evaluating one touches no dictionary and allocates nothing.
final class SizeProgram {
  private enum Code: UInt8 {
    case constant, symbol, add, multiply, floorDivide, remainder, minimum, maximum
  }

  private struct Operation {
    var code: Code
    var value: Int
  }

  private let operations: UnsafeMutablePointer<Operation>
  private let operationCount: Int
  private let starts: UnsafeMutablePointer<Int>
  private let stack: UnsafeMutablePointer<Int>
  /// The ids of the symbols in each size, sorted.
  let symbols: [[SymbolID]]

  init(sizes: [Dim], symbols names: [String]) throws {
    var ids: [String: Int] = [:]
    for (index, name) in names.enumerated() where ids[name] == nil { ids[name] = index }
    var code: [Operation] = []
    var starts = [0]
    var used: [[SymbolID]] = []
    var deepest = 1
    for size in sizes {
      var depth = 0
      var own: Set<SymbolID> = []
      for step in size.postfix {
        switch step {
        case .constant(let value): code.append(Operation(code: .constant, value: value))
        case .symbol(let name):
          guard let id = ids[name] else {
            throw RuntimeError.unsupportedPlan(reason: "the size \(size) names \(name), which is no symbol")
          }
          own.insert(id)
          code.append(Operation(code: .symbol, value: id))
        case .add: code.append(Operation(code: .add, value: 0))
        case .multiply: code.append(Operation(code: .multiply, value: 0))
        case .floorDivide: code.append(Operation(code: .floorDivide, value: 0))
        case .remainder: code.append(Operation(code: .remainder, value: 0))
        case .minimum: code.append(Operation(code: .minimum, value: 0))
        case .maximum: code.append(Operation(code: .maximum, value: 0))
        }
        switch step {
        case .constant, .symbol: depth += 1
        default: depth -= 1
        }
        deepest = max(deepest, depth)
      }
      starts.append(code.count)
      used.append(own.sorted())
    }
    operationCount = code.count
    operations = .allocate(capacity: max(code.count, 1))
    operations.initialize(from: code, count: code.count)
    self.starts = .allocate(capacity: starts.count)
    self.starts.initialize(from: starts, count: starts.count)
    stack = .allocate(capacity: deepest + 1)
    stack.initialize(repeating: 0, count: deepest + 1)
    symbols = used
  }

  deinit {
    operations.deallocate()
    starts.deallocate()
    stack.deallocate()
  }

  /// The value of a size; nil where it overflows or divides by zero.
  func evaluate(_ size: SizeID, _ symbols: UnsafePointer<Int>) -> Int? {
    var top = -1
    for index in starts[size]..<starts[size + 1] {
      let operation = operations[index]
      switch operation.code {
      case .constant:
        top += 1
        stack[top] = operation.value
        continue
      case .symbol:
        top += 1
        stack[top] = symbols[operation.value]
        continue
      default: break
      }
      let a = stack[top - 1]
      let b = stack[top]
      top -= 1
      var result = 0
      var overflow = false
      switch operation.code {
      case .constant, .symbol: break
      case .add: (result, overflow) = a.addingReportingOverflow(b)
      case .multiply: (result, overflow) = a.multipliedReportingOverflow(by: b)
      case .floorDivide:
        guard let quotient = Self.floorDivide(a, b) else { return nil }
        result = quotient
      case .remainder:
        // The remainder of floor division lies between zero and the divisor: no overflow.
        guard let quotient = Self.floorDivide(a, b) else { return nil }
        result = a &- b &* quotient
      case .minimum: result = min(a, b)
      case .maximum: result = max(a, b)
      }
      if overflow { return nil }
      stack[top] = result
    }
    return stack[0]
  }

  private static func floorDivide(_ a: Int, _ b: Int) -> Int? {
    if b == 0 { return nil }
    let (quotient, overflow) = a.dividedReportingOverflow(by: b)
    if overflow { return nil }
    return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient
  }
}
