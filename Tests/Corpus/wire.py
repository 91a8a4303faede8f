"""ONNX files written field by field, so that they can be wrong in any way. Every function returns bytes."""

import struct

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, COMPLEX64, INT4 = 1, 2, 3, 6, 7, 8, 9, 10, 11, 14, 22


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(field: int, kind: int) -> bytes:
    return varint(field << 3 | kind)


def number(field: int, value: int) -> bytes:
    return tag(field, 0) + varint(value)


def fixed32(field: int, value: float) -> bytes:
    return tag(field, 5) + struct.pack("<f", value)


def data(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return tag(field, 2) + varint(len(raw)) + raw


def packed(field: int, values) -> bytes:
    return data(field, b"".join(varint(v) for v in values))


def nested(fields: list[int], levels: int, core: bytes) -> bytes:
    """`core` inside `levels` rounds of the fields, the first field outermost. Linear in the size of the result."""
    parts, size = [core], len(core)
    for _ in range(levels):
        for field in reversed(fields):
            head = tag(field, 2) + varint(size)
            parts.append(head)
            size += len(head)
    return b"".join(reversed(parts))


def tensor(name, dims, kind=FLOAT, raw: bytes | None = None, extra: bytes = b"") -> bytes:
    body = b"".join(number(1, d) for d in dims) + number(2, kind) + data(8, name)
    return body + (data(9, raw) if raw is not None else b"") + extra


def floats(name, dims, values) -> bytes:
    return tensor(name, dims, FLOAT, struct.pack(f"<{len(values)}f", *values))


def ints(name, values, dims=None) -> bytes:
    return tensor(name, [len(values)] if dims is None else dims, INT64, struct.pack(f"<{len(values)}q", *values))


def external(name, dims, entries, kind=FLOAT, extra: bytes = b"") -> bytes:
    pairs = b"".join(data(13, data(1, key) + data(2, value)) for key, value in entries)
    return tensor(name, dims, kind, None, pairs + number(14, 1) + extra)


def tensor_type(kind, dims) -> bytes:
    """TypeProto; `dims` None leaves the shape out. Strings are symbols, None an unknown size."""
    shape = b""
    if dims is not None:
        parts = [b"" if d is None else data(2, d) if isinstance(d, str) else number(1, d) for d in dims]
        shape = data(2, b"".join(data(1, p) for p in parts))
    return data(1, number(1, kind) + shape)


def value(name, dims=None, kind=FLOAT, type_=None) -> bytes:
    return data(1, name) + data(2, tensor_type(kind, dims) if type_ is None else type_)


def attr_int(name, v) -> bytes:
    return data(1, name) + number(3, v) + number(20, 2)


def attr_float(name, v) -> bytes:
    return data(1, name) + fixed32(2, v) + number(20, 1)


def attr_str(name, v) -> bytes:
    return data(1, name) + data(4, v) + number(20, 3)


def attr_tensor(name, v) -> bytes:
    return data(1, name) + data(5, v) + number(20, 4)


def attr_graph(name, v) -> bytes:
    return data(1, name) + data(6, v) + number(20, 5)


def attr_ints(name, vs) -> bytes:
    return data(1, name) + b"".join(number(8, v) for v in vs) + number(20, 7)


def node(op, inputs, outputs, attrs=(), domain="", extra: bytes = b"") -> bytes:
    body = b"".join(data(1, i) for i in inputs) + b"".join(data(2, o) for o in outputs) + data(4, op)
    body += b"".join(data(5, a) for a in attrs)
    return body + (data(7, domain) if domain else b"") + extra


def graph(nodes, inputs, outputs, inits=(), extra: bytes = b"") -> bytes:
    body = b"".join(data(1, n) for n in nodes) + data(2, "g")
    body += b"".join(data(5, t) for t in inits)
    return body + b"".join(data(11, v) for v in inputs) + b"".join(data(12, v) for v in outputs) + extra


def opset(version, domain="") -> bytes:
    return data(8, (data(1, domain) if domain else b"") + number(2, version))


def function(
    name, inputs, outputs, nodes, domain="local", opsets=(("", 17), ("local", 1)), extra: bytes = b""
) -> bytes:
    body = data(1, name) + b"".join(data(4, i) for i in inputs) + b"".join(data(5, o) for o in outputs)
    body += b"".join(data(7, n) for n in nodes)
    body += b"".join(data(9, data(1, d) + number(2, v)) for d, v in opsets)
    return body + data(10, domain) + extra


def model(graph_: bytes | None, opsets: bytes | None = None, ir: int | None = 8, before: bytes = b"") -> bytes:
    """The graph comes last, so that every truncation cuts it or loses it."""
    body = number(1, ir) if ir is not None else b""
    body += data(2, "swage tests") + (opset(17) if opsets is None else opsets) + before
    return body + (data(7, graph_) if graph_ is not None else b"")
