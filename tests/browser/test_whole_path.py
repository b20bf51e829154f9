"""The whole path, in a real browser, against the product as ``make run`` starts it.

A member asks; the officer finds the record, verifies the log, requests a dossier and downloads it;
and that very exchange is counted in its manifests, its records and its PDF. Real uvicorn, real
Celery worker, real sealer, real PostgreSQL and Valkey: nothing is replaced.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lexcustis.demo_accounts import DEMO_PASSWORD
from lexcustis.supervisor import LOCAL_PYTHON
from tests.browser.conftest import Visit, chromium
from tests.running import Running, free_port, new_home

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE = 120_000  # milliseconds; a busy machine renders a dossier slowly


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("", id="simulated"),
        pytest.param(
            "local",
            id="real",
            marks=pytest.mark.skipif(
                not LOCAL_PYTHON.exists(),
                reason="the local model is not installed: 'make install-local'",
            ),
        ),
    ],
)
def product(request: pytest.FixtureRequest) -> Iterator[Running]:
    """With the simulated model, and with a real one where it is installed."""
    running = Running(new_home(), free_port(), MODEL=request.param)
    try:
        yield running.wait_ready()
    finally:
        running.remove()


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: install one, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


def enter(window: Browser, product: Running, email: str) -> Visit:
    """A person at a window of their own, signed in."""
    page = window.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.set_default_timeout(60_000)
    visit = Visit(page, product.address)
    page.on("pageerror", lambda error: visit.complaints.append(f"uncaught: {error}"))
    visit.sign_in(email, DEMO_PASSWORD)
    return visit


def test_from_a_question_to_the_dossier_that_counts_it(
    product: Running, window: Browser, tmp_path: Path
) -> None:
    member = enter(window, product, "member@demo.example")
    record_id = asks_and_finds_it_again(member)

    officer = enter(window, product, "officer@demo.example")
    finds_the_record(officer.page, product, record_id)
    verifies(officer.page, product)
    bundle = requests_and_downloads_a_dossier(officer.page, product, tmp_path)

    members = contents(bundle)
    counts_the_exchange(members, record_id)
    holds_what_its_manifest_says(members)
    an_outsider_verifies_it(bundle, officer.page, product, tmp_path)
    assert member.complaints == officer.complaints == []


def asks_and_finds_it_again(member: Visit) -> str:
    """Tokens arrive one after another; after a reload all of it is there. The record's id."""
    page = member.page
    question = f"Compare the tides at Husum and at Emden, draft {time.time_ns()}."
    member.ask(question)
    content = page.locator(".answer [data-content]")
    content.filter(has_text=re.compile(r"\w")).wait_for()
    lengths = []
    for _ in range(12):
        # Signs of form (bars, dashes, stars) vanish when what they enclose is whole; words do not.
        lengths.append(len(re.sub(r"\W", "", content.inner_text())))
        page.wait_for_timeout(100)
    assert all(later >= earlier for earlier, later in pairwise(lengths)), lengths
    assert len(set(lengths)) >= 3, f"the text did not grow: {lengths}"
    member.wait_for_answer()
    whole = content.inner_text()

    page.reload()
    expect(page.locator(".prompt .said")).to_have_text(question)
    assert content.inner_text() == whole
    record_id = page.locator(".answer").get_attribute("data-ai-record")
    assert record_id
    return record_id


def finds_the_record(page: Page, product: Running, record_id: str) -> None:
    """The newest records of the log are the exchange, and its place in the tree is signed."""
    page.goto(f"{product.address}/admin/audit/recordindex/")
    kinds = page.locator("#result_list tbody tr").filter(has_text="inference.completed")
    kinds.first.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(record_id))
    expect(page.get_by_text("sealed and signed")).to_be_visible()
    expect(page.locator("#canonical")).to_contain_text('"inference.completed"')
    expect(page.locator("#canonical")).not_to_contain_text("Husum")


def verifies(page: Page, product: Running) -> None:
    page.goto(f"{product.address}/admin/audit/recordindex/log/")
    page.get_by_role("button", name="Verify now").click()
    expect(
        page.get_by_role("heading", name=re.compile(r"Valid: all \d+ records checked"))
    ).to_be_visible(timeout=PATIENCE)


