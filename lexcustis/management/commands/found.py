"""Found an organisation with its first administrator: the first step of a new instance."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from orgs.members import add_member
from orgs.models import User
from orgs.organisations import create_organisation
from orgs.roles import Role


class Command(BaseCommand):
    """Asks for the administrator's password, or reads it from standard input where it is piped."""

    help = "Create an organisation and its first administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who and where."""
        parser.add_argument("name", help="The organisation's name.")
        parser.add_argument("--slug", required=True, help="Its short name, used in file names.")
        parser.add_argument("--email", required=True, help="The administrator's address.")
        parser.add_argument("--person", required=True, help="The administrator's name.")

    def handle(self, *args: object, **options: str) -> None:
        """Create both, or neither."""
        password = _password()
        try:
            with transaction.atomic():
                user = User(email=options["email"].lower(), name=options["person"])
                validate_password(password, user)
                user.set_password(password)
                user.full_clean()
                user.save(force_insert=True)
                organisation = create_organisation(name=options["name"], slug=options["slug"])
                add_member(organisation, user, Role.ADMINISTRATOR)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{organisation} is there; {user.email} administers it.")


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password of the administrator: ")
    if getpass.getpass("Once more: ") != password:
        raise CommandError("The two differ.")
    return password
