"""Malformed inputs for a run of the digit classifier, which wants `image`, f32 [batch, 1, 8, 8]."""

import struct

from corpus import ACCEPT, EITHER, Corpus

GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 8, 8), }"
DATA = struct.pack("<64f", *[i / 64 for i in range(64)])


def npy(
    header: str | bytes = GOOD, body: bytes = DATA, version: bytes = b"\x01\x00", length: int | None = None
) -> bytes:
    raw = header if isinstance(header, bytes) else header.encode()
    raw += b" " * (-(len(raw) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(raw) if length is None else length) + raw + body


def shaped(shape: str, body: bytes = DATA) -> bytes:
    return npy(GOOD.replace("(1, 1, 8, 8)", shape), body)


def typed(descr: str, body: bytes = DATA) -> bytes:
    return npy(GOOD.replace("<f4", descr), body)


def build(c: Corpus) -> None:
    good = npy()
    c.tensor("control-image", good, ACCEPT)
    c.tensor("control-batch-2", shaped("(2, 1, 8, 8)", DATA * 2), ACCEPT)
    c.tensor("batch-0", shaped("(0, 1, 8, 8)", b""), EITHER)
    c.tensor("not-a-number", npy(body=struct.pack("<f", float("nan")) * 64), EITHER)
    c.tensor("empty", b"")
    c.tensor("magic", b"\x93NUMPZ" + good[6:])
    c.tensor("version-9", npy(version=b"\x09\x00"))
    c.tensor("header-length-past-end", npy(length=65_000))
    c.tensor("header-length-0", npy(length=0))
    c.tensor("header-not-a-dictionary", npy("hello"))
    c.tensor("header-cut", good[:40])
    c.tensor("header-code", npy("__import__('os').system('true')"))
    c.tensor("header-nested", npy("(" * 20_000))
    c.tensor("header-not-ascii", npy(b"\xff\xfe\xfd"))
    c.tensor("data-short-by-one", good[:-1])
    c.tensor("data-absent", npy(body=b""))
    c.tensor("data-too-long", npy(body=DATA + b"\0"))
    c.tensor("shape-rank-3", shaped("(1, 8, 8)"))
    c.tensor("shape-rank-0", shaped("()", DATA[:4]))
    c.tensor("shape-width-7", shaped("(1, 1, 8, 7)", DATA[:224]))
    c.tensor("shape-transposed", shaped("(8, 8, 1, 1)"))
    c.tensor("shape-negative", shaped("(-1, 1, 8, 8)"))
    c.tensor("shape-overflow", shaped("(4294967296, 4294967296, 8, 8)"))
    c.tensor("shape-wraps-to-64", shaped("(288230376151711745, 1, 8, 8)"))
    c.tensor("shape-fraction", shaped("(1.0, 1, 8, 8)"))
    c.tensor("shape-2e64", shaped("(18446744073709551617, 1, 8, 8)"))
    c.tensor("type-f64", typed("<f8", DATA * 2))
    c.tensor("type-i64", typed("<i8", DATA * 2))
    c.tensor("type-object", typed("|O", DATA * 2))
    c.tensor("type-structured", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1, 8, 8), }"))
    c.tensor("type-unknown", typed("<q9"))
    c.tensor("unknown-input", good, port="picture")
