"""Three logins at the database: the owner's, the application's, the sealer's.

``DATABASE_URL`` is the application's. Commands that change the database's shape work as the owner
(``DATABASE_OWNER_URL``), the sealer as itself (``SEALER_DATABASE_URL``); where those are not set,
as in the demo, everything is done by one login, which production refuses (:mod:`audit.guard`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from psycopg import sql

from audit.guard import DatabaseRole

_LOGIN = "DATABASE_LOGIN"
_OF_COMMAND = {
    "demo": "owner",
    "prepare": "owner",
    "migrate": "owner",
    "sqlflush": "owner",
    "flush": "owner",
    "rebuild_index": "owner",
    "seal": DatabaseRole.SEALER,
}


def choose_login(arguments: Sequence[str]) -> None:
    """Have this process work as the login that its command needs; before settings are read."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    os.environ.setdefault(_LOGIN, _OF_COMMAND.get(command, DatabaseRole.APPLICATION))


def make_logins() -> list[str]:
    """As the owner, make the logins that the addresses name and the database lacks.

    A login that is there stays as it is, password and all. Returns the names of the new ones.
    Raises :class:`ImproperlyConfigured` with what an administrator has to run instead.
    """
    made = []
    for role in DatabaseRole:
        address = settings.DATABASE_LOGINS.get(role)
        if address and _make(role, address["USER"], address["PASSWORD"]):
            made.append(address["USER"])
    return made


def _make(role: DatabaseRole, name: str, password: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user = %s OR EXISTS (SELECT FROM pg_roles WHERE rolname = %s)",
            [name, name],
        )
        if cursor.fetchone()[0]:
            return False
        try:
            cursor.execute(_create(role, name, password))
        except Error as error:
            raise ImproperlyConfigured(
                f"The login {name} is missing, and the owner may not create it. As an "
                f"administrator run: CREATE ROLE {name} LOGIN IN ROLE {role.value} PASSWORD '…';"
            ) from error
    return True


def _create(role: DatabaseRole, name: str, password: str) -> sql.Composed:
    statement = sql.SQL("CREATE ROLE {} LOGIN IN ROLE {}").format(
        sql.Identifier(name), sql.Identifier(role.value)
    )
    if password:
        # Hashed here, as psql does: the server may write statements into its log.
        hashed = connection.connection.pgconn.encrypt_password(password.encode(), name.encode())
        statement += sql.SQL(" PASSWORD {}").format(sql.Literal(hashed.decode()))
    return statement
