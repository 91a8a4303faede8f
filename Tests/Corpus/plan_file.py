"""Plan files taken apart and put together again with checksums that are right, so that damage gets past them.

The layout is that of `PlanFormat`, the fields are those of `plan.proto`.
"""

import struct
from dataclasses import dataclass, field

import wire

MASK = (1 << 64) - 1
PRIME = 0x9E3779B97F4A7C15
HEADER, ENTRY = 128, 64
MANIFEST, WEIGHTS = 1, 2


def mix(value: int) -> int:
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & MASK
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def checksum(data: bytes) -> int:
    """`swage_checksum`."""
    lanes = [mix(PRIME + lane) for lane in range(8)]
    padded = data + bytes(-len(data) % 64)
    for index, (word,) in enumerate(struct.iter_unpack("<Q", padded)):
        value = lanes[index % 8] ^ word
        value = (value << 29 | value >> 35) & MASK
        lanes[index % 8] = value * PRIME & MASK
    total = mix(len(data))
    for lane in lanes:
        total = mix(total ^ lane)
    return total


@dataclass
class Section:
    kind: int
    index: int
    offset: int
    length: int
    checksum: int

    def encoded(self) -> bytes:
        numbers = struct.pack("<IIQQQ", self.kind, self.index, self.offset & MASK, self.length & MASK, self.checksum)
        return numbers + bytes(ENTRY - len(numbers))


@dataclass
class PlanFile:
    """A header's fields, its table, and the bytes of each section."""

    fixed: bytes  # the first 128 bytes as they were
    sections: list[Section]
    contents: list[bytes]
    version: int = 0
    fields: dict[int, bytes] = field(default_factory=dict)  # bytes of the header to replace, by offset

    @staticmethod
    def parse(data: bytes) -> "PlanFile":
        version, _, size, count = struct.unpack_from("<IIQI", data, 8)
        if data[1:6] != b"swage" or size != len(data):
            raise ValueError("this is no plan")
        sections = [Section(*struct.unpack_from("<IIQQQ", data, HEADER + ENTRY * i)) for i in range(count)]
        plan = PlanFile(data[:HEADER], sections, [data[s.offset : s.offset + s.length] for s in sections], version)
        if plan.sealed() != data:
            raise ValueError("the plan's layout is not the one known here")
        return plan

    def header(self, size: int) -> bytes:
        """Header and table with a checksum that is right."""
        length = HEADER + ENTRY * len(self.sections)
        start = self.fixed[:8] + struct.pack("<IIQI", self.version, length, size, len(self.sections)) + self.fixed[28:]
        head = bytearray(start + b"".join(section.encoded() for section in self.sections))
        for offset, value in self.fields.items():
            head[offset : offset + len(value)] = value
        head[96:104] = bytes(8)
        head[96:104] = struct.pack("<Q", checksum(bytes(head)))
        return bytes(head)

    def sealed(self) -> bytes:
        """The whole file, its sections where the table has them."""
        size = max(s.offset + len(c) for s, c in zip(self.sections, self.contents, strict=True))
        data = bytearray(size)
        head = self.header(size)
        data[: len(head)] = head
        for section, content in zip(self.sections, self.contents, strict=True):
            data[section.offset : section.offset + len(content)] = content
        return bytes(data)

    def with_manifest(self, manifest: bytes) -> bytes:
        """The file with another manifest: everything after it moves, all checksums are right."""
        sections, contents = [], [manifest, *self.contents[1:]]
        end = HEADER + ENTRY * len(self.sections)
        for old, content in zip(self.sections, contents, strict=True):
            alignment = 4096 if old.kind in (2, 3) else 64
            offset = (end + alignment - 1) // alignment * alignment
            right = checksum(manifest) if old.kind == MANIFEST else old.checksum
            sections.append(Section(old.kind, old.index, offset, len(content), right))
            end = offset + len(content)
        return PlanFile(self.fixed, sections, contents, self.version).sealed()


def fields(message: bytes) -> list[tuple[int, int, int | bytes]]:
    """(field, wire type, value) of each field of a protobuf message."""
    at, found = 0, []

    def number() -> int:
        nonlocal at
        shift = value = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        kind = key & 7
        if kind == 0:
            value = number()
        else:
            size = {1: 8, 5: 4}.get(kind) or number()
            value = message[at : at + size]
            at += size
        found.append((key >> 3, kind, value))
    return found


def encoded(parts) -> bytes:
    out = []
    for number, kind, value in parts:
        out.append(wire.tag(number, kind))
        if kind == 0:
            out.append(wire.varint(value))
        else:
            out.append(wire.varint(len(value)) + value if kind == 2 else value)
    return b"".join(out)


def changed(message: bytes, path: list[int], change, every: bool = False) -> bytes:
    """`message` with `change` applied to the bytes of the first (or each) submessage at `path`. It must exist."""
    if not path:
        return change(message)
    parts, done = [], False
    for number, kind, value in fields(message):
        if number == path[0] and kind == 2 and (every or not done):
            try:
                value = changed(value, path[1:], change, every)
                done = True
            except LookupError:
                pass
        parts.append((number, kind, value))
    if not done:
        raise LookupError(f"no field {path}")
    return encoded(parts)


def setting(number: int, value: int | bytes | None):
    """A change that replaces all occurrences of a field by one, or removes them."""

    def change(message: bytes) -> bytes:
        parts = [p for p in fields(message) if p[0] != number]
        if value is not None:
            parts.append((number, 0 if isinstance(value, int) else 2, value))
        return encoded(parts)

    return change


def only_with(number: int, change):
    """A change of messages that have the field; the others are passed over."""

    def guarded(message: bytes) -> bytes:
        if all(p[0] != number for p in fields(message)):
            raise LookupError(f"no field {number}")
        return change(message)

    return guarded
