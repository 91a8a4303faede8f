"""OpenVINO: CPU plugin, latency hint, the precision asked for; inputs bound to one infer request."""

import common
import openvino


def load(spec, inputs):
    core = openvino.Core()
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": spec["threads"],
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": spec["precision"],
        # By default activations in front of int8 weights are rounded to int8 as well, whatever the precision asked for: MiniLM's
        # outputs are then off by 0.8 % of their magnitude.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    }
    compiled = core.compile_model(core.read_model(spec["model"]), "CPU", properties)
    request = compiled.create_infer_request()
    for port in compiled.inputs:
        name = next(name for name in port.get_names() if name in inputs)
        request.set_tensor(port, openvino.Tensor(inputs[name], shared_memory=True))
    return request.infer


if __name__ == "__main__":
    common.serve(load)
