"""Vectors for texts: what an adapter offers whose vendor has embeddings, and what comes back."""

from __future__ import annotations

import abc
import base64
import binascii
import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from llm.providers.base import Usage
from llm.providers.errors import BadResponse

# A thousand vectors of the longest kind, as text.
MAX_ANSWER_BYTES = 128 * 1024 * 1024

Vector: TypeAlias = "array[float]"


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each input, in the order of the inputs; all have the same length."""

    vectors: tuple[Vector, ...]
    usage: Usage | None = None
    model: str = ""
    upstream_id: str = ""
    location: str = ""


class Embeds(abc.ABC):
    """An adapter whose vendor makes vectors of texts."""

    @abc.abstractmethod
    async def embed(
        self, inputs: Sequence[str], *, model: str, dimensions: int | None = None
    ) -> Embeddings:
        """A vector for each of *inputs*. Raises :class:`~llm.providers.errors.ProviderError`.

        *dimensions* is the length wanted of each vector; None leaves it to the model.
        """


def vectors_of(provider: str, given: Iterable[Any], *, wanted: int) -> tuple[Vector, ...]:
    """What a vendor sent, as vectors: each is a list of numbers, or base64 of float32.

    Raises :class:`BadResponse` unless there are *wanted* of them, all finite and equally long.
    """
    vectors = tuple(_vector(provider, one) for one in given)
    if len(vectors) != wanted:
        raise BadResponse(f"{provider} sent {len(vectors)} vectors for {wanted} texts.")
    if len({len(vector) for vector in vectors}) != 1 or not len(vectors[0]):
        raise BadResponse(f"{provider} sent vectors of different lengths, or empty ones.")
    if not all(math.isfinite(sum(vector)) for vector in vectors):
        raise BadResponse(f"{provider} sent a vector that holds no numbers.")
    return vectors


def base64_of(vector: Vector) -> str:
    """The vector as OpenAI's clients read it: little-endian float32 in base64."""
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()


def _vector(provider: str, given: Any) -> Vector:
    try:
        if not isinstance(given, str):
            return array("d", given)
        floats = array("f", base64.b64decode(given, validate=True))
    except (TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise BadResponse(f"{provider} sent vectors in an unknown form.") from error
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
