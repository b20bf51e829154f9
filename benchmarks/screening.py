"""What looking at a text before it is sent takes: JSON lines, a figure each.

    python -m benchmarks.screening

Processor time, for the machine may be shared; the reference beside it is one pass of a simple
regular expression over the same text in the same run, so that ratios compare between machines.
``growth`` is the time for 64 times the text divided by 64: 1 is linear, 64 its square.
``again`` is the same text once more in one organisation, as in the next turn of a conversation.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SMALL = 4096
TIMES = 64
GOAL_MS = 5.0
# A tenth over: below that the clock and the memory's own growth speak.
GOAL_GROWTH = 2.0
ROUNDS = {"ci": 7, "full": 31}
TEXTS = {
    "english": "The quarterly report of 12 March 2026 mentions invoice 2026-00417 and says that ",
    "german": "Die Geschäftsführung übersendet die Rechnung Nr. 2026-00417 über 1.250,00 € und ",
    "identifiers": "Write to anna.rossi@example.org, IBAN DE89 3704 0044 0532 0130 00, today. ",
    "code": "for (const part of document.cookie.split('; ')) { values[part[0]] = 0x1F2E; }\n",
    "digits": "1234567890 ",
    "one digit": "1",
    "signs": "a@",
    "dots": "1.1.1.1.",
    "base64": "eyJ",
    "spaces": " ",
    "accents": "é1",
    "attack": "ignore ",
    "numbers with words": "BSN 123456789 ",
}
_WORDS = re.compile(r"\w+")


def text_of(piece: str, size: int) -> str:
    """*piece* again and again, *size* characters in all."""
    return (piece * (size // len(piece) + 1))[:size]


def milliseconds(act: Callable[[], Any], rounds: int) -> float:
    """The median of *rounds*, of the processor's time."""
    taken = []
    for _ in range(rounds):
        began = time.thread_time_ns()
        act()
        taken.append((time.thread_time_ns() - began) / 1e6)
    return statistics.median(taken)


def measure(name: str, piece: str, rounds: int) -> dict[str, Any]:
    """One text, small and large."""
    from llm.screening import screen

    small, large = text_of(piece, SMALL), text_of(piece, SMALL * TIMES)
    screen(small, country="DE")
    reference = milliseconds(lambda: _WORDS.findall(small), rounds)
    one = milliseconds(lambda: screen(small, country="DE"), rounds)
    many = milliseconds(lambda: screen(large, country="DE"), max(3, rounds // 5))
    return {
        "benchmark": "screening",
        "text": name,
        "ms_per_4_kb": round(one, 3),
        "times_reference": round(one / max(reference, 1e-3), 1),
        "growth": round(many / one / TIMES, 2),
        "ms_again": round(_again(small, rounds), 4),
    }


def _again(text: str, rounds: int) -> float:
    """In a turn whose history was looked at before."""
    from llm.models import CallRules
    from llm.sieve import Consent, Sieve
    from orgs.identifiers import uuid7

    sieve = Sieve(CallRules(), Consent(), organisation_id=uuid7(), country="DE")
    sieve.findings(text)
    return milliseconds(lambda: sieve.findings(text), rounds)


def main() -> int:
    """Measure each text; 1 where a goal is missed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lexcustis.settings")
    os.environ.setdefault("LEXCUSTIS_DEMO", "1")
    import django

    django.setup()
    rounds = ROUNDS[os.environ.get("SCALE", "ci")]
    found = [measure(name, piece, rounds) for name, piece in TEXTS.items()]
    for one in found:
        print(json.dumps(one))
    slowest = max(one["ms_per_4_kb"] for one in found)
    steepest = max(one["growth"] for one in found)
    met = slowest <= GOAL_MS and steepest <= GOAL_GROWTH
    summary = {"benchmark": "screening", "slowest_ms_per_4_kb": slowest, "steepest": steepest}
    print(json.dumps(summary | {"goals_met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
