"""From a document to a PDF: PDF/A-3a, tagged, with the manifests inside, the same bytes each time.

Nothing is fetched: the engine is given a fetcher that serves this software's static files and the
charts made for this very dossier, and refuses every other address.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dossier import charts
from dossier.document import Document
from dossier.languages import Language, speaking, write_day, write_moment
from dossier.law import LAW_TITLE, facts
from dossier.material import Material
from dossier.phrases import say
from dossier.printing import print_document, print_gaps
from dossier.summary import Summary, summary

SCHEME = "lexcustis:"
INSTALL = (
    "apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core "
    "fonts-liberation2"
)
LEGEND = (
    (
        "fact",
        gettext_lazy("recorded, computed"),
        gettext_lazy("Observed by this system, or counted over its records (A, C)."),
    ),
    (
        "said",
        gettext_lazy("declared, published"),
        gettext_lazy("A named person (D) or an upstream document (U) says so."),
    ),
    (
        "rule",
        gettext_lazy("not (yet) applicable"),
        gettext_lazy("The rule does not address this case, or not yet."),
    ),
    (
        "gap",
        gettext_lazy("unknown, not found, …"),
        gettext_lazy("No answer. Repeated in the list of gaps, section 23."),
    ),
)


UNSEALED = gettext_lazy("Unsealed draft")
_NO_GAP_LIST = gettext_lazy("No answer.")


class RendererUnavailable(RuntimeError):
    """The PDF engine cannot run on this machine; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the PDF."""

    name: str
    description: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Printout:
    """What a renderer needs: HTML, the pictures it names, attachments, one date, one identifier."""

    html: str
    pictures: Mapping[str, bytes]
    attachments: tuple[Attachment, ...]
    dated: datetime
    identifier: bytes


class Renderer(Protocol):
    """The seam between a dossier and the engine that makes paper of it."""

    def render(self, printout: Printout) -> bytes:
        """The PDF. The same printout gives the same bytes on the same machine."""
        ...


def printout(
    material: Material,
    document: Document,
    attachments: tuple[Attachment, ...],
    language: str = Language.ENGLISH,
    *,
    is_summarised: bool = True,
) -> Printout:
    """Lay the document out as HTML with charts, in *language*.

    A file beside the dossier is not summarised: it has no page of figures of the period.
    """
    with speaking(language):
        page = summary(material, document) if is_summarised else None
        return _printout(material, document, attachments, language, page)


def _printout(
    material: Material,
    document: Document,
    attachments: tuple[Attachment, ...],
    language: str,
    page: Summary | None,
) -> Printout:
    pictures = _pictures(material) | (page.pictures if page else {})
    context = {
        "language": language,
        **_cover(material, document),
        "sections": print_document(document),
        "gaps": print_gaps(document),
        "summary": page,
        "legend": LEGEND if page else (*LEGEND[:-1], (*LEGEND[-1][:2], _NO_GAP_LIST)),
        "checkpoint": material.integrity.checkpoint,
        "mark": f"{SCHEME}static/lexcustis/favicon.svg",
        "charts": f"{SCHEME}chart/",
        "checkpoint_size": material.integrity.size,
    }
    content = b"".join(item.data for item in attachments)
    digest = hashlib.sha256(content + language.encode()).digest()
    return Printout(
        html=render_to_string("dossier/pdf.html", context),
        pictures={f"chart/{name}.svg": svg.encode() for name, svg in pictures.items()},
        attachments=tuple(
            dataclasses.replace(item, description=say(item.description)) for item in attachments
        ),
        dated=material.period.closes,
        identifier=digest[:16],
    )


def _cover(material: Material, document: Document) -> dict[str, Any]:
    period, subject = material.period, material.subject
    return {
        "title": say(document.title),
        "subtitle": say(document.subtitle),
        "organisation": subject.name,
        "legal_name": subject.legal_name or subject.name,
        "first_day": write_day(period.first),
        "last_day": write_day(period.last),
        "number": material.number,
        "as_of": write_moment(material.as_of),
        "created": f"{period.closes:%Y-%m-%dT%H:%M:%SZ}",
        "version": material.software_version,
        "law_title": say(LAW_TITLE),
        "law_day": write_day(facts("obligations").checked_on),
        "alarm": "" if material.integrity.verified else say(material.integrity.message),
        "notices": [say(notice) for notice in document.notices],
        "status": _status(material),
        "seal": material.seal,
        "seal_quality": say(material.seal.quality),
        "seal_timestamp": say(material.seal.timestamp),
    }


def _status(material: Material) -> str:
    if not material.seal.is_sealed:
        return str(UNSEALED)
    return _("Sealed, %(level)s") % {"level": material.seal.level}


def _pictures(material: Material) -> dict[str, str]:
    pictures = {}
    if not material.seal.is_sealed:
        pictures["watermark"] = charts.watermark(str(UNSEALED))
    if material.integrity.checkpoint:
        pictures["checkpoint"] = charts.qr_code(material.integrity.checkpoint)
    return pictures


# -- WeasyPrint ------------------------------------------------------------------------------------


class WeasyPrintRenderer:
    """The engine. Its system libraries are loaded when it is first used, not at start-up."""

    def render(self, printout: Printout) -> bytes:
        """Make the PDF. Raises :class:`RendererUnavailable` where libraries are missing."""
        weasyprint = _weasyprint()
        fetcher = _fetcher(printout.pictures)
        attachments = [
            weasyprint.Attachment(
                string=item.data,
                name=item.name,
                description=item.description,
                created=printout.dated,
                modified=printout.dated,
                relationship="Data",
            )
            for item in printout.attachments
        ]
        page = weasyprint.HTML(string=printout.html, base_url=SCHEME, url_fetcher=fetcher)
        sheet = weasyprint.CSS(string=static_file("dossier/pdf.css").decode(), url_fetcher=fetcher)
        options = {
            "stylesheets": [sheet],
            "attachments": attachments,
            "pdf_variant": "pdf/a-3a",
            "pdf_identifier": printout.identifier,
        }
        with _fixed_date(printout.dated):
            document = page.render(**options)
            for each in document.pages:
                each.paint = _put_together_after(each.paint)
            pdf: bytes = document.write_pdf(**options)
        if fetcher.refused:
            raise ValueError(f"A dossier fetches nothing from elsewhere: {fetcher.refused}")
        return pdf


def _put_together_after(paint: Callable[..., None]) -> Callable[..., None]:
    """*paint*, after which what a page is drawn with is no longer thousands of small pieces."""

    def paint_and_put_together(stream: Any, scale: float = 1) -> None:
        paint(stream, scale)
        stream.stream[:] = [b"\n".join(map(_bytes_of, stream.stream))]

    return paint_and_put_together


def _bytes_of(piece: Any) -> bytes:
    """A piece of a content stream as it is written: bytes, a word, or an object."""
    if isinstance(piece, str):
        return piece.encode()
    data: bytes = piece if isinstance(piece, bytes) else piece.data
    return data


def engine() -> dict[str, str]:
    """What the PDF's bytes depend on besides the manifest: recorded with it."""
    names = ("weasyprint", "pydyf", "fonttools")
    return {name: importlib.metadata.version(name) for name in names}