def requests_and_downloads_a_dossier(page: Page, product: Running, folder: Path) -> Path:
    """Art. 53, today: made by the worker while the officer waits."""
    page.goto(f"{product.address}/admin/dossier/dossier/")
    page.get_by_role("link", name="Request a dossier").click()
    page.get_by_label("Upstream documentation trail (Art. 53)").check()
    today = page.evaluate(
        "new Intl.DateTimeFormat('sv', {timeZone: 'Europe/Berlin'}).format(new Date())"
    )
    page.get_by_label("First day").fill(today)
    page.get_by_label("Last day").fill(today)
    page.locator("[name=_save]").click()
    row = page.locator("#result_list tbody tr").filter(has_text=today)
    deadline = time.monotonic() + PATIENCE / 1000
    while True:
        page.goto(f"{product.address}/admin/dossier/dossier/")
        if row.get_by_role("link", name="Download").count():
            break
        assert "failed" not in row.inner_text(), product.logs()
        assert time.monotonic() < deadline, f"{row.inner_text()}\n{product.logs()}"
        page.wait_for_timeout(500)
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def contents(bundle: Path) -> dict[str, bytes]:
    """The members of the bundle by their names within its folder."""
    with zipfile.ZipFile(bundle) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def counts_the_exchange(members: dict[str, bytes], record_id: str) -> None:
    """The records hold this exchange; the manifest and the PDF count as many as there are."""
    records = [json.loads(line) for line in members["audit_log_period.jsonl"].splitlines()]
    ours = next(record for record in records if record["id"] == record_id)
    assert ours["kind"] == "inference.completed"
    request = next(link["id"] for link in ours["links"] if link["rel"] == "request")
    about = json.loads(members["MANIFEST.json"])["dossier"]
    counted = [
        record["id"]
        for record in records
        if record["kind"] == "inference.requested"
        and about["period_start"] <= record["at"] < about["period_end"]
    ]
    assert request in counted

    blocks = json.loads(members["metrics.json"])["section"]["blocks"]
    of_systems = [block for block in blocks if block["key"] != "comparison"]
    assert sum(block["fields"]["calls"]["value"] for block in of_systems) == len(counted)
    text = pdf_text(members["dossier.pdf"])
    assert "Nordwall Versicherung AG" in text
    printed = re.search(r"^\s*(\d+)\b.*\n+\s*calls to models\b", text, re.MULTILINE)
    assert printed is not None, text[:3000]
    assert int(printed.group(1)) == len(counted)
    assert "Husum" not in text  # aggregates only: what people wrote stays out


def holds_what_its_manifest_says(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["MANIFEST.json"])
    listed = {entry["path"]: entry for entry in manifest["files"]}
    assert {"dossier.pdf", "audit_log_period.jsonl", "verifier.py"} <= set(listed)
    for path, entry in listed.items():
        assert hashlib.sha256(members[path]).hexdigest() == entry["sha256"], path
        assert len(members[path]) == entry["bytes"]


def pdf_text(data: bytes) -> str:
    """The text of a PDF, as pdftotext lays it out; the file itself opens in a second reader."""
    with pikepdf.open(io.BytesIO(data)) as document:
        assert len(document.pages) >= 2
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("no pdftotext on this machine: install poppler-utils")
    done = subprocess.run(
        [program, "-layout", "-", "-"], input=data, capture_output=True, check=True
    )
    return done.stdout.decode()


def an_outsider_verifies_it(bundle: Path, page: Page, product: Running, folder: Path) -> None:
    """With the key from the officer's page, and the verifier that came along."""
    page.goto(f"{product.address}/admin/audit/recordindex/log/")
    key = page.locator("#key").inner_text().strip()
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    (unpacked,) = [path for path in folder.iterdir() if path.is_dir()]
    done = subprocess.run(
        [sys.executable, "-I", str(unpacked / "verifier.py"), str(bundle), "--key", key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
