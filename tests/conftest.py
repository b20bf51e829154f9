"""Fixtures of every test.

The database is real and nothing is rolled back: the ledger's writer and sealer have connections
and processes of their own and must see what a test wrote, and records cannot be deleted anyway.
Each test works in fresh organisations, so tests do not meet.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import setup_databases

from orgs import vault
from tests.cast import Cast, make_cast
from tests.live import live_server_process, web_server  # noqa: F401 - fixtures of every test

# The machines that run the tests are shared: how long one example takes says nothing.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")

# Whoever runs the tests in the background lets them, and what they start, ignore Ctrl-C.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

_PROMISE = re.compile(r"\bP[1-9]\b")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Modules meet each other's rows: what only works in one order fails when nobody expects it."""
    parser.addoption("--modules", help="their order: 'backwards', or a number to shuffle them by")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put modules into the order asked for, and mark the tests that name a promise.

    They or their module name it: ``make prove`` runs them.
    """
    if order := config.getoption("--modules"):
        modules: dict[Path, list[pytest.Item]] = {}
        for item in items:
            modules.setdefault(item.path, []).append(item)
        names = sorted(modules, reverse=order == "backwards")
        if order != "backwards":
            random.Random(int(order)).shuffle(names)
        items[:] = [item for name in names for item in modules[name]]
    for item in items:
        function, module = getattr(item, "function", None), getattr(item, "module", None)
        words = [item.name.replace("_", " ").upper(), function and function.__doc__]
        words.append(module and module.__doc__)
        for name in sorted(set(_PROMISE.findall(" ".join(word or "" for word in words)))):
            item.add_marker(pytest.mark.promise(name))


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """Pages name their static files by hash, as they do for people."""
    settings.STATIC_ROOT = settings.HOME / f"static-{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)


@pytest.fixture(autouse=True)
def keys_are_not_known() -> None:
    """Each test begins as a new process does, which has opened no organisation's key yet."""
    vault.forget_keys()


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Create and migrate the test database: pytest-django's own does it for marked tests only."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        settings.DATABASES["default"]["TEST"]["NAME"] = f"test_lexcustis_{worker}"
    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False)
        yield
        name = settings.DATABASES["default"]["NAME"]
        connections.close_all()
        connections["default"].close_pool()  # type: ignore[attr-defined]
        with connections["default"]._nodb_cursor() as cursor:
            # Writers and sealers of the tests may still hold connections of their own.
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, with real commits."""
    with django_db_blocker.unblock():
        yield
        connection.close()


@pytest.fixture
def cast(database: None) -> Cast:
    """Two organisations with their people."""
    return make_cast()


@pytest.fixture
def database_url(database: None) -> str:
    """The test database's address, for processes that a test starts."""
    values = settings.DATABASES["default"]
    host = values["OPTIONS"].get("host") or values["HOST"]
    return f"postgres://{values['USER']}@/{values['NAME']}?host={host}"
