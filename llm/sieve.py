"""Every text that a call would send, looked at once, in order, by the organisation's rules.

What is found is known by kind, place and number. The text itself goes nowhere but on.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from llm.models import CallRules
from llm.providers.base import ChatMessage, ChatOptions, ToolCall
from llm.screening import KINDS, MASKABLE, Finding, Masks, Policy, mask, screen

# Texts that come again with every turn of a conversation are not looked at again: by their keyed
# digest, and only where little was found. Shorter ones are looked at sooner than looked up.
_MOST_REMEMBERED = 4096
_MOST_FINDINGS = 32
_SHORTEST = 256
# A number with fewer digits identifies nobody.
_LEAST_IDENTIFYING = 10**8


@dataclass(frozen=True, slots=True)
class Consent:
    """What was said to findings beforehand.

    ``confirmed``: they were seen and are to be sent; ``masked``: they are to be replaced;
    ``earlier_confirmed``: those in earlier messages were seen. ``can_ask``: somebody can answer a
    question; where nobody can, what would be asked is refused.
    """

    confirmed: bool = False
    masked: bool = False
    earlier_confirmed: bool = False
    can_ask: bool = True


class Sieve:
    """Takes texts one after the other; then says what was found in all of them."""

    def __init__(
        self,
        rules: CallRules,
        consent: Consent,
        *,
        organisation_id: UUID,
        country: str = "",
        scope: str = "",
    ) -> None:
        by_kind = rules.screening_by_kind
        self._policies = {kind: Policy(by_kind.get(kind, rules.screening)) for kind in KINDS}
        self._pictures = CallRules.Pictures(rules.pictures)
        self._consent = consent
        self._organisation_id = organisation_id
        self._country = country
        self._masks = Masks(scope)
        self.found: Counter[str] = Counter()
        self.found_earlier: Counter[str] = Counter()
        self.masked = 0  # how many places were replaced
        self.pictures = 0  # nothing looks into them
        self.is_blocked = False
        self.is_asked = False  # nobody has answered yet
        self.needs_consent = False  # and somebody has, where nothing is asked

    @property
    def is_off(self) -> bool:
        """Whether the organisation wants nothing looked at, and lets pictures pass."""
        is_open = self._pictures == CallRules.Pictures.ALLOW
        return is_open and all(policy is Policy.OFF for policy in self._policies.values())

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind was found, in what is new and what is not."""
        return dict(sorted((self.found + self.found_earlier).items()))

    def findings(self, text: str) -> list[Finding]:
        """What the organisation wants to know of in *text*, in order."""
        everything = _remembered(self._organisation_id, text, self._country)
        return [one for one in everything if self._policies[one.kind] is not Policy.OFF]

    def text(self, text: str, *, is_earlier: bool = False) -> str:
        """*text* as it may be sent."""
        findings = self.findings(text)
        if not findings:
            return text
        counted = self.found_earlier if is_earlier else self.found
        counted.update(one.kind for one in findings)
        replaced = []
        for one in findings:
            policy = self._policies[one.kind]
            self.is_blocked |= policy is Policy.BLOCK
            self.needs_consent |= policy is Policy.ASK
            self.is_asked |= policy is Policy.ASK and not self._is_answered(is_earlier=is_earlier)
            if one.kind in MASKABLE and (policy is Policy.MASK or self._consent.masked):
                replaced.append(one)
        self.masked += len(replaced)
        return mask(text, replaced, self._masks) if replaced else text

    def _is_answered(self, *, is_earlier: bool) -> bool:
        given = self._consent
        return given.confirmed or given.masked or (is_earlier and given.earlier_confirmed)

    def message(self, message: ChatMessage, *, is_earlier: bool = False) -> ChatMessage:
        """A message as it may be sent; its pictures are counted."""
        if message.images:
            self._count_pictures(len(message.images))
        content = self.text(message.content, is_earlier=is_earlier)
        calls = tuple(self._tool_call(call, is_earlier=is_earlier) for call in message.tool_calls)
        if content == message.content and calls == message.tool_calls:
            return message
        return replace(message, content=content, tool_calls=calls)

    def _count_pictures(self, count: int) -> None:
        """A picture cannot be masked: who has everything masked has not confirmed it."""
        is_asked = self._pictures == CallRules.Pictures.ASK
        self.pictures += count
        self.is_blocked |= self._pictures == CallRules.Pictures.BLOCK
        self.needs_consent |= is_asked
        self.is_asked |= is_asked and not self._consent.confirmed

    def options(self, options: ChatOptions) -> ChatOptions:
        """Tools, schemas and stop words hold a caller's own words too."""
        given = (options.tools, options.tool_choice, options.output_schema, options.stop)
        if not any(given):
            return options
        tools, choice, schema, stop = self._structure(list(given))
        return replace(
            options,
            tools=tuple(tools),
            tool_choice=choice,
            output_schema=schema,
            stop=tuple(stop),
        )

    def _tool_call(self, call: ToolCall, *, is_earlier: bool) -> ToolCall:
        """The arguments are JSON, in which an identifier may stand in another spelling."""
        try:
            arguments = json.loads(call.arguments)
        except (ValueError, RecursionError):
            arguments = None
        made = self._structure(arguments, is_earlier=is_earlier)
        if made is arguments:
            # Reading hides what stands there twice, and what is no JSON.
            return replace(call, arguments=self.text(call.arguments, is_earlier=is_earlier))
        if made == arguments:
            return call
        return replace(call, arguments=json.dumps(made, ensure_ascii=False))

    def _structure(self, value: Any, *, is_earlier: bool = False) -> Any:
        """*value* with its strings as they may be sent: all at once, as they are mostly clean."""
        strings = list(_strings(value))
        if not strings or not self.findings("\n".join(strings)):
            return value
        return self._each(value, is_earlier=is_earlier)

    def _each(self, value: Any, *, is_earlier: bool) -> Any:
        match value:
            case str():
                return self.text(value, is_earlier=is_earlier)
            case bool():
                return value
            case int() if abs(value) >= _LEAST_IDENTIFYING:
                made = self.text(str(value), is_earlier=is_earlier)
                return value if made == str(value) else made
            case Mapping():
                return {
                    self._each(name, is_earlier=is_earlier): self._each(
                        inner, is_earlier=is_earlier
                    )
                    for name, inner in value.items()
                }
            case list() | tuple():
                return [self._each(inner, is_earlier=is_earlier) for inner in value]
        return value


