"""Reading a provider's refusal: its status, headers and body become one of our errors.

The message is for a person and never repeats the provider's text, which may hold what was sent to
it, even the key. Only the provider's own machine-readable code is kept and which parameter it is
about, and only if they look like that.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from llm.providers.errors import (
    BadResponse,
    ContentRefused,
    ContextTooLong,
    InvalidRequest,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Unauthorised,
    Unavailable,
)

MAX_RETRY_AFTER = 3600.0

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")
_PARAMETER = re.compile(r"[a-z][a-z_]{0,40}(\.[a-z_]{1,40}|\.?\[?[0-9]{1,5}\]?){0,8}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|prompt is too long|too many (input )?tokens"
    r"|input is too long|input token count.{0,60}exceeds|too large for model",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"content.?(filter|policy|management)|responsible_?ai|guardrail|moderation|safety",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"insufficient.?(quota|balance|funds|credit)|credit|billing|spend|payment", re.IGNORECASE
)
_RATE = re.compile(r"rate.?limit|throttl|resource_exhausted|too_many_requests|429", re.IGNORECASE)
_DOWN = re.compile(
    r"overload|unavailable|server.?error|internal|timeout|api_error|capacity|modelstream|50[0234]",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"authentication|unauthori[sz]ed|permission|api.?key|access.?denied", re.IGNORECASE
)
_INVALID = re.compile(r"invalid|validation|not_found|bad_request|malformed", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a provider said went wrong: its codes, and its words for us to recognise only.

    ``parameter`` is the one that it names, such as ``messages[0].content``, or nothing.
    """

    codes: tuple[str, ...] = ()
    words: str = ""
    retry_after: float | None = None
    parameter: str = ""

    @property
    def code(self) -> str:
        """The most telling machine-readable code, or nothing."""
        return next((code for code in self.codes if _CODE.fullmatch(code)), "")

    def __contains__(self, pattern: re.Pattern[str]) -> bool:
        return bool(pattern.search(" ".join((*self.codes, self.words))))


def complaint_of(body: Any) -> Complaint:
    """Find the codes and words in any vendor's error body."""
    if isinstance(body, list):  # Google wraps its object in a list now and then
        body = body[0] if body else {}
    if not isinstance(body, Mapping):
        return Complaint(words=str(body)[:2000])
    inner = body.get("error")
    if isinstance(inner, Mapping):
        body = inner
    elif isinstance(inner, str):
        body = {**body, "message": inner}
    innermost = body.get("innererror")
    names = [body.get("code"), body.get("type"), body.get("status"), body.get("__type")]
    if isinstance(innermost, Mapping):
        names.append(innermost.get("code"))
    codes = tuple(str(name) for name in names if name not in (None, "", "error"))
    words = body.get("message") or body.get("Message") or body.get("detail") or ""
    if not isinstance(words, str):
        words = json.dumps(words)
    return Complaint(codes, words[:2000], _retry_info(body.get("details")), _parameter(body))


def refusal(
    provider: str, *, status: int, headers: Mapping[str, str], body: bytes
) -> ProviderError:
    """The error that an HTTP answer with *status* (not 2xx) stands for.

    *provider* is the name shown to people.
    """
    try:
        complaint = complaint_of(json.loads(body)) if body else Complaint()
    except ValueError:
        complaint = Complaint()
    header_type = headers.get("x-amzn-errortype", "").partition(":")[0]
    if header_type:
        complaint = replace(complaint, codes=(header_type, *complaint.codes))
    wait = retry_after(headers)
    if wait is None:
        wait = complaint.retry_after
    error = _by_status(provider, status, complaint, wait)
    error.upstream_status = status
    error.upstream_code = complaint.code
    return error


def broken_off(provider: str, body: Any) -> ProviderError:
    """The error that an error object inside a stream that began well stands for."""
    complaint = complaint_of(body)
    error = _by_words(provider, complaint) or Unavailable(
        f"{provider} broke off the answer with an error. Try again."
    )
    error.retry_after = complaint.retry_after
    error.upstream_code = complaint.code
    return error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(milliseconds / 1000, MAX_RETRY_AFTER)
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    seconds = _number(value)
    if seconds is None:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = max(0.0, at.replace(tzinfo=at.tzinfo or UTC).timestamp() - time.time())
    return min(seconds, MAX_RETRY_AFTER)


