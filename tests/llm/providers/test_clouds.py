"""Bedrock and Vertex: signatures, tokens, frames, and where their many regions are."""

from __future__ import annotations

import base64
import datetime as dt
import json
import zlib
from typing import Any
from urllib.parse import parse_qs

import pytest

from llm.providers.base import ChatMessage
from llm.providers.configuration import Configuration
from llm.providers.errors import (
    BadResponse,
    ContextTooLong,
    ProviderError,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from llm.providers.eventstream import EventStream
from llm.providers.registry import region, vendor
from llm.providers.sigv4 import Signer
from tests.llm.providers.golden import TEXT
from tests.llm.providers.golden_anthropic import ANTHROPIC
from tests.llm.providers.golden_bedrock import BEDROCK, MEDIA, event, exception, frame
from tests.llm.providers.golden_gemini import GEMINI
from tests.llm.providers.loopback import Loopback, Reply, Request

HELLO = [ChatMessage("system", "Be brief."), ChatMessage("user", "Say hello.")]


@pytest.mark.parametrize("token", ["", "FwoGZXIvYXdzEBYaDHhB"])
@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.a%3A0/converse-stream",
         b'{"messages":[]}'),
        ("POST", "https://host.example:8443/model/arn%3Aaws%3Abedrock%2Fx/converse", b"{}"),
        ("GET", "https://bedrock.eu-west-1.amazonaws.com/foundation-models?b=2&a=1", b""),
    ],
)  # fmt: skip
def test_a_signature_is_the_one_that_botocore_makes(
    method: str, url: str, body: bytes, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    at = dt.datetime(2026, 11, 21, 10, 15, 0, tzinfo=dt.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: at)
    headers = {"content-type": "application/json"} if body else {}
    theirs = AWSRequest(method, url, headers=headers, data=body)
    credentials = Credentials("AKIDEXAMPLE", "secret", token or None)
    botocore.auth.SigV4Auth(credentials, "bedrock", "eu-central-1").add_auth(theirs)
    signer = Signer("AKIDEXAMPLE", "secret", "eu-central-1", token=token)
    ours = signer.sign(method, url, headers, body, at)
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert "secret" not in repr(signer)


async def test_a_bedrock_api_key_is_sent_as_it_is(loopback: Loopback) -> None:
    loopback.always(Reply([BEDROCK.stream], media=MEDIA, headers={"x-amzn-requestid": "r-1"}))
    answer = await loopback.provider("bedrock", key="bedrock-api-key-x").chat(HELLO)
    assert loopback.requests[0].headers["authorization"] == "Bearer bedrock-api-key-x"
    assert loopback.requests[0].json["system"] == [{"text": "Be brief."}]
    assert answer.upstream_id == "r-1"


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        ("throttlingException", "Too many requests", RateLimited),
        ("internalServerException", "…", Unavailable),
        ("modelStreamErrorException", "…", Unavailable),
        ("serviceUnavailableException", "…", Unavailable),
        ("validationException", "Input is too long for requested model", ContextTooLong),
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_an_exception_frame_is_an_error_also_as_the_first(
    loopback: Loopback, kind: str, words: str, expected: type[ProviderError], first: bool
) -> None:
    before = b"" if first else event("messageStart", {"role": "assistant"})
    loopback.always(Reply([before + exception(kind, {"message": words})], media=MEDIA))
    with pytest.raises(expected):
        await loopback.provider("bedrock").chat(HELLO)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (429, "ThrottlingException:http://internal.amazon.com/", RateLimited),
        (403, "AccessDeniedException", Unauthorised),
        (424, "ModelErrorException", Unavailable),
        (408, "ModelTimeoutException", Unavailable),
    ],
)
async def test_bedrocks_refusals(
    loopback: Loopback, status: int, kind: str, expected: type[ProviderError]
) -> None:
    loopback.always(Reply.json({"message": "…"}, status, headers={"x-amzn-errortype": kind}))
    with pytest.raises(expected) as caught:
        await loopback.provider("bedrock").chat(HELLO)
    assert caught.value.upstream_code == kind.partition(":")[0]


def test_a_frame_with_any_byte_changed_is_damaged_or_unfinished() -> None:
    whole = event("contentBlockDelta", {"delta": {"text": TEXT}})
    (good,) = EventStream().feed(whole)
    for at in range(len(whole)):
        broken = whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :]
        try:
            frames = EventStream().feed(broken)
        except BadResponse:
            continue
        assert frames != [good], f"byte {at} may be changed unseen"
        assert frames == []


