"""What the simulated model says: Markdown about the question, made from the question alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

_WORD = re.compile(r"[^\W\d_][\w'-]{3,}")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_COMMON = frozenset(
    """
    about above after again against also although always among another answer anything because
    been before being below between both cannot come could create does doing done down draft each
    either else even ever every example explain first following from give have having hello help
    here here's into just keep know like list made make many might more most much must need never
    next only other ours over please same shall short should show since some such take tell text
    than thank thanks that their them then there these they thing this those three through told
    under until upon used using very want well were what when where which while will with within
    without word words would write your yours
    """.split()  # noqa: SIM905 - a list of eighty quoted words reads worse
)
_MAGIC = re.compile(r"\[\[\w+\]\]")

_CODE = re.compile(
    r"\b(code|python|function|script|sql|query|program|regex|class)\b", re.IGNORECASE
)
_SHORTEN = re.compile(r"\b(summari[sz]e|summary|shorten|tl;?dr|key points)\b", re.IGNORECASE)
_LETTER = re.compile(r"\b(e-?mail|letter|message|reply|announcement)\b", re.IGNORECASE)
_TABLE = re.compile(r"\b(table|compare|comparison|versus|vs|pros|cons|difference)\b", re.IGNORECASE)
_GREETING = re.compile(r"\s*(hi|hello|hey|good (morning|afternoon|evening))\b", re.IGNORECASE)

_NOTE = (
    "*This is the simulated model: it runs on this machine and knows nothing. Check everything.*"
)


def answer_to(prompt: str, *, turn: int = 1, brief: bool = False) -> str:
    """An answer in Markdown. The same prompt and turn get the same answer."""
    prompt = _MAGIC.sub("", prompt).strip()
    topics = _topics(prompt)
    choose = _chooser(f"{turn}\n{prompt}")
    if _GREETING.match(prompt) and len(prompt) < 40:
        return f"Hello! What would you like to work on?\n\n{_NOTE}"
    parts = [_opening(topics, choose, turn)]
    if _SHORTEN.search(prompt):
        parts.append(_summary(prompt))
    elif _CODE.search(prompt):
        parts.append(_code(topics))
    elif _LETTER.search(prompt):
        parts.append(_letter(topics))
    elif _TABLE.search(prompt):
        parts.append(_table(topics, choose))
    else:
        parts += [_points(topics, choose)]
        if not brief:
            parts += [_table(topics, choose), _code(topics)]
    parts.append(_NOTE)
    return "\n\n".join(parts)


def value_for(schema: Mapping[str, Any]) -> Any:
    """The simplest value that follows a JSON Schema of the usual kind."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            return value_for(schema[name][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        return {name: value_for(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [value_for(schema.get("items", {}))] * max(1, int(schema.get("minItems", 1)))
    number = schema.get("minimum", 1)
    plain: dict[str, Any] = {
        "integer": int(number),
        "number": float(number),
        "boolean": True,
        "null": None,
    }
    return plain.get(kind, "simulated")


def _topics(prompt: str) -> list[str]:
    counts: dict[str, int] = {}
    for word in _WORD.findall(prompt[:4000]):
        if word.lower() not in _COMMON:
            counts[word.lower()] = counts.get(word.lower(), 0) + 1
    found = sorted(counts, key=lambda word: (-counts[word], -len(word), word))[:4]
    return [*found, *["the question", "the context", "the next step"][: max(0, 3 - len(found))]]


def _chooser(seed: str) -> Any:
    digest = hashlib.sha256(seed.encode()).digest()
    position = -1

    def choose(options: list[str]) -> str:
        nonlocal position
        position = (position + 1) % len(digest)
        return options[digest[position] % len(options)]

    return choose


def _opening(topics: list[str], choose: Callable[[list[str]], str], turn: int) -> str:
    subject = f"**{topics[0]}** and **{topics[1]}**"
    if turn > 1:
        return choose(
            [
                f"To go on from there, with {subject}:",
                f"Good follow-up. What changes for {subject}:",
            ]
        )
    return choose(
        [
            f"Here is a first look at {subject}.",
            f"Let us take {subject} one at a time.",
            f"In short: {subject} belong together, and the order matters.",
        ]
    )


def _points(topics: list[str], choose: Any) -> str:
    verbs = ["Clarify", "Write down", "Agree on", "Check", "Measure"]
    lines = [f"1. {choose(verbs)} what **{topics[0]}** means for the people concerned."]
    lines += [f"1. {choose(verbs)} how {topic} is handled today." for topic in topics[1:3]]
    lines.append("1. Decide who looks at the result, and when.")
    return "## What to do\n\n" + "\n".join(lines)


def _table(topics: list[str], choose: Any) -> str:
    levels = ["low", "medium", "high"]
    rows = [
        f"| {topic.capitalize()} | {choose(levels)} | {choose(levels)} |" for topic in topics[:3]
    ]
    head = "| Aspect | Effort | Benefit |\n| --- | --- | --- |\n"
    return "## At a glance\n\n" + head + "\n".join(rows)


def _code(topics: list[str]) -> str:
    name = re.sub(r"\W+", "_", topics[0]).strip("_") or "question"
    return (
        "## In code\n\n```python\n"
        f"def check_{name}(items: list[str]) -> list[str]:\n"
        f'    """Return the items that mention {topics[0]}."""\n'
        f'    return [item for item in items if "{topics[0]}" in item.lower()]\n'
        "```"
    )


def _letter(topics: list[str]) -> str:
    return (
        f"> **Subject:** {topics[0].capitalize()} and {topics[1]}\n>\n"
        "> Dear colleagues,\n>\n"
        f"> I would like to settle {topics[0]} with you this week. Please send me what you have "
        f"on {topics[1]} by Thursday; I will bring it together and propose {topics[2]}.\n>\n"
        "> With kind regards"
    )


def _summary(prompt: str) -> str:
    sentences = [s.strip() for s in _SENTENCE.split(prompt) if len(s.split()) > 3]
    chosen = sentences[1:6] or sentences
    lines = [f"- {' '.join(sentence.split()[:18])}" for sentence in chosen]
    return "## Key points\n\n" + ("\n".join(lines) or "- There is nothing to shorten yet.")
