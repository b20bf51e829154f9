"""What there is to translate, and the catalogues under ``locale/`` made of it.

No external program takes part: whoever installs this software with pip alone can make the
catalogues anew. ``manage.py dossier_messages`` does.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.template import Engine
from django.template.base import Node
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from dossier.catalogue import CATALOGUE
from dossier.languages import Language
from dossier.law import LAW_TITLE, LAW_VERSION, Name, facts, file_of
from dossier.leaves import State
from dossier.ledger_words import SENTENCES
from orgs.roles import Role

BASE = Path(settings.BASE_DIR)
DOMAIN = "django"
_NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)
TRANSLATED = tuple(language for language in Language if language is not Language.ENGLISH)
# Modules whose every text is printed. Elsewhere only what stands in phrase() or gettext() is.
WRITERS = (
    "dossier/sections",
    "dossier/comparison.py",
    "dossier/composition.py",
    "dossier/integrity.py",
)
SPEAKERS = (
    "dossier/bundle.py",
    "dossier/charts.py",
    "dossier/law.py",
    "dossier/lawbook.py",
    "dossier/leaves.py",
    "dossier/printing.py",
    "dossier/rendering.py",
    "dossier/seal.py",
    "dossier/summary.py",
    "dossier/upstream_file.py",
)
TEMPLATES = ("templates/dossier/pdf.html", "templates/dossier/readme.txt")
_MARKS = frozenset({"phrase", "gettext", "gettext_lazy", "_"})
_WORDS = re.compile(r"[A-Za-zÀ-ÿ]{2,}[,;:.]? +\S|^[A-Z][a-z]+[ .]?$")
# Articles as manifests name them; paper says them through one message for each act.
_ARTICLE = re.compile(
    r"(AI Act|GDPR|eIDAS|Annex [IVX]+|Guidelines C\(\d+\) \d+,) ?(?![A-Z]rt)\S*( \d.*)?"
)
# Arguments that are written for programs, not for people.
_SILENT = frozenset({"over", "method", "input_range"})


def sources() -> dict[str, list[str]]:
    """Every message, with the places it comes from, in the order of the paper."""
    found: dict[str, list[str]] = {}
    for place, text in (*_in_templates(), *_in_modules(), *_in_data()):
        places = found.setdefault(text, [])
        if place not in places:
            places.append(place)
    return found


# -- Where messages stand --------------------------------------------------------------------------


def _in_modules() -> Iterator[tuple[str, str]]:
    for name in (*WRITERS, *SPEAKERS):
        path = BASE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            place = file.relative_to(BASE).as_posix()
            for text in texts(file.read_text(encoding="utf-8"), every=name in WRITERS):
                yield place, text


def texts(source: str, *, every: bool) -> Iterator[str]:
    """The messages of a module: those marked; with *every*, all that reads like words."""
    tree = ast.parse(source)
    silent = _silent(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in _MARKS and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
        if not every or not isinstance(node, ast.Constant) or id(node) in silent:
            continue
        if isinstance(node.value, str) and _is_message(node.value):
            yield node.value


def _is_message(text: str) -> bool:
    return bool(_WORDS.search(text)) and not _ARTICLE.fullmatch(text)


def broken_sentences(source: str) -> list[tuple[int, str]]:
    """Sentences with something in them that no language but English could say: f-strings.

    Line and text of each. They are to be phrases.
    """
    tree = ast.parse(source)
    silent = _silent(tree)
    return [
        (node.lineno, ast.unparse(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and id(node) not in silent
        and any(
            isinstance(part, ast.Constant) and re.search("[A-Za-z]{2,}", str(part.value))
            for part in node.values
        )
    ]


def _silent(tree: ast.AST) -> set[int]:
    """Nodes that nobody reads on paper: docstrings, errors, names for programs."""
    found: set[int] = set()
    for node in ast.walk(tree):
        part = _silent_part(node)
        if part is not None:
            found |= {id(inner) for inner in ast.walk(part)}
    return found


def _silent_part(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return node.value
        case ast.Raise() | ast.Assert() | ast.Subscript():
            return node
        case ast.keyword() if node.arg in _SILENT:
            return node.value
        case ast.JoinedStr():  # its pieces are no messages; see broken_sentences
            return _without_itself(node)
        case ast.Dict() if any(
            isinstance(k, ast.Constant) and k.value == "type" for k in node.keys
        ):
            return node  # evidence: it stands in manifests alone
    return None


def _without_itself(joined: ast.JoinedStr) -> ast.AST:
    return ast.Tuple([part for part in joined.values if isinstance(part, ast.Constant)])


def _name(function: ast.expr) -> str:
    return str(getattr(function, "id", "") or getattr(function, "attr", ""))


def _in_templates() -> Iterator[tuple[str, str]]:
    for name in TEMPLATES:
        template = Engine.get_default().from_string((BASE / name).read_text(encoding="utf-8"))
        for node in template.nodelist.get_nodes_by_type(Node):
            if isinstance(node, TranslateNode):
                yield name, str(node.filter_expression.var.literal)
            elif isinstance(node, BlockTranslateNode):
                yield name, _of_block(node)


def _of_block(node: Any) -> str:
    text, _names = node.render_token_list(node.singular)
    return " ".join(text.split()) if node.trimmed else str(text)


def _in_data() -> Iterator[tuple[str, str]]:
    for item in CATALOGUE.values():
        yield "dossier/catalogue.py", item.label
        yield "dossier/catalogue.py", item.missing
        for choice in item.choices:
            yield "dossier/catalogue.py", choice
    for file, fields in FACT_TEXTS.items():
        for row in facts(file).rows:
            for field in fields:
                if row.get(field):
                    yield (
                        file_of(file).relative_to(BASE).as_posix(),
                        str(row[field]).replace("_", " "),
                    )
    upstream = facts("upstream").content
    # Names of makers and clouds are names; what else stands in their place is in our own words.
    said = [row["name"] for row in upstream["hosts"] if row["level"] in ("own", "settings")]
    for text in (*said, *(row["reason"] for row in upstream["not_models"])):
        yield "dossier/facts/upstream.json", str(text)
    for sentence in (*SENTENCES, LAW_TITLE, LAW_VERSION, *REGIONS, *Role.labels):
        yield "dossier/law.py", str(sentence)
    for state in State:
        yield "dossier/leaves.py", state.value


# What our own words in the files of facts are. What they quote stays in its language.
REGIONS = ("EU", "US", "self-hosted", "unknown")
FACT_TEXTS: Mapping[Name, tuple[str, ...]] = {
    "obligations": ("duty",),
    "annex_xii": ("title",),
    "incident_clocks": ("case", "trigger"),
    "sources": ("title",),
}


# -- Catalogues ------------------------------------------------------------------------------------


def catalogue_path(language: Language) -> Path:
    """The ``.po`` file of *language*; the ``.mo`` file lies beside it."""
    return BASE / "locale" / language.value / "LC_MESSAGES" / f"{DOMAIN}.po"


def read(language: Language) -> Catalog:
    """The catalogue of *language* as it is stored."""
    with catalogue_path(language).open("rb") as file:
        return read_po(file, locale=language.value, domain=DOMAIN)


def merge(language: Language) -> Catalog:
    """The catalogue of *language* with today's messages: what is gone goes, nothing is guessed."""
    path = catalogue_path(language)
    before = read(language) if path.exists() else Catalog(language.value)
    merged = Catalog(
        language.value,
        domain=DOMAIN,
        project="Lex Custis",
        version="1",
        header_comment=f"# {language.label}: the paper of dossiers. Made by manage.py "
        "dossier_messages.",
        fuzzy=False,
    )
    for text, places in sources().items():
        known = before.get(text)
        merged.add(text, known.string if known else "", locations=[(name, 0) for name in places])
    return merged


def po(catalogue: Catalog) -> bytes:
    """A catalogue as a ``.po`` file, the same bytes for the same content."""
    out = io.BytesIO()
    write_po(out, catalogue, width=100, include_lineno=False, sort_output=False)
    text = out.getvalue().decode()
    return re.sub(
        r'^"(POT-Creation-Date|PO-Revision-Date|Generated-By|Report-Msgid-Bugs-To|'
        r"Last-Translator|Language-Team):.*\n",
        "",
        text,
        flags=re.MULTILINE,
    ).encode()


def mo(catalogue: Catalog) -> bytes:
    """A catalogue as a ``.mo`` file; it holds no date, so the same content gives the same bytes."""
    catalogue.creation_date = catalogue.revision_date = _NO_DATE
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def write(language: Language) -> list[str]:
    """Store the catalogue of *language*, both files; returns what is not translated yet."""
    path = catalogue_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(po(merge(language)))
    path.with_suffix(".mo").write_bytes(mo(read(language)))
    return [str(message.id) for message in read(language) if message.id and not message.string]
