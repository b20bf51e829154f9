"""The formats of a bundle's JSON files, as JSON Schemas; everything written is checked by them."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator

SCHEMAS = Path(__file__).parent / "schemas"
_LEAF = {"value", "state", "origin", "reason", "as_of", "evidence", "declared_by", "law"}
_on_one_line = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


class FormatBroken(ValueError):
    """A file does not fit its own schema: a mistake in the code, found before it leaves."""


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """The validator of the format ``lex-custis/<name>/v1``."""
    return Draft202012Validator((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


def check(content: dict[str, Any]) -> None:
    """Raise :class:`FormatBroken` unless *content* fits the schema of the format it names."""
    name = str(content["format"]).removeprefix("lex-custis/").removesuffix("/v1")
    error = next(validator(name).iter_errors(content), None)
    if error is not None:
        place = "".join(f"[{step!r}]" for step in error.instance_path)
        raise FormatBroken(f"{name}: ${place}: {error.message}")


def write(content: dict[str, Any]) -> bytes:
    """JSON as every member has it: sorted, indented, a leaf a line, UTF-8, a line feed at the end.

    Raises :class:`FormatBroken` where the content does not fit its own schema.
    """
    with io.StringIO() as text:
        text.writelines(_indented(content, "\n"))
        text.write("\n")
        data = text.getvalue().encode()
    check(json.loads(data))  # what was written
    return data


def _indented(value: Any, line: str) -> Iterator[str]:
    """*value* as JSON, *line* being the line feed and indentation that it stands at."""
    deeper = f"{line}  "
    if isinstance(value, dict) and value and value.keys() != _LEAF:
        for number, key in enumerate(sorted(value)):
            yield f"{',' if number else '{'}{deeper}{_on_one_line(key)}: "
            yield from _indented(value[key], deeper)
        yield f"{line}}}"
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield f"{',' if number else '['}{deeper}"
            yield from _indented(item, deeper)
        yield f"{line}]"
    else:
        yield _on_one_line(value)
