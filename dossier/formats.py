"""The formats of a bundle's JSON files, as JSON Schemas; everything written is checked by them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators

SCHEMAS = Path(__file__).parent / "schemas"
_LEAF = {"value", "state", "origin", "reason", "as_of", "evidence", "declared_by", "law"}
# Numbers, moments, identifiers and hashes of one length look alike to a schema; words do not.
_DIGITS = str.maketrans("123456789", "000000000")
_HEXADECIMAL = re.compile(r"[0-9a-f]{8,}|(?<=-)[0-9a-f]{4}(?=-)")
_on_one_line = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


class FormatBroken(ValueError):
    """A file does not fit its own schema: a mistake in the code, found before it leaves."""


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """The validator of the format ``lex-custis/<name>/v1``."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def check(content: dict[str, Any]) -> None:
    """Raise :class:`FormatBroken` unless *content* fits the schema of the format it names."""
    name = str(content["format"]).removeprefix("lex-custis/").removesuffix("/v1")
    schema = validator(name).schema
    error = next(iter(_each_sort_once()(schema).iter_errors(content)), None)
    if error is not None:
        raise FormatBroken(f"{name}: {error.json_path}: {error.message}")


def write(content: dict[str, Any]) -> bytes:
    """JSON as every member has it: sorted, indented, a leaf a line, UTF-8, a line feed at the end.

    Raises :class:`FormatBroken` where the content does not fit its own schema.
    """
    check(content)
    return f"{_indented(content, chr(10))}\n".encode()


def _indented(value: Any, line: str) -> str:
    """*value* as JSON, *line* being the line feed and indentation that it stands at."""
    deeper = f"{line}  "
    if isinstance(value, dict) and value and value.keys() != _LEAF:
        parts = (
            f"{deeper}{_on_one_line(key)}: {_indented(value[key], deeper)}" for key in sorted(value)
        )
        return f"{{{','.join(parts)}{line}}}"
    if isinstance(value, list) and value:
        return f"[{','.join(deeper + _indented(item, deeper) for item in value)}{line}]"
    return _on_one_line(value)


def _each_sort_once() -> Any:
    """The validator, except that it looks at one only of leaves, and of items, that are alike."""
    seen: set[tuple[str, str]] = set()
    follow_items = Draft202012Validator.VALIDATORS["items"]
    follow_reference = Draft202012Validator.VALIDATORS["$ref"]

    def is_new(place: str, instance: Any) -> bool:
        text = _HEXADECIMAL.sub(lambda found: "0" * len(found[0]), _on_one_line(instance))
        likeness = text.translate(_DIGITS)
        count = len(seen)
        seen.add((place, likeness))
        return len(seen) > count

    def items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, list):
            place = str(id(items))
            instance = [item for item in instance if is_new(place, item)]
        yield from follow_items(validator, items, instance, schema) or ()

    def reference(validator: Any, ref: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if ref != "#/$defs/leaf" or is_new(ref, instance):
            yield from follow_reference(validator, ref, instance, schema) or ()

    extend: Any = validators.extend  # the library's own types leave it out
    return extend(Draft202012Validator, {"items": items, "$ref": reference})
