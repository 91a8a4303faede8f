"""Reads PNG files of 8-bit RGB by the specification (W3C PNG, third edition), apart from the library that swage writes with."""

import struct
import zlib
from pathlib import Path

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Pixels, u8 [height, width, 3], and the texts by keyword. Fails where a checksum or a length is wrong."""
    data = path.read_bytes()
    assert data.startswith(SIGNATURE), f"{path}: no PNG file"
    header, texts, packed, place = b"", {}, b"", len(SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, place + 8 + length)
        assert checksum == zlib.crc32(kind + content), f"{path}: checksum of {kind}"
        place += 12 + length
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            packed += content
        elif kind in (b"tEXt", b"iTXt"):
            keyword, text = read_text(kind, content)
            texts[keyword] = text
    width, height, *form = struct.unpack(">IIBBBBB", header)
    assert form == [8, 2, 0, 0, 0], f"{path}: bit depth, colour type and so on {form}"
    return unfiltered(zlib.decompress(packed), width, height), texts


def read_text(kind: bytes, content: bytes) -> tuple[str, str]:
    keyword, rest = content.split(b"\0", 1)
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    is_packed, rest = rest[0], rest[2:]
    _language, _translated, text = rest.split(b"\0", 2)
    return keyword.decode("latin-1"), (zlib.decompress(text) if is_packed else text).decode("utf-8")


def unfiltered(data: bytes, width: int, height: int) -> np.ndarray:
    lines = np.frombuffer(data, np.uint8).reshape(height, 1 + 3 * width)
    result = np.zeros((height + 1, 3 * width), np.uint8)  # a line of zeros comes first
    for y in range(height):
        kind, line, above = lines[y, 0], lines[y, 1:], result[y]
        if kind == 0:
            result[y + 1] = line
        elif kind == 1:
            result[y + 1] = line.reshape(-1, 3).cumsum(axis=0, dtype=np.uint8).reshape(-1)
        elif kind == 2:
            result[y + 1] = line + above
        else:
            result[y + 1] = with_neighbours(average if kind == 3 else paeth, line.tolist(), above.tolist())
    return result[1:].reshape(height, width, 3)


def with_neighbours(guess, line: list[int], above: list[int]) -> list[int]:
    """Each byte is the difference from what three decoded neighbours let expect."""
    done: list[int] = []
    for x, difference in enumerate(line):
        left, corner = (done[x - 3], above[x - 3]) if x >= 3 else (0, 0)
        done.append((difference + guess(left, above[x], corner)) & 255)
    return done


def average(left: int, above: int, _corner: int) -> int:
    return (left + above) // 2


def paeth(left: int, above: int, corner: int) -> int:
    to_left, to_above, to_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    if to_left <= to_above and to_left <= to_corner:
        return left
    return above if to_above <= to_corner else corner
