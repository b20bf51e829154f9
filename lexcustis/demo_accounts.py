"""The people of the demo: who they are, what they are, and the password they share.

``make run`` prints them; the sign-in page offers them with one click, in the demo alone.
"""

from __future__ import annotations

from typing import NamedTuple

from orgs.roles import Role

DEMO_PASSWORD = "demo-lex-custis"  # noqa: S105 - printed on the screen, and refused outside the demo

DEMO_ORGANISATION = "nordwall"
DEMO_OTHER_ORGANISATION = "halden"

# Short name of each organisation of the demo, and its name.
DEMO_ORGANISATIONS: dict[str, str] = {
    DEMO_ORGANISATION: "Nordwall Versicherung",
    DEMO_OTHER_ORGANISATION: "Halden Logistics",
}


class DemoAccount(NamedTuple):
    """One person of the demo, and the short name of the organisation they belong to."""

    email: str
    name: str
    role: Role
    organisation: str


DEMO_ACCOUNTS: tuple[DemoAccount, ...] = (
    DemoAccount("administrator@demo.example", "Ada Brandt", Role.ADMINISTRATOR, DEMO_ORGANISATION),
    DemoAccount(
        "officer@demo.example", "Olivia Marchetti", Role.COMPLIANCE_OFFICER, DEMO_ORGANISATION
    ),
    DemoAccount("reviewer@demo.example", "René Dupont", Role.REVIEWER, DEMO_ORGANISATION),
    DemoAccount("member@demo.example", "Mira Lindqvist", Role.MEMBER, DEMO_ORGANISATION),
    DemoAccount("auditor@demo.example", "Anton Keller", Role.AUDITOR, DEMO_ORGANISATION),
    DemoAccount(
        "stranger@demo.example", "Solveig Aas", Role.ADMINISTRATOR, DEMO_OTHER_ORGANISATION
    ),
)
