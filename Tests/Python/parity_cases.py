"""What Tests/Parity/make_pipelines.py runs with diffusers and parity.py runs with swage."""

from dataclasses import dataclass, replace

SCHEDULERS = {
    "ddim": ("DDIMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "lms-karras": ("LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {}),
    "dpm++-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpm++-sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "unipc-karras": ("UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    "lcm": ("LCMScheduler", {}),
}
"""swage's names: diffusers' class, and settings over those of the checkpoint."""

LONG = "a castle on a hill above the sea at dusk, " * 12


@dataclass(frozen=True)
class Case:
    """One call of a pipeline. None is what the pipeline takes by itself."""

    name: str
    checkpoint: str
    prompt: str = "a lighthouse in a storm, oil on canvas"
    negative: str | None = None
    scheduler: str | None = None
    steps: int = 10
    guidance: float = 5.0
    guidance_rescale: float = 0.0
    seed: int = 1
    count: int = 1
    seeds_each: bool = False
    """A generator of its own for each picture, seeded seed, seed + 1, …"""
    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    image: str | None = None
    mask: str | None = None
    strength: float | None = None
    tiled: bool = False


def cases() -> list[Case]:
    made: list[Case] = []

    def add(checkpoint: str, name: str, **changes) -> None:
        made.append(replace(Case(f"{checkpoint}/{name}", checkpoint, seed=100 + len(made)), **changes))

    for checkpoint in ["sd", "xl"]:
        add(checkpoint, "default")
        for scheduler in SCHEDULERS:
            add(checkpoint, scheduler, scheduler=scheduler, negative="blurry, flat, grey")
    for checkpoint in ["sd", "xl"]:
        add(checkpoint, "no-guidance", guidance=1.0, scheduler="euler")
        add(checkpoint, "rescaled", guidance=9.0, guidance_rescale=0.7, scheduler="ddim")
        add(checkpoint, "empty", prompt="", scheduler="ddim")
        add(checkpoint, "empty-negative", negative="", scheduler="dpm++")
        add(checkpoint, "long", prompt=LONG, scheduler="ddim", count=2)
        add(checkpoint, "wide", size=(104, 48), scheduler="euler-ancestral", count=2, negative="\u5c71\u6c34, caf\u00e9 \U0001f355")
        add(checkpoint, "tall", size=(40, 88), scheduler="pndm", count=3, seeds_each=True)
        add(checkpoint, "tiled", size=(136, 88), scheduler="unipc", tiled=True)
        for scheduler in ["ddim", "pndm", "lms", "euler", "euler-ancestral", "dpm++-karras", "unipc", "lcm"]:
            add(checkpoint, f"image-{scheduler}", image="picture", strength=0.65, scheduler=scheduler, negative="grey")
        add(checkpoint, "image-several", image="picture", strength=0.8, scheduler="euler-ancestral", count=2)
        add(checkpoint, "image-each", image="picture", strength=0.5, scheduler="ddim", count=2, seeds_each=True)
        add(checkpoint, "image-uneven", image="uneven", strength=0.7, scheduler="dpm++")
        inpainting = {"image": "picture", "mask": "mask", "size": (64, 64)}
        add(checkpoint, "blend", strength=0.6, scheduler="euler", **inpainting)
        add(checkpoint, "blend-all", strength=1.0, scheduler="ddim", count=2, **inpainting)
        add(checkpoint, "blend-resized", strength=0.8, scheduler="pndm", **inpainting | {"size": (48, 80)})
    for scheduler, strength in [("ddim", 1.0), ("euler", 0.7), ("dpm++", 1.0), ("pndm", 0.5)]:
        add("inpainting", scheduler, scheduler=scheduler, strength=strength, image="picture", mask="mask", size=(64, 64))
    add("inpainting", "several", strength=1.0, image="picture", mask="mask", size=(48, 72), count=2, negative="grey")
    add("inpainting", "no-guidance", strength=0.9, guidance=1.0, image="picture", mask="mask", size=(64, 64))
    add("lcm", "default", guidance=8.5)
    add("lcm", "four-steps", guidance=3.0, steps=4, count=2, size=(56, 72))
    add("lcm", "no-guidance", guidance=1.0, steps=4)
    add("lcm", "image", image="picture", strength=0.6, guidance=6.0)
    return made
