"""Dossiers and documents in a bucket, over HTTP, at a server that others wrote (moto)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as configured
from django.core.files.storage import default_storage
from django.http import StreamingHttpResponse
from django.test import Client
from moto.server import ThreadedMotoServer

from dossier.downloads import download
from dossier.models import Dossier
from dossier.production import _remove_leftovers, render
from dossier.upstream_documents import find_document, read_document
from lexcustis.object_storage import object_storage
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.dossier.test_exactly_once import no_pause
from tests.dossier.test_production import QuickPaper, asked_for
from tests.dossier.test_upstream import PDF, summary

BUCKET = "dossiers-of-tests"


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def variables(server: ThreadedMotoServer) -> Mapping[str, str]:
    host, port = server.get_host_and_port()
    return {
        "S3_BUCKET": BUCKET,
        "S3_PREFIX": "production",
        "S3_ENDPOINT_URL": f"http://{host}:{port}",
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY_ID": "somebody",
        "S3_SECRET_ACCESS_KEY": "a-secret",
    }


@pytest.fixture
def bucket(variables: Mapping[str, str], settings: Any) -> Any:
    """The bucket as its owner sees it, emptied; the product's files go there."""
    made = boto3.resource(
        "s3",
        endpoint_url=variables["S3_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="owner",
        aws_secret_access_key="owner",
    ).Bucket(BUCKET)
    made.create()
    made.objects.delete()
    settings.STORAGES = {**configured.STORAGES, "default": object_storage(variables)}
    return made


def keys(bucket: Any) -> list[str]:
    return [item.key for item in bucket.objects.all()]


async def read(response: StreamingHttpResponse) -> bytes:
    return b"".join([piece async for piece in response])


def test_a_dossier_is_kept_in_the_bucket_and_handed_out_of_it(cast: Cast, bucket: Any) -> None:
    dossier = asked_for(cast)
    assert render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    (key,) = keys(bucket)
    assert key == f"production/{dossier.file.name}"
    assert not (Path(configured.MEDIA_ROOT) / str(dossier.file.name)).exists()
    data = bucket.Object(key).get()["Body"].read()
    assert hashlib.sha256(data).hexdigest() == dossier.file_sha256
    everybody = [grant for grant in bucket.Object(key).Acl().grants if "URI" in grant["Grantee"]]
    assert everybody == []
    response = download(cast.olivia, dossier.pk)
    assert async_to_sync(read)(response) == data
    assert len(data) == int(response["Content-Length"])


def test_nobody_else_is_handed_it(cast: Cast, bucket: Any) -> None:
    dossier = asked_for(cast)
    render(dossier.pk, QuickPaper())
    path = f"/api/v1/dossiers/{dossier.pk}/download"
    assert signed_in(cast.charlie.user).get(path).status_code == 404
    assert Client().get(path).status_code == 401


def test_a_storage_that_is_away_costs_an_attempt_and_nothing_else(
    cast: Cast, bucket: Any, settings: Any, variables: Mapping[str, str]
) -> None:
    dossier = asked_for(cast)
    away = {**variables, "S3_BUCKET": "no-such-bucket"}
    settings.STORAGES = {**configured.STORAGES, "default": object_storage(away)}
    assert not render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    assert dossier.state == Dossier.State.WAITING
    assert "trying again" in dossier.message
    assert "a-secret" not in dossier.message
    settings.STORAGES = {**configured.STORAGES, "default": object_storage(variables)}
    no_pause(dossier.pk)
    assert render(dossier.pk, QuickPaper())
    assert len(keys(bucket)) == 1


def test_what_a_killed_attempt_left_is_removed(cast: Cast, bucket: Any) -> None:
    folder = f"dossiers/{cast.organisation.pk}/x/1"
    bucket.put_object(Key=f"production/{folder}/dossier.zip", Body=b"half")
    bucket.put_object(Key=f"production/{folder}/kept.zip", Body=b"whole")
    assert _remove_leftovers(folder, but=f"{folder}/kept.zip") == 1
    assert keys(bucket) == [f"production/{folder}/kept.zip"]
    assert _remove_leftovers("dossiers/nothing/there") == 0


def test_a_document_is_stored_sealed(cast: Cast, bucket: Any) -> None:
    made = summary(cast)
    (key,) = keys(bucket)
    assert PDF[5:] not in bucket.Object(key).get()["Body"].read()
    assert read_document(find_document(cast.olivia, made.pk)) == PDF


@pytest.mark.slow
def test_the_variables_reach_the_bucket(bucket: Any, variables: Mapping[str, str]) -> None:
    """As an operator sets them: in the environment of a process of its own."""
    code = (
        "from django.core.files.base import ContentFile\n"
        "from django.core.files.storage import default_storage\n"
        "print(default_storage.save('note.txt', ContentFile(b'here')))"
    )
    environment = {**os.environ, **variables, "LEXCUSTIS_DEMO": "1"}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        cwd=configured.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert keys(bucket) == ["production/note.txt"]
    assert default_storage.open("note.txt").read() == b"here"
