"""Amazon's binary event stream (``application/vnd.amazon.eventstream``), from bytes.

A frame is: total length (4 bytes), length of the headers (4), CRC-32 of those eight (4), headers,
payload, CRC-32 of everything before (4), all big endian. A header is a name (1 byte of length),
a type (1 byte) and a value; we read the strings (type 7) and pass over the others by their size.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from llm.providers.errors import BadResponse
from llm.providers.framing import MAX_EVENT_BYTES, too_large

_PRELUDE = 12
_SMALLEST = _PRELUDE + 4
_STRING = 7
# Bytes of a value by its type; strings and byte arrays (6, 7) begin with two bytes of length.
_SIZES: Mapping[int, int] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


@dataclass(frozen=True, slots=True)
class Frame:
    """One event: its string headers and its payload."""

    headers: Mapping[str, str]
    payload: bytes


class EventStream:
    """Frames, however the bytes are cut. Both checksums must be right."""

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that *piece* completes."""
        self._buffer += piece
        frames = []
        while len(self._buffer) >= _PRELUDE:
            length = int.from_bytes(self._buffer[:4], "big")
            if not _SMALLEST <= length <= self._limit:
                raise too_large(self._limit) if length > self._limit else _damaged()
            if zlib.crc32(self._buffer[:8]) != int.from_bytes(self._buffer[8:12], "big"):
                raise _damaged()
            if len(self._buffer) < length:
                break
            frames.append(_frame(bytes(self._buffer[:length])))
            del self._buffer[:length]
        return frames

    def finish(self) -> list[Frame]:
        """Nothing: a frame that is not whole is dropped, and the answer is not whole either."""
        return []


def _frame(data: bytes) -> Frame:
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise _damaged()
    end = _PRELUDE + int.from_bytes(data[4:8], "big")
    if end > len(data) - 4:
        raise _damaged()
    return Frame(_headers(data[_PRELUDE:end]), data[end:-4])


def _headers(data: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name, kind = data[at + 1 : name_end].decode(), data[name_end]
            at = name_end + 1
            if kind in _SIZES:
                at += _SIZES[kind]
                continue
            size = int.from_bytes(data[at : at + 2], "big")
            value = data[at + 2 : at + 2 + size]
            if kind > _STRING or len(value) != size:
                raise _damaged()
            if kind == _STRING:
                headers[name] = value.decode()
            at += 2 + size
    except (IndexError, UnicodeDecodeError) as error:
        raise _damaged() from error
    return headers


def _damaged() -> BadResponse:
    return BadResponse("The provider sent a damaged event: its checksum or length is wrong.")