def _strings(value: Any) -> Iterator[str]:
    """Every text in a structure of JSON, names of fields and long numbers too."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case bool():
                pass
            case int() as number if abs(number) >= _LEAST_IDENTIFYING:
                yield str(number)
            case Mapping() as inner:
                waiting += [*inner.keys(), *inner.values()]
            case list() | tuple() as several:
                waiting += several


# -- What was looked at before ---------------------------------------------------------------------

_known: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
_lock = threading.Lock()
_KEY = secrets.token_bytes(32)


def _remembered(organisation_id: UUID, text: str, country: str) -> Sequence[Finding]:
    """The findings in *text*. One organisation's texts never speed up another's (P4)."""
    if len(text) < _SHORTEST:
        return screen(text, country=country)
    digest = hashlib.blake2b(key=_KEY, digest_size=32)
    digest.update(organisation_id.bytes + country.encode() + b"\0")
    digest.update(text.encode(errors="surrogatepass"))
    name = digest.digest()
    with _lock:
        if name in _known:
            _known.move_to_end(name)
            return _known[name]
    found = screen(text, country=country)
    if len(found) <= _MOST_FINDINGS:
        with _lock:
            _known[name] = found
            if len(_known) > _MOST_REMEMBERED:
                _known.popitem(last=False)
    return found
