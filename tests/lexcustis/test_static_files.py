"""Static files come from the application itself, whole, cached for good, under names by content."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
from django.conf import settings
from django.templatetags.static import static


def test_a_file_is_served_whole_and_may_be_kept_for_good(web_server: str) -> None:
    address = static("lexcustis/icons.svg")
    response = httpx2.get(web_server + address)
    assert response.status_code == 200
    assert response.content == (settings.BASE_DIR / "static/lexcustis/icons.svg").read_bytes()
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert "immutable" in response.headers["Cache-Control"]


def test_an_unchanged_file_is_not_sent_again(web_server: str) -> None:
    address = web_server + static("lexcustis/base.css")
    first = httpx2.get(address)
    again = httpx2.get(address, headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert again.status_code == 304
    assert again.content == b""
    assert httpx2.head(address).content == b""


def test_an_unknown_file_is_not_found(web_server: str) -> None:
    assert httpx2.get(f"{web_server}/static/lexcustis/nothing.css").status_code == 404
    assert httpx2.get(f"{web_server}/static/..%2fmanage.py").status_code == 404


def test_modules_import_each_other_by_content(web_server: str) -> None:
    """An upgrade never mixes an old module with a new one."""
    script = httpx2.get(web_server + static("lexcustis/chat/chat.js")).text
    imported = re.findall(r'from "(\.[^"]+)"', script)
    assert len(imported) > 5
    for name in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), name
        found = Path("/static/lexcustis/chat") / name
        address = str(found).replace("chat/../", "")
        assert httpx2.get(web_server + address).status_code == 200
