import SwageKernel
import SwageTensor
import Testing

@Suite struct KernelFormTests {
  /// Sums of the rows of a matrix, scaled: every kind of statement that a reduction needs.
  private func rowSums(_ name: String = "row_sums", columns: Dim = .symbol("w")) -> KernelFunction {
    let k = KernelBuilder(name)
    let x = k.input(.bf16)
    let y = k.output(.f32)
    k.range = .symbol("h")
    k.grain = 4
    let width = k.size(columns)
    let base = k.let("base", k.unit * width)
    let sum = k.variable("sum", .f32(0))
    k.loop("i", to: width, .reduction) { i in k.assign(sum, sum.value + k.load(x, base + i)) }
    k.if(width.greaterThan(0)) {
      k.store(y, k.unit, sum.value * .f32(0.5))
    } else: {
      k.store(y, k.unit, .f32(-.infinity))
    }
    return k.finish()
  }

  @Test func loopsEndWhereTheirConditionDoes() {
    let k = KernelBuilder("walk")
    let y = k.output(.i32)
    let place = k.variable("place", .i32(5))
    k.loop("level", to: 8, while: place.value.greaterThan(0).or(.bool(false))) { _ in
      k.assign(place, place.value - 2)
    }
    k.store(y, k.unit, place.value)
    let function = k.finish()
    #expect(function.description.contains("for level in 0 ..< 8 while place > 0 || false {"))
    var library = KernelLibrary()
    _ = library.add(function)
    #expect(library.source.contains("level < 8 && (place > 0 || false); ++level"))
  }

  /// The compiler would unroll the inner loop and vectorise one around it.
  @Test func loopsAroundVectorLoopsStaySequential() {
    func source(_ hint: Statement.Loop.Hint) -> String {
      let k = KernelBuilder("double")
      let (x, y) = (k.input(.f32), k.output(.f32))
      k.loop("row", to: 4) { row in
        k.if(row.greaterThan(1)) {
          k.loop("i", to: 16, hint) { k.store(y, row * 16 + $0, k.load(x, row * 16 + $0) + k.load(x, $0)) }
        }
      }
      var library = KernelLibrary()
      _ = library.add(k.finish())
      return library.source
    }
    let off = "#pragma clang loop vectorize(disable)\n"
    #expect(source(.vector).contains(off + "  for (int64_t unit = "))
    #expect(source(.vector).contains(off + "    for (int64_t row = "))
    #expect(!source(.plain).contains(off))
  }

  /// The compiler would round four sums at a time, or one.
  @Test func loopsThatRoundSumsSayHowManyAtATime() {
    func source(count: Expression, _ hint: Statement.Loop.Hint = .vector, _ type: ElementType = .bf16) -> String {
      let k = KernelBuilder("round")
      let (x, y) = (k.input(.bf16), k.output(type))
      let sums = k.array("sums", of: .f32, count: 64)
      k.loop("i", to: count, hint) { k.store(y, $0, k.load(sums, $0) + k.load(x, $0)) }
      return KernelPrinter(dialect: .c).print(k.finish(), symbol: "f")
    }
    #expect(source(count: 16).contains("SWAGE_ROUNDED_STRIP(16)"))
    #expect(source(count: 48).contains("SWAGE_ROUNDED_STRIP(16)"))
    #expect(source(count: 32).contains("SWAGE_ROUNDED_STRIP(32)"))
    #expect(source(count: 128).contains("SWAGE_ROUNDED_STRIP(64)"))
    #expect(source(count: 40).contains("SWAGE_ROUNDED_TAIL"))
    #expect(source(count: .unit).contains("SWAGE_ROUNDED_LOOP(16)"))
    #expect(source(count: .unit, .tail).contains("SWAGE_ROUNDED_TAIL"))
    #expect(!source(count: 8).contains("SWAGE_ROUNDED"))
    #expect(!source(count: 32, .sequential).contains("SWAGE_ROUNDED"))
    #expect(!source(count: 32, .vector, .f32).contains("SWAGE_ROUNDED"))
  }

