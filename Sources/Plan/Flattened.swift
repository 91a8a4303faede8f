/// An instruction with its position.
public struct FlatInstruction: Sendable {
  public var instruction: Instruction
  /// Index in `EntryPoint.flattened`.
  public var position: Int
  /// How many conditionals hold it.
  public var depth: Int
  /// The last position of a conditional's first block; its own position where the block is empty.
  public var thenEnd: Int
  /// The last position of a conditional's second block, or of its first where the second is empty; the instruction's
  /// own position for all other operations.
  public var end: Int
}

extension EntryPoint {
  /// All instructions in the order that gives them their positions: a block's instructions in turn, a conditional before
  /// the instructions of its `then` block, those before the ones of its `else` block.
  ///
  /// Memory lives by these positions:
  /// - An instruction at `p` reads its operands and writes its results at `p`, all at once.
  /// - A conditional at `p` reads operand 0 at `p`. Its results are written from `p` to `end`: they overlap nothing that
  ///   its blocks use. The results of a block are read at the block's last position (`thenEnd`, `end`; `p` for an
  ///   empty block).
  /// - Outputs of the entry point are read at the last position of all.
  public var flattened: [FlatInstruction] {
    var result: [FlatInstruction] = []
    Self.flatten(body, depth: 0, into: &result)
    return result
  }

  private static func flatten(_ block: Block, depth: Int, into result: inout [FlatInstruction]) {
    for instruction in block.instructions {
      let position = result.count
      result.append(
        FlatInstruction(instruction: instruction, position: position, depth: depth, thenEnd: position, end: position))
      if case .conditional(let then, let otherwise) = instruction.operation {
        flatten(then, depth: depth + 1, into: &result)
        result[position].thenEnd = result.count - 1
        flatten(otherwise, depth: depth + 1, into: &result)
        result[position].end = result.count - 1
      }
    }
  }
}
