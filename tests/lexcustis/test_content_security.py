"""Forms lead nowhere but here, and to the identity providers that the operator named."""

from __future__ import annotations

from lexcustis.content_security import policy


def test_nothing_comes_from_elsewhere() -> None:
    directives = policy()["DIRECTIVES"]
    assert directives.pop("default-src") == ["'none'"]
    assert {source for sources in directives.values() for source in sources} == {
        "'self'",
        "'none'",
    }


def test_signing_in_elsewhere_is_allowed_where_it_is_configured() -> None:
    apps = [
        {"settings": {"server_url": "https://id.example.org/realms/a/.well-known/x"}},
        {"settings": {"server_url": "https://id.example.org/realms/b"}},
        {"client_id": "without an address"},
    ]
    assert policy(apps)["DIRECTIVES"]["form-action"] == ["'self'", "https://id.example.org"]