def test_headers_of_every_type_are_passed_over() -> None:
    def header(name: bytes, kind: int, value: bytes) -> bytes:
        return bytes([len(name)]) + name + bytes([kind]) + value

    headers = b"".join(
        (
            header(b"true", 0, b""),
            header(b"byte", 2, b"\x01"),
            header(b"short", 3, b"\x00\x01"),
            header(b"int", 4, bytes(4)),
            header(b"long", 5, bytes(8)),
            header(b"bytes", 6, b"\x00\x02ab"),
            header(b"time", 8, bytes(8)),
            header(b"uuid", 9, bytes(16)),
            header(b":event-type", 7, b"\x00\x01x"),
        )
    )
    prelude = (16 + len(headers)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    body = prelude + zlib.crc32(prelude).to_bytes(4, "big") + headers
    (read,) = EventStream().feed(body + zlib.crc32(body).to_bytes(4, "big"))
    assert read.headers == {":event-type": "x"}
    with pytest.raises(BadResponse):
        EventStream(limit=100).feed(frame(bytes(200)))


# -- Vertex ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def private_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def account(private_key: Any, token_uri: str) -> str:
    from cryptography.hazmat.primitives import serialization

    pem = private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "private_key_id": "k1",
            "private_key": pem.decode(),
            "client_email": "gateway@project.iam.gserviceaccount.com",
            "token_uri": token_uri,
        }
    )


def vertex(loopback: Loopback, key: str, **values: Any) -> Any:
    options = {"project": "acme-1", "location": "europe-west4"}
    return loopback.provider("vertex", key=key, options=options, **values)


