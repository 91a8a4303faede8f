import Foundation
import SwageTensor
import Testing

@Suite struct StorageRecipeTests {
  /// Counts how often its bytes are made.
  private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0
    var value: Int { lock.withLock { count } }
    func add() { lock.withLock { count += 1 } }
  }

  private static func tensor(_ counter: Counter, _ name: String = "r", sources: [Tensor] = []) throws -> Tensor {
    let recipe = StorageRecipe(name, sources: sources) { bytes in
      counter.add()
      for index in 0..<bytes.count { bytes[index] = UInt8(truncatingIfNeeded: index) }
    }
    return try #require(Tensor(.u8, [1000], recipe: recipe))
  }

  @Test func bytesAreMadeForEachReader() throws {
    let counter = Counter()
    let tensor = try Self.tensor(counter)
    #expect(tensor.isDeferred && counter.value == 0)
    for round in 1...3 {
      #expect(tensor.withBytes { Array($0[254...257]) } == [254, 255, 0, 1])
      #expect(counter.value == round)
    }
    tensor.withBytes { outer in
      #expect(tensor.reshaped([10, 100]).withBytes { $0.elementsEqual(outer) })
    }
    #expect(counter.value == 4, "readers at the same time share the bytes")
  }

  @Test func theBaseStays() throws {
    let counter = Counter()
    let tensor = try Self.tensor(counter)
    let base = tensor.storage.base
    #expect(tensor.withBytes { $0.baseAddress } == UnsafeRawPointer(base))
    #expect(base.load(fromByteOffset: 999, as: UInt8.self) == 231)
    #expect(counter.value == 1)
  }

  @Test func writingCopies() throws {
    let counter = Counter()
    var tensor = try Self.tensor(counter)
    tensor.withMutableBytes { $0[0] = 7 }
    #expect(!tensor.isDeferred)
    #expect(tensor.withBytes { Array($0.prefix(3)) } == [7, 1, 2])
  }

  @Test func equalRecipesAreKnownEqual() throws {
    let counter = Counter()
    let source = Tensor(floats: [1], [1])
    let (a, b) = (try Self.tensor(counter, sources: [source]), try Self.tensor(counter, sources: [source]))
    #expect(a.isKnownEqual(to: b))
    #expect(a.storage.recipe?.hashValue == b.storage.recipe?.hashValue)
    #expect(!a.isKnownEqual(to: try Self.tensor(counter, "s", sources: [source])))
    #expect(!a.isKnownEqual(to: try Self.tensor(counter, sources: [Tensor(floats: [1], [1])])))
    #expect(!a.isKnownEqual(to: a.reshaped([10, 100])))
    #expect(counter.value == 0, "nothing was computed to compare")
  }

  @Test func manyReadersAtOnce() throws {
    let counter = Counter()
    let tensor = try Self.tensor(counter)
    let sums = Sums(count: 64)
    DispatchQueue.concurrentPerform(iterations: 64) { index in
      sums.set(index, tensor.withBytes { $0.reduce(0) { $0 + Int($1) } })
    }
    #expect(Set(sums.values).count == 1)
  }

  private final class Sums: @unchecked Sendable {
    private let lock = NSLock()
    private(set) var values: [Int]
    init(count: Int) { values = [Int](repeating: 0, count: count) }
    func set(_ index: Int, _ value: Int) { lock.withLock { values[index] = value } }
  }
}
