/// `combine` of each pair of elements.
func zipMap(_ first: [Float], _ second: [Float], _ combine: (Float, Float) -> Float) -> [Float] {
  zip(first, second).map { combine($0, $1) }
}
