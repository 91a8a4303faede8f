import SwageKernel
import SwageTensor

extension KernelBuilder {
  /// Makes every unit a share of `items` pieces of work that are known only when the kernel runs, and calls `body` for
  /// each piece of a unit. `work` counts the operations of all pieces: little work is left to one thread.
  func share(_ items: Expression, units: Int, work: Dim, _ body: (Expression) -> Void) {
    split(Dim(units), work: work.floorDivided(by: Dim(units)))
    let begin = self.let("begin_item", (unit * items).divided(by: .i64(units)))
    let end = self.let("end_item", ((unit + 1) * items).divided(by: .i64(units)))
    loop("item", from: begin, to: end, .plain, body)
  }

  /// Into how many blocks of at most `largest` to divide `total`, when there are so many `alike`: as few as give every
  /// thread the same work, unless they became smaller than `smallest`.
  func blockCount(
    _ hint: String, _ total: Expression, largest: Expression, smallest: Int, alike: Expression, threads: Int
  ) -> Expression {
    let fewest = self.let("fewest_" + hint, total.ceilDivided(by: largest).maximum(1))
    let rounded = fewest.ceilDivided(by: threads) * .i64(threads)
    let isEven = (fewest * alike).remainder(by: .i64(threads)).equal(0)
    let even = rounded.minimum(total.ceilDivided(by: smallest)).maximum(fewest)
    return self.let(hint, .choose(isEven, fewest, even))
  }

  /// Where block `index` of `blocks` begins, and its size: multiples of `step`, but for the end, that differ by no more
  /// than one of them.
  func block(
    _ beginHint: String, _ sizeHint: String, of total: Expression, _ index: Expression, _ blocks: Expression,
    step: Int = 1
  ) -> (begin: Expression, size: Expression) {
    let steps = total.ceilDivided(by: step)
    func begin(_ index: Expression) -> Expression { (index * steps).divided(by: blocks) * .i64(step) }
    let first = self.let(beginHint, begin(index))
    return (first, self.let(sizeHint, begin(index + 1).minimum(total) - first))
  }

  /// The size of blocks that divide `total` evenly: at most `largest`, a multiple of `step` unless there is less.
  func blockSize(_ hint: String, _ total: Expression, largest: Int, step: Int, blocks: Expression? = nil) -> Expression
  {
    let count = blocks ?? total.ceilDivided(by: largest).maximum(1)
    let even = (total + count - 1).divided(by: count)
    return self.let(hint, (even.ceilDivided(by: step) * .i64(step)).minimum(.i64(largest)).maximum(1))
  }
}

extension Expression {
  /// Of numbers that are not negative.
  func ceilDivided(by divisor: Int) -> Expression { (self + .i64(divisor - 1)).divided(by: .i64(divisor)) }
  func ceilDivided(by divisor: Expression) -> Expression { (self + divisor - 1).divided(by: divisor) }
}
