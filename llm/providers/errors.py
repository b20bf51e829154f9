"""What can go wrong at a provider.

ProviderError
├── Unauthorised      the key is wrong, or may not do this
├── RateLimited       too many requests; ``retry_after`` in seconds where the provider says it
├── QuotaExhausted    no money left at the provider: retrying cannot help
├── ContextTooLong    the conversation does not fit into the model
├── ContentRefused    the provider's filter blocked the prompt or the answer
├── InvalidRequest    the provider does not take this request; a mistake in options or model
├── Unavailable       down, overloaded, unreachable, too slow
└── BadResponse       an answer that is not in the provider's own format
"""

from __future__ import annotations


class ProviderError(Exception):
    """A call to a provider failed.

    The message is for the person who asked: it says what happened and what to do, and holds
    neither keys nor the provider's raw answer.
    """

    code = "provider_error"
    status = 502
    retryable = False

    def __init__(
        self, message: str, *, retry_after: float | None = None, upstream_status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.upstream_status = upstream_status
        # The provider's own machine-readable word for it, such as "model_not_found".
        self.upstream_code = ""


class Unauthorised(ProviderError):
    """The provider refused the key."""

    code = "provider_unauthorised"


class RateLimited(ProviderError):
    """The provider asks to slow down."""

    code = "provider_rate_limited"
    status = 429
    retryable = True


class QuotaExhausted(ProviderError):
    """The account at the provider has no money left."""

    code = "provider_quota_exhausted"


class ContextTooLong(ProviderError):
    """The conversation is longer than the model can read."""

    code = "context_too_long"
    status = 400


class ContentRefused(ProviderError):
    """The provider's own filter blocked the prompt or the answer."""

    code = "content_refused"
    status = 422


class InvalidRequest(ProviderError):
    """The provider does not take this request."""

    code = "provider_invalid_request"
    status = 400


class Unavailable(ProviderError):
    """The provider cannot be reached, is overloaded, or answers too slowly."""

    code = "provider_unavailable"
    status = 503
    retryable = True


class BadResponse(ProviderError):
    """The provider's answer is not in its own format."""

    code = "provider_bad_response"
    retryable = True
