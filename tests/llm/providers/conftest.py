from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from llm.providers.http import close_clients
from tests.llm.providers.loopback import Loopback, loopback_server


@pytest.fixture
async def loopback() -> AsyncIterator[Loopback]:
    """A provider on this machine, with the connections to it closed afterwards."""
    async with loopback_server() as server:
        yield server
        await close_clients()
