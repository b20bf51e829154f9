"""Thousands of forgeries, by people without and with the database: each must be found (P2).

Half are made to exported bundles (the fourteen ways of ``tests/audit/bundles.py``) and given to
``audit/verifier.py``; half to the database by its owner, with every trigger off and everything
unsigned recomputed to fit, and given to the verification inside. Untouched bundles and logs are
looked at in between, and must not be accused.

    python -m benchmarks.tampering_campaign     (SCALE=ci: 500 forgeries, SCALE=full: 10,000)
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.ledger_instance import instance, is_full, tell, tell_machine

_CONTENT = ("prompt", "system")


class _RolledBack(Exception):
    """Takes a forgery of the database back."""


@dataclass
class Tally:
    """How many of each class were made and found."""

    made: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    undecided: int = 0
    honest: int = 0
    accused: int = 0

    def note(self, name: str, *, found: bool) -> None:
        """Count one forgery."""
        self.made[name] += 1
        self.missed[name] += not found


def main(scale: str | None = None) -> None:
    """Run the campaign and print its figures; raises where a forgery was missed."""
    forgeries = 10_000 if is_full(scale) else 500
    seed = os.environ.get("SEED", "1")
    tell_machine()
    started = time.monotonic()
    bundles, rows = Tally(), Tally()
    with instance(durable=False):
        forge_bundles(forgeries // 2, bundles, seed)
        forge_rows(forgeries - forgeries // 2, rows, seed)
    for place, tally in (("bundles", bundles), ("the database", rows)):
        made, missed = tally.made.total(), tally.missed.total()
        tell(
            f"forgeries of {place} that were found",
            100 * (made - missed) / made,
            "%",
            goal=">= 100",
            reference=f"{made} in {len(tally.made)} classes; SEED={seed}"
            + (f"; {tally.undecided} as 'cannot decide'" if tally.undecided else ""),
        )
        tell(
            f"untouched ones of {place} that were accused",
            tally.accused,
            f"of {tally.honest}",
            goal="<= 0",
        )
        for name, count in (+tally.missed).items():
            print(f"missed: {count} of {tally.made[name]} {name}", file=sys.stderr)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    if bundles.missed.total() + rows.missed.total() + bundles.accused + rows.accused:
        raise RuntimeError("A forgery was missed, or somebody honest was accused.")


def forge_bundles(count: int, tally: Tally, seed: str) -> None:
    """Forge exported bundles and show them to the verifier of outsiders."""
    from tests.audit.bundles import MUTATIONS, make_forge

    home = Path(tempfile.mkdtemp(prefix="lexcustis-forged-"))
    try:
        for number in range(count):
            mutation = MUTATIONS[number % len(MUTATIONS)]
            chance = random.Random(f"{seed}/{mutation.__name__}/{number}")
            forge = make_forge(chance)
            folder = home / str(number)
            forge.write(folder)
            if number % 10 == 0:
                tally.honest += 1
                tally.accused += _status(folder, forge.vkey) != 0
            mutation(chance, folder, forge)
            status = _status(folder, forge.vkey)
            tally.undecided += status == 2
            tally.note(mutation.__name__, found=status in {1, 2})
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _status(folder: Path, vkey: str) -> int:
    from audit import verifier

    with contextlib.redirect_stdout(io.StringIO()):
        return verifier.main([str(folder), "--key", vkey, "--json"])


# -- The database ----------------------------------------------------------------------------------


class Victim:
    """A sealed log with content and checkpoints, and what its database's owner can do to it."""

    def __init__(self, chance: random.Random, name: str) -> None:
        from audit.logs import current_log
        from audit.sealing import seal_once
        from orgs.organisations import create_organisation

        self.organisation_id: UUID = create_organisation(name=name, slug=name).pk
        for _ in range(chance.randrange(3, 7)):
            for _ in range(chance.randrange(1, 9)):
                self.append(chance)
            seal_once()
        self.log = current_log(self.organisation_id)
        self.ids, self.leaves = self._order()

    def append(self, chance: random.Random) -> UUID:
        """Append an honest record with content."""
        from audit.kinds import Kind
        from audit.ledger import Draft, Text, commit_blocking

        slots = _CONTENT[: chance.randrange(1, 3)]
        draft = Draft(
            self.organisation_id,
            Kind.INFERENCE_REQUESTED,
            {"id": str(self.organisation_id), "type": "user"},
            {"gen_ai.provider.name": "simulated", "lexcustis.number": chance.randrange(1000)},
            content={slot: Text(chance.randbytes(20).hex()) for slot in slots},
        )
        return commit_blocking(draft).record_id

    def is_accused(self) -> bool:
        """Whether the verification, or the signer's memory, finds anything."""
        from audit.state import sealer_state
        from audit.verification import verify_log

        if not verify_log(self.organisation_id).valid:
            return True
        return any(
            "rolled back" in problem and self.log.origin in problem
            for problem in sealer_state().problems
        )

    def record(self, record_id: UUID) -> dict[str, Any]:
        """A record, parsed."""
        [(data,)] = ask("SELECT bytes FROM audit_record WHERE id = %s", record_id)
        value: dict[str, Any] = json.loads(bytes(data))
        return value

    def rewrite(self, record_id: UUID, data: bytes) -> None:
        """Put other bytes under a record's id, and their hash into the tree."""
        from audit.hashing import leaf_hash

        do("UPDATE audit_record SET bytes = %s WHERE id = %s", data, record_id)
        self.leaves[self.ids.index(record_id)] = leaf_hash(data)

    def rebuild(self) -> None:
        """Make positions and head fit the order that was changed; only signatures do not."""
        from audit.hashing import Frontier

        frontier = Frontier()
        frontier.extend(self.leaves)
        number = self.log.number
        do("DELETE FROM audit_position WHERE log_number = %s", number)
        do(
            "INSERT INTO audit_position (log_number, generation, first, xid_from, ids, hashes)"
            " VALUES (%s, 1, 0, 0, %s, %s)",
            number, self.ids, b"".join(self.leaves),
        )  # fmt: skip
        do(
            "UPDATE audit_log SET size = %s, root = %s, frontier = %s,"
            " signed_size = least(signed_size, %s) WHERE number = %s",
            frontier.size, frontier.root, frontier.to_bytes(), frontier.size, number,
        )  # fmt: skip

    def _order(self) -> tuple[list[UUID], list[bytes]]:
        from audit.hashing import split

        rows = ask(
            "SELECT ids, hashes FROM audit_position WHERE log_number = %s ORDER BY first",
            self.log.number,
        )
        ids = [record_id for row in rows for record_id in row[0]]
        return ids, [leaf for row in rows for leaf in split(bytes(row[1]))]


