"""Train the digit classifier and write every file of this folder, and graphs/digits.onnx.

    python -m venv .venv-train && .venv-train/bin/pip install -r models/digits/requirements.txt
    .venv-train/bin/python models/digits/train.py

`--validate` and `--folds` write nothing; they measure on parts of the training images, and on each fifth of all images.

Seeds and the number of threads are fixed. On another processor or PyTorch the weights may differ in their last bits and
the accuracy by an image or two; the script prints what it measured with the file that it wrote.
"""

import io
import os
import subprocess
import sys
import time
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
GRAPHS = os.path.normpath(os.path.join(HERE, "..", "..", "graphs"))
sys.path.insert(0, GRAPHS)
import strip_weights  # noqa: E402

SEED = 20
HELD_OUT = 0.2
EPOCHS = 80
BATCH = 64
OPSET = 16  # the last one in which exporters decompose both LayerNorm and GELU


class Residual(nn.Module):
    """Two convolutions with a shortcut around them."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


class Digits(nn.Module):
    """[batch, 1, 8, 8] in 0...1 -> logits and probabilities, [batch, 10] each."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.block = Residual(24)
        self.widen = nn.Sequential(nn.Conv2d(24, 48, 3, padding=1), nn.GroupNorm(6, 48), nn.SiLU())
        self.depthwise = nn.Sequential(
            nn.Conv2d(48, 48, 3, padding=1, groups=48, bias=False), nn.BatchNorm2d(48), nn.SiLU()
        )
        self.pointwise = nn.Sequential(nn.Conv2d(48, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.norm = nn.LayerNorm(64)
        self.hidden = nn.Linear(64, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, image):
        x = self.block(self.stem(image))
        x = self.widen(F.max_pool2d(x, 2))
        x = self.pointwise(self.depthwise(x))
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        logits = self.head(F.gelu(self.hidden(self.norm(x))))
        return logits, torch.softmax(logits, dim=1)


def load():
    """Training and held-out images [n, 1, 8, 8] f32 in sixteenths, and their labels."""
    data = load_digits()
    images = (data.images / 16).astype(np.float32)[:, None]
    labels = data.target.astype(np.int64)
    return train_test_split(images, labels, test_size=HELD_OUT, stratify=labels, random_state=0)


def augment(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image turned, scaled and moved a little."""
    n = len(x)

    def spread(width):
        return (torch.rand(n, generator=generator) * 2 - 1) * width

    angle, zoom = spread(0.17), 1 + spread(0.1)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    affine = torch.stack([torch.stack([cos, -sin, spread(0.2)], 1), torch.stack([sin, cos, spread(0.2)], 1)], 1)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def train(images: np.ndarray, labels: np.ndarray) -> Digits:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = Digits()
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    steps = EPOCHS * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - BATCH + 1, BATCH):
            pick = order[start : start + BATCH]
            logits, _ = model(augment(x[pick], generator))
            loss = F.cross_entropy(logits, y[pick], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def export(model: Digits) -> onnx.ModelProto:
    """The model as exporters write it before any optimisation: batch norms kept, GELU, SiLU and norms in pieces."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(1, 1, 8, 8),),
            buffer,
            input_names=["image"],
            output_names=["logits", "probabilities"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}, "probabilities": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    exported = onnx.load_from_string(buffer.getvalue())
    exported.graph.name = "digits"
    strip_weights.remove_metadata(exported)
    onnx.checker.check_model(exported, full_check=True)
    return exported


def validate(images: np.ndarray, labels: np.ndarray) -> None:
    """Accuracy on a fifth of the training part, for choosing settings without looking at the held-out part."""
    fit, check, fit_labels, check_labels = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=1
    )
    model = train(fit, fit_labels)
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(check))
    right = int((logits.argmax(1).numpy() == check_labels).sum())
    print(f"validation: {right} of {len(check)} right ({100 * right / len(check):.2f} %)")


def folds() -> None:
    """Accuracy with each fifth of all images held out in turn: how much the one split says."""
    data = load_digits()
    images, labels = (data.images / 16).astype(np.float32)[:, None], data.target.astype(np.int64)
    total = 0
    for fit, check in StratifiedKFold(5, shuffle=True, random_state=2).split(images, labels):
        model = train(images[fit], labels[fit])
        with torch.no_grad():
            logits, _ = model(torch.from_numpy(images[check]))
        right = int((logits.argmax(1).numpy() == labels[check]).sum())
        print(f"fold: {right} of {len(check)} right")
        total += right
    print(f"five folds: {total} of {len(labels)} right ({100 * total / len(labels):.2f} %)")


def main() -> int:
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    train_images, held_images, train_labels, held_labels = load()
    if "--validate" in sys.argv[1:]:
        validate(train_images, train_labels)
        return 0
    if "--folds" in sys.argv[1:]:
        folds()
        return 0

    start = time.monotonic()
    model = train(train_images, train_labels)
    print(f"trained on {len(train_images)} images in {time.monotonic() - start:.0f} s")

    path = os.path.join(HERE, "digits.onnx")
    strip_weights.write(path, export(model).SerializeToString(deterministic=True))
    subprocess.run(
        [
            sys.executable,
            os.path.join(GRAPHS, "strip_weights.py"),
            path,
            os.path.join(GRAPHS, "digits.onnx"),
            "--safetensors",
            os.path.join(HERE, "digits.safetensors"),
        ],
        check=True,
    )

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(None, {"image": held_images})
    guess = logits.argmax(1)
    right = int((guess == held_labels).sum())
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{parameters} parameters; held out: {right} of {len(held_labels)} right "
        f"({100 * right / len(held_labels):.2f} %)"
    )
    for index in np.flatnonzero(guess != held_labels):
        print(f"  image {index}: a {held_labels[index]} taken for a {guess[index]}")

    np.save(os.path.join(HERE, "heldout_images.npy"), held_images)
    np.save(os.path.join(HERE, "heldout_labels.npy"), held_labels)
    np.save(os.path.join(HERE, "scan.npy"), held_images[:1])
    print(f"scan.npy is a {held_labels[0]}; probability {probabilities[0].max():.4f} for {guess[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
