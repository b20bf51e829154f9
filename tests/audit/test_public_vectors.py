"""What others agreed on holds here: RFC 6962 proofs, Ed25519, ML-DSA-44, canonical JSON.

The data and where it comes from: ``audit/vectors/public/README.md``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

import audit
from audit import canonical, verifier
from audit.proofs import verify_consistency, verify_inclusion

FOLDER = Path(audit.__file__).with_name("vectors") / "public"


def vectors(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return rows


def decoded(items: list[str] | None) -> list[bytes]:
    return [base64.b64decode(item) for item in items or []]


def test_inclusion_proofs() -> None:
    good = 0
    for case in vectors("merkle_inclusion"):
        leaf, root = base64.b64decode(case["leafHash"]), base64.b64decode(case["root"])
        path, index, size = decoded(case["proof"]), case["leafIdx"], case["treeSize"]
        expected = not case["wantErr"]
        found = verify_inclusion(leaf, index=index, size=size, proof=path, root=root)
        assert found is expected, case["file"]
        found = verifier.inclusion_root(leaf, index, size, path) == root and bool(root)
        assert found is expected, case["file"]
        good += expected
    assert good == 6


# Every log begins with the empty one: that is how a signer and a witness come to know a log (C2SP
# tlog-witness). There is nothing to prove, for which the source of the vectors refuses to do it.
FROM_NOTHING = "consistency/additional/size1-is-zero-and-size2-is-not-zero.json"


def test_consistency_proofs() -> None:
    good = 0
    for case in vectors("merkle_consistency"):
        old, new, path = case["size1"], case["size2"], decoded(case["proof"])
        roots = base64.b64decode(case["root1"] or ""), base64.b64decode(case["root2"] or "")
        expected = not case["wantErr"] or case["file"] == FROM_NOTHING
        found = verify_consistency(
            old_size=old, new_size=new, old_root=roots[0], new_root=roots[1], proof=path
        )
        assert found is expected, case["file"]
        assert verifier.is_consistent(old, new, *roots, path) is expected, case["file"]
        good += expected
    assert good == 6 + 1


@pytest.mark.parametrize("check", [verifier.ed25519_by_definition, verifier.ed25519])
def test_ed25519_of_wycheproof(check: Callable[[bytes, bytes, bytes], bool]) -> None:
    """Both ways the verifier has: by the definition, where there is no library, and with one."""
    results = set()
    for case in vectors("wycheproof_ed25519"):
        key, message = bytes.fromhex(case["public_key"]), bytes.fromhex(case["message"])
        found = check(key, bytes.fromhex(case["signature"]), message)
        assert found is (case["result"] == "valid"), (case["id"], case["comment"])
        results.add(case["result"])
    assert results == {"valid", "invalid"}


def test_ed25519_of_rfc_8032() -> None:
    for case in vectors("rfc8032"):
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["secret"]))
        public, message = bytes.fromhex(case["public_key"]), bytes.fromhex(case["message"])
        signature = bytes.fromhex(case["signature"])
        assert private.public_key().public_bytes_raw() == public
        assert private.sign(message) == signature
        assert verifier.ed25519_by_definition(public, signature, message)
        assert verifier.ed25519(public, signature, message)


def test_mldsa44_of_wycheproof() -> None:
    """The library that signs and checks the second signature keeps to FIPS 204."""
    results = set()
    for case in vectors("wycheproof_mldsa44"):
        key, message, context, signature = (
            base64.b64decode(case[name])
            for name in ("public_key", "message", "context", "signature")
        )
        try:
            MLDSA44PublicKey.from_public_bytes(key).verify(signature, message, context or None)
            found = True
        except (InvalidSignature, ValueError):
            found = False
        assert found is (case["result"] == "valid"), (case["id"], case["comment"])
        results.add(case["result"])
    assert results == {"valid", "invalid"}


@pytest.mark.parametrize("case", vectors("rfc8785"), ids=lambda case: str(case["name"]))
def test_canonical_json_of_rfc_8785(case: dict[str, Any]) -> None:
    """The library that our form is compared with is right, and ours agrees or refuses."""
    value, expected = json.loads(case["input"]), bytes.fromhex(case["output"])
    assert rfc8785.dumps(value) == expected
    if case["name"] == "arrays":
        assert canonical.encode({"v": value}) == b'{"v":' + expected + b"}"
    else:  # outside the profile: a key that is not plain ASCII, or a floating-point number
        with pytest.raises(canonical.NotCanonical, match="is not allowed"):
            canonical.encode({"v": value})


def test_strings_of_rfc_8785_are_written_as_there() -> None:
    """Control characters, quotes, signs beyond the first plane: in values all may stand."""
    count = 0
    for case in vectors("rfc8785"):
        expected = bytes.fromhex(case["output"])
        for text in strings_in(json.loads(case["input"])):
            written = canonical.encode({"v": text})[len(b'{"v":') : -1]
            assert written in expected
            assert canonical.decode(b'{"v":' + written + b"}") == {"v": text}
            count += 1
    assert count > 15


def strings_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in strings_in(item)]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in strings_in(item)]
    return []
