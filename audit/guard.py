"""Is the database as guarded as it should be? Asked before the product serves anybody.

In production the application must not be able to change the log even if an attacker runs SQL of
their own through it. In the demo it owns the database, so the weaknesses are only shown.
"""

from __future__ import annotations

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

logger = structlog.get_logger(__name__)

_GUARDED = ("audit_record", "audit_content", "audit_position", "audit_tile", "audit_checkpoint")

_RIGHTS = """
SELECT role.rolsuper, role.rolbypassrls, role.rolcreaterole,
       pg_has_role(current_user, 'lexcustis_eraser', 'MEMBER'),
       EXISTS (SELECT FROM pg_class WHERE relname ~ '^audit_' AND relkind IN ('r', 'p')
               AND pg_has_role(current_user, relowner, 'MEMBER'))
FROM pg_roles AS role WHERE rolname = current_user
"""
_TABLES = """
SELECT relname,
       has_table_privilege(oid, 'UPDATE') OR has_table_privilege(oid, 'DELETE')
       OR has_table_privilege(oid, 'TRUNCATE'),
       relrowsecurity AND relforcerowsecurity,
       (SELECT count(*) FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal
        AND tgenabled = 'A'),
       (SELECT count(*) FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal
        AND tgenabled <> 'A')
FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
AND relname ~ '^audit_(record|content)(_default|_[0-9_]+)?$|^audit_(position|tile|checkpoint)$'
"""


def weaknesses() -> list[str]:
    """What is weaker than it should be, for the role that this process works as."""
    with connection.cursor() as cursor:
        cursor.execute(_RIGHTS)
        superuser, bypasses, creates, erases, owns = cursor.fetchone()
        cursor.execute(_TABLES)
        tables = cursor.fetchall()
    found = [
        reason
        for applies, reason in (
            (superuser, "The application works as a superuser, whom nothing in a database binds."),
            (bypasses, "The application's role bypasses row security."),
            (creates, "The application's role may create roles."),
            (owns, "The application owns tables of the audit log."),
            (erases, "The application is a member of the eraser's role."),
        )
        if applies
    ]
    names = {name for name, *_ in tables}
    found += [f"The table {name} is missing." for name in _GUARDED if name not in names]
    for name, may_change, secured, guards, sleeping in tables:
        if may_change and not superuser:
            found.append(f"The application may change or delete rows of {name}.")
        if not secured:
            found.append(f"Row security of {name} is not forced.")
        if guards < 2 or sleeping:
            found.append(f"A trigger that guards {name} is missing or not always on.")
    return found


def refuse_if_weak() -> None:
    """Refuse to start on a weak database; the demo only says so.

    Raises :class:`django.core.exceptions.ImproperlyConfigured` with every weakness.
    """
    found = weaknesses()
    if found and not settings.DEMO:
        raise ImproperlyConfigured(
            "The database does not guard the audit log; see docs/threat-model.md. "
            + " ".join(found)
        )
    if found:
        logger.info("ledger.weak_database", weaknesses=found)
