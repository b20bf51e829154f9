"""An instance for the world starts only with what it needs, and says by name what is missing."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lexcustis.checks import production
from lexcustis.fresh_env import EXAMPLE, fresh_env, main

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "k9Jx-7Qz_2mWvB4tLr8NcYp3FhS6dGa1EoUiTqXwZyV5uRbCnMjKlP0sDfHgAe",
    "VAULT_KEYS": "k1:" + base64.b64encode(bytes(range(100, 132))).decode(),
    "DATABASE_URL": "postgres://lexcustis:password@db.example.org:5432/lexcustis",
    "REDIS_URL": "redis://redis.example.org:6379/0",
    "ALLOWED_HOSTS": "lexcustis.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://lexcustis.example.org",
    "LEDGER_HOST": "lexcustis.example.org",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.org:587",
    "METRICS_TOKEN": "a-token-for-prometheus",
}


def check(
    tmp_path: Path, *arguments: str, **changes: str | None
) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in (PRODUCTION | {"LEXCUSTIS_HOME": str(tmp_path)} | changes).items()
        if value is not None
    }
    return subprocess.run(
        [sys.executable, "manage.py", "check", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_deploy_has_nothing_to_say_about_a_well_set_instance(tmp_path: Path) -> None:
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "VAULT_KEYS", "DATABASE_URL", "REDIS_URL", "LEDGER_HOST"]
)
def test_it_does_not_start_without_what_it_needs(tmp_path: Path, name: str) -> None:
    for absent in (None, ""):
        done = check(tmp_path, **{name: absent})
        assert done.returncode != 0
        assert f"{name} is not set" in done.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DATABASE_URL": "postgres://lexcustis@/lexcustis?host=/tmp/lexcustis-run-pg-x"}, "E001"),
        ({"REDIS_URL": "unix:///tmp/lexcustis-run-vk-x/valkey.sock"}, "E001"),
        ({"SECRET_KEY": "short"}, "E002"),
        ({"SECRET_KEY": "demo-only-" + "0" * 60}, "E002"),
        ({"SECRET_KEY": "a" * 64}, "E002"),
        ({"VAULT_KEYS": "k1:" + base64.b64encode(b"x" * 31).decode()}, "E003"),
        ({"VAULT_KEYS": "not a key"}, "E003"),
        ({"VAULT_KEYS": "demo:ZGVtby1vbmx5LWluc3RhbmNlLWtleS1ub3Qtc2VjcmU="}, "E003"),
        ({"VAULT_KEYS": "k1:" + base64.b64encode(bytes(32)).decode()}, "E003"),
        ({"DEBUG": "1"}, "E004"),
    ],
)
def test_what_would_be_unsafe_is_refused_by_name(
    tmp_path: Path, changes: dict[str, str], expected: str
) -> None:
    done = check(tmp_path, **changes)
    assert done.returncode != 0
    assert f"lexcustis.{expected}" in done.stderr
    assert "HINT" in done.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"LEXCUSTIS_DEMO": "1"}, "E005"),
        ({"EMAIL_URL": "consolemail://"}, "W002"),
        ({"METRICS_TOKEN": ""}, "W003"),
        ({"S3_BUCKET": "dossiers", "S3_ENDPOINT_URL": "http://objects.example.org"}, "W004"),
    ],
)
def test_check_deploy_names_what_does_not_belong_into_the_world(
    tmp_path: Path, changes: dict[str, str], expected: str
) -> None:
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING", **changes)
    assert done.returncode != 0
    assert f"lexcustis.{expected}" in done.stderr


def test_no_check_prints_a_secret(tmp_path: Path) -> None:
    """P7: what is wrong with a secret is said without it."""
    done = check(tmp_path, "--deploy", SECRET_KEY="Sesame-open", VAULT_KEYS="k1:U2VzYW1lLW9wZW4=")
    assert "lexcustis.E002" in done.stderr
    assert "lexcustis.E003" in done.stderr
    assert "Sesame" not in done.stderr + done.stdout
    assert "U2VzYW1l" not in done.stderr + done.stdout


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(PRODUCTION["SECRET_KEY"])
    done = check(tmp_path, "--deploy", SECRET_KEY=None, SECRET_KEY_FILE=str(secret))
    assert done.returncode == 0, done.stderr


def test_every_variable_of_the_settings_is_described() -> None:
    settings = (ROOT / "lexcustis" / "settings.py").read_text()
    read = set(re.findall(r'(?:env\.\w+|_required)\(\s*"([A-Z_]+)"', settings))
    described = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert read - described == {"LOCAL_MODEL_URL"}  # the supervisor alone sets it


def test_a_fresh_file_has_its_own_secrets_and_leaves_only_the_rest_to_fill_in() -> None:
    first, second = (fresh_env("ai.example.com", EXAMPLE.read_text()) for _ in range(2))
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", first, re.MULTILINE))
    assert values["LEDGER_HOST"] == values["ALLOWED_HOSTS"] == "ai.example.com"
    assert len(values["SECRET_KEY"]) > 60
    identifier, _, key = values["VAULT_KEYS"].partition(":")
    assert (identifier, len(base64.b64decode(key))) == ("k1", 32)
    assert first != second


def test_a_fresh_file_makes_an_instance_that_passes_the_checks(tmp_path: Path) -> None:
    text = fresh_env("ai.example.com", EXAMPLE.read_text())
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    values["EMAIL_URL"] = PRODUCTION["EMAIL_URL"]
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING", **values)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [[], ["two", "words"], ["https://no.example.org"], ["a b"]])
def test_a_fresh_file_needs_a_host_name(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "usage" in capsys.readouterr().err


def test_a_bucket_needs_what_speaks_to_it(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.S3 = {**settings.S3, "S3_BUCKET": "dossiers"}
    assert "lexcustis.E006" not in {message.id for message in production()}
    monkeypatch.setattr("lexcustis.checks.find_spec", lambda name: None)
    assert "lexcustis.E006" in {message.id for message in production()}
    settings.S3 = {**settings.S3, "S3_BUCKET": ""}
    assert "lexcustis.E006" not in {message.id for message in production()}
