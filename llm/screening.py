"""Screening of what a person is about to send: identifiers, secrets, known patterns of injection.

It is deterministic, offline and linear in the length of the text. What it may say of itself stands
in :data:`STATEMENT`; it never claims to detect personal data as such, or to prevent injection.
Findings are recorded as counts by kind, never with the text.
"""

from __future__ import annotations

import base64
import bisect
import enum
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.utils.crypto import salted_hmac

from llm import personal_identifiers as identifiers

STATEMENT = (
    "Finds identifiers that carry a check digit (bank accounts, payment cards, personal numbers of "
    "EU countries), e-mail addresses, telephone numbers, IP addresses and known forms of secrets, "
    "in text. It does not look into pictures, and does not find names, addresses or facts that "
    "identify a person. Flags known patterns of prompt injection (rules of {version}); new or "
    "adapted attacks will pass."
)


class Policy(enum.StrEnum):
    """What an organisation wants done with a prompt in which something was found."""

    OFF = "off"
    FLAG = "flag"
    ASK = "ask"
    MASK = "mask"
    BLOCK = "block"


class Action(enum.StrEnum):
    """What happens to the prompt."""

    SEND = "send"
    ASK = "ask"
    SEND_MASKED = "send_masked"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in ``text[start:end]``.

    ``kind``: ``email``, ``phone``, ``iban``, ``payment_card``, ``national_id``, ``ip_address``,
    ``secret``, ``injection`` or ``invisible_text``. ``detail`` is a rule or a country's number,
    such as ``it.codicefiscale``. ``confidence`` is ``certain`` where a word beside it says so
    too, else ``likely``.
    """

    kind: str
    detail: str
    start: int
    end: int
    confidence: str = "likely"


@dataclass(frozen=True, slots=True)
class Screened:
    """The decision: ``text`` is what may be sent (masked where the policy says so)."""

    action: Action
    text: str
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind was found: all that may be recorded."""
        return dict(sorted(Counter(finding.kind for finding in self.findings).items()))


_SECRETS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?P<openai>sk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{20,200})"
    r"|(?P<github>gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"
    r"|(?P<gitlab>glpat-[A-Za-z0-9_-]{20,64})"
    r"|(?P<slack>xox[abeoprs]-[A-Za-z0-9-]{10,200})"
    r"|(?P<aws>A[KS]IA[A-Z0-9]{16})"
    r"|(?P<google>AIza[A-Za-z0-9_-]{35})"
    r"|(?P<huggingface>hf_[A-Za-z0-9]{30,64})"
    r"|(?P<stripe>[rs]k_live_[A-Za-z0-9]{16,128})"
    r"|(?P<lexcustis>lxc_[A-Za-z0-9]{8,16}_[A-Za-z0-9_-]{20,128})"
    r"|(?P<jwt>eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000})"
    r")(?![A-Za-z0-9_])"
    r"|(?P<private_key>-----BEGIN (?:[A-Z]{2,12} ){0,3}PRIVATE KEY-----"
    r"(?:[A-Za-z0-9+/=\s]{0,8000}-----END (?:[A-Z]{2,12} ){0,3}PRIVATE KEY-----)?)"
)
# Characters that nobody sees and that hide text from a reader: Unicode's tags, and directions.
_HIDDEN = re.compile("[\U000e0020-\U000e007f]{2,}|[\u202a-\u202e\u2066-\u2069]|[\u200b\u2060]{4,}")
# Characters that split a number or a word for a machine only.
_SPLITTERS = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e")

# Turkish letters that Python's patterns take for an i, and what their lower case leaves behind.
_DOTTED = {0x131: "i", 0x307: None}

# What overlaps is named once: the earlier kind wins.
KINDS = (
    *("secret", "iban", "national_id", "payment_card", "email", "phone", "ip_address"),
    *("invisible_text", "injection"),
)
MASKABLE = frozenset(KINDS) - {"injection", "invisible_text"}
# 25 bits: two of a hundred values of one conversation meet once in 6,000 conversations.
_LABEL_SIGNS = 5
_LABEL = re.compile(rf"\[(?:{'|'.join(sorted(MASKABLE))}) [a-z2-7]{{{_LABEL_SIGNS}}}\]")


def screen(text: str, *, country: str = "") -> tuple[Finding, ...]:
    """What is found in *text*, in order. *country*: where national telephone numbers are of."""
    plain, places = _normalised(text)
    found = [
        *(
            Finding("secret", m.lastgroup or "", m.start(), m.end())
            for m in _SECRETS.finditer(plain)
        ),
        *_personal(plain, country),
        *_injections(plain),
    ]
    moved = (
        [
            Finding(f.kind, f.detail, places[f.start], places[f.end - 1] + 1, f.confidence)
            for f in found
        ]
        if places is not None
        else found
    )
    moved += (
        [Finding("invisible_text", "", m.start(), m.end()) for m in _HIDDEN.finditer(text)]
        if not text.isascii()
        else []
    )
    return _without_overlaps(moved)


def decide(text: str, *, policy: Policy, country: str = "", confirmed: bool = False) -> Screened:
    """Screen *text* and apply the organisation's *policy*.

    *confirmed*: the person has seen the findings and wants to send all the same, which only
    :attr:`Policy.ASK` respects.
    """
    if policy is Policy.OFF:
        return Screened(Action.SEND, text, ())
    findings = screen(text, country=country)
    if not findings or policy is Policy.FLAG or (policy is Policy.ASK and confirmed):
        return Screened(Action.SEND, text, findings)
    if policy is Policy.ASK:
        return Screened(Action.ASK, text, findings)
    if policy is Policy.BLOCK:
        return Screened(Action.BLOCK, text, findings)
    return Screened(Action.SEND_MASKED, mask(text, findings), findings)


