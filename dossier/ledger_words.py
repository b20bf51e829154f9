"""What the ledger says about itself, as phrases: it stands below this floor and knows no languages.

A sentence that is not listed stays English on paper; nothing is lost by that but the language.
"""

from __future__ import annotations

import re

from audit.tree_check import REMOVED_OR_CUT
from audit.verification import CHANGED, REMOVED
from dossier.phrases import Phrase, phrase

SENTENCES = (
    "Whether a record says the truth about what happened, and whether everything was recorded.",
    "Whether somebody outside remembers another head: compare a checkpoint they hold.",
    "The checkpoints' signatures: the signer cannot be reached.",
    "The %(number)s epochs before this one.",
    "A signed head over the last %(number)s records.",
    "%(anchor)s: not configured any more, so no key to use",
    "not anchored externally",
    "%(number)s newer entries are not anchored externally",
    "cosigned by the witness %(authority)s: the first %(number)s entries, %(at)s",
    (
        "time-stamped (RFC 3161, non-qualified, TSA %(authority)s): the first %(number)s entries, "
        "%(at)s"
    ),
    (
        "time-stamped (RFC 3161, declared qualified by the operator, TSA %(authority)s): the first "
        "%(number)s entries, %(at)s"
    ),
    REMOVED,
    REMOVED_OR_CUT,
    CHANGED,
    "it names another record or another log",
    "it is in the log twice",
    "its content “%(slot)s” is not what was committed to",
    "its content “%(slot)s” is gone, and no record says why",
    "The signed head of size %(number)s does not fit the records.",
)
_PART = re.compile(r"%\((\w+)\)s")
_GROUPS = {"number": r"\d+"}


def _pattern(sentence: str) -> re.Pattern[str]:
    pieces = _PART.split(sentence)
    for place in range(1, len(pieces), 2):
        name = pieces[place]
        pieces[place] = f"(?P<{name}>{_GROUPS.get(name, '.+?')})"
    pieces[::2] = [re.escape(piece) for piece in pieces[::2]]
    return re.compile("".join(pieces))


_PATTERNS = tuple((sentence, _pattern(sentence)) for sentence in SENTENCES)


def in_ledger_words(text: str) -> str:
    """*text* as a phrase where the ledger's sentence is known, else unchanged.

    Several sentences with semicolons between them are taken one by one.
    """
    first, semicolon, rest = text.partition("; ")
    if semicolon:
        parts = (in_ledger_words(first), in_ledger_words(rest))
        return phrase("%(first)s; %(rest)s", first=parts[0], rest=parts[1])
    return _one(text)


def _one(text: str) -> str:
    for sentence, pattern in _PATTERNS:
        if found := pattern.fullmatch(text):
            return _filled(sentence, found.groupdict())
    return text


def _filled(sentence: str, parts: dict[str, str]) -> Phrase:
    number = parts.pop("number", None)
    if number is None:
        return phrase(sentence, **parts)
    return phrase(sentence, number=int(number), **parts)
