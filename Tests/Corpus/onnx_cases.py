"""Malformed ONNX files. Each is the small valid model below with one thing wrong."""

import random
import struct

import wire as w
from corpus import ACCEPT, EITHER, Corpus

BIG = (1 << 63) - 1
X = w.value("x", [1, 4])
Y = w.value("y")
WEIGHT = w.floats("w", [4, 4], [0.25] * 16)
BIAS = w.floats("b", [4], [0.5, -0.5, 1, 0])
MATMUL = w.node("MatMul", ["x", "w"], ["p"])
ADD = w.node("Add", ["p", "b"], ["q"])
RELU = w.node("Relu", ["q"], ["y"])


def layer(nodes=(MATMUL, ADD, RELU), inputs=(X,), outputs=(Y,), inits=(WEIGHT, BIAS), extra=b"", **header) -> bytes:
    """Relu(x w + b)."""
    return w.model(w.graph(nodes, inputs, outputs, inits, extra), **header)


def single(op, inputs=("x",), attrs=(), x=(1, 4), inits=(), kind=w.FLOAT, outputs=("y",), opset=17, more=()) -> bytes:
    """A model of one node."""
    node = w.node(op, inputs, outputs, attrs)
    ports = [w.value("x", list(x), kind), *more]
    return w.model(w.graph([node], ports, [w.value(outputs[0])] if outputs else [Y], inits), opsets=w.opset(opset))


def with_weight(tensor: bytes) -> bytes:
    """The layer with another tensor as its weight."""
    return layer(inits=(tensor, BIAS))