class Masks:
    """The labels that masked values get: the same value the same, over texts that go together.

    Without a *scope* they are numbers in the order of what comes. In a scope, such as a
    conversation of which only masked text is kept, they follow from the value, so that it has the
    same label in every turn; nobody can compute them without the installation's key.
    """

    def __init__(self, scope: str = "") -> None:
        self._scope = scope
        self._labels: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def of(self, kind: str, value: str) -> str:
        """What stands in the place of *value*, such as ``[email 1]`` or ``[email kq7d]``."""
        value = "".join(value.split()).casefold()
        if (kind, value) not in self._labels:
            self._counts[kind] += 1
            label = self._derived(kind, value) if self._scope else str(self._counts[kind])
            self._labels[kind, value] = f"[{kind} {label}]"
        return self._labels[kind, value]

    def _derived(self, kind: str, value: str) -> str:
        salt = f"lexcustis.masks:{self._scope}"
        digest = salted_hmac(salt, f"{kind}:{value}", algorithm="sha256").digest()
        return base64.b32encode(digest)[:_LABEL_SIGNS].decode().lower()


def mask(text: str, findings: Iterable[Finding], masks: Masks | None = None) -> str:
    """*text* with each identifier and secret replaced by its kind and a number.

    The same value gets the same number, so that a sentence about two people stays one.
    """
    masks = masks or Masks()
    made, at = [], 0
    for finding in findings:
        if finding.kind not in MASKABLE or finding.start < at:
            continue
        replaced = masks.of(finding.kind, text[finding.start : finding.end])
        made += [text[at : finding.start], replaced]
        at = finding.end
    return "".join([*made, text[at:]])


def holds_masks(text: str) -> bool:
    """Whether labels of a conversation's masked values stand in *text*."""
    return _LABEL.search(text) is not None


def rules_version() -> str:
    """The version of the rules for injection, for the record."""
    return _rules()[0]


def statement() -> str:
    """What screening does and does not do, in words that may be printed."""
    return STATEMENT.format(version=rules_version())


def _personal(text: str, country: str) -> list[Finding]:
    matches = [*identifiers.emails(text)]
    if re.search(r"\d", text):
        matches += [
            *identifiers.ibans(text),
            *identifiers.national_ids(text),
            *identifiers.payment_cards(text),
        ]
        matches += identifiers.phones(_without(text, matches), country=country)
        matches += identifiers.ip_addresses(text)
    return [
        Finding(m.kind, m.detail, m.start, m.end, "certain" if m.near_word else "likely")
        for m in matches
    ]


def _without(text: str, matches: Sequence[identifiers.Match]) -> str:
    """*text*, as long as before, without what is known already to be no telephone number."""
    made, at = [], 0
    for match in sorted(matches, key=lambda m: m.start):
        start = max(match.start, at)
        end = max(match.end, start)
        made += [text[at:start], "_" * (end - start)]
        at = end
    return "".join([*made, text[at:]])


def _injections(text: str) -> list[Finding]:
    # Most texts hold none of a rule's words, and looking for a word is quicker than for a pattern.
    lowered = text.lower().translate(_DOTTED)
    return [
        Finding("injection", rule.id, match.start(), match.end())
        for rule in _rules()[1]
        if not rule.words or any(word in lowered for word in rule.words)
        for match in rule.pattern.finditer(text)
    ]


def _without_overlaps(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each place named once. An injection is about a sentence: it hides and yields nothing."""
    kept = [finding for finding in findings if finding.kind == "injection"]
    taken: list[tuple[int, int]] = []  # in order and apart from each other
    others = (finding for finding in findings if finding.kind != "injection")
    for finding in sorted(others, key=lambda f: (KINDS.index(f.kind), f.start, -f.end)):
        at = bisect.bisect(taken, (finding.start, finding.end))
        after_last = at == 0 or taken[at - 1][1] <= finding.start
        before_next = at == len(taken) or finding.end <= taken[at][0]
        if after_last and before_next:
            taken.insert(at, (finding.start, finding.end))
            kept.append(finding)
    return tuple(sorted(kept, key=lambda f: (f.start, f.end)))


def _normalised(text: str) -> tuple[str, list[int] | None]:
    """*text* in compatibility form without splitting characters, and where each sign was.

    So full-width digits, and digits with an invisible character between them, are digits.
    """
    if text.isascii():
        return text, None
    made: list[str] = []
    places: list[int] = []
    for place, sign in enumerate(text):
        if sign in _SPLITTERS:
            continue
        plain = sign if sign.isascii() else _compatible(sign)
        made.append(plain)
        places.extend([place] * len(plain))
    return "".join(made), places


@cache
def _compatible(sign: str) -> str:
    plain = unicodedata.normalize("NFKC", sign)
    if unicodedata.category(sign) == "Pd":
        return "-"
    return " " if plain.isspace() and plain != "\n" else plain


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern of injection; ``words``: one of them stands in all that it matches, if any."""

    id: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]


@cache
def _rules() -> tuple[str, tuple[_Rule, ...]]:
    stored = json.loads(Path(__file__).with_name("screening_rules.json").read_text("utf-8"))
    flags = re.IGNORECASE | re.MULTILINE
    return stored["version"], tuple(
        _Rule(rule["id"], tuple(rule.get("words", ())), re.compile(rule["pattern"], flags))
        for rule in stored["rules"]
    )
