"""The program's own log is one JSON object a line, and tells no values of variables (P7)."""

from __future__ import annotations

import json
import logging

import structlog


def test_p7_a_traceback_in_the_log_shows_no_values() -> None:
    handler = logging.getLogger().handlers[0]
    record_formatter = handler.formatter
    assert isinstance(record_formatter, structlog.stdlib.ProcessorFormatter)

    def fails() -> None:
        prompt = "a secret " + "prompt"
        raise RuntimeError("it failed") from ValueError(len(prompt))

    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record_formatter.format(record))

    kept = Kept()
    logging.getLogger().addHandler(kept)
    try:
        fails()
    except RuntimeError:
        structlog.get_logger("test").exception("failed", number=1)
    finally:
        logging.getLogger().removeHandler(kept)
    assert len(lines) == 1
    entry = json.loads(lines[0])
    assert entry["event"] == "failed"
    assert "it failed" in entry["exception"]
    assert "a secret prompt" not in lines[0]
