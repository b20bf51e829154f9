"""The formats of a bundle's JSON files, as JSON Schemas; everything written is checked by them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators

SCHEMAS = Path(__file__).parent / "schemas"


class FormatBroken(ValueError):
    """A file does not fit its own schema: a mistake in the code, found before it leaves."""


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """The validator of the format ``lex-custis/<name>/v1``."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(content: dict[str, Any]) -> None:
    """Raise :class:`FormatBroken` unless *content* fits the schema of the format it names."""
    name = str(content["format"]).removeprefix("lex-custis/").removesuffix("/v1")
    schema = validator(name).schema
    error = next(iter(_each_leaf_once()(schema).iter_errors(content)), None)
    if error is not None:
        raise FormatBroken(f"{name}: {error.json_path}: {error.message}")


def _each_leaf_once() -> Any:
    """The validator, except that it does not look at equal leaves again: most are alike."""
    good: set[str] = set()
    follow = Draft202012Validator.VALIDATORS["$ref"]

    def reference(validator: Any, ref: Any, instance: Any, schema: Any) -> Iterator[Any]:
        leaf = json.dumps(instance) if ref == "#/$defs/leaf" else None
        if leaf is not None and leaf in good:
            return
        errors = list(follow(validator, ref, instance, schema) or ())
        if leaf is not None and not errors:
            good.add(leaf)
        yield from errors

    extend: Any = validators.extend  # the library's own types leave it out
    return extend(Draft202012Validator, {"$ref": reference})
