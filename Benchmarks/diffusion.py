"""Times swage against diffusers on PyTorch: the seconds of a picture, and of a step.

    .venv-diffusion/bin/python Benchmarks/diffusion.py --swage .build/release/swage [--only TEXT] [--rounds 3] [--json F] [--markdown F]

Both make the same picture (same folder, prompt, seed, scheduler, steps, size) on the CPU with two threads, each round in a process
of its own, in turns. PyTorch makes one picture first that does not count; swage's process makes only the one that does. A step is
the median of the steps of a picture, a picture is text, steps and decoding, without loading. What counts is the ratio of a round, its
median and spread over the rounds; below 1 swage is faster. Stable Diffusion 1.4 has its full size and random weights, made
here: times do not depend on values. Writes Benchmarks/DIFFUSION.md when every case was run.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import cores, peak_memory, processor, run_and_watch

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
THREADS = 2


@dataclass
class Case:
    name: str
    folder: Path
    prompt: str
    precision: str
    size: int
    steps: int
    # Stands for this many steps when the seconds of a whole picture are told.
    shown_steps: int


def full_size(folder: Path) -> Path:
    """A checkpoint folder of Stable Diffusion 1.4's size: random weights in f16, the graphs' own configurations."""
    target = folder / "stable-diffusion-1.4"
    if (target / "done").exists():
        return target
    code = f"""
import json, shutil, torch
from pathlib import Path
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel
source, target = Path({str(REPOSITORY / "graphs" / "stable-diffusion-v1")!r}), Path({str(target)!r})
torch.manual_seed(0)
def config(part):
    return json.loads((source / part / "config.json").read_text())
def save(model, part):
    model.half().save_pretrained(target / part)
save(UNet2DConditionModel.from_config(config("unet")), "unet")
save(AutoencoderKL.from_config(config("vae")), "vae")
save(CLIPTextModel(CLIPTextConfig(**config("text_encoder"))), "text_encoder")
shutil.copytree(source / "scheduler", target / "scheduler", dirs_exist_ok=True)
shutil.copy(source / "model_index.json", target / "model_index.json")
shutil.copytree(Path({str(REPOSITORY / "models" / "emoji" / "tokenizer")!r}), target / "tokenizer", dirs_exist_ok=True)
(target / "done").touch()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    return target


def cases(folder: Path, only: str) -> list[Case]:
    result = []
    for precision in ["f32", "bf16"]:
        name = f"models/emoji, 64x64, {precision}"
        if only in name:
            result.append(Case(name, REPOSITORY / "models" / "emoji", "a slice of pizza", precision, 64, 20, 20))
    for precision in ["f32", "bf16"]:
        name = f"Stable Diffusion 1.4, 512x512, {precision}"
        if only in name:
            result.append(Case(name, full_size(folder), "a slice of pizza", precision, 512, 3, 50))
    return result


# The other side, in a process of its own.


