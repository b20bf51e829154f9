"""Trying a provider out, on an administrator's word: does it answer, what has it, and one word.

The word is a call like any other: screened, recorded before it is sent (promise P1), and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from asgiref.sync import async_to_sync
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from audit.ledger import Text
from llm import chat, screened
from llm.calls import Asked, Call, CallFailed
from llm.models import ProviderSettings
from llm.provider_settings import Check, adapter_of, check, region_of
from llm.providers.addresses import UnsafeAddress
from llm.providers.base import ChatMessage, ChatOptions
from llm.providers.registry import UnknownVendor
from llm.routing import region_is_allowed
from llm.screened import PROGRAM
from orgs.roles import Permission
from orgs.tenancy import Tenant

_MODELS_NAMED = 6
_QUESTION = "Answer with one word: are you there?"
# Some models take no smaller limit.
_MOST_TOKENS = 16
_LONGEST_ANSWER = 60


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it, in words; ``found`` is None where nothing was sent.

    ``answer`` is what the model said, if it was asked.
    """

    passed: bool
    words: str
    region: str
    found: Check | None = None
    answer: str = ""


def try_provider(tenant: Tenant, row: ProviderSettings) -> Trial:
    """Check the provider's health, list its models, and ask the default model for one word.

    Needs ``provider:manage``. A provider that is switched off gets no prompt, and a region that
    the organisation's policy forbids nothing at all (P8).
    """
    tenant.require(Permission.PROVIDER_MANAGE)
    region = region_of(row)
    try:
        if not region_is_allowed(region, tenant.organisation.allowed_regions):
            words = _(
                "Not tested: “%(region)s” is not among your allowed regions. Nothing was sent."
            )
            return Trial(False, words % {"region": region}, region)
        found = async_to_sync(_check)(row)
    except (UnknownVendor, UnsafeAddress) as error:
        return Trial(False, str(error), region)
    if found.problem:
        words = _("No good answer: %(problem)s") % {"problem": found.problem}
        return Trial(False, words, found.region, found)
    words = _in_words(row, found)
    if not row.is_enabled:
        words += " " + _("Switched off, so the model was not asked for a word.")
        return Trial(True, words, found.region, found)
    try:
        answer = async_to_sync(_one_word)(tenant, row)
    except CallFailed as error:
        words += " " + _("But a word from “%(model)s” failed: %(problem)s")
        names = {"model": row.default_model, "problem": error.message}
        return Trial(False, words % names, found.region, found)
    words += " " + _("“%(model)s” said: %(answer)s")
    words %= {"model": row.default_model, "answer": answer or _("nothing")}
    return Trial(True, words, found.region, found, answer)


async def _one_word(tenant: Tenant, row: ProviderSettings) -> str:
    """The beginning of what the default model says. Raises :class:`CallFailed`."""
    pump = await chat.begin_call(lambda: _call(tenant, row))
    try:
        ended = await pump.finished()
    finally:
        await pump.interrupt()  # it is over; nothing of it outlives this loop
    assert pump.call.route is not None
    if pump.call.route.settings_id != row.pk:
        message = _("%(name)s answered in its place.") % {"name": pump.call.route.name}
        raise CallFailed("provider_replaced", message, status=502)
    return Truncator(ended.outcome.text.strip()).chars(_LONGEST_ANSWER)


def _call(tenant: Tenant, row: ProviderSettings) -> Call:
    messages = (ChatMessage("user", _QUESTION),)
    options = ChatOptions(temperature=None, max_tokens=_MOST_TOKENS)
    asked = Asked(messages, options, row.pk, row.default_model)
    decided = screened.decide(tenant, asked, consent=PROGRAM)
    return Call(
        tenant,
        decided.asked,
        decided.route,
        decided.refusal,
        interface="test",
        content={} if decided.is_withheld else {"prompt": Text(_QUESTION)},
        attributes=decided.attributes,
    )


async def _check(row: ProviderSettings) -> Check:
    provider = adapter_of(row)
    try:
        return await check(provider)
    finally:
        await provider.aclose()


def _in_words(row: ProviderSettings, found: Check) -> str:
    named = ", ".join(found.models[:_MODELS_NAMED])
    more = len(found.models) - _MODELS_NAMED
    words = _("It answers in %(latency)s ms, region %(region)s. Models (%(count)d): %(named)s.") % {
        "latency": found.health.latency_ms if found.health.latency_ms is not None else "?",
        "region": found.region,
        "count": len(found.models),
        "named": named + (_(" and %(more)d more") % {"more": more} if more > 0 else ""),
    }
    if found.models and row.default_model not in found.models:
        words += " " + _("The default model “%(model)s” is not among them.") % {
            "model": row.default_model
        }
    return words
