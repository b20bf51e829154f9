"""When sealing is late, an organisation learns why, and nothing of other logs (promise P4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from audit import state
from audit.ledger import commit_blocking
from audit.logs import current_log
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


def test_trouble_of_another_log_is_the_operators_alone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal()
    theirs = current_log(cast.other_organisation.pk)
    journal = settings.SIGNER_HOME / "heads.log"
    known = journal.read_bytes()
    with journal.open("ab") as file:  # the signer has signed more than the database holds
        file.write(f"{theirs.size + 5} {'A' * 43}= {theirs.origin}\n".encode())
    commit_blocking(a_draft(cast))
    monkeypatch.setattr(state, "STOPPED_AFTER", timedelta(seconds=-1))
    try:
        mine = state.ledger_state(cast.organisation.pk).problems
        operators = state.sealer_state().problems
    finally:
        journal.write_bytes(known)
    assert any("has waited" in problem for problem in mine)
    assert theirs.origin not in " ".join(mine)
    assert not any("process" in problem for problem in mine)
    assert any(theirs.origin in problem for problem in operators)
