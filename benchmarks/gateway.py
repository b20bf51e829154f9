"""The gateway against a direct call and against LiteLLM's proxy: a line of JSON for each figure.

Upstream, gateways and client are processes of their own; PostgreSQL is durable, and key, budget,
price, route, both records and the sealer are on. Targets are asked in turns, a figure is the median
of the rounds' medians, processor time and memory come from ``/proc``. LiteLLM is installed from
``requirements-litellm.txt`` into an environment of its own when this first runs; where that cannot
be, its figures say why they are missing.

    python -m benchmarks.gateway [--scale ci|full] [PART …]

PART is one of ``sequential``, ``flood``, ``crowd``, ``requests``, ``thousand``, ``cuts``; by
default all, and last of all the records of everything are compared with the upstream's journal.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import gateway_campaign as campaign
from benchmarks.gateway_client import (
    Crowd,
    Target,
    flood,
    requests_per_second,
    together,
    told,
)
from benchmarks.gateway_servers import (
    NotInstalled,
    Servers,
    cpu_seconds,
    litellm,
    memory_kb,
    started,
)
from benchmarks.ledger_instance import is_full, spread, tell, tell_machine


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    rounds: int
    requests: int
    floods: int
    crowds: int
    seconds: float
    closings: int
    cuts: int


CI = Scale(rounds=3, requests=15, floods=2, crowds=1, seconds=3, closings=60, cuts=500)
FULL = Scale(rounds=7, requests=30, floods=3, crowds=5, seconds=5, closings=300, cuts=10_000)
WARM_UP = 25
CROWD = 200
MANY = 1000
# The thousand begin within this, and stream for longer.
MANY_BEGIN_SECONDS = 40.0
MANY_MODEL = "n30-i2500"
CLIENTS = 16
CLOSED_MS = 250


@dataclass
class Run:
    """The targets of one run; ``theirs`` is None where LiteLLM is not there, for ``missing``."""

    servers: Servers
    scale: Scale
    theirs: Target | None
    missing: str

    @property
    def direct(self) -> Target:
        """The upstream itself."""
        return self.servers.direct

    @property
    def ours(self) -> Target:
        """The product."""
        return self.servers.ours

    @property
    def all(self) -> list[Target]:
        """What is asked in turns."""
        return [self.direct, self.ours, *([self.theirs] if self.theirs else [])]

    def compare(
        self, figure: str, values: Mapping[str, float], *, goal: str, stretch: str, unit: str
    ) -> None:
        """Tell a figure of ours divided by LiteLLM's; null where there is none."""
        absolute = ", ".join(f"{name} {value:.2f} {unit}" for name, value in values.items())
        if self.theirs is None:
            tell_missing(figure, goal, f"no LiteLLM: {self.missing}; {absolute}")
            return
        ratio = values["ours"] / values[self.theirs.name]
        tell(figure, ratio, "ratio", goal=goal, reference=f"{absolute}; stretch {stretch}")


