import COneDNN
import CRuntime
import SwagePlan
import SwageTensor

/// An entry point of a plan, ready to run.
///
/// `bind` gives it inputs: it works out the sizes, lays out memory and prepares library calls; where sizes are as before,
/// only addresses change. `execute` runs what is bound, and allocates nothing once it has run with these sizes.
/// One caller at a time.
public final class Session {
  public let plan: Plan
  public let entryPoint: EntryPoint
  /// Threads that kernels and library calls use.
  public let threads: Int
  public let inputs: [PortDescription]
  public let outputs: [PortDescription]
  /// What the interpreter goes through; hooks are told indices of this list.
  public let steps: [StepInfo]
  /// Time that `init` took.
  public private(set) var loadNanoseconds: UInt64 = 0
  /// Bytes of working memory: buffers, scratch memory and repacked weights.
  public var workingBytes: Int {
    arenas.reduce(0) { $0 + ($1?.byteCount ?? 0) } + dynamics.reduce(0) { $0 + ($1?.byteCount ?? 0) }
      + (scratch?.byteCount ?? 0) + (library.map { swage_dnn_packed_bytes($0.pointer) } ?? 0)
  }

  let memoryLimit: Int
  let flattened: [FlatInstruction]
  let schedule: Schedule
  let program: SizeProgram
  let modules: NativeModules
  let devices: [any Device]
  /// Index in `devices` of each buffer's device; -1 for the CPU.
  let deviceOfBuffer: [Int]
  let verifier: ArenaVerifier
  let ends: [BlockEnd]
  let stepOfPosition: [Int]
  /// Steps that read or write an input's memory, for each input.
  let stepsOfInput: [[Int]]
  let valuesOfInput: [[ValueID]]
  /// Where inputs bear symbols.
  let symbolAxes: [SymbolAxis]
  let programs: [(any DeviceProgram)?]
  let libraryCalls: [LibraryStep?]
  let library: LibraryContext?

  // Plain memory that the loop works on.
  let stepCount: Int
  let stepStorage: UnsafeMutablePointer<Step>
  let stepPointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  let stepNumbers: UnsafeMutablePointer<Int64>
  let symbolValues: UnsafeMutablePointer<Int>
  let sizeValues: UnsafeMutablePointer<Int>
  let sizeIsValid: UnsafeMutablePointer<Bool>
  let valuePointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// Bytes of each value; -1 while they are not known, or have no meaning.
  let valueBytes: UnsafeMutablePointer<Int>

  // The present binding.
  var isBound = false
  var isStageValid: [Bool]
  var boundInputs: [Tensor?]
  /// The inputs that are no tensors, then what the run makes of them.
  let objects: ObjectStore
  var boundObjects = 0
  var alignedInputs: [Storage?]
  /// The CPU's arena, then one for each device.
  var arenas: [Storage?]
  var arenaOffsets: [Int]
  var dynamics: [Storage?]
  var bufferBytes: [Int]
  var scratch: Storage?
  /// Why steps that are not resolved cannot be, by step.
  var faults: [Int: RuntimeError] = [:]
  /// The checks of nodes within conditionals that do not hold.
  var checkFaults: [Int: RuntimeError] = [:]
  var layouts: [(symbols: [Int], offsets: [Int], byteCounts: [Int])] = []
  /// Time that devices report, for each step, since the profile began.
  var deviceNanoseconds: [UInt64]

  /// Loads native code, resolves its functions and prepares device programs. `entryPoint` nil takes the plan's only or
  /// first one.
  public convenience init(
    plan: Plan, entryPoint name: String? = nil, options: SessionOptions = SessionOptions(), devices: [any Device] = []
  ) throws {
    let start = swage_now_ns()
    guard let entry = plan.entryPoints.first(where: { name == nil || $0.name == name }) else {
      throw RuntimeError.noEntryPoint(name: name ?? "", available: plan.entryPoints.map(\.name))
    }
    let used = Self.modules(of: entry, in: plan)
    if !used.isEmpty { try plan.host?.check(architecture: HostCPU.architecture, features: HostCPU.features) }
    let modules = try NativeModules(plan.modules) { used.contains($0) }
    try self.init(plan: plan, entry: entry, modules: modules, options: options, devices: devices)
    loadNanoseconds = swage_now_ns() - start
  }

