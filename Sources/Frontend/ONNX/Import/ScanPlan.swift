/// What the attributes of a `Scan` say of its inputs and outputs.
struct ScanPlan {
  let body: ONNXGraph
  /// Positions among the node's inputs.
  let states: Range<Int>
  let inputs: Range<Int>
  let inputAxes: [Int]
  /// 1 is from the end to the start.
  let inputDirections: [Int]
  let outputAxes: [Int]
  let outputDirections: [Int]

  /// `hasLengths`: input 0 is the lengths of the sequences, as opset 8 has it; axes and output directions came later.
  init(_ call: Call, hasLengths: Bool) throws {
    body = try call.graph("body")
    let first = hasLengths ? 1 : 0
    guard let scans = try call.int("num_scan_inputs"), scans >= 1, scans <= call.inputs.count - first,
      body.inputs.count == call.inputs.count - first
    else { throw NodeFault.invalid("num_scan_inputs does not fit \(call.inputs.count) inputs") }
    let stateCount = call.inputs.count - first - scans
    states = first..<first + stateCount
    inputs = first + stateCount..<call.inputs.count
    let outputs = body.outputs.count - stateCount
    guard outputs >= 0 else { throw NodeFault.invalid("the body gives \(body.outputs.count) results") }
    func list(_ name: String, _ count: Int) throws -> [Int] {
      let values = try call.ints(name) ?? [Int](repeating: 0, count: count)
      try call.require(values.count == count, "\(values.count) \(name), not \(count)")
      return values
    }
    inputAxes = try list("scan_input_axes", scans)
    inputDirections = try list(hasLengths ? "directions" : "scan_input_directions", scans)
    outputAxes = try list("scan_output_axes", outputs)
    outputDirections = try list("scan_output_directions", outputs)
  }
}
