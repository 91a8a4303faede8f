import SwageKernel
import SwagePartition
import SwageTensor

/// A convolution, channels last and of one group, as its kernels compute it: an ordinary one, or a transposed one by phases.
///
/// Results of a transposed convolution whose positions leave the same remainder by the stride s meet the same taps of the
/// filters: every s-th. They are a phase, and each phase is an ordinary convolution with filters of `kernel / s` taps (the
/// polyphase form of interpolation filters: Vaidyanathan, "Multirate systems and filter banks", 1993). Result s·j + r is
/// the sum over t of x[j - t + (r + p) div s] · w[(r + p) mod s + s·t], where p are the pads.
struct ConvolutionForm {
  struct Axis {
    /// Phases; 1 for an ordinary convolution.
    var phases: Int
    /// Taps of the filters of one phase.
    var taps: Int
    /// Positions from the first that any phase of a result meets to the last.
    var window: Int
    /// Zeros that windows meet in front of the picture and behind it.
    var before: Dim
    var after: Dim
    var stride: Int
    var dilation: Int
    /// Results of a phase, and of all.
    var positions: Dim
    var size: Dim
    /// Pads of the transposed convolution.
    fileprivate var pad = 0
  }

  let axes: [Axis]
  let channels: Int
  let filters: Int
  let isTransposed: Bool
  var phases: Int { axes.reduce(1) { $0 * $1.phases } }
  /// Taps of a filter of one phase.
  var taps: Int { axes.reduce(1) { $0 * $1.taps } }
  /// What decides the order of weights beside the shape of the operand.
  var name: String { isTransposed ? axes.reduce(" by phases") { $0 + " \($1.phases) from \($1.pad)" } : "" }

  /// nil where there is no such form: other layouts or groups, dilated transposed convolutions, and those whose phases have
  /// different numbers of taps.
  init?(_ op: Convolution, _ x: TensorType, _ w: Tensor, result: TensorType) {
    guard op.layout == .channelsLast, op.groups == 1, w.count > 0 else { return nil }
    isTransposed = op.isTransposed
    (filters, channels) = isTransposed ? (w.shape[1], w.shape[0]) : (w.shape[0], w.shape[1])
    var axes: [Axis] = []
    for axis in op.strides.indices {
      let (kernel, stride, size) = (w.shape[2 + axis], op.strides[axis], result.shape[1 + axis])
      guard isTransposed else {
        axes.append(
          Axis(
            phases: 1, taps: kernel, window: kernel, before: op.padsBegin[axis], after: op.padsEnd[axis],
            stride: stride, dilation: op.dilations[axis], positions: size, size: size))
        continue
      }
      guard let pad = op.padsBegin[axis].constant, pad < kernel, kernel % stride == 0, op.dilations[axis] == 1 else {
        return nil
      }
      let taps = kernel / stride
      let window = taps + (stride - 1 + pad) / stride - pad / stride
      let before = taps - 1 - pad / stride
      let positions = size.ceilDivided(by: Dim(stride))
      axes.append(
        Axis(
          phases: stride, taps: taps, window: window, before: Dim(before),
          after: positions - x.shape[1 + axis] + Dim(window - 1 - before), stride: 1, dilation: 1, positions: positions,
          size: size, pad: pad))
    }
    self.axes = axes
  }

  /// What a phase is along each axis.
  struct Place {
    /// The remainder of its results' positions.
    var remainder: Expression
    /// Where its windows begin, from the first position that any phase meets.
    var shift: Expression
  }

  func place(_ phase: Expression, _ k: KernelBuilder) -> [Place] {
    var rest = phase
    var places: [Place] = []
    for axis in axes.reversed() {
      guard axis.phases > 1 else {
        places.append(Place(remainder: 0, shift: 0))
        continue
      }
      let remainder = k.let("remainder", rest.remainder(by: .i64(axis.phases)))
      rest = rest.divided(by: .i64(axis.phases))
      let shift = (remainder + .i64(axis.pad)).divided(by: .i64(axis.phases)) - .i64(axis.pad / axis.phases)
      places.append(Place(remainder: remainder, shift: k.let("shift", shift)))
    }
    return places.reversed()
  }

  /// The position of a phase's result among all, along an axis.
  func position(_ index: Expression, _ axis: Int, _ places: [Place]) -> Expression {
    axes[axis].phases == 1 ? index : index * .i64(axes[axis].phases) + places[axis].remainder
  }

  /// The results that a phase has of `count` from `first` on along an axis: where the phases do not come out even, the last
  /// ones of some do not exist.
  func existing(
    _ count: Expression, from first: Expression, _ axis: Int, _ places: [Place], _ k: KernelBuilder
  ) -> Expression {
    let own = axes[axis]
    guard own.phases > 1, own.positions * Dim(own.phases) != own.size else { return count }
    let all = (k.size(own.size) - places[axis].remainder).ceilDivided(by: .i64(own.phases))
    return k.let("existing", (all - first).minimum(count).maximum(0))
  }

  /// Where the weight of a filter, a channel, a phase and one of its taps stands in the operand.
  func weight(filter: Int, channel: Int, phase: Int, tap: Int) -> Int {
    guard isTransposed else { return (filter * channels + channel) * taps + tap }
    var (phase, tap) = (phase, tap)
    var (index, distance) = (0, 1)
    for axis in axes.reversed() {
      let (remainder, own) = (phase % axis.phases, tap % axis.taps)
      (phase, tap) = (phase / axis.phases, tap / axis.taps)
      index += ((remainder + axis.pad) % axis.phases + axis.phases * (axis.taps - 1 - own)) * distance
      distance *= axis.taps * axis.phases
    }
    return (channel * filters + filter) * distance + index
  }
}
