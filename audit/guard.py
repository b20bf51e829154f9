"""Is the database as guarded as it should be? Asked before the product serves anybody.

In production the application must not be able to change the log even if an attacker runs SQL of
their own through it, and the sealer must not be able to read what people wrote. So each has a
login of its own, which may only what it needs. In the demo one login owns everything, and the
weaknesses are only shown.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

logger = structlog.get_logger(__name__)


class DatabaseRole(enum.StrEnum):
    """What a process's database login is for: the role of which it is a member."""

    APPLICATION = "lexcustis_app"
    SEALER = "lexcustis_sealer"

    @property
    def work(self) -> str:
        """What works as the login."""
        return "the application" if self is DatabaseRole.APPLICATION else "the sealer"

    @property
    def setting(self) -> str:
        """The variable that holds the login's address."""
        return "DATABASE_URL" if self is DatabaseRole.APPLICATION else "SEALER_DATABASE_URL"


_ERASER = "lexcustis_eraser"
_GUARDED = (
    "audit_record",
    "audit_content",
    "audit_position",
    "audit_tile",
    "audit_checkpoint",
    "audit_anchor",
)
_SHOWN = 3

_RIGHTS = """
SELECT role.rolsuper, role.rolbypassrls, role.rolcreaterole, role.rolreplication,
       EXISTS (SELECT FROM pg_class WHERE relname ~ '^audit_' AND relkind IN ('r', 'p')
               AND pg_has_role(current_user, relowner, 'MEMBER'))
       OR EXISTS (SELECT FROM pg_proc WHERE proname ~ '^audit_'
                  AND pg_has_role(current_user, proowner, 'MEMBER')),
       EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public'
               AND pg_has_role(current_user, nspowner, 'MEMBER'))
       OR has_schema_privilege('public', 'CREATE'),
       ARRAY(SELECT other.rolname::text FROM pg_roles AS other
             WHERE (other.rolname ~ '^lexcustis_(app|sealer|eraser)$' OR other.rolname ~ '^pg_'
                    AND other.rolname NOT IN ('pg_database_owner', 'pg_monitor',
                        'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables',
                        'pg_use_reserved_connections'))
               AND pg_has_role(current_user, other.oid, 'MEMBER'))
FROM pg_roles AS role WHERE rolname = current_user
"""
_TABLES = """
SELECT relname,
       has_any_column_privilege(oid, 'UPDATE') OR has_table_privilege(oid, 'DELETE')
       OR has_table_privilege(oid, 'TRUNCATE'),
       relrowsecurity AND relforcerowsecurity,
       (SELECT count(*) FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal
        AND tgenabled = 'A'),
       (SELECT count(*) FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal
        AND tgenabled <> 'A')
FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
AND (relname ~ '^audit_(record|content)(_default|_[0-9_]+)?$'
     OR relname ~ '^audit_(position|tile|checkpoint|anchor)$')
"""
_HEADS = """
SELECT has_any_column_privilege('audit_log', 'UPDATE'),
       has_table_privilege('audit_log', 'DELETE') OR has_table_privilege('audit_log', 'TRUNCATE'),
       has_any_column_privilege('audit_record', 'INSERT'),
       has_any_column_privilege('audit_content', 'SELECT')
WHERE to_regclass('audit_log') IS NOT NULL AND to_regclass('audit_record') IS NOT NULL
  AND to_regclass('audit_content') IS NOT NULL
"""