def worker(specification: str) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    spec = json.loads(specification)
    torch.set_num_threads(THREADS)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[spec["precision"]]
    start = time.perf_counter()
    pipe = StableDiffusionPipeline.from_pretrained(spec["folder"], torch_dtype=dtype, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    load = time.perf_counter() - start
    spent = {"text": 0.0, "decode": 0.0}

    def timed(owner, method: str, name: str) -> None:
        inner = getattr(owner, method)

        def outer(*arguments, **named):
            start = time.perf_counter()
            result = inner(*arguments, **named)
            spent[name] += time.perf_counter() - start
            return result

        setattr(owner, method, outer)

    timed(pipe, "encode_prompt", "text")
    timed(pipe.vae, "decode", "decode")
    ends: list[float] = []

    def note(pipe, step, timestep, values):
        ends.append(time.perf_counter())
        return values

    def picture(steps: int) -> None:
        ends.clear()
        spent.update(text=0.0, decode=0.0)
        generator = torch.Generator().manual_seed(1)
        size = spec["size"]
        pipe(
            spec["prompt"], num_inference_steps=steps, generator=generator, height=size, width=size,
            guidance_scale=spec["guidance"], callback_on_step_end=note,
        )  # fmt: skip

    with torch.inference_mode():
        picture(max(2, spec["steps"] // 4))
        picture(spec["steps"] + 1)
    steps = [b - a for a, b in zip(ends, ends[1:])]
    answer = {
        "step": statistics.median(steps),
        "text": spent["text"],
        "decode": spent["decode"],
        "load": load,
        "peak": peak_memory(),
    }
    print(json.dumps(answer))


def theirs(case: Case, guidance: float) -> dict:
    spec = {
        "folder": str(case.folder), "precision": case.precision, "size": case.size, "steps": case.steps,
        "prompt": case.prompt, "guidance": guidance,
    }  # fmt: skip
    command = [sys.executable, __file__, "--worker", json.dumps(spec)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS), HF_HUB_OFFLINE="1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise SystemExit(f"{case.name}: diffusers failed: {done.stderr[-600:]}")
    return json.loads(done.stdout.splitlines()[-1])


def ours(binary: str, plan: Path, case: Case, guidance: float, folder: Path) -> dict:
    command = [
        binary, "generate", str(plan), case.prompt, "--steps", str(case.steps), "--seed", "1", "--guidance", str(guidance),
        "--size", f"{case.size}x{case.size}", "--threads", str(THREADS), "--json", "-o", str(folder / "picture.png"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{case.name}: swage failed: {done.stderr[-600:]}")
    answer = json.loads(done.stdout)
    return {
        "step": statistics.median(answer["steps_ms"]) / 1e3,
        "text": answer["text_ms"] / 1e3,
        "decode": answer["decode_ms"] / 1e3,
        "load": answer["load_ms"] / 1e3,
        "peak": answer["peak_rss_bytes"],
    }


def compile_plan(binary: str, case: Case, plan: Path, cache: Path) -> dict:
    """Compiles for the case's size; seconds, peak memory and the plan's size. The kernel cache is a new one."""
    command = [binary, "compile", str(case.folder), "-o", str(plan), "--precision", case.precision]
    command += ["--size", f"{case.size}x{case.size}", "--threads", str(THREADS), "--quiet"]
    status, seconds, peak = run_and_watch(command, dict(os.environ, XDG_CACHE_HOME=str(cache)))
    if status != 0:
        raise SystemExit(f"{case.name}: the compile failed with exit status {status}")
    return {"compile_seconds": seconds, "compile_peak_bytes": peak, "plan_bytes": plan.stat().st_size}


def measure(binary: str, case: Case, rounds: int, folder: Path) -> dict:
    plan = folder / "case.plan"
    facts = compile_plan(binary, case, plan, folder / f"cache-{case.precision}")
    guidance = 3.0 if case.size == 64 else 7.5
    pairs = [(ours(binary, plan, case, guidance, folder), theirs(case, guidance)) for _ in range(rounds)]

    def picture(row: dict) -> float:
        return row["text"] + row["step"] * case.shown_steps + row["decode"]

    def ratio(key) -> dict:
        values = [key(a) / key(b) for a, b in pairs]
        return {"median": statistics.median(values), "min": min(values), "max": max(values)}

    def medians(side: int) -> dict:
        rows = [pair[side] for pair in pairs]
        return {
            **{key: statistics.median(row[key] for row in rows) for key in rows[0]},
            "picture": statistics.median(map(picture, rows)),
            "peak": max(row["peak"] for row in rows),
        }

    row = {
        "name": case.name, "steps": case.shown_steps, "rounds": rounds, "step_ratio": ratio(lambda r: r["step"]),
        "picture_ratio": ratio(picture), "decode_ratio": ratio(lambda r: r["decode"]), "text_ratio": ratio(lambda r: r["text"]),
        "swage": medians(0), "diffusers": medians(1), **facts,
    }  # fmt: skip
    plan.unlink()
    return row


def seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def gigabytes(value: float) -> str:
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


HEADER = ["case", "rounds", "step", "picture", "decode", "text", "seconds a step", "seconds a picture", "peak memory", "compile", "plan"]


def cells(row: dict) -> list[str]:
    a, b = row["swage"], row["diffusers"]

    def ratio(key: str) -> str:
        value = row[f"{key}_ratio"]
        return f"{value['median']:.2f} ({value['min']:.2f}..{value['max']:.2f})"

    return [
        f"{row['name']}, {row['steps']} steps",
        str(row["rounds"]),
        *(ratio(key) for key in ["step", "picture", "decode", "text"]),
        f"{seconds(a['step'])} / {seconds(b['step'])}",
        f"{seconds(a['picture'])} / {seconds(b['picture'])}",
        f"{gigabytes(a['peak'])} / {gigabytes(b['peak'])}",
        f"{row['compile_seconds']:.1f} s, {gigabytes(row['compile_peak_bytes'])}",
        gigabytes(row["plan_bytes"]),
    ]


def markdown(rows: list[dict], facts: dict) -> str:
    text = f"""# swage against diffusers on PyTorch

Written by `make bench-diffusion` (`Benchmarks/diffusion.py`). Ratio: time of swage over time of diffusers, median over rounds
run in turns, and its spread; below 1 swage is faster. Two values are swage / diffusers. A picture is text, steps and decoding;
Stable Diffusion is timed for a few steps, from which the picture's seconds are worked out. It has random weights. PyTorch is
warm: it made a picture before. swage's text and decode are the first of their process.

- CPU: {facts["cpu"]}, {facts["cores"]} cores; load average {facts["load"]:.1f} before
- diffusers {facts["diffusers"]}, PyTorch {facts["torch"]} (eager, channels last); each with {THREADS} threads

| {" | ".join(HEADER)} |
|{"---|" * len(HEADER)}
"""
    return text + "".join("| " + " | ".join(cells(row)) + " |\n" for row in rows)


def machine() -> dict:
    import diffusers
    import torch

    return {
        "cpu": processor(), "cores": cores(), "load": os.getloadavg()[0], "diffusers": diffusers.__version__,
        "torch": torch.__version__,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", help="the binary")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--folder", help="keeps the full-size checkpoint here for the next time")
    parser.add_argument("--json", help="writes all numbers here")
    parser.add_argument("--markdown", help="writes the table here")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker)
        return 0
    if not arguments.swage or arguments.rounds < 1:
        parser.error("--swage is needed, --rounds is positive")
    binary = shutil.which(arguments.swage) or str(Path(arguments.swage).resolve())
    facts, rows = machine(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(arguments.folder or name)
        folder.mkdir(parents=True, exist_ok=True)
        for case in cases(folder, arguments.only):
            rows.append(measure(binary, case, arguments.rounds, Path(name)))
            print("  ".join(cells(rows[-1])), flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"machine": facts, "cases": rows}, indent=1) + "\n")
    target = arguments.markdown or (None if arguments.only else HERE / "DIFFUSION.md")
    if target and rows:
        Path(target).write_text(markdown(rows, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
