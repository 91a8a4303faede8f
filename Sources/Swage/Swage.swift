// `import Swage` gives the whole of swage: compile with `Compiler`, run with `Session`.
@_exported import SwageCompiler
@_exported import SwageDiffusion
@_exported import SwageFrontend
@_exported import SwageGraph
@_exported import SwageInspect
@_exported import SwagePartition
@_exported import SwagePasses
@_exported import SwagePlan
@_exported import SwageReferenceDevice
@_exported import SwageRuntime
@_exported import SwageTensor
@_exported import SwageTune