@contextmanager
def connected_as(role: DatabaseRole) -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own as the login that the settings name for a role."""
    values = copy.deepcopy(connection.settings_dict)
    login = settings.DATABASE_LOGINS.get(role) or settings.DATABASE_LOGINS[DatabaseRole.APPLICATION]
    values |= {name: login[name] for name in ("USER", "PASSWORD", "HOST", "PORT")}
    values["OPTIONS"] = copy.deepcopy(login.get("OPTIONS", {}))
    values["OPTIONS"].pop("pool", None)
    own = load_backend(values["ENGINE"]).DatabaseWrapper(values, DEFAULT_DB_ALIAS)
    try:
        yield own
    finally:
        own.close()


def weaknesses(
    role: DatabaseRole = DatabaseRole.APPLICATION, *, login: BaseDatabaseWrapper | None = None
) -> list[str]:
    """What is weaker than it should be, for the login that this process works as, or another."""
    with (login or connection).cursor() as cursor:
        cursor.execute(_RIGHTS)
        rights = cursor.fetchone()
        cursor.execute(_TABLES)
        tables = cursor.fetchall()
        cursor.execute(_HEADS)
        heads = cursor.fetchone()
    if rights[0]:
        found = ["It is a superuser, whom nothing in a database binds."]
    else:
        found = _of_login(role, rights[1:]) + _of_heads(role, heads)
    names = {name for name, *_ in tables}
    found += [f"The table {name} is missing." for name in _GUARDED if name not in names]
    for name, may_change, secured, guards, sleeping in tables:
        if may_change and not rights[0]:
            found.append(f"It may change or delete rows of {name}.")
        if not secured:
            found.append(f"Row security of {name} is not forced.")
        if guards < 2 or sleeping:
            found.append(f"A trigger that guards {name} is missing or not always on.")
    return found


def _of_login(role: DatabaseRole, rights: tuple[Any, ...]) -> list[str]:
    bypasses, creates, replicates, owns, owns_schema, member_of = rights
    others = sorted(set(member_of) - {role.value, _ERASER})
    return [
        reason
        for applies, reason in (
            (bypasses, "It bypasses row security."),
            (creates, "It may create roles."),
            (replicates, "It may replicate the whole database."),
            (owns, "It owns tables or functions of the audit log."),
            (owns_schema, "It may make or drop things in the schema “public”."),
            (_ERASER in member_of, "It is a member of the eraser's role."),
            (others, f"It is a member of {', '.join(others)} as well."),
            (role.value not in member_of, f"It is no member of {role.value}."),
        )
        if applies
    ]


def _of_heads(role: DatabaseRole, rights: tuple[bool, bool, bool, bool] | None) -> list[str]:
    if rights is None:
        return []
    moves, deletes, writes, reads = rights
    sealer = role is DatabaseRole.SEALER
    return [
        reason
        for applies, reason in (
            (moves and not sealer, "It may move the heads of logs."),
            (deletes, "It may delete logs."),
            (writes and sealer, "It may write records."),
            (reads and sealer, "It may read content."),
        )
        if applies
    ]


def refuse_if_weak(role: DatabaseRole = DatabaseRole.APPLICATION) -> None:
    """Refuse to start on a weak database; the demo only says so.

    Raises :class:`django.core.exceptions.ImproperlyConfigured` with one line that says what is
    weak and what to do.
    """
    try:
        found = weaknesses(role)
    except Error as error:
        if settings.DEMO:
            logger.warning("ledger.database_not_checked", error=repr(error))
            return
        reason = " ".join(str(error).split())
        raise ImproperlyConfigured(f"The database cannot be asked: {reason}") from error
    if found and settings.DEMO:
        logger.info("ledger.weak_database", role=role.value, weaknesses=found)
    elif found:
        raise ImproperlyConfigured(refusal(role, connection.settings_dict["USER"], found))


def refusal(role: DatabaseRole, login: str, found: list[str]) -> str:
    """The one line for whoever started the process."""
    more = f" And {len(found) - _SHOWN} more: 'manage.py guard'." if len(found) > _SHOWN else ""
    return (
        f"The database login “{login}” is not fit for {role.work}. "
        f"{' '.join(found[:_SHOWN])}{more} Set {role.setting} to a login in "
        f"the role {role.value} and DATABASE_OWNER_URL to the owner, then run 'manage.py prepare' "
        "(docs/operations.md, “Database logins”)."
    )