def container(c: Corpus) -> None:
    good = layer()
    c.onnx("control-layer", good, ACCEPT)
    c.onnx("control-unknown-field", good + w.data(99, b"later version"), ACCEPT)
    c.onnx("empty", b"")
    c.onnx("one-byte", b"\x08")
    c.onnx("all-ones", b"\xff" * 64)
    c.onnx("random", random.Random(3).randbytes(4096))
    c.onnx("text", b"this is a text and no model\n")
    c.onnx("json", b'{"ir_version": 8, "graph": {}}\n')
    c.onnx("zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(40))
    c.onnx("elf", b"\x7fELF\x02\x01\x01" + bytes(57))
    c.onnx("gzip", b"\x1f\x8b\x08\x00" + bytes(range(60)))
    c.onnx("lfs-pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n")
    c.onnx("zeros", bytes(1000))
    c.onnx("varint-endless", b"\x80" * 1000)
    c.onnx("varint-eleven-bytes", b"\x08" + b"\xff" * 10 + b"\x01" + good)
    c.onnx("field-number-zero", b"\x00\x01" + good)
    c.onnx("group-unterminated", good + w.tag(99, 3))
    c.onnx("group-end-alone", good + w.tag(99, 4))
    c.onnx("wire-type-6", good + w.tag(99, 6))
    c.onnx("wire-type-7", good + w.tag(99, 7))
    c.onnx("trailing-tag", good + w.tag(99, 2))
    c.onnx("trailing-half-fixed64", good + w.tag(99, 1) + b"\0\0\0\0")
    for name, length in (("1-past-end", None), ("2e31", 1 << 31), ("2e32", 1 << 32), ("2e63", 1 << 63), ("max", -1)):
        head, body = w.model(None), w.graph([MATMUL, ADD, RELU], [X], [Y], [WEIGHT, BIAS])
        size = len(body) + 1 if length is None else length
        c.onnx(f"graph-length-{name}", head + w.tag(7, 2) + w.varint(size) + body)
    c.onnx("graph-is-number", w.model(None) + w.number(7, 1))
    c.onnx("graph-is-text", w.model(b"not a graph at all"))
    c.onnx("node-is-number", layer(extra=w.number(1, 1)))
    for i in range(24):
        at = 1 + i * (len(good) - 2) // 23
        c.onnx(f"truncated-at-{at}", good[:at])


def bit_flips(c: Corpus) -> None:
    """Single flipped bits in structure: wire types become groups or unknown, names stop being UTF-8."""
    good = layer()
    starts = {
        "graph-tag": good.index(w.graph([MATMUL, ADD, RELU], [X], [Y], [WEIGHT, BIAS])) - 3,
        "node-tag": good.index(MATMUL) - 2,
        "second-node-tag": good.index(ADD) - 2,
        "initializer-tag": good.index(WEIGHT) - 2,
        "input-tag": good.index(X) - 2,
        "output-tag": good.index(Y) - 2,
    }
    for name, at in starts.items():
        assert good[at] & 7 == 2, name
        c.onnx(f"flip-{name}-group", good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        c.onnx(f"flip-{name}-wire-6", good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
    operator = good.index(b"MatMul")
    c.onnx("flip-operator-name", good[:operator] + b"LatMul" + good[operator + 6 :])
    c.onnx("flip-operator-not-utf8", good[:operator] + b"\xcd" + good[operator + 1 :])


def nesting(c: Corpus) -> None:
    for levels in (40, 101, 3000, 100_000):
        inner = w.graph([w.node("Relu", ["x"], ["z"])], [], [w.value("z")])
        # graph.node.attribute.g, and again
        c.onnx(f"nesting-graphs-{levels}", w.model(w.nested([1, 5, 6], levels, inner)))
    for levels in (101, 3000, 100_000):
        # TypeProto.sequence_type.elem_type
        chain = w.nested([4, 1], levels, w.tensor_type(w.FLOAT, [1]))
        c.onnx(f"nesting-types-{levels}", layer(inputs=(X, w.value("s", type_=chain))))


def bombs(c: Corpus) -> None:
    count = 500_000
    relu = w.node("Relu", ["x"], ["y"])
    c.onnx("bomb-empty-attributes", w.model(w.graph([relu + b"\x2a\x00" * count], [X], [Y])))
    c.onnx("bomb-empty-nodes", layer(extra=b"\x0a\x00" * count))
    c.onnx("bomb-empty-initializers", layer(extra=b"\x2a\x00" * count))
    c.onnx("bomb-empty-inputs", layer(extra=b"\x5a\x00" * count))
    c.onnx("bomb-empty-value-infos", layer(extra=b"\x6a\x00" * count), EITHER)
    c.onnx("bomb-empty-opsets", layer(before=b"\x42\x00" * count))
    c.onnx("bomb-empty-functions", layer(before=b"\xca\x01\x00" * (count // 2)))
    c.onnx("bomb-empty-metadata", layer(before=b"\x72\x00" * count), EITHER)
    c.onnx("bomb-node-inputs", w.model(w.graph([relu + b"\x0a\x00" * count], [X], [Y])))
    c.onnx("bomb-node-outputs", w.model(w.graph([relu + b"\x12\x00" * count], [X], [Y])))
    rank = w.data(1, w.number(1, w.FLOAT) + w.data(2, b"\x0a\x00" * count))
    c.onnx("bomb-rank", layer(inputs=(w.value("x", type_=rank),)), EITHER)
    c.onnx("bomb-tensor-dims", with_weight(w.packed(1, [1] * 1_000_000) + w.tensor("w", [], w.FLOAT, bytes(4))))
    perm = w.data(1, "perm") + w.packed(8, [0] * 1_000_000) + w.number(20, 7)
    c.onnx("bomb-permutation", single("Transpose", attrs=[perm]))
    c.onnx("bomb-attribute-tensors", single("Relu", attrs=[w.data(1, "a") + b"\x52\x00" * count + w.number(20, 9)]))
    c.onnx(
        "bomb-external-entries",
        with_weight(w.tensor("w", [4, 4], w.FLOAT, None, b"\x6a\x00" * count + w.number(14, 1))),
    )


def header(c: Corpus) -> None:
    for name, ir in (("absent", None), ("0", 0), ("negative", -1), ("far-future", 9999), ("max", BIG)):
        c.onnx(f"ir-version-{name}", layer(ir=ir))
    for name, opsets in (
        ("absent", b""),
        ("0", w.opset(0)),
        ("negative", w.opset(-1)),
        ("max", w.opset(BIG)),
        ("min", w.opset(-1 << 63)),
        ("far-future", w.opset(1000)),
        ("twice", w.opset(17) + w.opset(11)),
        ("other-domain-only", w.opset(1, "com.example")),
        ("no-version", w.data(8, b"")),
    ):
        c.onnx(f"opset-{name}", layer(opsets=opsets))
    c.onnx("opset-3", layer(opsets=w.opset(3)), EITHER)
    c.onnx("graph-absent", w.model(None))
    c.onnx("graph-empty", w.model(b""), EITHER)
    c.onnx("graph-without-outputs", layer(outputs=()), EITHER)


def names(c: Corpus) -> None:
    c.onnx("value-defined-twice", layer([MATMUL, w.node("Neg", ["x"], ["p"]), ADD, RELU]))
    c.onnx("node-defines-value-twice", single("Split", attrs=[w.attr_int("axis", 1)], outputs=("y", "y")))
    c.onnx("initializer-twice", layer(inits=(WEIGHT, BIAS, w.floats("w", [4, 4], [1.0] * 16))))
    c.onnx("initializer-is-node-output", layer(inits=(WEIGHT, BIAS, w.floats("p", [1, 4], [1.0] * 4))))
    c.onnx("input-is-node-output", layer(inputs=(X, w.value("p", [1, 4]))))
    c.onnx("input-twice", layer(inputs=(X, X)))
    c.onnx("input-twice-different", layer(inputs=(X, w.value("x", [4, 1]))))
    c.onnx("input-name-empty", layer(inputs=(X, w.value("", [1, 4]))))
    c.onnx("initializer-name-empty", layer(inits=(WEIGHT, BIAS, w.floats("", [1], [1.0]))))
    c.onnx("operator-name-empty", layer([MATMUL, ADD, w.node("", ["q"], ["y"])]))
    c.onnx("node-input-dangling", layer([MATMUL, w.node("Add", ["p", "gone"], ["q"]), RELU]))
    c.onnx("graph-output-dangling", layer(outputs=(w.value("gone"),)))
    c.onnx("second-output-dangling", layer(outputs=(Y, w.value("gone"))))
    c.onnx("output-name-empty", layer(outputs=(w.value(""),)))
    c.onnx("cycle-of-one", layer([MATMUL, w.node("Add", ["q", "p"], ["q"]), RELU]))
    c.onnx("cycle-of-two", layer([MATMUL, w.node("Add", ["r", "p"], ["q"]), w.node("Neg", ["q"], ["r"]), RELU]))
    ring = [w.node("Neg", [f"v{(i - 1) % 50}"], [f"v{i}"]) for i in range(50)]
    c.onnx("cycle-of-fifty", layer([*ring, w.node("Relu", ["v7"], ["y"])]))
    c.onnx("nodes-unsorted", layer([RELU, ADD, MATMUL]), EITHER)
    c.onnx("output-name-twice", layer(outputs=(Y, Y)), EITHER)
    c.onnx("node-name-twice", layer([MATMUL + w.data(3, "n"), ADD + w.data(3, "n"), RELU]), EITHER)

    def renamed(defined: bytes, used: bytes) -> bytes:
        return layer([MATMUL, w.node("Add", ["p", "b"], [defined]), w.node("Relu", [used], ["y"])])

    c.onnx("name-nul-inside", renamed(b"q\0evil", b"q\0evil"))
    c.onnx("name-nul-cut-matches", renamed(b"q\0evil", b"q"))
    c.onnx("name-bad-utf8", renamed(b"q\xff", b"q\xff"))
    c.onnx("name-bad-utf8-repaired-twins", renamed(b"q\xfe", b"q\xff"))
    c.onnx("name-overlong-utf8", renamed(b"q\xc0\xaf", b"q\xc0\xaf"))
    c.onnx("name-surrogate", renamed(b"q\xed\xa0\x80", b"q\xed\xa0\x80"))
    c.onnx("name-utf8-cut", renamed(b"q\xe2\x82", b"q\xe2\x82"))
    c.onnx("name-nfc-nfd-pair", renamed("\u00e9".encode(), "e\u0301".encode()))
    c.onnx("name-nfd", renamed("e\u0301".encode(), "e\u0301".encode()), EITHER)
    c.onnx("name-control-characters", layer([MATMUL, w.node("Add", ["p", "b\x1b[2J\r\n"], ["q"]), RELU]))
    c.onnx("name-bidi-override", layer([MATMUL, w.node("Add", ["p", "b\u202egpj"], ["q"]), RELU]))
    long = b"n" * 1_000_000
    c.onnx("name-one-megabyte-dangling", layer([MATMUL, w.node("Add", ["p", long], ["q"]), RELU]))
    c.onnx("name-input-nul", layer(inputs=(X, w.value(b"x\0", [1, 4]))))
    c.onnx("name-input-path", layer(inputs=(X, w.value("../../x", [1, 4]))), EITHER)


def types(c: Corpus) -> None:
    element = (("0", 0), ("9999", 9999), ("negative", -1))
    for name, kind in element:
        c.onnx(f"initializer-type-{name}", with_weight(w.tensor("w", [4, 4], kind, bytes(64))))
        c.onnx(f"input-type-{name}", layer(inputs=(w.value("x", [1, 4], kind),)))
    c.onnx("initializer-type-absent", with_weight(w.number(1, 4) * 2 + w.data(8, "w") + w.data(9, bytes(64))))
    c.onnx("initializer-complex", with_weight(w.tensor("w", [4, 4], w.COMPLEX64, bytes(128))))
    c.onnx("input-string", layer(inputs=(w.value("x", [1, 4], w.STRING),)))
    c.onnx("input-without-type", layer(inputs=(w.data(1, "x"),)))
    c.onnx("input-type-empty", layer(inputs=(w.value("x", type_=b""),)))
    c.onnx("input-sequence", layer(inputs=(w.value("x", type_=w.data(4, w.data(1, w.tensor_type(1, [1, 4])))),)))
    c.onnx("input-optional", layer(inputs=(w.value("x", type_=w.data(9, w.data(1, w.tensor_type(1, [1, 4])))),)))
    c.onnx(
        "input-map", layer(inputs=(w.value("x", type_=w.data(5, w.number(1, 7) + w.data(2, w.tensor_type(1, [1])))),))
    )
    c.onnx("output-type-differs", layer(outputs=(w.value("y", [1, 4], w.INT64),)))
    c.onnx("output-shape-differs", layer(outputs=(w.value("y", [1, 5]),)), EITHER)
    c.onnx("add-float-and-int", layer(inits=(WEIGHT, w.ints("b", [1, 2, 3, 4]))))
    c.onnx("matmul-inner-differs", with_weight(w.floats("w", [5, 4], [0.5] * 20)))
    c.onnx("add-not-broadcastable", layer(inits=(WEIGHT, w.floats("b", [3], [1.0] * 3))))
    c.onnx("matmul-scalar", with_weight(w.floats("w", [], [0.5])))

    dims = (
        ("negative", [-4, -4]),
        ("minus-one", [4, -1]),
        ("2e31", [1 << 31, 4]),
        ("max", [BIG]),
        ("min", [-1 << 63, 1]),
        ("product-2e64", [1 << 32, 1 << 32]),
        ("product-wraps-to-16", [1 << 60, 1 << 60, 16]),
        ("bytes-wrap", [1 << 62, 1]),
        ("wraps-negative", [1 << 62, 2]),
    )
    for name, shape in dims:
        c.onnx(f"initializer-dims-{name}", with_weight(w.tensor("w", shape, w.FLOAT, bytes(64))))
    c.onnx("initializer-dims-zero-with-data", with_weight(w.tensor("w", [0, 4], w.FLOAT, bytes(64))))
    c.onnx("initializer-rank-10000", with_weight(w.tensor("w", [1] * 10_000, w.FLOAT, bytes(4))))
    c.onnx("input-dims-overflow", layer(inputs=(w.value("x", [BIG, BIG, 4]),)))
    c.onnx("input-dims-product-2e64", layer(inputs=(w.value("x", [1 << 31, 1 << 31, 4]),)))
    c.onnx("input-dim-negative", layer(inputs=(w.value("x", [-5, 4]),)), EITHER)
    c.onnx("input-rank-10000", single("Relu", x=[1] * 10_000), EITHER)


def tensor_data(c: Corpus) -> None:
    def weight(raw=None, dims=(4, 4), kind=w.FLOAT, extra=b""):
        return w.tensor("w", dims, kind, raw, extra)

    def typed(kind, extra, dims=(4, 4)) -> bytes:
        """The tensor, cast to float, as the layer's weight: whatever its type it is used."""
        stored = w.tensor("v", dims, kind, None, extra)
        cast = w.node("Cast", ["v"], ["w"], [w.attr_int("to", w.FLOAT)])
        return layer([cast, MATMUL, ADD, RELU], inits=(stored, BIAS))

    sixteen = struct.pack("<16f", *[0.5] * 16)
    c.onnx("raw-data-short-by-one", with_weight(weight(bytes(63))))
    c.onnx("raw-data-long-by-one", with_weight(weight(bytes(65))))
    c.onnx("raw-data-empty", with_weight(weight(b"")))
    c.onnx("raw-data-twice-as-long", with_weight(weight(bytes(128))))
    c.onnx("data-absent", with_weight(weight()))
    c.onnx("raw-and-float-data", with_weight(weight(bytes(64), extra=w.data(4, sixteen))))
    c.onnx("float-data-short", with_weight(weight(extra=w.data(4, sixteen[:-4]))))
    c.onnx("float-data-long", with_weight(weight(extra=w.data(4, sixteen + bytes(4)))))
    c.onnx("float-data-ragged", with_weight(weight(extra=w.data(4, sixteen + b"\0"))))
    c.onnx("float-in-int32-data", with_weight(weight(extra=w.packed(5, [1] * 16))))
    c.onnx("float-in-double-data", with_weight(weight(extra=w.data(10, bytes(128)))))
    c.onnx("float-in-string-data", with_weight(weight(extra=w.data(6, b"0.5") * 16)))
    c.onnx("int32-data-varint-cut", typed(w.INT32, w.data(5, bytes([1] * 15) + b"\x80")))
    c.onnx("int8-out-of-range", typed(w.INT8, w.packed(5, [300] * 16)))
    c.onnx("uint8-negative", typed(w.UINT8, w.packed(5, [-1] * 16)))
    c.onnx("bool-out-of-range", typed(w.BOOL, w.packed(5, [70_000] * 16)))
    c.onnx("float16-out-of-range", typed(w.FLOAT16, w.packed(5, [70_000] * 16)))
    c.onnx("string-with-raw-data", typed(w.STRING, w.data(9, bytes(16))))
    c.onnx("int4-odd-bytes-missing", typed(w.INT4, w.data(9, bytes(7)), dims=(3, 5)))
    c.onnx("int64-raw-as-int32", typed(w.INT64, w.data(9, bytes(64))))
    c.onnx("segment-set", with_weight(weight(bytes(64), extra=w.data(3, w.number(1, 0) + w.number(2, 8)))))
    c.onnx("data-location-9", with_weight(weight(bytes(64), extra=w.number(14, 9))))

    def sparse(indices, values=4, dims=(4, 4)):
        body = w.data(1, w.floats("w", [values], [1.0] * values)) + w.data(2, w.ints("", indices))
        body += b"".join(w.number(3, d) for d in dims)
        return layer(inits=(BIAS,), extra=w.data(15, body))

    c.onnx("sparse-index-past-end", sparse([0, 5, 10, 16]))
    c.onnx("sparse-index-negative", sparse([-1, 5, 10, 15]))
    c.onnx("sparse-index-max", sparse([0, 5, 10, BIG]))
    c.onnx("sparse-unsorted", sparse([5, 0, 10, 15]))
    c.onnx("sparse-duplicate", sparse([0, 5, 5, 15]))
    c.onnx("sparse-count-differs", sparse([0, 5, 10]))
    c.onnx("sparse-dims-overflow", sparse([0, 5, 10, 15], dims=(BIG, BIG)))


def external_data(c: Corpus) -> None:
    size = 64
    c.companion("data.bin", struct.pack("<16f", *[0.25] * 16) + bytes(16))
    c.companion_link("link.bin", "data.bin")
    c.companion_link("dangling.bin", "gone.bin")
    c.companion_link("loop.bin", "loop.bin")
    c.companion_link("outside.bin", "../data.bin")
    c.companion("folder/data.bin", bytes(size))
    c.companion_link("folder-link", "folder")
    c.companion_fifo("pipe.bin")
    c.companion_hardlink("hard.bin", "folder/data.bin")
    # Files outside the model's folder that hold what the models ask for: a loader that follows a path there succeeds.
    c.companion("../data.bin", bytes(size))
    c.companion("../outside.bin", bytes(size))

    def refer(*entries) -> bytes:
        return with_weight(w.external("w", [4, 4], entries))

    def at(location) -> bytes:
        return refer(("location", location), ("length", str(size)))

    c.onnx("control-external-data", refer(("location", "data.bin"), ("offset", "0"), ("length", "64")), ACCEPT)
    for name, location in (
        ("missing", "gone.bin"),
        ("absolute", "/etc/passwd"),
        ("parent", "../data.bin"),
        ("parent-inside", "folder/../../outside.bin"),
        ("parent-back", "a/../../data.bin"),
        ("backslash", "..\\data.bin"),
        ("drive", "C:\\data.bin"),
        ("unc", "\\\\host\\share\\data.bin"),
        ("url", "file:///etc/passwd"),
        ("nul", b"data.bin\0.txt"),
        ("bad-utf8", b"data\xff.bin"),
        ("home", "~/data.bin"),
        ("empty", ""),
        ("dot", "."),
        ("directory", "folder"),
        ("device", "/dev/zero"),
        ("memory", "/proc/self/mem"),
        ("symlink", "link.bin"),
        ("symlink-dangling", "dangling.bin"),
        ("symlink-loop", "loop.bin"),
        ("symlink-outside", "outside.bin"),
        ("symlink-parent", "folder-link/data.bin"),
        ("fifo", "pipe.bin"),
        ("memory-marker", "*/_ORT_MEM_ADDR_/*"),
        ("weights-unbound", "weights"),
        ("long", "a" * 100_000),
    ):
        c.onnx(f"external-path-{name}", at(location))
    c.onnx("external-path-hardlink", at("hard.bin"), EITHER)
    c.onnx("external-location-absent", refer(("length", "64")))
    c.onnx("external-no-entries", refer())
    c.onnx("external-location-twice", refer(("location", "data.bin"), ("location", "gone.bin"), ("length", "64")))
    c.onnx("external-unknown-key", refer(("location", "data.bin"), ("length", "64"), ("pickle", "x")), EITHER)
    for name, offset in (
        ("past-end", "1000"),
        ("negative", "-16"),
        ("word", "ten"),
        ("plus", "+5"),
        ("exponent", "1e1"),
        ("hex", "0x10"),
        ("space", " 8"),
        ("empty", ""),
        ("2e63", str(1 << 63)),
        ("2e64", str(1 << 64)),
        ("sum-overflows", str(BIG - 8)),
        ("fraction", "8.0"),
        ("digits-arabic", "\u0668"),
        ("end-cut", "40"),
    ):
        c.onnx(f"external-offset-{name}", refer(("location", "data.bin"), ("offset", offset), ("length", "64")))
    for name, length in (
        ("0", "0"),
        ("short", "60"),
        ("long", "68"),
        ("past-file", "100000"),
        ("negative", "-64"),
        ("word", "all"),
        ("2e64", str(1 << 64)),
        ("max", str(BIG)),
    ):
        c.onnx(f"external-length-{name}", refer(("location", "data.bin"), ("offset", "0"), ("length", length)))
    c.onnx("external-file-too-short", with_weight(w.external("w", [400, 400], [("location", "data.bin")])))
    both = w.external("w", [4, 4], [("location", "data.bin"), ("length", "64")], extra=w.data(9, bytes(64)))
    c.onnx("external-and-raw-data", with_weight(both))


def attributes(c: Corpus) -> None:
    picture = (1, 4, 8, 8)
    kernel = w.floats("k", [4, 4, 3, 3], [0.1] * 144)

    def conv(*attrs, k=kernel) -> bytes:
        return single("Conv", ["x", "k"], attrs, x=picture, inits=[k])

    def pool(*attrs) -> bytes:
        return single("MaxPool", attrs=attrs, x=picture)

    i, s, many = w.attr_int, w.attr_str, w.attr_ints
    kernel3 = many("kernel_shape", [3, 3])
    c.onnx("control-conv", conv(kernel3, many("pads", [1, 1, 1, 1])), ACCEPT)
    c.onnx("control-maxpool", pool(many("kernel_shape", [2, 2]), many("strides", [2, 2])), ACCEPT)
    for name, attr in (
        ("stride-zero", many("strides", [0, 1])),
        ("stride-negative", many("strides", [-1, 1])),
        ("strides-three", many("strides", [1, 1, 1])),
        ("dilation-zero", many("dilations", [0, 1])),
        ("dilation-huge", many("dilations", [BIG, 1])),
        ("group-zero", i("group", 0)),
        ("group-negative", i("group", -4)),
        ("group-not-dividing", i("group", 3)),
        ("group-huge", i("group", BIG)),
        ("pads-three", many("pads", [1, 1, 1])),
        ("pads-huge", many("pads", [BIG, BIG, BIG, BIG])),
        ("pads-eat-input", many("pads", [-4, -4, -4, -4])),
        ("auto-pad-unknown", s("auto_pad", "SIDEWAYS")),
        ("kernel-shape-differs", many("kernel_shape", [5, 5])),
        ("strides-wrong-type", s("strides", "2")),
        ("group-float", w.attr_float("group", 1.0)),
    ):
        c.onnx(f"conv-{name}", conv(attr))
    c.onnx("conv-attribute-twice", conv(i("group", 1), i("group", 4)))
    c.onnx("conv-channels-differ", conv(k=w.floats("k", [4, 3, 3, 3], [0.1] * 108)))
    c.onnx("conv-kernel-rank", conv(k=w.floats("k", [4, 4, 3], [0.1] * 48)))
    c.onnx("conv-kernel-larger-than-input", conv(k=w.floats("k", [1, 4, 12, 12], [0.1] * 576)))
    c.onnx(
        "conv-bias-length", single("Conv", ["x", "k", "b"], x=picture, inits=[kernel, w.floats("b", [3], [0.0] * 3)])
    )
    c.onnx("maxpool-kernel-absent", pool())
    c.onnx("maxpool-kernel-zero", pool(many("kernel_shape", [0, 2])))
    c.onnx("maxpool-kernel-too-large", pool(many("kernel_shape", [12, 12])))
    c.onnx("maxpool-stride-zero", pool(many("kernel_shape", [2, 2]), many("strides", [0, 0])))

    c.onnx("attribute-without-value", single("Flatten", attrs=[w.data(1, "axis")]))
    c.onnx("attribute-type-99", single("Flatten", attrs=[w.data(1, "axis") + w.number(3, 1) + w.number(20, 99)]))
    c.onnx(
        "attribute-reference-outside-function",
        single("Flatten", attrs=[w.data(1, "axis") + w.data(21, "a") + w.number(20, 2)]),
    )
    c.onnx("attribute-name-bad-utf8", single("Flatten", attrs=[w.attr_int(b"ax\xff", 1)]))
    c.onnx("flatten-axis-9", single("Flatten", attrs=[i("axis", 9)]))
    c.onnx("softmax-axis-8", single("Softmax", attrs=[i("axis", 8)]))
    c.onnx("softmax-axis-min", single("Softmax", attrs=[i("axis", -1 << 63)]))
    c.onnx("concat-axis-absent", single("Concat", ["x", "x"]))
    c.onnx("concat-axis-7", single("Concat", ["x", "x"], [i("axis", 7)]))
    c.onnx("concat-shapes", single("Concat", ["x", "c"], [i("axis", 0)], inits=[w.floats("c", [1, 3], [0.0] * 3)]))
    c.onnx("transpose-perm-repeats", single("Transpose", attrs=[many("perm", [0, 0])]))
    c.onnx("transpose-perm-short", single("Transpose", attrs=[many("perm", [0])]))
    c.onnx("transpose-perm-negative", single("Transpose", attrs=[many("perm", [1, -1])]))
    c.onnx("cast-to-absent", single("Cast"))
    c.onnx("cast-to-0", single("Cast", attrs=[i("to", 0)]))
    c.onnx("cast-to-9999", single("Cast", attrs=[i("to", 9999)]))

    def constant(op, values, attrs=(), dims=None, x=(1, 4)):
        return single(op, ["x", "c"], attrs, x=x, inits=[w.ints("c", values, dims)])

    c.onnx("control-reshape", constant("Reshape", [2, -1]), ACCEPT)
    c.onnx("reshape-two-unknown", constant("Reshape", [-1, -1]))
    c.onnx("reshape-minus-two", constant("Reshape", [-2, 2]))
    c.onnx("reshape-count", constant("Reshape", [3, 2]))
    c.onnx("reshape-not-dividing", constant("Reshape", [3, -1]))
    c.onnx("reshape-overflow", constant("Reshape", [1 << 32, 1 << 32]))
    c.onnx("reshape-zero-past-rank", constant("Reshape", [1, 4, 0]))
    c.onnx("reshape-float-shape", single("Reshape", ["x", "c"], inits=[w.floats("c", [2], [2.0, 2.0])]))
    c.onnx("expand-incompatible", constant("Expand", [3, 3]))
    c.onnx("expand-huge", constant("Expand", [1 << 31, 1 << 31, 4]))
    c.onnx("expand-negative", constant("Expand", [-3, 4]))
    c.onnx("tile-huge", constant("Tile", [BIG, BIG]))
    c.onnx("tile-negative", constant("Tile", [-1, 1]))
    c.onnx("tile-count", constant("Tile", [2, 2, 2]))
    c.onnx("unsqueeze-repeats", constant("Unsqueeze", [0, 0]))
    c.onnx("unsqueeze-axis-9", constant("Unsqueeze", [9]))
    c.onnx("squeeze-not-one", constant("Squeeze", [1]))
    c.onnx("reduce-axis-7", single("ReduceMean", attrs=[many("axes", [7])]))
    c.onnx("reduce-axis-min", single("ReduceMean", attrs=[many("axes", [-1 << 63])]))
    c.onnx("split-sums", single("Split", ["x", "c"], [i("axis", 1)], inits=[w.ints("c", [3, 3])], outputs=("y", "z")))
    c.onnx(
        "split-negative", single("Split", ["x", "c"], [i("axis", 1)], inits=[w.ints("c", [-1, 5])], outputs=("y", "z"))
    )
    c.onnx("pad-length", constant("Pad", [1, 1, 1]))
    c.onnx("pad-huge", constant("Pad", [0, BIG, 0, BIG]))
    c.onnx("pad-mode-unknown", constant("Pad", [0, 1, 0, 1], [s("mode", "guess")]))
    c.onnx("topk-past-end", single("TopK", ["x", "c"], inits=[w.ints("c", [9])], outputs=("y", "z")))
    c.onnx("topk-negative", single("TopK", ["x", "c"], inits=[w.ints("c", [-1])], outputs=("y", "z")))
    c.onnx("gather-axis-5", constant("Gather", [0], [i("axis", 5)]))
    c.onnx("gather-float-indices", single("Gather", ["x", "c"], inits=[w.floats("c", [1], [0.0])]))
    c.onnx("gather-index-past-end", constant("Gather", [9], [i("axis", 1)]), EITHER)

    def slice_(starts, ends, axes, steps):
        inits = [w.ints("s", starts), w.ints("e", ends), w.ints("a", axes), w.ints("t", steps)]
        return single("Slice", ["x", "s", "e", "a", "t"], inits=inits)

    c.onnx("control-slice", slice_([0], [-1], [1], [2]), ACCEPT)
    c.onnx("slice-step-zero", slice_([0], [4], [1], [0]))
    c.onnx("slice-axis-9", slice_([0], [4], [9], [1]))
    c.onnx("slice-axes-repeat", slice_([0, 0], [4, 4], [1, 1], [1, 1]))
    c.onnx("slice-lengths-differ", slice_([0, 0], [4], [1], [1]))
    c.onnx("slice-extreme-bounds", slice_([-1 << 63], [BIG], [1], [-1 << 63]), EITHER)

    four = [w.floats(n, [4], [1.0] * 4) for n in "sbmv"]
    c.onnx("control-batchnorm", single("BatchNormalization", ["x", *"sbmv"], x=picture, inits=four), ACCEPT)
    three = [*four[:3], w.floats("v", [3], [1.0] * 3)]
    c.onnx("batchnorm-variance-length", single("BatchNormalization", ["x", *"sbmv"], x=picture, inits=three))
    c.onnx("instancenorm-scale-length", single("InstanceNormalization", ["x", *"vv"], x=picture, inits=three))
    c.onnx("layernorm-axis-5", single("LayerNormalization", ["x", "s"], [i("axis", 5)], inits=four))
    c.onnx("gemm-inner", single("Gemm", ["x", "k"], inits=[w.floats("k", [5, 4], [1.0] * 20)]))
    c.onnx("gemm-rank", single("Gemm", ["x", "k"], x=picture, inits=[kernel]))
    c.onnx("depth-to-space-not-dividing", single("DepthToSpace", attrs=[i("blocksize", 3)], x=picture))
    c.onnx("depth-to-space-zero", single("DepthToSpace", attrs=[i("blocksize", 0)], x=picture))

    def resize(scales):
        return single("Resize", ["x", "", "c"], x=picture, inits=[w.floats("c", [len(scales)], scales)])

    c.onnx("resize-scale-zero", resize([1, 1, 0, 1]))
    c.onnx("resize-scale-nan", resize([1, 1, float("nan"), 1]))
    c.onnx("resize-scale-infinite", resize([1, 1, float("inf"), 1]))
    c.onnx("resize-scale-negative", resize([1, 1, -2, 1]))
    c.onnx("resize-scale-huge", resize([1, 1, 1e30, 1]))
    c.onnx("resize-scales-three", resize([1, 2, 2]))
    c.onnx(
        "resize-mode-unknown",
        single("Resize", ["x", "", "c"], [s("mode", "magic")], x=picture, inits=[w.floats("c", [4], [1.0, 1, 2, 2])]),
    )
    c.onnx("einsum-equation", single("Einsum", attrs=[s("equation", "ij->k")]))
    c.onnx("constant-without-value", w.model(w.graph([w.node("Constant", [], ["y"])], [], [Y])))
    two = [w.attr_float("value_float", 1.0), i("value_int", 1)]
    c.onnx("constant-with-two-values", w.model(w.graph([w.node("Constant", [], ["y"], two)], [], [Y])))
    filled = w.node("ConstantOfShape", ["c"], ["y"])
    for name, shape in (("huge", [1 << 40, 1 << 40]), ("negative", [-1]), ("overflow", [BIG, 3])):
        c.onnx(f"constant-of-shape-{name}", w.model(w.graph([filled], [], [Y], [w.ints("c", shape)])))


def operators(c: Corpus) -> None:
    c.onnx("operator-unknown", single("Frobnicate"))
    several = [w.node(f"Unknown{i}", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"]) for i in range(40)]
    c.onnx("operators-unknown-40", w.model(w.graph([*several, w.node("Relu", ["v40"], ["y"])], [X], [Y])))
    for name, opsets in (("imported", w.opset(17) + w.opset(1, "com.example")), ("not-imported", w.opset(17))):
        node = w.node("Relu", ["x"], ["y"], domain="com.example")
        c.onnx(f"domain-unknown-{name}", w.model(w.graph([node], [X], [Y]), opsets=opsets))
    c.onnx(
        "operator-of-later-opset",
        single("LayerNormalization", ["x", "s"], inits=[w.floats("s", [4], [1.0] * 4)], opset=13),
        EITHER,
    )
    c.onnx("arity-relu-none", single("Relu", []))
    c.onnx("arity-relu-two", single("Relu", ["x", "x"]))
    c.onnx("arity-relu-no-output", w.model(w.graph([w.node("Relu", ["x"], [])], [X], [Y])))
    c.onnx("arity-relu-two-outputs", single("Relu", outputs=("y", "z")))
    c.onnx("arity-matmul-one", single("MatMul", ["x"]))
    c.onnx("arity-add-three", single("Add", ["x", "x", "x"]))
    c.onnx("arity-conv-one", single("Conv", x=(1, 4, 8, 8)))
    c.onnx("arity-concat-none", single("Concat", [], [w.attr_int("axis", 0)]))
    c.onnx("arity-required-input-empty", single("Add", ["x", ""]))


def subgraphs(c: Corpus) -> None:
    condition = w.tensor("c", [], w.BOOL, b"\1")

    def branch(op="Relu", inputs=("x",), outputs=("z",), declared=None):
        return w.graph([w.node(op, inputs, outputs)], [], [w.value(d) for d in declared or outputs])

    def choose(then, otherwise, cond=condition) -> bytes:
        attrs = [w.attr_graph(n, g) for n, g in (("then_branch", then), ("else_branch", otherwise)) if g is not None]
        return single("If", ["c"], attrs, inits=[cond])

    c.onnx("if-else-absent", choose(branch(), None))
    c.onnx("if-output-counts-differ", choose(branch(), branch("Split", outputs=("z", "u"))))
    c.onnx("if-condition-float", choose(branch(), branch("Neg"), w.floats("c", [], [1.0])))
    c.onnx("if-branch-dangling-input", choose(branch(inputs=("gone",)), branch("Neg")))
    c.onnx("if-branch-dangling-output", choose(branch(declared=("gone",)), branch("Neg")))
    c.onnx("if-branch-captures-own-output", choose(branch(inputs=("y",)), branch("Neg")))
    c.onnx(
        "if-branch-is-int",
        single("If", ["c"], [w.attr_int("then_branch", 1), w.attr_int("else_branch", 1)], inits=[condition]),
    )
    inner = w.graph(
        [w.node("If", ["c"], ["z"], [w.attr_graph("then_branch", branch(inputs=("later",)))])], [], [w.value("z")]
    )
    c.onnx(
        "if-cycle-through-capture",
        w.model(
            w.graph(
                [
                    w.node(
                        "If", ["c"], ["v"], [w.attr_graph("then_branch", inner), w.attr_graph("else_branch", branch())]
                    ),
                    w.node("Neg", ["v"], ["later"]),
                    w.node("Relu", ["later"], ["y"]),
                ],
                [X],
                [Y],
                [condition],
            )
        ),
    )

    def loop(body) -> bytes:
        return single("Loop", ["n", "c", "x"], [w.attr_graph("body", body)], inits=[w.ints("n", [3], []), condition])

    ports = [w.value("i", [], w.INT64), w.value("k", [], w.BOOL), w.value("s", [1, 4])]
    keep = [w.node("Identity", ["k"], ["k2"]), w.node("Relu", ["s"], ["s2"])]
    c.onnx("loop-body-missing-input", loop(w.graph(keep, ports[:2], [w.value("k2", [], w.BOOL), w.value("s2")])))
    c.onnx("loop-body-missing-output", loop(w.graph(keep, ports, [w.value("k2", [], w.BOOL)])))
    c.onnx("loop-body-absent", single("Loop", ["n", "c", "x"], inits=[w.ints("n", [3], []), condition]))


def functions(c: Corpus) -> None:
    opsets = w.opset(17) + w.opset(1, "local")

    def calling(bodies, node=None) -> bytes:
        before = b"".join(w.data(25, f) for f in bodies)
        call = node or w.node("f", ["x"], ["y"], domain="local")
        return w.model(w.graph([call], [X], [Y]), opsets=opsets, before=before)

    relu = w.node("Relu", ["a"], ["r"])
    plain = w.function("f", ["a"], ["r"], [relu])

    def forward(to):
        return w.node(to, ["a"], ["r"], domain="local")

    c.onnx("control-function", calling([plain]), ACCEPT)
    c.onnx("function-calls-itself", calling([w.function("f", ["a"], ["r"], [forward("f")])]))
    c.onnx(
        "function-cycle-of-two",
        calling([w.function("f", ["a"], ["r"], [forward("g")]), w.function("g", ["a"], ["r"], [forward("f")])]),
    )
    nested = w.graph([w.node("f", ["a"], ["z"], domain="local")], [], [w.value("z")])
    through = w.node("If", ["t"], ["r"], [w.attr_graph("then_branch", nested), w.attr_graph("else_branch", nested)])
    true = w.node("Constant", [], ["t"], [w.attr_tensor("value", w.tensor("", [], w.BOOL, b"\1"))])
    c.onnx("function-cycle-through-if", calling([w.function("f", ["a"], ["r"], [true, through])]))

    def doubling(index):
        below = f"f{index - 1}"
        return [w.node(below, ["a"], ["m"], domain="local"), w.node(below, ["m"], ["r"], domain="local")]

    towers = [w.function("f0", ["a"], ["r"], [relu])]
    towers += [w.function(f"f{i}", ["a"], ["r"], doubling(i)) for i in range(1, 41)]
    c.onnx("function-exponential", calling(towers, w.node("f40", ["x"], ["y"], domain="local")))
    c.onnx("function-twice", calling([plain, w.function("f", ["a"], ["r"], [w.node("Neg", ["a"], ["r"])])]))
    c.onnx(
        "function-body-unknown-operator", calling([w.function("f", ["a"], ["r"], [w.node("Frobnicate", ["a"], ["r"])])])
    )
    c.onnx("function-body-dangling", calling([w.function("f", ["a"], ["r"], [w.node("Relu", ["gone"], ["r"])])]))
    c.onnx("function-body-captures-caller", calling([w.function("f", ["a"], ["r"], [w.node("Relu", ["x"], ["r"])])]))
    c.onnx("function-output-not-produced", calling([w.function("f", ["a"], ["gone"], [relu])]))
    c.onnx("function-too-many-inputs", calling([plain], w.node("f", ["x", "x"], ["y"], domain="local")))
    c.onnx("function-too-many-outputs", calling([plain], w.node("f", ["x"], ["y", "z"], domain="local")))
    c.onnx("function-without-opset", calling([w.function("f", ["a"], ["r"], [relu], opsets=())]), EITHER)
    c.onnx("function-unknown-opset", calling([w.function("f", ["a"], ["r"], [relu], opsets=(("", 1000),))]))
    flat = w.node("Flatten", ["a"], ["r"], [w.data(1, "axis") + w.data(21, "gone") + w.number(20, 2)])
    c.onnx("function-undeclared-attribute", calling([w.function("f", ["a"], ["r"], [flat])]), EITHER)


def build(c: Corpus) -> None:
    for part in (
        container,
        bit_flips,
        nesting,
        bombs,
        header,
        names,
        types,
        tensor_data,
        external_data,
        attributes,
        operators,
        subgraphs,
        functions,
    ):
        part(c)