  /// `modules` has those of the entry point, or body, and of the loops in it. A body shares the `objects` of the run.
  init(
    plan: Plan, entry: EntryPoint, modules: NativeModules, options: SessionOptions, devices: [any Device],
    objects: ObjectStore = ObjectStore()
  ) throws {
    self.plan = plan
    self.objects = objects
    self.modules = modules
    entryPoint = entry
    threads = max(1, options.threads ?? HostCPU.coreCount)
    memoryLimit = options.memoryLimit ?? HostCPU.memoryBytes
    self.devices = devices
    swage_set_threads(Int32(clamping: threads))

    let flattened = entry.flattened
    self.flattened = flattened
    let program = try SizeProgram(sizes: entry.sizes, symbols: entry.symbols)
    self.program = program
    schedule = try Schedule(entry, flattened, symbolsOfSizes: program.symbols)
    verifier = ArenaVerifier(entry, of: plan)

    let deviceOfBuffer = try entry.buffers.map { try Self.index(of: $0.device, in: devices) }
    self.deviceOfBuffer = deviceOfBuffer

    func makeMemory<T>(_ count: Int, _ value: T) -> UnsafeMutablePointer<T> {
      let memory = UnsafeMutablePointer<T>.allocate(capacity: max(count, 1))
      memory.initialize(repeating: value, count: max(count, 1))
      return memory
    }
    let needed = StepBuilder.needed(flattened)
    stepPointers = makeMemory(needed.pointers, nil)
    stepNumbers = makeMemory(needed.numbers, 0)
    symbolValues = makeMemory(entry.symbols.count, -1)
    sizeValues = makeMemory(entry.sizes.count, 0)
    sizeIsValid = makeMemory(entry.sizes.count, false)
    valuePointers = makeMemory(entry.values.count, nil)
    valueBytes = makeMemory(entry.values.count, -1)

    var builder = StepBuilder(stageOfPosition: schedule.stageOfPosition, pointers: stepPointers, numbers: stepNumbers) {
      guard case .buffer(let buffer, _) = entry.values[$0].location else { return false }
      return deviceOfBuffer[buffer] >= 0
    }
    var buildFault: (any Error)?
    do { try builder.build(entry.body) } catch { buildFault = error }
    stepCount = builder.steps.count
    stepStorage = .allocate(capacity: max(stepCount, 1))
    stepStorage.initialize(from: builder.steps, count: stepCount)
    steps = builder.infos
    ends = builder.ends
    stepOfPosition = builder.stepOfPosition

    let ports = { (ports: [Port]) in
      ports.map { port in
        let value = entry.values[port.value]
        return PortDescription(
          name: port.name, type: TensorType(value.elementType, value.shape.map { entry.sizes[$0] }),
          objectType: port.type)
      }
    }
    inputs = ports(entry.inputs)
    outputs = ports(entry.outputs)
    var valuesOfInput = [[ValueID]](repeating: [], count: entry.inputs.count)
    for (id, value) in entry.values.enumerated() {
      if case .input(let index) = value.location { valuesOfInput[index].append(id) }
    }
    self.valuesOfInput = valuesOfInput
    symbolAxes = SymbolAxis.all(in: entry)
    stepsOfInput = valuesOfInput.map { values in
      let set = Set(values)
      return builder.steps.indices.filter { index in
        guard [.unresolved].contains(builder.steps[index].kind) else { return false }
        let instruction = flattened[builder.steps[index].position].instruction
        return instruction.operands.contains { $0.map { set.contains($0) } ?? false }
      }
    }

    isStageValid = [Bool](repeating: false, count: schedule.stages.count)
    boundInputs = [Tensor?](repeating: nil, count: entry.inputs.count)
    alignedInputs = [Storage?](repeating: nil, count: entry.inputs.count)
    arenas = [Storage?](repeating: nil, count: devices.count + 1)
    arenaOffsets = [Int](repeating: 0, count: entry.buffers.count)
    dynamics = [Storage?](repeating: nil, count: entry.buffers.count)
    bufferBytes = [Int](repeating: -1, count: entry.buffers.count)
    deviceNanoseconds = [UInt64](repeating: 0, count: builder.steps.count)

    var programs = [(any DeviceProgram)?](repeating: nil, count: flattened.count)
    var calls = [LibraryStep?](repeating: nil, count: flattened.count)
    var context: LibraryContext?
    var fault = buildFault
    do {
      for flat in flattened {
        switch flat.instruction.operation {
        case .device(let name, let payload, _):
          let device = try Self.index(of: name, in: devices)
          guard device >= 0 else {
            throw RuntimeError.unsupportedPlan(reason: "\(flat.instruction.label) has a payload for the CPU")
          }
          programs[flat.position] = try devices[device].prepare(
            payload: payload, instruction: flat.instruction, objects: objects)
        case .loop(let call):
          let body = try Session(
            plan: plan, entry: plan.bodies[call.body], modules: modules, options: options, devices: devices,
            objects: objects)
          programs[flat.position] = LoopProgram(body, call, node: flat.instruction.place)
        case .library(let call):
          let used = try context ?? LibraryContext()
          context = used
          do throws(LibraryFault) {
            calls[flat.position] = try LibraryStep(
              context: used, call: call, operandCount: flat.instruction.operands.count)
          } catch {
            throw RuntimeError.library(node: flat.instruction.place, reason: error.reason)
          }
        case .kernel(let call):
          let step = builder.stepOfPosition[flat.position]
          stepStorage[step].kernel = try modules.function(call.function, of: call.module)
        case .copy, .bindSymbols, .conditional, .fail: break
        }
      }
    } catch {
      fault = fault ?? error
    }
    self.programs = programs
    libraryCalls = calls
    library = context
    // Thrown last: the memory above belongs to `deinit`.
    if let fault { throw fault }
  }