def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError as error:
        raise RendererUnavailable(
            f"The PDF engine's system libraries are missing ({error}). Install them: {INSTALL}"
        ) from error
    return weasyprint


def _fetcher(pictures: Mapping[str, bytes]) -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnFiles(URLFetcher):  # type: ignore[misc,unused-ignore]
        """Serves what belongs to this software and this dossier, and notes what else was asked.

        The engine swallows what a fetcher raises, so the caller looks at ``refused``.
        """

        refused: list[str] = []

        def fetch(self, url: str, headers: Any = None) -> Any:
            name = url.removeprefix(SCHEME)
            if name in pictures:
                data = pictures[name]
            elif url.startswith(f"{SCHEME}static/"):
                data = static_file(name.removeprefix("static/"))
            else:
                self.refused = [*self.refused, url]
                raise ValueError(f"A dossier fetches nothing from elsewhere: {url}")
            return URLFetcherResponse(  # type: ignore[no-untyped-call]
                url, body=data, headers={"Content-Type": "image/svg+xml"}
            )

    allowed = [SCHEME.rstrip(":")]
    return OwnFiles(allowed_protocols=allowed)  # type: ignore[no-untyped-call]


def static_file(name: str) -> bytes:
    """A static file of this software, by its name below ``static/``."""
    path = finders.find(name)
    if path is None or ".." in Path(name).parts:
        raise FileNotFoundError(f"There is no static file {name}.")
    return Path(path).read_bytes()


_date_lock = threading.Lock()


@contextlib.contextmanager
def _fixed_date(dated: datetime) -> Iterator[None]:
    """Have fontTools write *dated* into font subsets; it reads the environment when it runs."""
    with _date_lock:
        before = os.environ.get("SOURCE_DATE_EPOCH")
        os.environ["SOURCE_DATE_EPOCH"] = str(int(dated.timestamp()))
        try:
            yield
        finally:
            if before is None:
                del os.environ["SOURCE_DATE_EPOCH"]
            else:
                os.environ["SOURCE_DATE_EPOCH"] = before
