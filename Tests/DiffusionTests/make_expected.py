"""Makes the references of the diffusion tests with PyTorch, diffusers and transformers: Expected/*.json.

    python3 Tests/DiffusionTests/make_expected.py [random] [schedulers] [tokenizers]
    python3 Tests/DiffusionTests/make_expected.py clip OPEN_CLIP_WHEEL FOLDER

Versions that the committed files were made with: torch 2.13.0, diffusers 0.42.1, transformers 5.23, tokenizers as that
asks for, ftfy is not used. `clip` also needs a wheel of open_clip_torch (`pip download --no-deps open_clip_torch`), which
holds CLIP's merges: it writes CLIP's own vocabulary and the references for it to FOLDER, for the tests that run where
SWAGE_CLIP_TOKENIZER names such a folder. f32 tensors are base64 of their little-endian bytes.
"""

import base64
import gzip
import json
import pathlib
import shutil
import sys
import tempfile
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent / "Expected"


def packed(values):
    array = np.asarray(values, dtype="<f4")
    return base64.b64encode(array.tobytes()).decode()


def write(name, document):
    with open(HERE / name, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


def make_random():
    """torch.randn in sequences of mixed sizes, and every 37th value of one latent."""
    sizes = [1, 15, 16, 17, 3, 0, 100, 31, 32, 33, 2, 1, 4, 64, 5]
    sequences = []
    for seed in [0, 1, 42, 2**31, 2**32 + 7, 2**63 + 5, 2**64 - 1]:
        generator = torch.Generator().manual_seed(seed if seed < 2**63 else seed - 2**64)
        values = torch.cat([torch.randn(size, generator=generator) for size in sizes])
        sequences.append({"seed": str(seed), "values": packed(values)})
    latent = torch.randn((2, 4, 64, 64), generator=torch.Generator().manual_seed(1234)).flatten()
    write(
        "random.json",
        {"sizes": sizes, "sequences": sequences, "latent": {"seed": "1234", "values": packed(latent[::37])}},
    )


START, END = "<|startoftext|>", "<|endoftext|>"


def byte_characters():
    """The characters of byte-level vocabularies, in CLIP's order: printable bytes first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def vocabulary(merges):
    letters = byte_characters()
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges] + [START, END]
    return {token: index for index, token in enumerate(tokens)}


def trained_merges(texts, count):
    """Merges of a byte-level BPE with `</w>`, trained on the texts cut into words as CLIP cuts them."""
    from tokenizers import Tokenizer, models, trainers
    from transformers import CLIPTokenizer

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    clip = CLIPTokenizer().backend_tokenizer
    tokenizer.normalizer, tokenizer.pre_tokenizer = clip.normalizer, clip.pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=512 + count, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    merges = [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]
    return merges[:count]


def configurations(vocab):
    """tokenizer_config.json and special_tokens_map.json as checkpoints have them: Stable Diffusion 1.x (the older form),
    SDXL's first and second, none, and one with tokens that the vocabulary lacks."""

    def token(content, **changes):
        flags = {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
        return flags | changes

    older = {"__type": "AddedToken"}
    names = {"bos_token": START, "eos_token": END, "unk_token": END}
    listed = {str(vocab[name]): token(name, special=True) for name in (START, END)}
    plain = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "errors": "replace"}
    first = {key: older | token(name) for key, name in names.items()} | {"pad_token": END} | plain
    first_map = {key: token(name) for key, name in names.items()} | {"pad_token": END}
    exclamation = {str(vocab["!"]): token("!", normalized=False, special=True)}
    extra = {
        str(len(vocab)): token("<cat-toy>", normalized=False),
        str(len(vocab) + 1): token("Dog ", lstrip=True, rstrip=True),
        str(len(vocab) + 2): token("\u00c9", single_word=True),
    }
    return {
        "sd1": (first, first_map),
        "sdxl": (plain | names | {"pad_token": END, "added_tokens_decoder": listed}, first_map),
        "sdxl-2": (plain | names | {"pad_token": "!", "added_tokens_decoder": listed | exclamation}, first_map),
        "bare": (None, None),
        "map-only": (plain, first_map | {"pad_token": "!"}),
        "extra": (plain | names | {"pad_token": END, "added_tokens_decoder": listed | extra}, None),
    }


def reference(folder, texts):
    """Ids between start and end token, padding left out, and what diffusers' pipelines report as cut off."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(folder)
    rows, dropped = [], {}
    for index, text in enumerate(texts):
        ids = tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids
        whole = tokenizer(text, padding="longest").input_ids
        assert len(ids) == 77
        if len(whole) > 77:
            dropped[str(index)] = tokenizer.batch_decode([whole[76:-1]])[0]
        count = min(len(whole), 77)
        assert ids[count:] == [tokenizer.pad_token_id] * (77 - count)
        rows.append(ids[:count])
    flat = np.array([value for row in rows for value in [len(row), *row]], dtype="<u2")
    return {
        "pad": tokenizer.pad_token_id,
        "rows": base64.b64encode(flat.tobytes()).decode(),
        "dropped": {key: value[:400] for key, value in dropped.items()},
    }


def references(folder, vocab, merges, names):
    """References by configuration; the tokenizers are made from files in a temporary folder."""
    import prompts

    texts = prompts.prompts()
    result = {}
    for name, (config, special) in configurations(vocab).items():
        if name not in names:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            temporary = pathlib.Path(temporary)
            shutil.copy(folder / "vocab.json", temporary)
            shutil.copy(folder / "merges.txt", temporary)
            if config is not None:
                (temporary / "tokenizer_config.json").write_text(json.dumps(config))
            if special is not None:
                (temporary / "special_tokens_map.json").write_text(json.dumps(special))
            result[name] = reference(temporary, texts) | {
                "config": None if config is None else json.dumps(config),
                "special": None if special is None else json.dumps(special),
            }
    return result


def write_vocabulary(folder, vocab, merges):
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_tokenizers():
    """A small vocabulary trained on the prompts, and one that lacks some bytes."""
    import prompts

    texts = prompts.prompts()
    merges = trained_merges(texts, 1500)
    vocab = vocabulary(merges)
    write_vocabulary(HERE, vocab, merges)
    write("prompts.json", texts)
    document = references(HERE, vocab, merges, configurations(vocab))
    used = {part for merge in merges for part in merge}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        sparse = {token: index for token, index in vocab.items() if token in used or index >= 512 or index % 3}
        write_vocabulary(folder, sparse, merges)
        document["sparse"] = references(folder, sparse, merges, ["bare"])["bare"] | {
            "removed": [token for token in vocab if token not in sparse]
        }
    write("tokenizers.json", document)


def make_clip(wheel, folder):
    """CLIP's own vocabulary, from the merges that open_clip_torch ships."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    packed_text = zipfile.ZipFile(wheel).read("open_clip/bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.decompress(packed_text).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    vocab = vocabulary(merges)
    assert len(vocab) == 49408
    write_vocabulary(folder, vocab, merges)
    (folder / "tokenizers.json").write_text(
        json.dumps(references(folder, vocab, merges, ["sd1", "sdxl", "sdxl-2"])), encoding="utf-8")


SHAPE = (2, 3, 4, 4)


def denoise(scheduler, steps, strength=None, eta=None):
    """The samples of a run with a stand-in for the model, all noise from one generator."""
    generator = torch.Generator().manual_seed(7)
    scheduler.set_timesteps(steps)
    timesteps, start = scheduler.timesteps, 0
    if strength is None:
        sample = torch.randn(SHAPE, generator=generator) * scheduler.init_noise_sigma
    else:
        # As the pipelines' get_timesteps and prepare_latents.
        start = max(steps - min(int(steps * strength), steps), 0)
        timesteps = timesteps[start * scheduler.order :]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start * scheduler.order)
        original = torch.randn(SHAPE, generator=generator)
        noise = torch.randn(SHAPE, generator=generator)
        sample = scheduler.add_noise(original, noise, timesteps[:1])
    arguments = {} if eta is None else {"eta": eta}
    if "generator" in scheduler.step.__code__.co_varnames:
        arguments["generator"] = generator
    samples = []
    for timestep in timesteps:
        scaled = scheduler.scale_model_input(sample, timestep)
        output = torch.tanh(scaled * 0.7 + 0.1 * timestep.float() / 1000)
        sample = scheduler.step(output, timestep, sample, **arguments).prev_sample
        samples.append(sample)
    return start, samples


