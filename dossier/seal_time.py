"""Time stamps for seals, asked for as those of the log's heads are.

pyhanko brings a client of its own; this one is bounded in time and size and follows no redirection.
Whether the tokens are any good is checked in the finished seal.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asn1crypto import tsp
from pyhanko.sign.timestamps import TimeStamper

from audit.posting import AnchorFailed, post
from audit.timestamps import QUERY_MEDIA, REPLY_MEDIA, Authority


class _Stamper(TimeStamper):
    def __init__(self, authority: Authority) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.authority = authority

    async def async_request_tsa_response(self, req: Any) -> Any:
        answer = await asyncio.to_thread(post, self.authority.url, req.dump(), media=QUERY_MEDIA)
        if answer.status != 200 or answer.media != REPLY_MEDIA:
            raise AnchorFailed(
                f"The authority {self.authority.name} answered with status {answer.status} and "
                f"{answer.media or 'an unnamed media type'}."
            )
        return tsp.TimeStampResp.load(answer.body)  # type: ignore[no-untyped-call]


def timestamper(authority: Authority) -> Any:
    """A time stamper of pyhanko's kind for *authority*."""
    return _Stamper(authority)
