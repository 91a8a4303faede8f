"""The Muon optimizer for convolutions and linear layers, AdamW for all else.

Muon makes each step of a weight matrix orthogonal, by five Newton-Schulz
iterations on its momentum; see https://kellerjordan.github.io/posts/muon/.
The step is scaled to the size that AdamW's would have, so one rate serves both.
"""

import torch


def orthogonal(matrix):
    x = matrix.bfloat16()
    wide = x.size(0) <= x.size(1)
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        product = x @ x.T
        x = 3.4445 * x + (-4.7750 * product + 2.0315 * product @ product) @ x
    return (x if wide else x.T).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                average = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                step = p.grad.lerp(average, group["momentum"]).flatten(1)
                scale = 0.2 * max(step.shape) ** 0.5
                p.add_(orthogonal(step).view_as(p), alpha=-group["lr"] * scale)


class Both:
    """Muon and AdamW as one optimizer over the parameters of a model that are to be trained."""

    def __init__(self, model, lr, plain=()):
        matrices, others = [], []
        for name, p in model.named_parameters():
            if p.requires_grad:
                inner = p.ndim > 1 and min(p.flatten(1).shape) >= 8
                matrices.append(p) if inner and not any(part in name for part in plain) else others.append(p)
        self.parts = [Muon(matrices, lr),
                      torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.99), weight_decay=0, fused=True)]

    def set_lr(self, lr):
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states):
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)