Forgery = Callable[[random.Random, Victim, Victim], None]


def flip_a_bit(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Change one bit of a stored record."""
    record_id = chance.choice(victim.ids)
    do(
        "UPDATE audit_record SET bytes = set_bit(bytes, %s %% (8 * length(bytes)),"
        " 1 - get_bit(bytes, %s %% (8 * length(bytes)))) WHERE id = %s",
        *[chance.randrange(2**30)] * 2, record_id,
    )  # fmt: skip


def change_a_field(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Say something else, in canonical form, with hashes that fit."""
    from audit.canonical import encode

    record_id = chance.choice(victim.ids)
    record = victim.record(record_id)
    record["body"]["lexcustis.number"] = chance.randrange(1000, 2000)
    victim.rewrite(record_id, encode(record))
    victim.rebuild()


def backdate(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Claim another time."""
    from audit.canonical import encode

    record_id = chance.choice(victim.ids)
    record = victim.record(record_id)
    record["at"] = f"{chance.randrange(2000, 2025)}{record['at'][4:]}"
    victim.rewrite(record_id, encode(record))
    victim.rebuild()


def delete_a_record(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Delete a record; half the time its place in the tree too."""
    index = chance.randrange(len(victim.ids))
    do("DELETE FROM audit_record WHERE id = %s", victim.ids[index])
    if chance.random() < 0.5:
        del victim.ids[index], victim.leaves[index]
        victim.rebuild()


def insert_a_record(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Put a record into the sealed past."""
    from audit.canonical import encode
    from audit.hashing import leaf_hash
    from orgs.identifiers import uuid7

    record = victim.record(chance.choice(victim.ids))
    record_id = uuid7()
    record |= {"id": str(record_id), "content": {}, "writer": ["abcdef", 1]}
    data = encode(record)
    do(
        "INSERT INTO audit_record (id, log_number, bytes) VALUES (%s, %s, %s)",
        record_id, victim.log.number, data,
    )  # fmt: skip
    index = chance.randrange(len(victim.ids))
    victim.ids.insert(index, record_id)
    victim.leaves.insert(index, leaf_hash(data))
    victim.rebuild()


def reorder(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Let two records change places."""
    one, two = chance.sample(range(len(victim.ids)), 2)
    for order in (victim.ids, victim.leaves):
        order[one], order[two] = order[two], order[one]
    victim.rebuild()


def truncate_tail(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Go back to an earlier signed state, as an old backup does: all that is left fits."""
    sizes = ask(
        "SELECT DISTINCT size FROM audit_checkpoint WHERE log_number = %s AND size < %s",
        victim.log.number, len(victim.ids),
    )  # fmt: skip
    keep = chance.choice(sizes)[0]
    do("DELETE FROM audit_checkpoint WHERE log_number = %s AND size > %s", victim.log.number, keep)
    do("DELETE FROM audit_record WHERE id = ANY(%s)", victim.ids[keep:])
    del victim.ids[keep:], victim.leaves[keep:]
    victim.rebuild()


def cut_the_front(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Let the log begin later."""
    cut = chance.randrange(1, len(victim.ids))
    do("DELETE FROM audit_record WHERE id = ANY(%s)", victim.ids[:cut])
    del victim.ids[:cut], victim.leaves[:cut]
    victim.rebuild()


def sign_with_another_key(chance: random.Random, victim: Victim, other: Victim) -> None:
    """Rewrite a record and sign every head again, with a key of one's own."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from audit.hashing import root_of
    from audit.notes import Head, sign

    change_a_field(chance, victim, other)
    key = Ed25519PrivateKey.generate()
    name = victim.log.origin.partition("/")[0]
    for checkpoint, size in ask(
        "SELECT id, size FROM audit_checkpoint WHERE log_number = %s", victim.log.number
    ):
        head = Head(victim.log.origin, size, root_of(victim.leaves[:size]))
        note = f"{head.text}\n{sign(head.text, name=name, private_key=key)}"
        do(
            "UPDATE audit_checkpoint SET root = %s, note = %s WHERE id = %s",
            head.root, note, checkpoint,
        )  # fmt: skip


def forge_a_checkpoint(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Change a stored head."""
    rows = ask("SELECT id, note FROM audit_checkpoint WHERE log_number = %s", victim.log.number)
    checkpoint, note = chance.choice(rows)
    lines = note.split("\n")
    line = chance.choice([0, 1, 2, 4])
    place = chance.randrange(2, len(lines[line])) if line == 4 else 0
    lines[line] = lines[line][:place] + _another(lines[line][place]) + lines[line][place + 1 :]
    do("UPDATE audit_checkpoint SET note = %s WHERE id = %s", "\n".join(lines), checkpoint)


def replay_from_another(chance: random.Random, victim: Victim, other: Victim) -> None:
    """Show another organisation's record as one's own."""
    [(data,)] = ask("SELECT bytes FROM audit_record WHERE id = %s", chance.choice(other.ids))
    victim.rewrite(chance.choice(victim.ids), bytes(data))
    victim.rebuild()


def erase_silently(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Delete content without a record of it."""
    rows = ask("SELECT record_id, slot FROM audit_content WHERE record_id = ANY(%s)", victim.ids)
    record_id, slot = chance.choice(rows)
    do("DELETE FROM audit_content WHERE record_id = %s AND slot = %s", record_id, slot)


def swap_content(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Put a text where another one was."""
    rows = ask(
        "SELECT record_id, slot, sealed FROM audit_content WHERE record_id = ANY(%s)", victim.ids
    )
    one, two = chance.sample(rows, 2)
    do(
        "UPDATE audit_content SET sealed = %s WHERE record_id = %s AND slot = %s",
        bytes(two[2]), one[0], one[1],
    )  # fmt: skip


def drop_before_sealing(chance: random.Random, victim: Victim, _other: Victim) -> None:
    """Delete a committed record before the sealer has seen it. Cannot be taken back."""
    from audit.sealing import seal_once

    pending = [victim.append(chance) for _ in range(chance.randrange(3, 7))]
    with as_owner():
        do("DELETE FROM audit_record WHERE id = %s", chance.choice(pending[:-1]))
    seal_once()


FORGERIES: list[Forgery] = [
    flip_a_bit,
    change_a_field,
    backdate,
    delete_a_record,
    insert_a_record,
    reorder,
    truncate_tail,
    cut_the_front,
    sign_with_another_key,
    forge_a_checkpoint,
    replay_from_another,
    erase_silently,
    swap_content,
    drop_before_sealing,
]


def forge_rows(count: int, tally: Tally, seed: str) -> None:
    """Forge the database as its owner, and have the log verified."""
    from django.db import transaction

    chance = random.Random(f"{seed}/victims")
    victims = [Victim(chance, f"victim-{number}") for number in range(8)]
    for number in range(count):
        forgery = FORGERIES[number % len(FORGERIES)]
        chance = random.Random(f"{seed}/{forgery.__name__}/{number}")
        victim, other = chance.sample(victims, 2)
        if number % 10 == 0:
            tally.honest += 2
            tally.accused += victim.is_accused()
            # Recomputing what is unsigned is not what is found: by itself it harms nothing.
            with contextlib.suppress(_RolledBack), transaction.atomic(), as_owner():
                victim.rebuild()
                tally.accused += victim.is_accused()
                raise _RolledBack
        if forgery is drop_before_sealing:
            spoiled = Victim(chance, f"spoiled-{number}")
            forgery(chance, spoiled, other)
            tally.note(forgery.__name__, found=spoiled.is_accused())
            continue
        order = (list(victim.ids), list(victim.leaves))
        with contextlib.suppress(_RolledBack), transaction.atomic(), as_owner():
            forgery(chance, victim, other)
            tally.note(forgery.__name__, found=victim.is_accused())
            raise _RolledBack
        victim.ids, victim.leaves = order


_TABLES = ("record", "content", "position", "tile", "checkpoint", "log")


@contextlib.contextmanager
def as_owner() -> Any:
    """With every trigger of the ledger off, as only the tables' owner can have it."""
    from django.db import transaction

    with transaction.atomic():
        for table in _TABLES:
            do(f"ALTER TABLE audit_{table} DISABLE TRIGGER USER")
        yield
        for table in _TABLES:
            do(f"ALTER TABLE audit_{table} ENABLE TRIGGER USER")


def ask(query: str, *parameters: object) -> list[Any]:
    """The rows of a query."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def do(statement: str, *parameters: object) -> None:
    """Run a statement."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def _another(character: str) -> str:
    return "A" if character != "A" else "B"


if __name__ == "__main__":
    main(os.environ.get("SCALE"))