async def test_a_service_account_is_exchanged_for_a_token_once(
    loopback: Loopback, private_key: Any
) -> None:
    from google.auth import jwt

    def answer(request: Request) -> Reply:
        if request.target == "/token":
            return Reply.json({"access_token": "ya29.secret", "expires_in": 3599})
        return Reply([GEMINI.stream])

    loopback.answer = answer
    key = account(private_key, f"{loopback.origin}/token")
    provider = vertex(loopback, key, model="gemini-3.1-pro")
    for _ in range(2):
        assert (await provider.chat(HELLO)).text == TEXT
    exchange, first, second = loopback.requests
    form = parse_qs(exchange.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    public = private_key.public_key()
    from cryptography.hazmat.primitives import serialization

    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = jwt.decode(form["assertion"][0], certs=pem, audience=f"{loopback.origin}/token")
    assert claims["iss"] == "gateway@project.iam.gserviceaccount.com"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    for request in (first, second):
        assert request.headers["authorization"] == "Bearer ya29.secret"
        assert request.target == (
            "/v1/projects/acme-1/locations/europe-west4/publishers/google/models/"
            "gemini-3.1-pro:streamGenerateContent?alt=sse"
        )
    assert "PRIVATE" not in repr(provider) + repr(provider.configuration) + repr(provider.upstream)


async def test_claude_on_vertex_speaks_its_own_form(loopback: Loopback, private_key: Any) -> None:
    token = Reply.json({"access_token": "t", "expires_in": 3599})
    loopback.answer = lambda r: token if r.target == "/token" else Reply([ANTHROPIC.stream])
    key = account(private_key, f"{loopback.origin}/token")
    answer = await vertex(loopback, key, model="claude-sonnet-4-6@20260217").chat(HELLO)
    assert answer.text == TEXT
    request = loopback.requests[-1]
    assert request.target == (
        "/v1/projects/acme-1/locations/europe-west4/publishers/anthropic/models/"
        "claude-sonnet-4-6@20260217:streamRawPredict"
    )
    assert request.json["anthropic_version"] == "vertex-2023-10-16"
    assert request.json["system"] == "Be brief."
    assert "model" not in request.json


async def test_a_key_that_is_no_service_account_is_said(
    loopback: Loopback, private_key: Any
) -> None:
    good = json.loads(account(private_key, f"{loopback.origin}/token"))
    for key in ("", "x", "[]", "{}", json.dumps({**good, "private_key": "-----BEGIN x"})):
        with pytest.raises(Unauthorised):
            await vertex(loopback, key).chat(HELLO)
    assert loopback.requests == []


async def test_the_address_for_tokens_is_guarded_too(loopback: Loopback, private_key: Any) -> None:
    for address in ("http://169.254.169.254/token", "https://user@1.1.1.1/", "ftp://1.1.1.1/"):
        with pytest.raises((ProviderError, ValueError)):
            await vertex(loopback, account(private_key, address)).chat(HELLO)
    assert loopback.requests == []


# -- Regions --------------------------------------------------------------------------------------

_BEDROCK = "https://bedrock-runtime.{}.amazonaws.com"


@pytest.mark.parametrize(
    ("key", "base_url", "model", "expected"),
    [
        ("bedrock", _BEDROCK.format("eu-central-1"), "mistral.large", "DE"),
        ("bedrock", _BEDROCK.format("eu-west-2"), "mistral.large", "GB"),
        ("bedrock", _BEDROCK.format("eu-central-2"), "mistral.large", "CH"),
        ("bedrock", _BEDROCK.format("us-east-1"), "mistral.large", "US"),
        ("bedrock", _BEDROCK.format("eu-north-9"), "mistral.large", "unknown"),
        ("bedrock", _BEDROCK.format("eu-central-1"), "eu.anthropic.claude-x-v1:0", "EU"),
        ("bedrock", _BEDROCK.format("eu-central-1"), "global.anthropic.claude-x", "unknown"),
        ("bedrock", _BEDROCK.format("eu-central-1"), "us.anthropic.claude-x", "US"),
        ("bedrock", _BEDROCK.format("eu-central-1"),
         "arn:aws:bedrock:eu-central-1:1:inference-profile/global.x", "unknown"),
        ("bedrock", _BEDROCK.format("eu-central-1"),
         "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.x", "EU"),
        ("bedrock", _BEDROCK.format("eu-central-1"),
         "arn:aws:bedrock:eu-central-1:1:application-inference-profile/abc", "unknown"),
        ("vertex", "https://europe-west3-aiplatform.googleapis.com", "g", "DE"),
        ("vertex", "https://europe-west2-aiplatform.googleapis.com", "g", "GB"),
        ("vertex", "https://europe-west6-aiplatform.googleapis.com", "g", "CH"),
        ("vertex", "https://us-central1-aiplatform.googleapis.com", "g", "US"),
        ("vertex", "https://aiplatform.eu.rep.googleapis.com", "g", "EU"),
        ("vertex", "https://aiplatform.us.rep.googleapis.com", "g", "US"),
        ("vertex", "https://aiplatform.googleapis.com", "g", "unknown"),
        ("openai", "https://eu.api.openai.com", "g", "EU"),
        ("openai", "", "g", "unknown"),
        ("anthropic", "", "g", "unknown"),
        ("gemini", "", "g", "unknown"),
    ],
)  # fmt: skip
def test_a_cloud_region_is_a_country_and_a_profile_may_leave_it(
    key: str, base_url: str, model: str, expected: str
) -> None:
    options = {"project": "p"}
    configuration = Configuration(
        vendor(key), "i", "P", model, base_url, declared_region="EU", options=options
    )
    assert region(configuration) == expected


def test_options_that_move_the_processing_move_the_region() -> None:
    def of(key: str, base_url: str = "", **options: str) -> str:
        configuration = Configuration(
            vendor(key), "i", "P", "m", base_url, declared_region="EU", options=options
        )
        return region(configuration)

    azure = "https://acme.openai.azure.com"
    assert of("azure", azure) == "EU"
    assert of("azure", azure, deployment_type="DataZoneStandard") == "EU"
    assert of("azure", azure, deployment_type="GlobalStandard") == "unknown"
    assert of("anthropic", inference_geo="us") == "US"


async def test_azure_by_deployment(loopback: Loopback) -> None:
    from tests.llm.providers.golden import AZURE

    loopback.always(Reply([AZURE.stream], headers={"x-ms-region": "Sweden Central"}))
    provider = loopback.provider(
        "azure", key="k", options={"api_version": "2024-10-21"}, model="my gpt"
    )
    answer = await provider.chat(HELLO)
    (request,) = loopback.requests
    assert request.target == (
        "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    )
    assert request.headers["api-key"] == "k"
    assert "authorization" not in request.headers
    assert answer.location == "Sweden Central"
    await loopback.provider("azure", key="k").chat(HELLO)
    assert loopback.requests[1].target == "/openai/v1/chat/completions"


async def test_openais_reasoning_models_get_no_sampling_parameters(loopback: Loopback) -> None:
    from tests.llm.providers.golden import OPENAI

    loopback.always(Reply([OPENAI.stream]))
    options = {"organization": "org-1", "project": "proj_1"}
    for model, samples in (("gpt-5.2", False), ("o3", False), ("gpt-4o", True)):
        provider = loopback.provider("openai", path="/v1", model=model, options=options)
        await provider.chat(HELLO, max_tokens=5, top_p=0.5)
        request = loopback.requests[-1]
        assert ("temperature" in request.json) is samples
        assert ("top_p" in request.json) is samples
        assert request.json["max_completion_tokens"] == 5
        assert request.headers["openai-organization"] == "org-1"
        assert request.headers["openai-project"] == "proj_1"


def test_base64_of_a_claim_has_no_padding() -> None:
    from llm.providers.google_token import _base64

    assert _base64(b"a") == base64.urlsafe_b64encode(b"a").decode().rstrip("=")
