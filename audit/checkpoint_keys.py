"""Checking the signatures under stored checkpoints: Ed25519 always, ML-DSA-44 where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from audit import notes
from audit.notes import Head, InvalidNote


class CheckpointKeys:
    """The keys of checkpoints, retired ones too, and what was met of the second signature.

    The second one takes nothing off the first: a checkpoint without Ed25519 is not valid, whatever
    else it bears.
    """

    def __init__(self, vkeys: Iterable[str]) -> None:
        self._first: list[str] = []
        self._second: dict[tuple[str, bytes], str] = {}
        for vkey in vkeys:
            name, public = notes.parse_verification_key(vkey)
            if notes.is_second_key(public):
                self._second[name, notes.key_id(name, public)] = vkey
            else:
                self._first.append(vkey)
        self._names = {notes.parse_verification_key(vkey)[0] for vkey in self._first}
        self._bear_it = self._bear_anothers = self._stopped_bearing = 0

    def head_of(self, note: str) -> Head:
        """The head that a checkpoint states. Raises :class:`InvalidNote`."""
        head = self._signed_first(note)
        is_found = is_others = False
        for name, data in notes.split_note(note)[1]:
            if not notes.is_second_signature(data) or name not in self._names:
                continue
            vkey = self._second.get((name, data[:4]))
            if vkey is None:
                is_others = True
                continue
            try:
                notes.verify(note, vkey)
            except InvalidNote as error:
                raise InvalidNote(f"The second signature, ML-DSA-44: {error}") from error
            is_found = True
        self._bear_it += is_found
        self._bear_anothers += is_others and not is_found
        self._stopped_bearing += bool(self._bear_it) and not is_found and not is_others
        return head

    def not_checked(self) -> list[str]:
        """What could not be told of second signatures."""
        found = []
        if self._bear_anothers:
            found.append(
                f"The second signature, ML-DSA-44, under {self._bear_anothers} checkpoints: "
                "the signer does not know its key."
            )
        if self._stopped_bearing:
            found.append(
                f"Why {self._stopped_bearing} checkpoints do not bear the second signature, "
                "ML-DSA-44, which earlier ones bear: was it switched off?"
            )
        return found

    def _signed_first(self, note: str) -> Head:
        refusal = InvalidNote("There is no key to check it with.")
        for vkey in self._first:
            try:
                return notes.verify(note, vkey)
            except InvalidNote as error:
                refusal = error
        raise refusal
