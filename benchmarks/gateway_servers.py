"""The processes that the gateway's measurements compare, and what they cost by ``/proc``."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from benchmarks.first_token import ROOT, free_port, prepare, running, web
from benchmarks.gateway_client import Target

MODELS = ("n20-i1", "n20-i0", "n2000-i0", "n40-i50", "n30-i2500", "n400-i25", "n12-i4")
LITELLM = ROOT / ".venv-litellm"
LITELLM_REQUIREMENTS = ROOT / "requirements-litellm.txt"
_START_UPSTREAM = (
    "import sys; from benchmarks.gateway_upstream import serve as s; s(int(sys.argv[1]))"
)


@dataclass
class Servers:
    """What runs: the upstream, our web process, and processes that are started when needed."""

    direct: Target
    ours: Target
    key: str
    environment: dict[str, str]
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def launched(self, name: str) -> Target:
        """Another web process of ours: ``unrecorded`` or ``watched``."""
        port = free_port()
        command = web(f"benchmarks.gateway_launch:{name}", port, "--factory")
        process = self.stack.enter_context(running(command, port, self.environment))
        return Target(name, port, self.key, process.pid)


@contextlib.contextmanager
def started() -> Iterator[Servers]:
    """A durable PostgreSQL, Valkey, the sealer, the upstream and one web process of ours."""
    home = Path(tempfile.mkdtemp(prefix="lexcustis-gateway-", dir="/var/tmp"))
    home.chmod(0o755)
    os.environ |= {"LEXCUSTIS_DEMO": "1", "LEXCUSTIS_HOME": str(home), "LOG_LEVEL": "ERROR"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "lexcustis.settings"
    from lexcustis.embedded import servers

    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        os.environ.update(stack.enter_context(servers(home)))
        stack.callback(_close_connections)
        upstream_port, our_port = free_port(), free_port()
        key = prepare(upstream_port)
        _widen()
        environment = dict(os.environ)
        command = [sys.executable, "-c", _START_UPSTREAM, str(upstream_port)]
        upstream = stack.enter_context(running(command, upstream_port, environment))
        stack.enter_context(_sealing(environment))
        command = web("lexcustis.asgi:application", our_port)
        process = stack.enter_context(running(command, our_port, environment))
        direct = Target("direct", upstream_port, pid=upstream.pid)
        ours = Target("ours", our_port, key, process.pid)
        yield Servers(direct, ours, key, environment, stack)


def _widen() -> None:
    """Offer the models by which the upstream is told what to do; price and budget every call."""
    from django.db import connections

    from llm import provider_settings
    from llm.budgets import save_budget
    from llm.models import Budget, ProviderSettings
    from orgs.models import Membership
    from orgs.tenancy import tenant_of

    row = ProviderSettings.unscoped.get()
    tenant = tenant_of(Membership.objects.for_organisation(row.organisation_id).get())
    provider_settings.change(
        tenant=tenant,
        settings_id=row.pk,
        allowed_models=list(MODELS),
        options={"price": {"input": "0.5", "output": "1.5", "currency": "EUR"}},
    )
    budget = Budget(
        organisation_id=row.organisation_id, limit=Decimal(1_000_000), unit=Budget.Unit.EUR
    )
    save_budget(tenant, budget)
    connections.close_all()


@contextlib.contextmanager
def _sealing(environment: dict[str, str]) -> Iterator[None]:
    """The sealer beside the web process, as the Procfile starts it."""
    with subprocess.Popen([sys.executable, "manage.py", "seal"], cwd=ROOT, env=environment) as made:
        try:
            yield
        finally:
            made.terminate()


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
    connections["default"].close_pool()  # type: ignore[attr-defined]


# -- LiteLLM --------------------------------------------------------------------------------------


class NotInstalled(Exception):
    """LiteLLM cannot be measured here; the message says why."""


def install_litellm() -> None:
    """Make LiteLLM's environment if it is not there. Raises :class:`NotInstalled`."""
    if (LITELLM / "complete").exists():
        return
    uv = [str(ROOT / ".venv" / "bin" / "uv")]
    wanted = ["--require-hashes", "-r", str(LITELLM_REQUIREMENTS)]
    steps = (
        [*uv, "venv", "-q", "--clear", "--python", sys.executable, str(LITELLM)],
        [*uv, "pip", "install", "-q", "--python", str(LITELLM / "bin" / "python"), *wanted],
    )
    for step in steps:
        try:
            subprocess.run(step, check=True, capture_output=True, text=True, timeout=900)
        except FileNotFoundError as error:
            raise NotInstalled(f"{error.filename} is missing") from error
        except subprocess.TimeoutExpired as error:
            raise NotInstalled("installing it took over 15 minutes") from error
        except subprocess.CalledProcessError as error:
            said = (error.stderr or "").strip().splitlines() or ["uv failed"]
            raise NotInstalled(said[-1][:200]) from error
    (LITELLM / "complete").touch()


@contextlib.contextmanager
def litellm(upstream: Target) -> Iterator[Target]:
    """LiteLLM's proxy with one worker: a key, no database, no callbacks.

    Raises :class:`NotInstalled`.
    """
    install_litellm()
    key, port = f"sk-{secrets.token_hex(16)}", free_port()
    lines = ["model_list:"]
    for model in MODELS:
        lines += [f"  - model_name: {model}", "    litellm_params:"]
        lines += [f"      model: openai/{model}", "      api_key: none"]
        lines.append(f"      api_base: http://127.0.0.1:{upstream.port}/v1")
    lines += ["general_settings:", f"  master_key: {key}"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("\n".join(lines))
        file.flush()
        command = [str(LITELLM / "bin" / "litellm"), "--config", file.name, "--host", "127.0.0.1"]
        command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
        environment = {
            "PATH": f"{LITELLM / 'bin'}:{os.environ['PATH']}",
            "HOME": tempfile.gettempdir(),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
        }
        with contextlib.ExitStack() as stack:
            try:
                process = stack.enter_context(running(command, port, environment))
            except RuntimeError as error:
                raise NotInstalled("it did not start") from error
            yield Target("LiteLLM", port, key, process.pid)


# -- What a process costs -------------------------------------------------------------------------

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(target: Target) -> float:
    """The processor time of a target's process and those that it started."""
    ticks = 0
    for pid in _family(target.pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def memory_kb(target: Target) -> int:
    """The resident memory of a target's process and those that it started."""
    pages = 0
    for pid in _family(target.pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _family(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found, rest = [], [pid]
    while rest:
        found.append(rest.pop())
        rest += parents.get(found[-1], [])
    return found
