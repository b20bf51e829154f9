"""The one block that ``make run`` prints when everything is up."""

from __future__ import annotations

from collections.abc import Mapping

from lexcustis.demo_accounts import DEMO_ACCOUNTS, DEMO_ORGANISATIONS, DEMO_PASSWORD
from lexcustis.libraries import INSTALL_HINT, missing_pdf_libraries

_RULE = "─" * 78
_TRUE = {"1", "true", "yes", "on", "y", "ok"}


def block(address: str, environment: Mapping[str, str], seconds: float) -> str:
    """What a person needs to begin: address, sign-in, and what to know."""
    lines = [_RULE, f"  Lex Custis is ready after {seconds:.1f} s:  {address}", ""]
    if environment.get("LEXCUSTIS_DEMO", "").lower() in _TRUE:
        lines += _accounts(bool(environment.get("LOCAL_MODEL_URL")))
    missing = missing_pdf_libraries()
    if missing:
        lines += [
            f"  Dossiers cannot be made yet, the system lacks {', '.join(missing)}:",
            f"    {INSTALL_HINT}",
            "",
        ]
    lines += [f"  Logs: {environment['LEXCUSTIS_HOME']}/log    Stop: Ctrl-C", _RULE]
    return "\n".join(lines)


def _accounts(has_model: bool) -> list[str]:
    model = "a real, small model" if has_model else "a simulated model"
    lines = []
    for slug, organisation in DEMO_ORGANISATIONS.items():
        lines.append(f"  {organisation}")
        lines += [
            f"    {account.email:<28}{account.name:<19}{account.role.value.replace('_', ' ')}"
            for account in DEMO_ACCOUNTS
            if account.organisation == slug
        ]
    return [
        *lines,
        "",
        f"  Everybody's password: {DEMO_PASSWORD}",
        f"  Demo data and {model}: nothing leaves this machine.",
        "",
    ]
