"""Identifiers of persons that carry a check digit or a strict form.

A detector is a linear pattern for candidates, then the number's own check (python-stdnum). Where a
random number would pass the check too often, a word such as "BSN" must stand near it. Names,
addresses and facts that identify a person are not found here, nor anywhere else in this product.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

_BEFORE, _AFTER = 48, 24


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate that passed its check: where it stands and what it is."""

    start: int
    end: int
    kind: str
    detail: str
    near_word: bool


@dataclass(frozen=True, slots=True)
class Detector:
    """``detail`` is the module of stdnum that checks; ``words`` are looked for near the number."""

    detail: str
    pattern: re.Pattern[str]
    words: tuple[str, ...]
    near: re.Pattern[str]
    needs_word: bool


def _detector(detail: str, shape: str, words: str, *, needs_word: bool) -> Detector:
    """*words* are separated by bars; one of up to three letters must stand alone."""
    listed = tuple(word.lower() for word in words.split("|"))
    near = "|".join(re.escape(word) + (r"(?!\w)" if len(word) <= 3 else "") for word in listed)
    return Detector(
        detail,
        re.compile(rf"(?<![\w.]){shape}(?!\w)", re.IGNORECASE if _has_letters(shape) else 0),
        listed,
        re.compile(rf"(?<!\w)(?:{near})"),
        needs_word,
    )


def _has_letters(shape: str) -> bool:
    """Whether a shape names letters: patterns that ignore their case are slower by half."""
    return re.search(r"[A-Z]", shape) is not None


_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_CODICE = r"[A-Z]{6}[\dLMNP-V]{2}[A-EHLMPRST][\dLMNP-V]{2}[A-Z][\dLMNP-V]{3}[A-Z]"

# Where a random number would pass the check too often, one of the words must stand near it.
_WITH_WORD = (
    ("at.vnr", r"\d{4} ?\d{6}", "SVNR|SV-Nummer|Sozialversicherungsnummer|VSNR|e-card"),
    ("bg.egn", r"\d{10}", "EGN|ЕГН"),
    (
        "de.idnr",
        r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}",
        "Steuer-ID|SteuerID|IdNr|Identifikationsnummer|Steueridentifikationsnummer|TIN|tax id",
    ),
    ("dk.cpr", rf"{_DAY}{_MONTH}\d{{2}}-?\d{{4}}", "CPR|CPR-nummer|CPR-nr|personnummer"),
    ("ee.ik", r"[1-8]\d{10}", "isikukood|personal code"),
    ("es.dni", r"\d{8}[- ]?[A-Z]", "DNI|NIF|documento nacional"),
    ("es.nie", r"[XYZ][- ]?\d{7}[- ]?[A-Z]", "NIE|NIF|extranjero"),
    ("gr.amka", rf"{_DAY}{_MONTH}\d{{7}}", "AMKA|ΑΜΚΑ"),  # noqa: RUF001 - the second is Greek
    ("hr.oib", r"\d{11}", "OIB"),
    ("ie.pps", r"\d{7}[A-W][A-IW]?", "PPS|PPSN|PPS number"),
    ("lt.asmens", r"[1-6]\d{10}", "asmens kod|A.K."),
    ("lv.pvn", r"(?:3[2-9]|[0-2]\d)\d{4}-?\d{5}", "personas kod"),
    ("nl.bsn", r"\d{4}\.?\d{2}\.?\d{3}", "BSN|burgerservicenummer|sofinummer"),
    ("pl.pesel", r"\d{11}", "PESEL"),
    ("pt.cc", r"\d{8}[- ]?\d[- ]?[A-Z0-9]{2}\d", "CC|cartão de cidadão|BI"),
)
# These are told by their form and check alone; a word near them makes it certain.
_BY_ITSELF = (
    ("be.nn", r"\d{2}\.?\d{2}\.?\d{2}[- ]?\d{3}[. ]?\d{2}", "rijksregister|INSZ|NISS"),
    ("cz.rc", r"\d{6}/\d{3,4}", "rodné číslo|RČ"),
    ("fi.hetu", rf"{_DAY}{_MONTH}\d{{2}}[-+A-FU-Y]\d{{3}}[0-9A-Y]", "hetu|henkilötunnus"),
    ("fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}",
     "NIR|sécurité sociale|numéro de sécu|INSEE"),
    ("it.codicefiscale", _CODICE, "codice fiscale|C.F."),
    ("ro.cnp", r"[1-8]\d{12}", "CNP|cod numeric personal"),
    ("se.personnummer", r"(?:\d{2})?\d{2}[01]\d[0-3]\d[-+]\d{4}", "personnummer|pnr"),
    ("si.emso", rf"{_DAY}{_MONTH}\d{{9}}", "EMŠO|EMSO"),
    ("sk.rc", r"\d{6}/\d{3,4}", "rodné číslo"),
)  # fmt: skip

NATIONAL: tuple[Detector, ...] = (
    *(_detector(*row, needs_word=False) for row in _BY_ITSELF),
    *(_detector(*row, needs_word=True) for row in _WITH_WORD),
)

