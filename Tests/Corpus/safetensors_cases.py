"""Malformed safetensors files, bound to a graph that wants `w` f32 [4, 4] and `b` f32 [4]."""

import json
import struct

import wire
from corpus import ACCEPT, EITHER, Corpus

W = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}
B = {"dtype": "F32", "shape": [4], "data_offsets": [64, 80]}
DATA = struct.pack("<20f", *[0.25] * 20)


def graph() -> bytes:
    unbound = [("location", "weights")]
    return wire.model(
        wire.graph(
            [wire.node("MatMul", ["x", "w"], ["p"]), wire.node("Add", ["p", "b"], ["y"])],
            [wire.value("x", [1, 4])],
            [wire.value("y")],
            [wire.external("w", [4, 4], unbound), wire.external("b", [4], unbound)],
        )
    )


def file(header, body: bytes = DATA, length: int | None = None) -> bytes:
    """`header` as an object or as the header's own bytes."""
    raw = (
        header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    )
    return struct.pack("<Q", len(raw) if length is None else length & (1 << 64) - 1) + raw + body


def header_text(w: str, b: str = json.dumps(B)) -> bytes:
    """A header with the entry of `w` spelt by hand."""
    return f'{{"w":{w},"b":{b}}}'.encode()


def lengths(c: Corpus) -> None:
    good = json.dumps({"w": W, "b": B}).encode()
    c.safetensors("control-weights", file({"w": W, "b": B}), ACCEPT)
    c.safetensors("control-metadata", file({"__metadata__": {"format": "pt"}, "w": W, "b": B}), ACCEPT)
    c.safetensors("empty", b"")
    c.safetensors("seven-bytes", bytes(7))
    for name, length in (
        ("0", 0),
        ("1", 1),
        ("one-short", len(good) - 1),
        ("one-long", len(good) + 1),
        ("past-end", len(good) + 81),
        ("100-mb-plus-1", 100_000_001),
        ("2e31", 1 << 31),
        ("2e63", 1 << 63),
        ("max", -1),
        ("big-endian", int.from_bytes(struct.pack(">Q", len(good)), "little")),
    ):
        c.safetensors(f"header-length-{name}", file(good, length=length))
    whole = file(good)
    for i in range(8):
        at = 8 + (len(whole) - 9) * i // 7
        c.safetensors(f"truncated-at-{at}", whole[:at])
    c.safetensors("zip", b"PK\x03\x04" + bytes(100))
    c.safetensors("pickle", b"\x80\x02}q\x00(X\x01\x00\x00\x00wq\x01K\x01u." + bytes(40))


def json_forms(c: Corpus) -> None:
    good = json.dumps({"w": W, "b": B}).encode()
    c.safetensors("header-no-brace", file(b"[]" + b" " * 6))
    c.safetensors("header-leading-space", file(b" " + good))
    c.safetensors("header-bom", file(b"\xef\xbb\xbf" + good))
    c.safetensors("header-nul", file(good + b"\0"))
    c.safetensors("header-nul-inside", file(good.replace(b'"b"', b'"b\0"')))
    c.safetensors("header-not-utf8", file(good.replace(b'"b"', b'"\xff"')))
    c.safetensors("header-lone-surrogate", file(good.replace(b'"b"', b'"\\ud800"')))
    c.safetensors("header-not-json", file(b"{w: 1}"))
    c.safetensors("header-trailing-comma", file(good[:-1] + b",}"))
    c.safetensors("header-trailing-text", file(good + b"x"))
    c.safetensors("header-two-objects", file(good + b"{}"))
    c.safetensors("header-unclosed", file(good[:-1]))
    c.safetensors("header-single-quotes", file(good.replace(b'"', b"'")))
    c.safetensors("header-comment", file(good[:-1] + b"/**/}"))
    c.safetensors("header-array", file(b"[" + good + b"]"))
    c.safetensors("header-depth-1000000", file(b'{"w":' + b"[" * 1_000_000))
    c.safetensors("header-depth-objects", file(b'{"a":' * 200_000))
    c.safetensors("header-empty-object", file(b"{}" + b" " * 6, b""))
    c.safetensors("header-string-unclosed", file(b'{"w' + b"a" * 100_000))
    c.safetensors("header-bad-escape", file(good.replace(b'"b"', b'"\\q"')))


def keys(c: Corpus) -> None:
    w, b = json.dumps(W), json.dumps(B)
    c.safetensors("tensor-twice", file(f'{{"w":{w},"w":{w},"b":{b}}}'.encode()))
    c.safetensors("tensor-twice-escaped", file(f'{{"w":{w},"\\u0077":{w},"b":{b}}}'.encode()))
    c.safetensors("dtype-twice", file(header_text('{"dtype":"F32","dtype":"F32","shape":[4,4],"data_offsets":[0,64]}')))
    c.safetensors(
        "offsets-twice", file(header_text('{"dtype":"F32","shape":[4,4],"data_offsets":[0,64],"data_offsets":[0,64]}'))
    )
    c.safetensors("metadata-twice", file(f'{{"__metadata__":{{}},"__metadata__":{{}},"w":{w},"b":{b}}}'.encode()))
    c.safetensors("metadata-number", file({"__metadata__": {"a": 1}, "w": W, "b": B}))
    c.safetensors("metadata-list", file({"__metadata__": ["a"], "w": W, "b": B}))
    c.safetensors("metadata-is-tensor", file({"__metadata__": W, "b": B}))
    c.safetensors("tensor-is-null", file(header_text("null")))
    c.safetensors("tensor-is-list", file(header_text('["F32",[4,4],[0,64]]')))
    for name in ("dtype", "shape", "data_offsets"):
        c.safetensors(
            f"{name.replace('_', '-')}-absent", file({"w": {k: v for k, v in W.items() if k != name}, "b": B})
        )
    c.safetensors("entry-extra-key", file({"w": {**W, "strides": [4, 1]}, "b": B}), EITHER)


