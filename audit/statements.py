"""Statements that the instance signs besides checkpoints."""

from __future__ import annotations

from audit.signer import signer


def sign_manifest(sha256: bytes) -> str:
    """The signed note over a bundle's ``MANIFEST.json``: the content of ``MANIFEST.json.sig``.

    Its text can never be that of a checkpoint, whose second line is a number.
    """
    return signer().sign_manifest(sha256)
