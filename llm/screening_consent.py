"""What a request says to findings of screening beforehand, in its body or in a header."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from llm.sieve import Consent

HEADER = "Lexcustis-Screening"


class ConsentIn(Schema):
    """Fields of a request whose sender can be asked."""

    confirmed: bool = Field(
        False,
        description="What screening found was seen and is to be sent as it is. Without it a "
        "request in which something was found may be answered with 409 `screening_confirm`.",
    )
    masked: bool = Field(
        False, description="Send it with the identifiers that screening finds replaced."
    )

    @property
    def consent(self) -> Consent:
        """The same for the turn."""
        return Consent(self.confirmed, self.masked)


def consent_of(request: HttpRequest) -> Consent:
    """A program's answer, from the header ``Lexcustis-Screening: confirmed`` or ``masked``.

    Nobody is there to be asked: without an answer, what would be asked is refused.
    """
    said = request.headers.get(HEADER, "").strip().lower()
    return Consent(confirmed=said == "confirmed", masked=said == "masked", can_ask=False)
