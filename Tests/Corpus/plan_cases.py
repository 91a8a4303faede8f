"""Damaged plan files, from a valid one."""

import random
import struct
from dataclasses import replace

import plan_file as p
import wire
from corpus import ACCEPT, Corpus

FAR = 0xFFFFFFFF


def build(c: Corpus, plan: bytes) -> None:
    c.plan("control-plan", plan, expect=ACCEPT)
    c.plan("control-plan-inspected", plan, "inspect", ACCEPT)
    containers(c, plan)
    flips(c, plan)
    parsed = p.PlanFile.parse(plan)
    headers(c, parsed)
    tables(c, parsed)
    manifests(c, parsed)


def containers(c: Corpus, plan: bytes) -> None:
    size = len(plan)
    c.plan("empty", b"")
    c.plan("one-byte", plan[:1])
    c.plan("zeros", bytes(4096))
    c.plan("random", random.Random(5).randbytes(4096))
    c.plan("text", b"a plan of my own\n" * 100)
    c.plan("elf", b"\x7fELF\x02\x01\x01" + bytes(4000))
    c.plan("all-ones-after-magic", plan[:8] + b"\xff" * 4088)
    c.plan("magic", b"X" + plan[1:])
    c.plan("magic-text-transfer", plan.replace(b"\r\n", b"\n", 1))
    c.plan("header-only", plan[: p.HEADER])
    c.plan("header-then-zeros", plan[: p.HEADER] + bytes(size - p.HEADER))
    c.plan("trailing-byte", plan + b"\0")
    c.plan("trailing-page", plan + bytes(4096))
    c.plan("twice", plan + plan)
    c.plan("shifted-by-one", b"\0" + plan)
    c.plan("bytes-swapped", b"".join(plan[i : i + 8][::-1] for i in range(0, 64, 8)) + plan[64:])
    for i in range(16):
        at = 2 + (size - 3) * i // 15
        c.plan(f"truncated-at-{at}", plan[:at])
    c.plan("truncated-inspected", plan[: size // 2], "inspect")


def flips(c: Corpus, plan: bytes) -> None:
    """Bits changed without a new checksum: each must be noticed, wherever it is."""

    def flipped(at: int, bit: int) -> bytes:
        return plan[:at] + bytes([plan[at] ^ 1 << bit]) + plan[at + 1 :]

    for at in range(8, p.HEADER, 8):
        c.plan(f"flip-header-{at}", flipped(at, 0))
    draw, size = random.Random(11), len(plan)
    for i in range(64):
        at = size * i // 64 + draw.randrange(max(1, size // 64))
        c.plan(f"flip-at-{at}", flipped(min(at, size - 1), draw.randrange(8)))
    c.plan("flip-last-byte", flipped(size - 1, 0))
    c.plan("flip-inspected", flipped(size // 2, 3), "inspect")


def headers(c: Corpus, plan: p.PlanFile) -> None:
    """Header fields that are wrong under a checksum that is right."""
    c.plan("checksum-zero", plan.sealed()[:96] + bytes(8) + plan.sealed()[104:])
    for name, version in (("0", 0), ("plus-1", plan.version + 1), ("max", FAR)):
        c.plan(f"version-{name}", replace(plan, version=version).sealed())
        c.plan(f"version-{name}-inspected", replace(plan, version=version).sealed(), "inspect")
    for name, at, value in (
        ("header-bytes-0", 12, struct.pack("<I", 0)),
        ("header-bytes-max", 12, struct.pack("<I", FAR)),
        ("file-bytes-0", 16, bytes(8)),
        ("file-bytes-max", 16, b"\xff" * 8),
        ("sections-0", 24, struct.pack("<I", 0)),
        ("sections-max", 24, struct.pack("<I", FAR)),
        ("reserved", 28, b"\1"),
        ("reserved-end", 120, b"\1"),
    ):
        c.plan(f"header-{name}", replace(plan, fields={at: value}).sealed())
    c.plan("endianness", replace(plan, fields={8: plan.fixed[8:12][::-1], 24: plan.fixed[24:28][::-1]}).sealed())
    tag = plan.fixed[64:96]
    c.plan("trust-tag-flipped", replace(plan, fields={64: bytes([tag[0] ^ 1])}).sealed())
    c.plan("trust-tag-ones", replace(plan, fields={64: b"\xff" * 32}).sealed())


def tables(c: Corpus, plan: p.PlanFile) -> None:
    """Sections in wrong places under a checksum that is right. Only the header changes; the rest stays where it was."""
    whole = plan.sealed()

    def table(which: int, **changes) -> bytes:
        sections = [replace(s, **changes) if i == which else s for i, s in enumerate(plan.sections)]
        head = replace(plan, sections=sections).header(len(whole))
        return head + whole[len(head) :]

    manifest, weights = plan.sections[:2]
    c.plan("section-kind-unknown", table(0, kind=77))
    c.plan("section-kind-0", table(1, kind=0))
    c.plan("section-twice", table(1, kind=p.MANIFEST))
    c.plan("sections-swapped", table(0, kind=p.WEIGHTS))
    c.plan("section-index", table(0, index=1))
    c.plan("section-in-header", table(0, offset=0))
    c.plan("section-past-end", table(1, offset=len(whole) + 4096))
    c.plan("section-offset-max", table(1, offset=-1))
    c.plan("section-end-overflows", table(1, offset=(1 << 63) - 4096, length=1 << 62))
    c.plan("section-misaligned", table(1, offset=weights.offset + 8))
    c.plan("section-overlaps", table(1, offset=manifest.offset))
    c.plan("section-length-max", table(1, length=-1))
    c.plan("section-length-plus-1", table(0, length=manifest.length + 1))
    c.plan("section-length-0", table(0, length=0))
    c.plan("section-checksum", table(0, checksum=manifest.checksum ^ 1))
    c.plan("weights-checksum", table(1, checksum=weights.checksum ^ 1))


def manifests(c: Corpus, plan: p.PlanFile) -> None:
    """Manifests that break a rule under checksums that are right."""
    good = plan.contents[0]
    entry, value, buffer, instruction = [6], [6, 4], [6, 5], [6, 9]
    blob, weight = [3], [4]

    def case(name: str, manifest: bytes) -> None:
        if manifest == good:
            raise ValueError(f"{name} changes nothing")
        c.plan(f"manifest-{name}", plan.with_manifest(manifest))

    def change(name: str, path, what, every=False) -> None:
        case(name, p.changed(good, path, what, every))

    case("empty", b"")
    case("random", random.Random(6).randbytes(500))
    case("cut", good[:-1])
    case("wire-type-7", good + b"\x0f")
    case("provenance-absent", encoded_without(good, 1))
    case("entry-points-absent", encoded_without(good, 6))
    case("weights-absent", encoded_without(good, 4))
    case("blobs-absent", encoded_without(good, 3))
    first_entry = next(v for n, _, v in p.fields(good) if n == 6)
    case("entry-point-twice", good + wire.data(6, first_entry))
    case("bomb-values", p.changed(good, entry, lambda m: m + b"\x22\x00" * 400_000))
    case("bomb-instructions", p.changed(good, entry, lambda m: m + b"\x4a\x00" * 400_000))

    change("blob-offset-max", blob, p.setting(1, (1 << 64) - 1))
    change("blob-offset-misplaced", blob, p.setting(1, 1 << 40))
    change("blob-length-max", blob, p.setting(2, (1 << 64) - 1))
    change("blob-checksum-absent", blob, p.setting(3, None))
    change("weight-blob", weight, p.setting(4, FAR))
    change("weight-type-unknown", weight, p.setting(2, 9999))
    change("weight-type-other", weight, p.setting(2, 11))
    change("weight-shape-overflow", weight, p.setting(3, wire.varint(1 << 62) * 3))
    change("weight-shape-differs", weight, p.setting(3, wire.varint(3)))
    change("weight-name-not-utf8", weight, p.setting(1, b"w\xff"))
    change("weight-name-nul", weight, p.setting(1, b"w\0"))

    change("size-text", entry, p.setting(3, b"batch +"))
    change("size-symbol-unknown", entry, lambda m: m + wire.data(3, "nothing*2"))
    change("size-nested", entry, lambda m: m + wire.data(3, "(" * 500_000))
    change("size-2e64", entry, lambda m: m + wire.data(3, "18446744073709551616"))
    change("symbols-twice", entry, lambda m: m + wire.data(2, "s") * 2)
    change("symbol-name-empty", entry, lambda m: m + wire.data(2, ""))

    change("value-place-unknown", value, p.setting(4, 9))
    change("value-index", value, p.setting(5, FAR))
    change("value-size-id", value, p.setting(3, wire.varint(FAR)))
    change("value-type-unknown", value, p.setting(2, 9999))
    change("value-type-0", value, p.setting(2, 0))
    change("value-view-of", value, p.setting(7, FAR))
    change("value-view-of-itself", value, p.setting(7, 1))

    change("buffer-placement-unknown", buffer, p.setting(2, 9))
    change("buffer-size-id", buffer, p.setting(1, FAR))
    change("buffer-all-at-0", buffer, lambda m: p.setting(3, None)(p.setting(2, 0)(m)), every=True)
    change("buffer-offset-2e63", buffer, lambda m: p.setting(3, 1 << 63)(p.setting(2, 0)(m)))
    change("buffer-offset-overflow", buffer, lambda m: p.setting(3, (1 << 63) - 64)(p.setting(2, 0)(m)))
    change("buffer-offset-misaligned", buffer, lambda m: p.setting(3, 1)(p.setting(2, 0)(m)))
    change("buffer-life-backwards", buffer, lambda m: p.setting(5, 0)(p.setting(4, 1 << 20)(m)))
    change("buffer-life-of-one", buffer, lambda m: p.setting(5, 0)(p.setting(4, 0)(m)), every=True)

    change("input-value", [6, 7], p.setting(2, FAR))
    change("input-name-empty", [6, 7], p.setting(1, b""))
    change("inputs-absent", entry, p.setting(7, None))
    change("output-value", [6, 8], p.setting(2, FAR))
    change("output-names-equal", [6, 8], p.setting(1, b"same"), every=True)

    change("instructions-absent", entry, p.setting(9, None))
    change("instructions-reversed", entry, reversed_instructions)
    change("operand-past-end", instruction, p.only_with(1, p.setting(1, wire.varint(FAR))))
    change("operands-absent", instruction, p.only_with(1, p.setting(1, None)), every=True)
    change("result-past-end", instruction, p.only_with(2, p.setting(2, wire.varint(FAR))))
    change("operation-absent", instruction, lambda m: p.encoded([f for f in p.fields(m) if f[0] < 20]))
    change("operations-two", instruction, lambda m: m + wire.data(24, b"") + wire.data(27, b""))
    change(
        "conditional-past-end",
        instruction,
        lambda m: p.encoded([f for f in p.fields(m) if f[0] < 20])
        + wire.data(26, wire.number(1, FAR) + wire.number(2, FAR)),
    )
    change(
        "device-unknown",
        instruction,
        lambda m: p.encoded([f for f in p.fields(m) if f[0] < 20]) + wire.data(23, wire.data(1, "teapot")),
    )
    change("kernel-module", [*instruction, 20], p.setting(1, FAR))
    change("kernel-function-unknown", [*instruction, 20], p.setting(2, b"system"))
    change("kernel-function-empty", [*instruction, 20], p.setting(2, b""))
    change("kernel-range", [*instruction, 20], p.setting(4, FAR))
    change("kernel-size-id", [*instruction, 20], p.setting(3, wire.varint(FAR)))
    change("flops-size-id", instruction, p.setting(6, FAR))
    change("symbol-definition", instruction, lambda m: m + wire.data(3, wire.number(1, FAR)))
    change("in-place-pair", instruction, lambda m: m + wire.data(8, wire.number(1, FAR) + wire.number(2, FAR)))
    change("host-other-architecture", [2], p.setting(1, b"vax"))
    change("host-feature-unknown", [2], lambda m: m + wire.data(2, "flux_capacitor"))


def encoded_without(message: bytes, number: int) -> bytes:
    return p.encoded([f for f in p.fields(message) if f[0] != number])


def reversed_instructions(message: bytes) -> bytes:
    parts = p.fields(message)
    return p.encoded([f for f in parts if f[0] != 9] + [f for f in reversed(parts) if f[0] == 9])
