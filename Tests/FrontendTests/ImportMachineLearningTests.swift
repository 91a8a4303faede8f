import SwageFrontend
import SwageGraph
import SwageTensor
import Testing

private typealias M = ImportModel

/// Operators of `ai.onnx.ml` with faults in them; what they compute is compared with onnxruntime in
/// `Tests/Python/ml_differential.py`.
@Suite struct ImportMachineLearningTests {
  private func model(
    _ type: String, _ attributes: [(String, ONNXAttributeValue)], outputs: [String] = ["y"], version: Int = 3,
    rows: [ONNXDimension] = [.symbol("n"), .value(2)]
  ) -> ONNXModel {
    M.model(
      [M.input("x", .f32, rows)], [M.node(type, ["x"], outputs, domain: "ai.onnx.ml", attributes)], outputs,
      domains: [ONNXOpset(domain: "ai.onnx.ml", version: version)])
  }

  /// x[0] <= 0 ? 1 : (x[1] > 2 ? 2 : 3), with changes.
  private func trees(_ changes: [(String, ONNXAttributeValue)] = []) -> [(String, ONNXAttributeValue)] {
    var attributes: [(String, ONNXAttributeValue)] = [
      ("n_targets", .int(1)), ("nodes_treeids", .ints([0, 0, 0, 0, 0])), ("nodes_nodeids", .ints([0, 1, 2, 3, 4])),
      ("nodes_featureids", .ints([0, 0, 1, 0, 0])), ("nodes_values", .floats([0, 0, 2, 0, 0])),
      ("nodes_modes", .strings(["BRANCH_LEQ", "LEAF", "BRANCH_GT", "LEAF", "LEAF"])),
      ("nodes_truenodeids", .ints([1, 0, 3, 0, 0])), ("nodes_falsenodeids", .ints([2, 0, 4, 0, 0])),
      ("target_treeids", .ints([0, 0, 0])), ("target_nodeids", .ints([1, 3, 4])), ("target_ids", .ints([0, 0, 0])),
      ("target_weights", .floats([1, 2, 3])),
    ]
    for change in changes {
      attributes.removeAll { $0.0 == change.0 }
      attributes.append(change)
    }
    return attributes
  }

  @Test func treesAreWalked() throws {
    let x = Tensor(floats: [0, 5, 1, 5, 1, 2, .nan, 3], [4, 2])
    let y = try M.run(model("TreeEnsembleRegressor", trees()), ["x": x])["y"]
    #expect(y?.floats == [1, 2, 3, 2])
  }

  @Test(
    "trees that lead nowhere are refused",
    arguments: [
      ("nodes_truenodeids", .ints([1, 0, 0, 0, 0]), "cycle"), ("nodes_truenodeids", .ints([1, 0, 2, 0, 0]), "cycle"),
      ("nodes_truenodeids", .ints([1, 0, 9, 0, 0]), "no node 9"),
      ("nodes_falsenodeids", .ints([-1, 0, 4, 0, 0]), "no node -1"),
      ("nodes_featureids", .ints([0, 0, -1, 0, 0]), "feature -1"), ("nodes_featureids", .ints([0, 0, 7, 0, 0]), "8"),
      ("nodes_featureids", .ints([0, 0, .max, 0, 0]), "feature"), ("nodes_nodeids", .ints([0, 1, 2, 3, 3]), "twice"),
      ("nodes_values", .floats([0]), "nodes"), ("nodes_modes", .strings(["A", "B", "C", "D", "E"]), "mode is A"),
      ("target_ids", .ints([0, 1, 0]), "target 1"), ("target_ids", .ints([0, -1, 0]), "target -1"),
      ("target_nodeids", .ints([1, 3, 9]), "does not exist"), ("target_weights", .floats([]), "weights"),
      ("n_targets", .int(0), "0 targets"), ("n_targets", .int(.max), "targets"),
      ("base_values", .floats([1, 2]), "base_values"), ("aggregate_function", .string("MODE"), "MODE"),
      ("post_transform", .string("COSINE"), "COSINE"),
    ] as [(String, ONNXAttributeValue, String)])
  func refuses(name: String, value: ONNXAttributeValue, expected: String) {
    let faults = M.faults(model("TreeEnsembleRegressor", trees([(name, value)])))
    #expect(faults.first?.why?.contains(expected) == true, "\(faults)")
  }

