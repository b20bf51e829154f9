"""Every error under /api/ has one shape, also those that Django itself would answer."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from django.conf import settings

from orgs.keys import create_key
from orgs.roles import Permission
from tests.cast import Cast
from tests.live import signed_in, with_key


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """The error in the contract, checked."""
    assert response.headers["content-type"].startswith("application/json"), response.text
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/v1/conversations/not-a-uuid", 404, "not_found"),
        ("DELETE", "/api/v1/chat", 405, "method_not_allowed"),
        ("PUT", "/api/v1/me", 405, "method_not_allowed"),
        ("GET", "/api/v1/chat", 405, "method_not_allowed"),
    ],
)
def test_unknown_addresses_and_methods(
    web_server: str, cast: Cast, method: str, path: str, status: int, code: str
) -> None:
    with signed_in(web_server, cast.max) as client:
        response = client.request(method, path)
    assert (response.status_code, error_of(response)["code"]) == (status, code)
    if status == 405:
        assert response.headers["allow"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"message": "x", "temperature": NaN}', 400),
        (b"[]", 422),
        (b"null", 422),
        (b"{}", 422),
        (b'{"message": 1}', 422),
        (b'{"message": ""}', 422),
        (b'{"message": "\\ud800"}', 422),
        (b'{"message": "x", "massage": "y"}', 422),
        (b'{"message": "x", "retry_of": "0193b5a2-7b0c-7d6e-9f41-2f3a4b5c6d7e"}', 422),
        (b'{"message": "x", "parent_id": "0193b5a2-7b0c-7d6e-9f41-2f3a4b5c6d7e"}', 422),
        (b'{"message": "x", "temperature": 1e400}', 422),
        (b'{"message": "x", "model": "a\\u0000b"}', 422),
    ],
)
def test_bodies_that_are_wrong(web_server: str, cast: Cast, content: bytes, status: int) -> None:
    with signed_in(web_server, cast.max) as client:
        response = client.post(
            "/api/v1/chat", content=content, headers={"Content-Type": "application/json"}
        )
    assert response.status_code == status, response.text
    error_of(response)


def test_a_body_that_is_too_large(web_server: str, cast: Cast) -> None:
    body = b'{"message": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    _, text = create_key(cast.max, name="big", scopes=[Permission.CHAT])
    with with_key(web_server, text) as client:
        response = client.post(
            "/api/v1/chat", content=body, headers={"Content-Type": "application/json"}
        )
        compatible = client.post("/v1/chat/completions", content=body)
    assert (response.status_code, error_of(response)["code"]) == (413, "too_large")
    assert compatible.status_code == 413
    assert str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) in compatible.json()["error"]["message"]


def test_nobody_and_forged_calls(web_server: str, cast: Cast) -> None:
    with httpx2.Client(base_url=web_server) as nobody:
        response = nobody.get("/api/v1/me")
        assert (response.status_code, error_of(response)["code"]) == (401, "not_authenticated")
        assert response.headers["www-authenticate"] == "Bearer"
        host = nobody.get("/api/v1/me", headers={"Host": "evil.example"})
        assert (host.status_code, error_of(host)["code"]) == (400, "bad_request")
    with signed_in(web_server, cast.max) as forged:
        del forged.headers["X-CSRFToken"]
        for path in ("/api/v1/chat", "/api/v1/keys"):
            response = forged.post(path, json={"message": "x"})
            assert (response.status_code, error_of(response)["code"]) == (403, "not_allowed")


def test_p7_an_unexpected_error_tells_nothing(
    web_server: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm import conversations

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("postgres://user:secret@db/lexcustis")

    monkeypatch.setattr(conversations, "listed", broken)
    with signed_in(web_server, cast.max) as client:
        response = client.get("/api/v1/conversations")
    assert (response.status_code, error_of(response)["code"]) == (500, "internal_error")
    assert "secret" not in response.text
