// swift-tools-version: 6.1
import PackageDescription

// The modules in the order of design: a target depends only on targets above it.
let package = Package(
  name: "swage",
  products: [
    .library(name: "Swage", targets: ["Swage"]),
    .executable(name: "swage", targets: ["swage-cli"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(name: "CProtobufC", path: "Sources/C/CProtobufC", pkgConfig: "libprotobuf-c"),
    .systemLibrary(name: "CCrypto", path: "Sources/C/CCrypto", pkgConfig: "libcrypto"),
    .systemLibrary(name: "CLibPNG", path: "Sources/C/CLibPNG", pkgConfig: "libpng"),
    .target(name: "CPNG", dependencies: ["CLibPNG"], path: "Sources/C/CPNG"),
    .target(
      name: "CONNX", dependencies: ["CProtobufC"], path: "Sources/C/CONNX", exclude: ["onnx.proto", "generate.sh"]),
    .target(name: "CFile", path: "Sources/C/CFile"),
    .target(name: "CThreadPolicy", path: "Sources/C/CThreadPolicy"),
    .target(
      name: "CPlan", dependencies: ["CProtobufC"], path: "Sources/C/CPlan", exclude: ["plan.proto", "generate.sh"]),
    .target(
      name: "COneDNN", path: "Sources/C/COneDNN",
      linkerSettings: [.linkedLibrary("dnnl"), .linkedLibrary("gomp"), .linkedLibrary("m")]),
    .target(
      name: "CRuntime", path: "Sources/C/CRuntime",
      linkerSettings: [.linkedLibrary("gomp"), .linkedLibrary("dl"), .linkedLibrary("m")]),

    .target(
      name: "SwageTensor", dependencies: ["CProtobufC", "CONNX", "CFile", "CCrypto", "CRuntime"],
      path: "Sources/Tensor"),
    .target(name: "SwagePlan", dependencies: ["SwageTensor", "CPlan"], path: "Sources/Plan"),
    .target(name: "SwageGraph", dependencies: ["SwageTensor"], path: "Sources/Graph"),
    .target(name: "SwageFrontend", dependencies: ["SwageGraph", "CONNX"], path: "Sources/Frontend"),
    .target(name: "SwagePasses", dependencies: ["SwageGraph"], path: "Sources/Passes"),
    .target(
      name: "SwageInspect", dependencies: ["SwageGraph", "CONNX"], path: "Sources/Inspect",
      resources: [
        .embedInCode("HTML/Page/page.html"),
        .embedInCode("HTML/Page/style.css"),
        .embedInCode("HTML/Page/model.js"),
        .embedInCode("HTML/Page/layout.js"),
        .embedInCode("HTML/Page/canvas.js"),
        .embedInCode("HTML/Page/panels.js"),
        .embedInCode("HTML/Page/main.js"),
      ]),
    .target(name: "SwageKernel", dependencies: ["SwageTensor"], path: "Sources/Kernel"),
    .target(name: "SwagePartition", dependencies: ["SwageGraph", "SwagePlan"], path: "Sources/Partition"),
    .target(
      name: "SwageCPUTarget", dependencies: ["SwagePartition", "SwageKernel", "CFile", "CRuntime"],
      path: "Sources/CPUTarget"),
    .target(name: "SwageReferenceTarget", dependencies: ["SwagePartition"], path: "Sources/ReferenceTarget"),
    .target(
      name: "SwageCompiler",
      dependencies: ["SwageFrontend", "SwagePasses", "SwagePartition", "SwageCPUTarget", "SwageReferenceTarget"],
      path: "Sources/Compiler"),
    .target(name: "SwageRuntime", dependencies: ["SwagePlan", "CRuntime", "COneDNN"], path: "Sources/Runtime"),
    .target(
      name: "SwageDiffusion", dependencies: ["SwageTensor", "SwagePlan", "SwageRuntime", "CPNG"],
      path: "Sources/Diffusion"),
    .target(
      name: "SwageReferenceDevice", dependencies: ["SwageRuntime", "SwageGraph"], path: "Sources/ReferenceDevice"),
    .target(
      name: "SwageTune", dependencies: ["SwageCompiler", "SwageReferenceDevice", "CRuntime"], path: "Sources/Tune"),
    .target(
      name: "Swage",
      dependencies: [
        "SwageCompiler", "SwageInspect", "SwageRuntime", "SwageReferenceDevice", "SwageDiffusion", "SwageTune",
      ],
      path: "Sources/Swage"),
    .target(name: "SwageFuzz", dependencies: ["Swage", "SwagePartition"], path: "Sources/Fuzz"),
    .executableTarget(
      name: "swage-cli",
      dependencies: [
        "Swage", "SwageFuzz", "SwagePlan", "CThreadPolicy",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/swage-cli"),

    .testTarget(name: "TensorTests", dependencies: ["SwageTensor"], path: "Tests/TensorTests"),
    .testTarget(name: "PlanTests", dependencies: ["SwagePlan", "CPlan"], path: "Tests/PlanTests"),
    .testTarget(
      name: "GraphTests", dependencies: ["SwageGraph"], path: "Tests/GraphTests",
      exclude: ["make_expected.py", "expected_nodes.json", "expected_floats.json"]),
    .testTarget(name: "FrontendTests", dependencies: ["SwageFrontend"], path: "Tests/FrontendTests"),
    .testTarget(name: "RuntimeTests", dependencies: ["SwageRuntime"], path: "Tests/RuntimeTests"),
    .testTarget(
      name: "DiffusionTests", dependencies: ["SwageDiffusion"], path: "Tests/DiffusionTests",
      exclude: ["make_expected.py", "prompts.py", "scheduler_cases.py", "Expected"]),
    .testTarget(name: "InspectTests", dependencies: ["SwageInspect", "SwageFrontend"], path: "Tests/InspectTests"),
    .testTarget(name: "KernelTests", dependencies: ["SwageKernel"], path: "Tests/KernelTests"),
    .testTarget(
      name: "ReferenceTests", dependencies: ["SwageReferenceTarget", "SwageReferenceDevice"],
      path: "Tests/ReferenceTests"),
    .testTarget(
      name: "CPUTargetTests", dependencies: ["SwageCPUTarget", "SwageRuntime"], path: "Tests/CPUTargetTests"),
    .testTarget(name: "PassesTests", dependencies: ["SwagePasses"], path: "Tests/PassesTests", exclude: ["Golden"]),
    .testTarget(
      name: "FuzzTests", dependencies: ["SwageFuzz"], path: "Tests/FuzzTests", exclude: ["Regressions"]),
    .testTarget(name: "TuneTests", dependencies: ["Swage", "SwageCPUTarget"], path: "Tests/TuneTests"),
    .testTarget(
      name: "CompilerTests", dependencies: ["Swage"], path: "Tests/CompilerTests", exclude: ["Checkpoints"]),
  ]
)
