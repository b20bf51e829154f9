"""The signer: it alone holds the signing key, and it never signs a log's past away.

For each log it remembers the last head it signed, in a store of its own that no database backup
touches. It refuses a smaller head, another head of the same size, and a larger one without a valid
consistency proof. One key serves the instance; its name is ``LEDGER_HOST``.

Everything goes through :func:`signer`, so it can live in another process, user or host.

The store is a folder of mode 700: ``keys/<number>.key`` (base64 of an Ed25519 seed), where a second
signature is wanted (``SIGNER_ML_DSA``) ``keys/<number>.mldsa44`` (base64 of its seed), and
``heads.log``, a journal of ``size root origin`` lines that is flushed to disk before a signature
leaves. While a key is being replaced both sign; a retired key leaves only ``<number>.retired``,
its vkey, so that what it signed can still be checked and nothing new can be signed with it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from django.conf import settings

from audit import notes
from audit.hashing import EMPTY_ROOT
from audit.head_journal import HeadJournal, sync_folder, write_file
from audit.notes import Head
from audit.proofs import verify_consistency

_Key = TypeVar("_Key", Ed25519PrivateKey, MLDSA44PrivateKey)
_Keys = dict[Path, tuple[tuple[int, int, int, int], _Key]]


class SignerUnavailable(Exception):
    """The signer cannot be used: it has no key, or cannot be reached."""


@dataclass(frozen=True, slots=True)
class Request:
    """A head to sign, and the proof that it extends the last one signed, of *old_size*."""

    head: Head
    old_size: int
    proof: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a head was not signed. ``known`` is the head the signer holds on to."""

    reason: str
    known: Head


class Signer(Protocol):
    """What the sealer asks of a signer, wherever it runs."""

    def heads(self, origins: Iterable[str]) -> dict[str, Head]:
        """The last head signed for each of the logs that the signer knows."""

    def all_heads(self) -> dict[str, Head]:
        """The last head signed for every log that the signer knows."""

    def sign(self, requests: Sequence[Request]) -> list[str | Refusal]:
        """A signed note, or a refusal, for each request."""

    def sign_manifest(self, sha256: bytes) -> str:
        """A signed note over a bundle's manifest."""

    def verification_keys(self) -> list[str]:
        """The vkeys, the one that signs first, then those it replaced."""

    def second_keys(self) -> list[str]:
        """The vkeys of the second signature, if it is made, the newest first."""


def signer() -> Signer:
    """The signer of this instance: behind ``SIGNER_SOCKET`` where that is set, else in here."""
    socket = settings.SIGNER_SOCKET
    if socket:
        from audit.remote_signer import RemoteSigner

        return RemoteSigner(Path(socket))
    return local_signer()


def local_signer() -> LocalSigner:
    """The signer with its store in this file system: one in a process, which remembers it."""
    return _local_signer(
        Path(settings.SIGNER_HOME),
        settings.LEDGER_HOST,
        create_key=settings.DEMO,
        second=settings.SIGNER_ML_DSA,
    )


@cache
def _local_signer(home: Path, _name: str, *, create_key: bool, second: bool) -> LocalSigner:
    return LocalSigner(home, create_key=create_key, second=second)