  deinit {
    stepStorage.deallocate()
    stepPointers.deallocate()
    stepNumbers.deallocate()
    symbolValues.deallocate()
    sizeValues.deallocate()
    sizeIsValid.deallocate()
    valuePointers.deallocate()
    valueBytes.deallocate()
  }

  /// Indices of the native modules that an entry point and the bodies of its loops call.
  private static func modules(of entry: EntryPoint, in plan: Plan) -> Set<Int> {
    var modules: Set<Int> = []
    for flat in entry.flattened {
      switch flat.instruction.operation {
      case .kernel(let call): modules.insert(call.module)
      case .loop(let call): modules.formUnion(self.modules(of: plan.bodies[call.body], in: plan))
      case .library, .device, .copy, .bindSymbols, .conditional, .fail: break
      }
    }
    return modules
  }

  private static func index(of name: String, in devices: [any Device]) throws -> Int {
    if let index = devices.firstIndex(where: { $0.name == name }) { return index }
    if name == "cpu" { return -1 }
    throw RuntimeError.missingDevice(name: name, available: devices.map(\.name))
  }
}

/// oneDNN's engine, and the weights that it repacked.
final class LibraryContext {
  let pointer: OpaquePointer

  init() throws {
    guard let context = swage_dnn_context_create() else {
      throw RuntimeError.library(node: "all library calls", reason: "oneDNN has no CPU engine here")
    }
    pointer = context
  }

  deinit { swage_dnn_context_destroy(pointer) }
}

extension Instruction {
  /// What a message calls it: its source nodes, or its label where it has none.
  var place: String { sources.isEmpty ? label : sources.joined(separator: ", ") }
}