  @Test func ensemblesHaveTablesThatFit() throws {
    func ensemble(_ changes: [(String, ONNXAttributeValue)] = []) -> ONNXModel {
      func numbers(_ values: [Float]) -> ONNXAttributeValue { .tensor(M.floats("t", values)) }
      func modes(_ values: [Int64]) -> ONNXAttributeValue {
        .tensor(ONNXTensor(name: "m", tensor: Tensor(.u8, [values.count], integers: values)))
      }
      var attributes: [(String, ONNXAttributeValue)] = [
        ("n_targets", .int(1)), ("tree_roots", .ints([0])), ("nodes_featureids", .ints([0, 1])),
        ("nodes_splits", numbers([0, 0])), ("nodes_modes", modes([0, 6])), ("nodes_truenodeids", .ints([0, 1])),
        ("nodes_falsenodeids", .ints([1, 2])), ("nodes_trueleafs", .ints([1, 1])), ("nodes_falseleafs", .ints([0, 1])),
        ("leaf_targetids", .ints([0, 0, 0])), ("leaf_weights", numbers([1, 2, 3])),
        ("membership_values", numbers([4, 5, 6, .nan])),
      ]
      for change in changes {
        attributes.removeAll { $0.0 == change.0 }
        attributes.append(change)
      }
      return model("TreeEnsemble", attributes, version: 5)
    }
    let x = Tensor(floats: [0, 0, 1, 5, 1, 6, 1, 7], [4, 2])
    #expect(try M.run(ensemble(), ["x": x])["y"]?.floats == [1, 2, 2, 3])
    let none = ensemble([("membership_values", .tensor(M.floats("t", [.nan])))])
    #expect(try M.run(none, ["x": x])["y"]?.floats == [1, 3, 3, 3])
    for (name, value) in [
      ("nodes_falsenodeids", .ints([0, 2])), ("nodes_falsenodeids", .ints([1, 3])), ("tree_roots", .ints([2])),
      ("tree_roots", .ints([-1])), ("leaf_targetids", .ints([0, 0, 1])), ("leaf_targetids", .ints([0])),
      ("nodes_trueleafs", .ints([1])), ("post_transform", .int(5)), ("aggregate_function", .int(-1)),
    ] as [(String, ONNXAttributeValue)] {
      #expect(M.faults(ensemble([(name, value)])).first?.code == "onnx-node", "\(name)")
    }
  }

  @Test func machinesHaveNumbersThatFit() {
    let attributes: [(String, ONNXAttributeValue)] = [
      ("classlabels_ints", .ints([4, 5])), ("coefficients", .floats([1, -1])), ("kernel_params", .floats([1, 0, 3])),
      ("kernel_type", .string("RBF")), ("rho", .floats([0])), ("support_vectors", .floats([1, 2, 3, 4])),
      ("vectors_per_class", .ints([1, 1])),
    ]
    #expect(M.faults(model("SVMClassifier", attributes, outputs: ["l", "s"])).isEmpty)
    for (name, value) in [
      ("vectors_per_class", .ints([1, .max])), ("vectors_per_class", .ints([-1, 1])), ("vectors_per_class", .ints([2])),
      ("vectors_per_class", .ints([3, 1])), ("support_vectors", .floats([1, 2, 3])), ("rho", .floats([])),
      ("coefficients", .floats([1])), ("prob_a", .floats([1])), ("kernel_params", .floats([1])),
      ("kernel_type", .string("COSINE")), ("classlabels_ints", .ints([])),
    ] as [(String, ONNXAttributeValue)] {
      let changed = attributes.filter { $0.0 != name } + [(name, value)]
      #expect(M.faults(model("SVMClassifier", changed, outputs: ["l", "s"])).first?.code == "onnx-node", "\(name)")
    }
  }

  @Test func versionsOfTheDomain() {
    for (version, isKnown) in [(1, true), (5, true), (6, false)] {
      let faults = M.faults(model("TreeEnsembleRegressor", trees(), version: version))
      #expect(faults.first?.code == (isKnown ? nil : "onnx-opset"))
    }
    #expect(ONNXImporter.operators(domain: "ai.onnx.ml").contains("SVMClassifier"))
  }
}