_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Z0-9])", re.IGNORECASE)
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ",
        24: "AD CZ ES MD PK RO SA SE SK TN",
        25: "PT",
        26: "IS TR",
        27: "FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB PL",
        29: "BR EG PS QA UA",
        30: "JO KW",
        31: "MT",
    }.items()
    for country in countries.split()
}
_CARD = re.compile(r"(?<![\w.])(?:\d[ -]?){12,18}\d(?![\w])")
# Issuers by their first digits, with the lengths of their numbers.
_ISSUERS = (
    (re.compile(r"4"), {13, 16, 19}),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"30[0-5]|3[68]"), {14, 16, 19}),
    (re.compile(r"35(?:2[89]|[3-8])"), {16, 17, 18, 19}),
    (re.compile(r"6011|64[4-9]|65"), {16, 17, 18, 19}),
)
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Z0-9_][A-Z0-9._%+-]{0,63}@(?:[A-Z0-9-]{1,63}\.){1,6}[A-Z]{2,24}(?![\w-])",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w+])(?:\+|00)[1-9](?:[ ().\-/]{0,2}\d){6,14}(?![\w])")
_NATIONAL_PHONE = re.compile(r"(?<![\w+.,/-])\(?0\d{1,4}\)?(?:[ ().\-/]{1,2}\d{2,8}){1,5}(?![\w])")
_MAX_PHONES = 100
_IPV4 = re.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)"
)
_VERSION_BEFORE = re.compile(r"(?:\bv|version|release|section|§|chapter)\s*$", re.IGNORECASE)


def emails(text: str) -> Iterator[Match]:
    """E-mail addresses, by their form."""
    if "@" in text:
        for found in _EMAIL.finditer(text):
            yield Match(found.start(), found.end(), "email", "", near_word=False)


def phones(text: str, *, country: str = "") -> Iterator[Match]:
    """Telephone numbers that exist in their country's plan, international or of *country*.

    Looking them up takes time: in a text with very many of them an international one is told by
    its form alone from then on, and one of *country* is not any more.
    """
    shapes = [(_PHONE, None)] + ([(_NATIONAL_PHONE, country)] if country else [])
    tried = 0
    for shape, region in shapes:
        for found in shape.finditer(text):
            tried += 1
            if tried > _MAX_PHONES and region is not None:
                return
            if tried > _MAX_PHONES or _is_phone(found[0], region):
                yield Match(found.start(), found.end(), "phone", "", near_word=False)


def ibans(text: str) -> Iterator[Match]:
    """Bank accounts: the country's length and the check of ISO 7064."""
    for found in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(found[0][:2].upper())
        end = _end_of(found[0], length) if length else None
        if end is not None and _is_iban(found[0][:end]):
            country = found[0][:2].upper()
            yield Match(found.start(), found.start() + end, "iban", country, near_word=False)


def payment_cards(text: str) -> Iterator[Match]:
    """Card numbers: a known issuer's form and Luhn's check."""
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        for first, lengths in _ISSUERS:
            if len(digits) in lengths and first.match(digits) and _passes("luhn", digits):
                yield Match(found.start(), found.end(), "payment_card", "", near_word=False)
                break


def national_ids(text: str) -> Iterator[Match]:
    """Personal numbers of EU countries."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters grow: words would stand elsewhere
        lowered = text
    for detector in NATIONAL:
        has_word = any(word in lowered for word in detector.words)
        if detector.needs_word and not has_word:
            continue
        for found in detector.pattern.finditer(text):
            near = has_word and _is_near(detector.near, lowered, found.start(), found.end())
            if (near or not detector.needs_word) and _passes(detector.detail, found[0]):
                yield Match(found.start(), found.end(), "national_id", detector.detail, near)


def ip_addresses(text: str) -> Iterator[Match]:
    """IPv4 addresses, except where they read as a version or a section."""
    for found in _IPV4.finditer(text):
        if not _VERSION_BEFORE.search(text[max(0, found.start() - 12) : found.start()]):
            yield Match(found.start(), found.end(), "ip_address", "", near_word=False)


def _is_near(words: re.Pattern[str], text: str, start: int, end: int) -> bool:
    return bool(
        words.search(text, max(0, start - _BEFORE), start)
        or words.search(text, end, min(len(text), end + _AFTER))
    )


def _is_iban(spelled: str) -> bool:
    """The check of ISO 13616: 97 divides the number, letters written as 10 to 35, but for one."""
    signs = re.sub(r"[ -]", "", spelled)
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def _end_of(spelled: str, length: int) -> int | None:
    """Where in *spelled* the first *length* letters and digits end, if a word ends there."""
    seen = 0
    for at, sign in enumerate(spelled):
        seen += sign.isalnum()
        if seen == length:
            rest = spelled[at + 1 :]
            return at + 1 if not rest or not rest[0].isalnum() else None
    return None


def _is_phone(spelled: str, region: str | None) -> bool:
    import phonenumbers

    if spelled.startswith("00"):
        spelled = "+" + spelled[2:]
    try:
        number = phonenumbers.parse(spelled, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number)


def _passes(check: str, number: str) -> bool:
    return _check(check)(number)


@cache
def _check(name: str) -> Callable[[str], bool]:
    module = importlib.import_module(f"stdnum.{name}")
    return module.is_valid  # type: ignore[no-any-return]