class LocalSigner:
    """A signer in this process. Several processes and threads may use the same store at once.

    It remembers the heads and keys that it has read, and looks each time whether they changed.
    """

    def __init__(self, home: Path, *, create_key: bool = False, second: bool = False) -> None:
        self._home = home
        self._create_key = create_key
        self._second = second
        self._name = settings.LEDGER_HOST
        self._journal = HeadJournal(home)
        self._keys: _Keys[Ed25519PrivateKey] = {}
        self._second_keys: _Keys[MLDSA44PrivateKey] = {}

    def heads(self, origins: Iterable[str]) -> dict[str, Head]:
        """The last head signed for each of the logs that the signer knows."""
        with self._journal.locked():
            known = self._journal.read()
            return {origin: known[origin] for origin in origins if origin in known}

    def all_heads(self) -> dict[str, Head]:
        """The last head signed for every log that the signer knows."""
        with self._journal.locked():
            return dict(self._journal.read())

    def sign(self, requests: Sequence[Request]) -> list[str | Refusal]:
        """A signed note, or a refusal, for each request. Heads are on disk before it returns."""
        keys, second = self._private_keys(), self._second_private_keys()
        with self._journal.locked():
            known = dict(self._journal.read())
            results = [_decide(request, known) for request in requests]
            self._journal.add([item for item in results if isinstance(item, Head)])
        return [
            item
            if isinstance(item, Refusal)
            else self._note(item.text, keys) + self._again(item, second)
            for item in results
        ]

    def sign_manifest(self, sha256: bytes) -> str:
        """A signed note over a bundle's manifest."""
        if len(sha256) != 32:
            raise ValueError("A SHA-256 has 32 bytes.")
        text = f"lex-custis/manifest/v1\nsha256 {sha256.hex()}\n"
        return self._note(text, self._private_keys())

    def verification_keys(self) -> list[str]:
        """The vkeys, the one that signs first, then those it replaced."""
        active = [
            notes.verification_key(self._name, _public_bytes(key)) for key in self._private_keys()
        ]
        retired = sorted((self._home / "keys").glob("*.retired"), reverse=True)
        return active + [path.read_text().strip() for path in retired]

    def second_keys(self) -> list[str]:
        """The vkeys of the second signature, if it is made, the newest first."""
        return [
            notes.verification_key(self._name, _public_bytes(key))
            for key in self._second_private_keys()
        ]

    def new_second_key(self) -> str:
        """Make a key for the second signature; return its vkey."""
        with self._journal.locked():
            seed = MLDSA44PrivateKey.generate().private_bytes_raw()
            self._keep_key(seed, ".mldsa44")
        public = _public_bytes(MLDSA44PrivateKey.from_seed_bytes(seed))
        return notes.verification_key(self._name, public)

    def new_key(self) -> str:
        """Make another key; from now on it signs with those there are. Returns its vkey."""
        with self._journal.locked():
            self._make_key()
        return self.verification_keys()[0]

    def retire_old_keys(self) -> list[str]:
        """Destroy every key but the newest of its kind; return the vkeys of those that are gone."""
        gone = []
        with self._journal.locked():
            old = [(path, _public_bytes(_read_key(path))) for path in self._key_paths()[1:]]
            old += [(path, _public_bytes(_read_second(path))) for path in self._second_paths()[1:]]
            for path, public in old:
                vkey = notes.verification_key(self._name, public)
                write_file(path.with_suffix(".retired"), f"{vkey}\n".encode())
                path.write_bytes(bytes(path.stat().st_size))
                path.unlink()
                gone.append(vkey)
            sync_folder(self._home / "keys")
        return gone

    def _note(self, text: str, keys: Sequence[Ed25519PrivateKey]) -> str:
        lines = [notes.sign(text, name=self._name, private_key=key) for key in keys]
        return "\n".join([text, "".join(lines)])

    def _again(self, head: Head, keys: Sequence[MLDSA44PrivateKey]) -> str:
        moment = int(time.time())
        return "".join(
            notes.sign_again(head, name=self._name, private_key=key, moment=moment) for key in keys
        )

    # -- The keys -------------------------------------------------------------------------------

    def _private_keys(self) -> list[Ed25519PrivateKey]:
        """The private keys, newest first."""
        paths = self._key_paths()
        if not paths and self._create_key:
            with self._journal.locked():
                if not self._key_paths():
                    self._make_key()
            paths = self._key_paths()
        if not paths:
            raise SignerUnavailable(
                f"There is no signing key in {self._home}: make one with "
                "'python manage.py signer --new-key', or set SIGNER_HOME."
            )
        self._keys = _remembered(paths, self._keys, _read_key)
        return [key for _status, key in self._keys.values()]

    def _second_private_keys(self) -> list[MLDSA44PrivateKey]:
        """The keys of the second signature, newest first; none where it is not wanted."""
        if not self._second:
            return []
        paths = self._second_paths()
        if not paths:
            raise SignerUnavailable(
                f"SIGNER_ML_DSA is on, and there is no such key in {self._home}: make one with "
                "'python manage.py signer --new-second-key'."
            )
        self._second_keys = _remembered(paths, self._second_keys, _read_second)
        return [key for _status, key in self._second_keys.values()]

    def _second_paths(self) -> list[Path]:
        return sorted((self._home / "keys").glob("*.mldsa44"), reverse=True)

    def _key_paths(self) -> list[Path]:
        return sorted((self._home / "keys").glob("*.key"), reverse=True)

    def _make_key(self) -> None:
        self._keep_key(Ed25519PrivateKey.generate().private_bytes_raw(), ".key")

    def _keep_key(self, seed: bytes, suffix: str) -> None:
        folder = self._home / "keys"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = len(list(folder.glob("[0-9]*"))) + 1
        fresh = folder / "new"
        write_file(fresh, base64.b64encode(seed) + b"\n")
        fresh.rename(folder / f"{number:04}{suffix}")
        sync_folder(folder)


def _decide(request: Request, heads: dict[str, Head]) -> Head | Refusal:
    """The head where it may be signed after *heads*, to which it is then added."""
    head = request.head
    known = heads.get(head.origin, Head(head.origin, 0, EMPTY_ROOT))
    if head.size < known.size:
        return Refusal(f"size {head.size} is smaller than {known.size}, signed before", known)
    if head.size == known.size and head.root != known.root:
        return Refusal(f"another root of size {head.size} was signed before", known)
    if head.size > known.size and not (
        request.old_size == known.size
        and verify_consistency(
            old_size=known.size,
            new_size=head.size,
            old_root=known.root,
            new_root=head.root,
            proof=request.proof,
        )
    ):
        return Refusal(f"no valid proof that it extends the head of size {known.size}", known)
    heads[head.origin] = head
    return head


def _remembered(
    paths: Iterable[Path], before: _Keys[_Key], read: Callable[[Path], _Key]
) -> _Keys[_Key]:
    """The keys in these files; only what is new or was replaced is read."""
    found: _Keys[_Key] = {}
    for path in paths:
        status = path.stat()
        seen = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        kept = before.get(path)
        found[path] = kept if kept is not None and kept[0] == seen else (seen, read(path))
    return found


def _read_seed(path: Path) -> bytes:
    return base64.b64decode(path.read_text())


def _read_key(path: Path) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_read_seed(path))


def _read_second(path: Path) -> MLDSA44PrivateKey:
    return MLDSA44PrivateKey.from_seed_bytes(_read_seed(path))


def _public_bytes(key: Ed25519PrivateKey | MLDSA44PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