def duration(text: str) -> float | None:
    """Seconds in a duration such as ``2m59.56s``, ``120ms`` or ``34s``."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return min(sum(float(number) * _UNITS[unit] for number, unit in parts), MAX_RETRY_AFTER)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _retry_info(details: Any) -> float | None:
    """Google's ``RetryInfo`` among the details of an error."""
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, Mapping) and "retryDelay" in detail:
            return duration(str(detail["retryDelay"]))
    return None


def _parameter(body: Mapping[str, Any]) -> str:
    """Which parameter it is about: OpenAI's ``param``, or the place that FastAPI's servers give."""
    named = body.get("param")
    match body.get("message"):
        case {"detail": [*_] as details}:  # Mistral's, around FastAPI's own
            pass
        case _:
            details = body.get("detail")
    match details:
        case [{"loc": ["body", *place]}, *_]:
            named = ".".join(map(str, place))
    return named if isinstance(named, str) and _PARAMETER.fullmatch(named) else ""


def _by_status(  # noqa: C901, PLR0911 - one line a status
    provider: str, status: int, complaint: Complaint, wait: float | None
) -> ProviderError:
    if 300 <= status < 400:
        return BadResponse(
            f"{provider} redirected the call to another address. Redirects are not followed: "
            "set the base URL to the final address."
        )
    if status == 402 or (status in (403, 429) and _MONEY in complaint):
        return _no_money(provider)
    if status in (401, 403):
        return _no_key(provider)
    if status == 429:
        return _slow_down(provider, wait)
    if status in (400, 404, 413, 422):
        if _TOO_LONG in complaint or status == 413:
            return _too_long(provider)
        if _REFUSED in complaint:
            return _filtered(provider)
        if status == 400 and "API_KEY_INVALID" in (*complaint.codes, complaint.words):
            return _no_key(provider)
        if status == 404:
            return InvalidRequest(
                f"{provider} does not know this model or address. Check both in the settings."
            )
        return _invalid(provider, complaint)
    if status in (408, 409, 424, 425, 498, 499) or status >= 500:
        return Unavailable(
            f"{provider} is not available at the moment (status {status}).", retry_after=wait
        )
    return _invalid(provider, complaint)


def _by_words(provider: str, complaint: Complaint) -> ProviderError | None:
    for pattern, make in (
        (_TOO_LONG, _too_long),
        (_REFUSED, _filtered),
        (_MONEY, _no_money),
    ):
        if pattern in complaint:
            return make(provider)
    codes = Complaint(complaint.codes)
    if _RATE in codes:
        return _slow_down(provider, complaint.retry_after)
    if _DOWN in codes:
        return Unavailable(f"{provider} is overloaded or failed in the middle. Try again.")
    if _KEY in codes:
        return _no_key(provider)
    if _INVALID in codes:
        return _invalid(provider, complaint)
    return None


def _no_key(provider: str) -> ProviderError:
    return Unauthorised(
        f"{provider} did not accept the key, or the key may not use this model. "
        "An administrator can set a new one."
    )


def _no_money(provider: str) -> ProviderError:
    return QuotaExhausted(f"The account at {provider} has no credit left, or is not paid.")


def _slow_down(provider: str, wait: float | None) -> ProviderError:
    when = f" Try again in {math.ceil(wait)} s." if wait else " Try again in a moment."
    return RateLimited(f"{provider} takes no more requests for now.{when}", retry_after=wait)


def _too_long(provider: str) -> ProviderError:
    return ContextTooLong(
        f"The conversation is too long for this model of {provider}. "
        "Start a new one, or choose a model that reads more."
    )


def _filtered(provider: str) -> ProviderError:
    return ContentRefused(f"The content filter of {provider} blocked this.")


def _invalid(provider: str, complaint: Complaint) -> ProviderError:
    code = f" (its code: {complaint.code})" if complaint.code else ""
    place = f", because of {complaint.parameter}" if complaint.parameter else ""
    return InvalidRequest(
        f"{provider} does not take this request{place}{code}. Check the model and the options."
    )