  @Test func textShowsTheLoops() {
    #expect(
      rowSums().description == """
        kernel row_sums(x0: bf16, y1: f32, n0 = w) {
          units h, at least 4 for a thread
          const i64 base = unit * n0
          f32 sum = 0.0
          for i in 0 ..< n0 [reduction] {
            sum = sum + x0[base + i]
          }
          if (n0 > 0) {
            y1[unit] = sum * 0.5
          } else {
            y1[unit] = -inf
          }
        }

        """)
  }

  @Test func cIsPrintedWithConversionsAndHints() {
    #expect(
      KernelPrinter(dialect: .c).print(rowSums(), symbol: "f") == """
        static SWAGE_WORK void f_work(const uint16_t *restrict x0, float *restrict y1, int64_t n0, int64_t begin, int64_t end) {
          #pragma clang loop vectorize(disable)
          for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t base = unit * n0;
            float sum = 0.0f;
            #pragma clang loop vectorize(enable)
            for (int64_t i = 0; i < n0; ++i) {
              #pragma clang fp reassociate(on)
              sum = sum + swage_from_bf16(x0[base + i]);
            }
            if (n0 > 0) {
              y1[unit] = sum * 0.5f;
            } else {
              y1[unit] = -SWAGE_INFINITY;
            }
          }
        }
        SWAGE_KERNEL void f(void *const *buffers, const int64_t *sizes, int64_t begin, int64_t end) {
          f_work(buffers[0], buffers[1], sizes[0], begin, end);
        }

        """)
  }

  @Test func constantSizesAreLiterals() {
    let function = rowSums(columns: 640)
    #expect(function.sizes.isEmpty)
    #expect(function.description.contains("for i in 0 ..< 640"))
  }

  @Test func operatorsKeepTheirMeaningInPrint() {
    let k = KernelBuilder("precedence")
    let x = k.input(.i64)
    let y = k.output(.i64)
    let (a, b, c) = (k.load(x, 0), k.load(x, 1), k.load(x, 2))
    k.store(y, 0, (a - (b - c)) * a)
    k.store(y, 1, a.bitOr(b).bitAnd(c))
    k.store(y, 2, .choose(a.lessThan(b).or(b.equal(c)).not, a.wrappingAdd(b), -c))
    k.store(y, 3, (a + b).divided(by: c.remainder(by: 7)))
    let text = KernelPrinter(dialect: .c).print(k.finish(), symbol: "f")
    #expect(text.contains("y1[0] = (x0[0] - (x0[1] - x0[2])) * x0[0];"))
    #expect(text.contains("y1[1] = (x0[0] | x0[1]) & x0[2];"))
    #expect(
      text.contains(
        "y1[2] = !(x0[0] < x0[1] || x0[1] == x0[2]) ? (int64_t)((uint64_t)x0[0] + (uint64_t)x0[1]) "
          + ": (int64_t)(0u - (uint64_t)x0[2]);"))
    #expect(text.contains("y1[3] = (x0[0] + x0[1]) / (x0[2] % 7);"))
  }

  @Test func aStoreRoundsOnce() {
    let k = KernelBuilder("round")
    let x = k.input(.f32)
    let y = k.output(.bf16)
    k.store(y, 0, .narrow(.bf16, k.load(x, 0)))
    let text = KernelPrinter(dialect: .c).print(k.finish(), symbol: "f")
    #expect(text.contains("y1[0] = swage_to_bf16(x0[0]);"))
  }

  @Test func aliasesAreNotRestrict() {
    let k = KernelBuilder("over")
    let a = k.input(.f32)
    let b = k.input(.f32)
    let y = k.output(.f32, mayAlias: [a])
    k.store(y, 0, k.load(a, 0) + k.load(b, 0))
    let text = KernelPrinter(dialect: .c).print(k.finish(), symbol: "f")
    #expect(text.contains("const float *x0, const float *restrict x1, float *y2"))
  }

  @Test func aLibrarySharesEqualBodies() {
    var library = KernelLibrary()
    let first = library.add(rowSums())
    // Only range, grain and the size's expression differ: the code is the same.
    var other = rowSums(columns: Dim.symbol("a") * 3)
    other.grain = 9
    #expect(library.add(other) == first)
    #expect(library.add(rowSums(columns: 8)) != first)
    #expect(library.add(rowSums("a b\"c; é", columns: 9)).hasPrefix("swage_a_b_c____"))
    #expect(library.units.count == 3)
    #expect(Set(library.units.map(\.symbol)).count == 3)
    #expect(library.source.hasPrefix(Dialect.c.prelude))
    #expect(library.units.allSatisfy { library.source.contains($0.text) && $0.text.contains($0.symbol + "(") })
    // Another library has the same text for it.
    var second = KernelLibrary()
    #expect(second.add(rowSums()) == first)
    #expect(second.units[0].text == library.units[0].text)
  }
}
