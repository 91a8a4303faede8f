/// Arithmetic on numbers that come from files. Loaders use these only: a raw `+` or `*` traps on overflow.
public enum Checked {
  public static func add(_ a: Int, _ b: Int) -> Int? {
    let (r, o) = a.addingReportingOverflow(b)
    return o ? nil : r
  }

  public static func subtract(_ a: Int, _ b: Int) -> Int? {
    let (r, o) = a.subtractingReportingOverflow(b)
    return o ? nil : r
  }

  public static func multiply(_ a: Int, _ b: Int) -> Int? {
    let (r, o) = a.multipliedReportingOverflow(by: b)
    return o ? nil : r
  }

  /// The product of sizes; nil when one is negative or the product does not fit. Zero sizes give zero even
  /// where the other factors would overflow.
  public static func product(_ sizes: some Sequence<Int>) -> Int? {
    var result = 1
    var zero = false
    var overflow = false
    for size in sizes {
      guard size >= 0 else { return nil }
      if size == 0 { zero = true }
      let (r, o) = result.multipliedReportingOverflow(by: size)
      overflow = overflow || o
      result = o ? 1 : r
    }
    if zero { return 0 }
    return overflow ? nil : result
  }

  /// `value` rounded up to a multiple of `alignment` (a power of two).
  public static func alignUp(_ value: Int, to alignment: Int) -> Int? {
    guard let sum = add(value, alignment - 1) else { return nil }
    return sum & ~(alignment - 1)
  }
}
