"""The real processes under the logins of production: all works, and one login for all is refused.

P2: whoever works as the owner of the tables could change the log.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from audit.guard import DatabaseRole
from lexcustis.embedded import start_valkey
from lexcustis.logins import choose_login, make_logins
from tests.lexcustis.test_production_settings import PRODUCTION
from tests.live import free_port

ROOT = Path(__file__).resolve().parents[2]
MARK = secrets.token_hex(4)
WEB, SEALER, BOTH = (f"lexcustis_{name}_{MARK}" for name in ("web", "sealer", "both"))
PEOPLE = """
from orgs.keys import create_key
from orgs.members import add_member
from orgs.models import Organisation, User
from orgs.roles import Permission, Role
from orgs.tenancy import tenant_of
olivia = User.objects.create_user("olivia@example.org", name="Olivia")
tenant = tenant_of(add_member(Organisation.objects.get(), olivia, Role.COMPLIANCE_OFFICER))
print("key:", create_key(tenant, name="test", scopes=tenant.permissions)[1])
"""


class Instance:
    """A production instance with a database of its own."""

    def __init__(self, home: Path, sockets: Path, redis: str) -> None:
        self.home = home
        self.port = free_port()
        self.sockets = sockets
        self.environment = PRODUCTION | {
            "PATH": os.environ["PATH"],
            "LEXCUSTIS_HOME": str(home),
            "DATABASE_OWNER_URL": self.address("lexcustis"),
            "DATABASE_URL": self.address(WEB),
            "SEALER_DATABASE_URL": self.address(SEALER),
            "REDIS_URL": redis,
            "EMAIL_URL": f"filemail:///{home}/mail",
            "ALLOWED_HOSTS": "127.0.0.1",
            "DEFAULT_LLM_PROVIDER": "simulated:sim-large",
            "SECURE_SSL_REDIRECT": "0",
            "PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def address(self, login: str) -> str:
        return f"postgres://{login}:secret@/production_{MARK}?host={self.sockets}"

    def manage(self, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            input=options.get("input"),
            timeout=120,
        )

    def start(self, name: str, **changes: str) -> subprocess.Popen[bytes]:
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "lexcustis.process", name],
                cwd=ROOT,
                env=self.environment | changes,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(60)


@pytest.fixture(scope="module")
def instance(django_db_setup: None) -> Iterator[Instance]:
    from django.conf import settings

    values = settings.DATABASES["default"]
    home = Path(tempfile.mkdtemp(prefix="lexcustis-production-"))
    sockets = home / "socket"  # the same server under a name that is not the bundle's
    sockets.symlink_to(values["OPTIONS"].get("host") or values["HOST"])
    valkey = start_valkey(home)
    socket = home / "broker.sock"
    socket.symlink_to(valkey.url.removeprefix("unix://"))
    made = Instance(home, sockets, f"unix://{socket}")
    login = {"host": str(sockets), "user": "lexcustis", "dbname": "lexcustis", "autocommit": True}
    with psycopg.connect(**login) as server:  # type: ignore[arg-type]
        server.execute(f"CREATE DATABASE production_{MARK}")
        try:
            yield made
        finally:
            made.stop()
            valkey.stop()
            server.execute(f"DROP DATABASE production_{MARK} WITH (FORCE)")
            for name in (WEB, SEALER, BOTH):
                server.execute(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture(scope="module")
def prepared(instance: Instance) -> Instance:
    """The instance with its tables and logins."""
    done = instance.manage("prepare", "--no-static")
    assert done.returncode == 0, done.stderr
    return instance


def wait_for(ask: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while (answer := ask()) is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return answer


def answered(client: httpx2.Client, method: str, path: str, **options: object) -> Mapping[str, Any]:
    response = client.request(method, path, **options)  # type: ignore[arg-type]
    assert response.status_code in {200, 202}, response.text
    return response.json()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_everything_works_with_three_logins(prepared: Instance) -> None:
    instance = prepared
    guarded = instance.manage("guard")
    assert guarded.returncode == 0, guarded.stdout
    assert f"the sealer as “{SEALER}” cannot change" in guarded.stdout
    assert instance.manage("signer", "--new-key").returncode == 0
    founded = instance.manage(
        "found", "Acme", "--slug", "acme", "--email", "ada@example.org", "--person", "Ada",
        input="correct horse battery staple\n",
    )  # fmt: skip
    assert founded.returncode == 0, founded.stderr
    people = instance.manage("shell", "-v", "0", "-c", PEOPLE)
    assert people.returncode == 0, people.stderr
    key = people.stdout.partition("key: ")[2].strip()

    for name in ("web", "worker", "sealer"):
        instance.start(name)
    client = httpx2.Client(
        base_url=f"http://127.0.0.1:{instance.port}",
        headers={"Authorization": f"Bearer {key}", "X-Forwarded-Proto": "https"},
        timeout=60,
    )
    try:
        use(instance, client)
    except BaseException:
        for path in instance.home.glob("*.log"):
            print(path.name, path.read_text()[-3000:])
        raise
    finally:
        client.close()
        instance.stop()


def use(instance: Instance, client: httpx2.Client) -> None:
    """A chat, its proof, a dossier, an erasure, a verification."""

    def healthy() -> bool | None:
        try:
            return client.get("/readyz").status_code == 200 or None
        except httpx2.TransportError:
            return None

    wait_for(healthy)
    turn = answered(client, "POST", "/api/v1/chat", json={"message": "Hello", "stream": False})
    assert turn["state"] == "completed"
    record = f"/api/v1/audit/records/{turn['record_id']}"
    wait_for(lambda: answered(client, "GET", "/api/v1/audit/checkpoint")["size"] or None)
    wait_for(lambda: client.get(f"{record}/proof").status_code == 200 or None)

    day = time.strftime("%Y-%m-%d", time.gmtime())
    wanted = {"kind": "art10", "period_start": day, "period_end": day}
    dossier = answered(client, "POST", "/api/v1/dossiers", json=wanted)

    def made() -> str | None:
        row = answered(client, "GET", f"/api/v1/dossiers/{dossier['id']}")
        return row["state"] if row["state"] not in {"waiting", "running"} else None

    assert wait_for(made) == "published"
    erased = instance.manage(
        "erase", "acme", "--record", turn["record_id"], "--ground", "gdpr_17_1"
    )
    assert "recorded as" in erased.stdout, erased.stderr
    detail = answered(client, "GET", record)
    assert detail
    assert answered(client, "GET", "/api/v1/audit/verify")["valid"]


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", ["web", "worker", "sealer"])
def test_a_process_that_works_as_the_owner_is_refused_with_one_line(
    prepared: Instance, name: str
) -> None:
    instance = prepared
    owner = instance.environment["DATABASE_OWNER_URL"]
    process = instance.start(name, DATABASE_URL=owner, SEALER_DATABASE_URL="")
    assert process.wait(90) != 0
    said = [line for line in instance.log(name).read_text().splitlines() if "not fit for" in line]
    assert len(said) == 1
    variable = "SEALER_DATABASE_URL" if name == "sealer" else "DATABASE_URL"
    assert re.search(rf"superuser.*Set {variable} to a login in the role", said[0])
    assert "Traceback" not in instance.log(name).read_text()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_login_of_two_roles_is_refused(prepared: Instance) -> None:
    """Who may both write records and give them places could rewrite what is not sealed yet."""
    instance = prepared
    login = {"host": str(instance.sockets), "user": "lexcustis", "autocommit": True}
    with psycopg.connect(dbname=f"production_{MARK}", **login) as owner:  # type: ignore[arg-type]
        owner.execute(f"CREATE ROLE {BOTH} LOGIN IN ROLE lexcustis_app, lexcustis_sealer")
    both = instance.address(BOTH)
    changes = {"DATABASE_URL": both, "SEALER_DATABASE_URL": both}
    started = {name: instance.start(name, **changes) for name in ("web", "sealer")}
    for name, process in started.items():
        assert process.wait(90) != 0
        assert "as well" in instance.log(name).read_text()


def test_prepare_says_what_is_weak_as_soon_as_it_can(prepared: Instance) -> None:
    instance = prepared
    before = dict(instance.environment)
    try:
        instance.environment |= {"DATABASE_URL": before["DATABASE_OWNER_URL"]}
        done = instance.manage("prepare", "--no-static")
    finally:
        instance.environment = before
    assert done.returncode != 0
    assert "superuser" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "login"),
    [
        (["migrate"], "owner"),
        (["prepare", "--no-demo"], "owner"),
        (["rebuild_index"], "owner"),
        (["seal"], DatabaseRole.SEALER),
        (["verify", "acme"], DatabaseRole.APPLICATION),
        ([], DatabaseRole.APPLICATION),
    ],
)
def test_a_command_works_as_the_login_it_needs(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], login: str
) -> None:
    monkeypatch.setenv("DATABASE_LOGIN", "")
    monkeypatch.delenv("DATABASE_LOGIN")
    choose_login(arguments)
    assert os.environ["DATABASE_LOGIN"] == login


def test_an_owner_who_may_not_make_logins_says_what_an_administrator_runs(
    database: None, settings: object
) -> None:
    from django.db import connection

    settings.DATABASE_LOGINS = {  # type: ignore[attr-defined]
        DatabaseRole.APPLICATION: {"USER": f"nobody_{MARK}", "PASSWORD": "Sesame-open"}
    }
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE lexcustis_app")
    try:
        with pytest.raises(ImproperlyConfigured, match=r"CREATE ROLE nobody_.* IN ROLE") as said:
            make_logins()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
    assert "Sesame" not in str(said.value)
