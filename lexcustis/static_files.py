"""Collecting the static files, only when one of them changed."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

_STAMP = ".collected"


def collect_static_files() -> bool:
    """Copy, hash and compress the static files where they differ from last time.

    Returns whether there was anything to do.
    """
    stamp = settings.STATIC_ROOT / _STAMP
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
    stamp.write_text(wanted)
    return True


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list(ignore_patterns=[]):
            modified = storage.get_modified_time(path).timestamp()
            digest.update(f"{path}\0{storage.size(path)}\0{modified}\n".encode())
    return digest.hexdigest()
