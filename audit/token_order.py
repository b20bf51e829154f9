"""Bringing the certificates of a time stamp into the order that DER asks for.

Authorities (OpenSSL's among them) write the set of certificates in whatever order they like, and
the parser refuses a set that is not sorted. The set is covered by no signature, so sorting a copy
for the parser changes nothing that was signed; what is stored stays as it came.
"""

from __future__ import annotations

from dataclasses import dataclass

_CERTIFICATES = 0xA0


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of DER: its tag, where it starts, where its content starts, where it ends."""

    tag: int
    start: int
    content: int
    end: int


def with_sorted_certificates(response: bytes) -> bytes:
    """A ``TimeStampResp`` with its certificates in order; anything else as it is.

    RFC 3161 section 2.4.2 and RFC 5652 section 5.1: response, its second element (the token), the
    token's content, ``SignedData``, and in that the element tagged [0].
    """
    try:
        outer = _children(response, _element(response, 0))
        token = _children(response, outer[1])
        signed = _children(response, _children(response, token[1])[0])
        bag = next(element for element in signed[3:] if element.tag == _CERTIFICATES)
        certificates = [response[it.start : it.end] for it in _children(response, bag)]
    except (IndexError, StopIteration, ValueError):
        return response
    return response[: bag.content] + b"".join(sorted(certificates)) + response[bag.end :]


def _children(data: bytes, parent: _Element) -> list[_Element]:
    children = []
    place = parent.content
    while place < parent.end:
        child = _element(data, place)
        if child.end > parent.end:
            raise ValueError("An element ends outside of the one it is in.")
        children.append(child)
        place = child.end
    return children


def _element(data: bytes, start: int) -> _Element:
    first = data[start + 1]
    content = start + 2
    if first < 0x80:
        length = first
    else:
        size = first & 0x7F
        if not 1 <= size <= 4:
            raise ValueError("The length is not one of DER.")
        length = int.from_bytes(data[content : content + size], "big")
        content += size
    if content + length > len(data):
        raise ValueError("The element is cut off.")
    return _Element(data[start], start, content, content + length)
