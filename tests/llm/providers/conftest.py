from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from llm.providers.pinned import close_clients, keep_connections
from tests.llm.providers.loopback import Loopback, loopback_server


@pytest.fixture
async def loopback() -> AsyncIterator[Loopback]:
    """A provider on this machine, called as a serving process does: connections are kept."""
    keep_connections()
    async with loopback_server() as server:
        yield server
        await close_clients()