def entries(c: Corpus) -> None:
    def changed(**fields) -> bytes:
        return file({"w": {**W, **fields}, "b": B})

    for name, dtype in (("unknown", "F33"), ("lower-case", "f32"), ("number", 1), ("empty", ""), ("null", None)):
        c.safetensors(f"dtype-{name}", changed(dtype=dtype))
    for name, text in (
        ("negative", "[-4,-4]"),
        ("fraction", "[4.0,4]"),
        ("exponent", "[4e0,4]"),
        ("2e64", "[18446744073709551616,4]"),
        ("product-overflow", "[4294967296,4294967296,16]"),
        ("bytes-overflow", "[4611686018427387904,4]"),
        ("19-digits", "[9999999999999999999,4]"),
        ("string", '["4",4]'),
        ("scalar", "16"),
        ("null", "null"),
        ("nested", "[[4,4]]"),
        ("leading-zero", "[04,4]"),
        ("plus", "[+4,4]"),
        ("product-wraps", "[1152921504606846976,16,16]"),
        ("true", "[true,4]"),
        ("not-a-number", "[NaN,4]"),
        ("size-differs", "[4,5]"),
    ):
        c.safetensors(f"shape-{name}", file(header_text(f'{{"dtype":"F32","shape":{text},"data_offsets":[0,64]}}')))
    for name, text in (
        ("swapped", "[64,0]"),
        ("past-end", "[0,1000]"),
        ("negative", "[-64,0]"),
        ("fraction", "[0.0,64.0]"),
        ("one", "[64]"),
        ("three", "[0,32,64]"),
        ("short", "[0,60]"),
        ("max", "[0,18446744073709551615]"),
        ("2e63", "[9223372036854775744,9223372036854775808]"),
        ("string", '["0","64"]'),
        ("object", '{"start":0,"end":64}'),
    ):
        c.safetensors(f"offsets-{name}", file(header_text(f'{{"dtype":"F32","shape":[4,4],"data_offsets":{text}}}')))


def layout(c: Corpus) -> None:
    def at(w0, b0, body):
        return file({"w": {**W, "data_offsets": [w0, w0 + 64]}, "b": {**B, "data_offsets": [b0, b0 + 16]}}, body)

    c.safetensors("overlap", at(0, 48, DATA))
    c.safetensors("overlap-whole", at(0, 0, DATA[:64]))
    c.safetensors("hole-at-start", at(16, 80, bytes(96)))
    c.safetensors("hole-in-middle", at(0, 80, bytes(96)))
    c.safetensors("hole-at-end", at(0, 64, bytes(96)))
    c.safetensors("trailing-byte", at(0, 64, bytes(81)))
    c.safetensors("trailing-elf", at(0, 64, DATA + b"\x7fELF" + bytes(60)))
    c.safetensors("data-absent", at(0, 64, b""))
    c.safetensors("data-one-short", at(0, 64, DATA[:-1]))


def binding(c: Corpus) -> None:
    c.safetensors("weight-missing", file({"w": W}, DATA[:64]))
    extra = {"dtype": "F32", "shape": [1], "data_offsets": [80, 84]}
    c.safetensors("weight-unused", file({"w": W, "b": B, "c": extra}, DATA + bytes(4)))
    c.safetensors("weight-shape", file({"w": {**W, "shape": [2, 8]}, "b": B}))
    c.safetensors("weight-rank", file({"w": {**W, "shape": [16]}, "b": B}))
    c.safetensors("weight-transposed-name", file({"W": W, "b": B}))
    c.safetensors(
        "weight-int64",
        file(
            {"w": {"dtype": "I64", "shape": [4, 4], "data_offsets": [0, 128]}, "b": {**B, "data_offsets": [128, 144]}},
            bytes(144),
        ),
    )
    c.safetensors("weight-name-nfc-nfd", file({"w\u0301": W, "b": B}))
    many = {f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [80, 80]} for i in range(20_000)}
    c.safetensors("weights-20000-unused", file({"w": W, "b": B, **many}))
    c.safetensors("weight-name-one-megabyte", file({"w" * 1_000_000: W, "b": B}))

    c.write("safetensors/part-w.safetensors", file({"w": W}, DATA[:64]))
    c.write("safetensors/part-b.safetensors", file({"b": {**B, "data_offsets": [0, 16]}}, DATA[:16]))
    c.write("part-b.safetensors", file({"b": {**B, "data_offsets": [0, 16]}}, DATA[:16]))
    w, b = "part-w.safetensors", "part-b.safetensors"

    def index(name, mapping, expect="refuse"):
        text = json.dumps({"metadata": {"total_size": 80}, "weight_map": mapping})
        c.safetensors(name, text.encode(), expect, "safetensors.index.json")

    index("control-index", {"w": w, "b": b}, ACCEPT)
    index("index-shard-missing", {"w": w, "b": "part-c.safetensors"})
    index("index-shard-outside", {"w": w, "b": "../part-b.safetensors"})
    index("index-shard-absolute", {"w": w, "b": "/etc/passwd"})
    index("index-tensor-in-wrong-shard", {"w": w, "b": w})
    index("index-tensor-absent", {"w": w, "b": b, "c": b})
    index("index-map-absent", [w, b])
    c.safetensors("index-not-json", b'{"weight_map": {', suffix="safetensors.index.json")


def build(c: Corpus) -> None:
    c.write("safetensors/graph.onnx", graph())
    for part in (lengths, json_forms, keys, entries, layout, binding):
        part(c)
