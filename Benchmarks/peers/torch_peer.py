"""torch.compile: freezing, channels last. The model is a part of a diffusion checkpoint or a single operator."""

import common
import numpy as np
import torch
import torch._inductor.config


def load(spec, inputs):
    import single_operators

    torch.set_num_threads(spec["threads"])
    torch._inductor.config.freezing = True
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[spec["precision"]]
    built = spec["torch"]
    if "part" in built:
        import diffusion

        model, names = diffusion.torch_module(built["architecture"], built["part"], built["checkpoint"], kind)
    else:
        model, names = single_operators.torch_module(built["operator"])
    model = model.eval().to(kind)
    values = [given(inputs[name], kind, name != "timestep") for name in names]
    if any(parameter.ndim == 4 for parameter in model.parameters()):
        model = model.to(memory_format=torch.channels_last)
        values = [value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value for value in values]
    compiled = torch.compile(model)

    def run():
        with torch.no_grad():
            return compiled(*values)

    run()  # The first run compiles.
    return run


def given(value: np.ndarray, kind: torch.dtype, cast: bool) -> torch.Tensor:
    tensor = torch.from_numpy(value)
    return tensor.to(kind) if cast and tensor.is_floating_point() else tensor


if __name__ == "__main__":
    common.serve(load)