def main() -> int:
    """Measure and print what was asked for; 1 where the figures could not be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=("ci", "full"), default=os.environ.get("SCALE", "ci"))
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.parts) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}")
    scale = FULL if is_full(arguments.scale) else CI
    tell_machine()
    with started() as servers, contextlib.ExitStack() as stack:
        theirs, missing = None, ""
        parts = arguments.parts or list(PARTS)
        try:
            if not ALONE.issuperset(parts):
                theirs = stack.enter_context(litellm(servers.direct))
        except NotInstalled as error:
            missing = str(error)
        run = Run(servers, scale, theirs, missing)
        for target in run.all:
            _warm_up(target)
        for part in parts:
            began = time.monotonic()
            PARTS[part](run)
            print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        books(run)
    return 0


# -- One at a time --------------------------------------------------------------------------------


def sequential(run: Run) -> None:
    """Time to the first token, one stream at a time, with and without records."""
    unrecorded = run.servers.launched("unrecorded")
    _warm_up(unrecorded)
    targets = [*run.all, unrecorded]
    clients = {target.name: target.client("n20-i1") for target in targets}
    medians: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(run.scale.rounds):
        times: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(run.scale.requests):
            for name, client in clients.items():
                times[name].append(client.first_token() * 1000)
        for name, values in times.items():
            medians[name].append(statistics.median(values))
    added = {
        name: statistics.median(
            value - direct for value, direct in zip(values, medians["direct"], strict=True)
        )
        for name, values in medians.items()
        if name != "direct"
    }
    run.compare(
        "time to first token added over a direct call, p50 ÷ LiteLLM's",
        {name: value for name, value in added.items() if name != "unrecorded"},
        goal="<= 0.5",
        stretch="<= 0.3",
        unit="ms",
    )
    recorded, not_recorded = (medians[name] for name in ("ours", "unrecorded"))
    ratios = [on / off for on, off in zip(recorded, not_recorded, strict=True)]
    tell(
        "time to first token p50, recording on ÷ recording off",
        statistics.median(ratios),
        "ratio",
        goal="<= 1.3",
        reference=f"on {spread(recorded)} ms, off {spread(not_recorded)} ms; stretch <= 1.15",
    )


def flooded(run: Run) -> None:
    """One stream of 2,000 chunks as fast as it goes."""
    speed: dict[str, list[float]] = {target.name: [] for target in run.all}
    cpu: dict[str, list[float]] = {target.name: [] for target in run.all}
    events: dict[str, int] = {}
    for target in run.all:
        flood(target, "n2000-i0")
    for _ in range(run.scale.rounds):
        for target in run.all:
            before = cpu_seconds(target)
            seen = [flood(target, "n2000-i0") for _ in range(run.scale.floods)]
            _require_whole(target, Crowd(seen, 2000))
            cpu[target.name].append((cpu_seconds(target) - before) / len(seen) / 2000 * 1e6)
            speed[target.name].append(statistics.median(one.per_second for one in seen))
            events[target.name] = seen[-1].events
    middle = {name: statistics.median(values) for name, values in speed.items()}
    tell(
        "flood stream of 2,000 chunks, chunks a second ÷ direct",
        middle["ours"] / middle["direct"],
        "ratio",
        goal=">= 0.4",
        reference=", ".join(
            f"{name} {value:,.0f}/s in {events[name]} events" for name, value in middle.items()
        )
        + "; stretch >= 0.6",
    )
    run.compare(
        "CPU per streamed chunk ÷ LiteLLM's",
        {name: statistics.mean(values) for name, values in cpu.items() if name != "direct"},
        goal="<= 0.15",
        stretch="<= 0.08",
        unit="µs",
    )


# -- Many at once ---------------------------------------------------------------------------------


def crowd(run: Run) -> None:
    """Two hundred streams at once, forty chunks each, 50 ms apart."""
    crowds: dict[str, list[Crowd]] = {target.name: [] for target in run.all}
    cpu = dict.fromkeys(crowds, 0.0)
    for _ in range(run.scale.crowds):
        for target in run.all:
            before = cpu_seconds(target)
            crowds[target.name].append(together(target, "n40-i50", CROWD))
            cpu[target.name] += cpu_seconds(target) - before
    failed = [problem for one in crowds["ours"] for problem in one.failed]
    tell(
        f"{CROWD} concurrent streams, failed",
        len(failed),
        f"of {CROWD * run.scale.crowds}",
        goal="<= 0",
        reference="; ".join(failed[:2]),
    )
    run.compare(
        f"{CROWD} concurrent streams, time to first token p50 ÷ LiteLLM's",
        {
            name: statistics.median(one.first_token_ms for one in found)
            for name, found in crowds.items()
        },
        goal="<= 0.25",
        stretch="<= 0.1",
        unit="ms",
    )
    gaps = {
        name: statistics.median(one.gap_p99_ms for one in found) for name, found in crowds.items()
    }
    tell(
        f"chunk gap p99 at {CROWD} streams ÷ direct",
        gaps["ours"] / gaps["direct"],
        "ratio",
        goal="<= 2",
        reference=", ".join(f"{name} {gap:.0f} ms" for name, gap in gaps.items())
        + "; 50 is perfect; stretch <= 1.5",
    )
    chunks = CROWD * 40 * run.scale.crowds
    if run.theirs is not None:
        tell(
            f"CPU per chunk at {CROWD} streams, their requests included ÷ LiteLLM's",
            cpu["ours"] / cpu[run.theirs.name],
            "ratio",
            reference=", ".join(f"{n} {used / chunks * 1e6:.0f} µs" for n, used in cpu.items()),
        )


def requests(run: Run) -> None:
    """Whole answers of twenty chunks, sixteen clients."""
    rates: dict[str, list[float]] = {target.name: [] for target in run.all}
    for _ in range(run.scale.rounds):
        for target in run.all:
            rates[target.name].append(
                requests_per_second(target, "n20-i0", clients=CLIENTS, seconds=run.scale.seconds)
            )
    run.compare(
        "unstreamed requests a second ÷ LiteLLM's",
        {name: statistics.median(values) for name, values in rates.items()},
        goal=">= 4",
        stretch=">= 8",
        unit="/s",
    )


def thousand(run: Run) -> None:
    """A thousand streams that are all open at one moment, in a fresh process."""
    target = run.servers.launched("watched")
    _warm_up(target)
    before = memory_kb(target)
    found: dict[str, int] = {}

    def look() -> None:
        found["open"] = told(run.direct.port, "/open")
        found["kb"] = memory_kb(target)
        found["held"] = max(campaign.held(target)["held"] for _ in range(50))

    made = together(target, MANY_MODEL, MANY, over_seconds=MANY_BEGIN_SECONDS, when_open=look)
    tell(
        f"{MANY:,} concurrent streams in one worker, failed",
        len(made.failed),
        f"of {MANY}",
        goal="<= 0",
        reference=f"{found['open']} open at once; {'; '.join(made.failed[:2])}".rstrip("; "),
    )
    tell(
        "memory per concurrent stream",
        (found["kb"] - before) / MANY,
        "KB",
        goal="<= 150",
        reference=f"{before / 1024:.0f} MB before, {found['kb'] / 1024:.0f} MB with {MANY:,} open;"
        " stretch <= 80",
    )
    tell(
        "database connections held while streaming",
        found["held"],
        f"at {MANY:,} streams",
        goal="<= 0",
    )


def cuts(run: Run) -> None:
    """Readers that leave."""
    target = run.servers.launched("watched")
    _warm_up(target)
    few = campaign.cut_streams(
        target, "n400-i25", run.scale.closings, at_once=10, whole=0, longest=1.0
    )
    time.sleep(1)
    waited = campaign.closing_ms(few, told(run.direct.port, "/journal"))
    late = sum(value > CLOSED_MS for value in waited)
    tell(
        f"upstream calls closed later than {CLOSED_MS} ms after the client closes",
        late,
        f"of {len(waited)}",
        goal="<= 0",
        reference=f"median {statistics.median(waited):.0f} ms, longest {max(waited):.0f} ms;"
        " stretch: one chunk, 25 ms",
    )
    many = campaign.cut_streams(
        target, "n12-i4", run.scale.cuts, at_once=24, whole=0.15, longest=0.7
    )
    left = campaign.left_over(target, run.direct)
    foreign, problems = campaign.foreign(few + many), campaign.broken(few + many)
    wrong = len(foreign) + sum(left.values())
    early = sum(cut.early for cut in many)
    tell(
        "cancelled streams with a foreign byte, a leaked connection or an unrecorded ending",
        wrong,
        f"of {len(many)}",
        goal="<= 0",
        reference=f"{early} left early, {len(many) - early} read to the end,"
        f" {len(problems)} refused; foreign {len(foreign)}; left over: {left}",
    )
    if problems:
        print("\n".join(problems[:3]), file=sys.stderr)


def books(run: Run) -> None:
    """Every record of this run against the upstream's journal."""
    found = campaign.audit_books(told(run.direct.port, "/journal"))
    tell(
        "recorded usage equal to the provider's on completed streams",
        100 * (1 - len(found.wrong_usage) / max(found.completed, 1)),
        "%",
        goal=">= 100",
        reference=f"{found.completed} completed calls of {found.requested}",
    )
    tell(
        "calls without exactly one recorded ending, or with a foreign word in their record",
        found.without_one_ending + len(found.foreign_text),
        f"of {found.requested}",
        goal="<= 0",
    )


# Those that start a process of their own for its memory come before it has been used.
PARTS: dict[str, Callable[[Run], None]] = {
    "sequential": sequential,
    "flood": flooded,
    "crowd": crowd,
    "requests": requests,
    "thousand": thousand,
    "cuts": cuts,
}
# These measure the product alone.
ALONE = {"thousand", "cuts"}


def _warm_up(target: Target) -> None:
    """The first requests of a process load what later ones have."""
    client = target.client("n20-i1")
    for _ in range(WARM_UP):
        client.first_token()


def _require_whole(target: Target, found: Crowd) -> None:
    if found.failed:
        raise RuntimeError(f"{target.name}: {found.failed[0]}")


def tell_missing(figure: str, goal: str, reason: str) -> None:
    """A figure that cannot be had here."""
    line: dict[str, Any] = {"figure": figure, "value": None, "unit": "ratio", "goal": goal}
    print(json.dumps(line | {"reference": reason, "met": None}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
