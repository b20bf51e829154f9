"""Dossiers and documents in a bucket, at Amazon or at any server that speaks S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_IN_MEMORY = 16 * 1024 * 1024


def object_storage(variables: Mapping[str, str]) -> dict[str, Any]:
    """The entry of ``STORAGES`` that the variables ``S3_…`` describe; ``.env.example`` has them.

    Without a key boto3 looks where it always does: the environment, the machine's own role.
    """

    def value(name: str) -> str | None:
        return variables.get(f"S3_{name}") or None

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": value("BUCKET"),
            "location": value("PREFIX") or "",
            "endpoint_url": value("ENDPOINT_URL"),
            "region_name": value("REGION"),
            "access_key": value("ACCESS_KEY_ID"),
            "secret_key": value("SECRET_ACCESS_KEY"),
            "file_overwrite": False,
            "default_acl": None,  # the bucket's own rules; never public by ours
            "max_memory_size": _IN_MEMORY,  # of a file that is read; the rest goes to the disk
        },
    }