def make_schedulers():
    """Each case's timesteps, and its samples in the middle and at the end."""
    import diffusers
    import scheduler_cases

    diffusers.logging.set_verbosity_error()
    results = []

    def record(scheduler, settings, steps, name=None, **more):
        try:
            start, samples = denoise(scheduler, steps, **more)
        except (IndexError, AssertionError) as error:
            print("left out, diffusers fails:", error, settings, steps, more)
            return
        if not torch.isfinite(samples[-1]).all():
            print("left out, not finite in diffusers:", settings, steps, more)
            return
        case = {"config": settings, "steps": steps, "start": start, "count": len(samples)} | more
        if name is not None:
            case["name"] = name
        case["timesteps"] = [float(timestep) for timestep in scheduler.timesteps]
        case["sigma"] = float(scheduler.init_noise_sigma)
        case["middle"], case["final"] = packed(samples[len(samples) // 2]), packed(samples[-1])
        results.append(case)

    for name, settings, steps, more in scheduler_cases.cases():
        scheduler = getattr(diffusers, name).from_config(settings)
        record(scheduler, {"_class_name": name} | settings, steps, **more)
    # Conversions start from a file, as a pipeline does.
    original = diffusers.PNDMScheduler.from_config(scheduler_cases.STABLE_DIFFUSION)
    for name, (kind, changes) in scheduler_cases.NAMES.items():
        scheduler = getattr(diffusers, kind).from_config(original.config, **changes)
        record(scheduler, scheduler_cases.STABLE_DIFFUSION, 12, name)
    # A file as diffusers writes it, with -Infinity.
    scheduler = diffusers.DPMSolverMultistepScheduler()
    record(scheduler, json.loads(scheduler.to_json_string()), 10)
    print(len(results), "scheduler cases")
    write("schedulers.json", {"seed": 7, "cases": results})


PARTS = {"random": make_random, "schedulers": make_schedulers, "tokenizers": make_tokenizers}

if __name__ == "__main__":
    torch.set_num_threads(1)
    HERE.mkdir(exist_ok=True)
    if sys.argv[1:2] == ["clip"]:
        make_clip(*sys.argv[2:])
    else:
        for part in sys.argv[1:] or PARTS:
            PARTS[part]()
