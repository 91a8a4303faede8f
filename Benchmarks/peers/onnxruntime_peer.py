"""onnxruntime: CPU provider, every optimisation, inputs and outputs bound."""

import common
import onnxruntime


def load(spec, inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spec["threads"]
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(spec["model"], options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for value in session.get_inputs():
        binding.bind_cpu_input(value.name, inputs[value.name])
    for value in session.get_outputs():
        binding.bind_output(value.name, "cpu")
    runs = [lambda: session.run_with_iobinding(binding), lambda: session.run(None, inputs)]

    def run():
        try:
            runs[0]()
        except RuntimeError as error:
            # Outputs whose rank the model states wrongly cannot be bound.
            if "Invalid rank for output" not in str(error):
                raise
            runs[0] = runs[1]
            runs[0]()

    return run


if __name__ == "__main__":
    common.serve(load)
