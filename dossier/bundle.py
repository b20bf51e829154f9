"""The zip that an outsider gets: paper, manifests, records, proofs, and how to check them.

Nothing in it depends on when or where it is packed: the same material gives the same bytes.
"""

from __future__ import annotations

import gc
import hashlib
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from django.template.loader import render_to_string

from audit.signer import signer
from audit.slices import RECORDS_FILE, VERIFIER, Sink
from audit.tree_check import TreeCheck
from dossier.assembly import material_of
from dossier.composition import compose, identity, manifest
from dossier.document import Document, Section, section_json
from dossier.evidence import Slice, write_slice
from dossier.formats import write
from dossier.integrity import tree_check_of
from dossier.languages import speaking
from dossier.law import LAW_VERSION
from dossier.leaves import moment
from dossier.material import Material
from dossier.models import Dossier, Kind
from dossier.packing import Package
from dossier.phrases import phrase, say
from dossier.printing import capitalised
from dossier.rendering import Attachment, Printout, Renderer, printout
from dossier.seal import Sealer, SealFacts, configured_sealer
from dossier.sections import data_flow, incidents, logbook, oversight, upstream
from dossier.sections.annex_iv import annex_iv_file

_ANNEX_IV_DATA = "annex_iv.json"
_README_WIDTH = 98
_BYTES_OF_A_RECORD = 1000

MEDIA = {
    ".pdf": "application/pdf",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".txt": "text/plain",
    ".py": "text/x-python",
}
Reporter = Callable[[str, int], None]


class _Pace:
    """Tells of progress when it shows: with each percent, and after each second."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._told = ("", 0)
        self._at = 0.0

    def part(self, stage: str, first: int, last: int) -> Callable[[int, int], None]:
        """A function that is told (done, all) of a stage between two percentages."""

        def tell(done: int, total: int) -> None:
            where = (stage, first + (last - first) * done // max(total, 1))
            if where != self._told or time.monotonic() - self._at > 1:
                self._told, self._at = where, time.monotonic()
                self._report(*where)

        return tell


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished zip: where it is, how many bytes, and the SHA-256 of it and of its manifest."""

    path: Path
    size: int
    sha256: str
    manifest_sha256: str


def build(dossier: Dossier, folder: Path, renderer: Renderer, report: Reporter) -> Bundle:
    """Make the zip of *dossier* inside *folder*, which must be empty.

    *report* is told stage and percent, and may raise to stop the work.
    """
    sealer = configured_sealer()
    report("copying records", 2)
    pace = _Pace(report)
    tree = tree_check_of(
        dossier.organisation_id, dossier.checkpoint_size or 0, pace.part("copying records", 2, 30)
    )
    with Package(folder / f"{file_name(dossier)}.zip") as package:

        def copy() -> Slice:
            evidence = _put_slice(package, dossier, folder / "slice", tree)
            report("verifying the log", 30)
            return evidence

        material = material_of(
            dossier,
            copy,
            pace.part("verifying the log", 30, 40),
            seal=sealer.facts if sealer else SealFacts(),
            tree=tree,
        )
        with _without_collecting():
            report("writing manifests", 40)
            document = compose(material)
            beside = annex_iv_file(material) if material.kind is Kind.FULL else None
            manifests = _manifests(material, document, beside)
            for name, data in manifests.items():
                package.put(name, data)
            papers = _papers(material, document, beside, manifests, dossier.languages)
            unsealed = _put_papers(package, papers, renderer, sealer, report)
        report("packing", 85)
        package.put(VERIFIER.name, VERIFIER.read_bytes())
        for language in dossier.languages:
            name = member_name("README.txt", language, dossier.language)
            package.put(name, readme(material, language, package).encode())
        manifest_sha256 = _put_manifest(package, material, unsealed)
        _put_checksums(package)
    sha256 = package.sha256
    report("publishing", 95)
    return Bundle(package.path, package.path.stat().st_size, sha256, manifest_sha256)


def _papers(
    material: Material,
    document: Document,
    beside: Document | None,
    manifests: Mapping[str, bytes],
    languages: Sequence[str],
) -> dict[str, Callable[[], Printout]]:
    """Every PDF by its name in the zip, and what lays it out; *beside* follows Annex IV."""
    papers: dict[str, Callable[[], Printout]] = {}
    own = {name: data for name, data in manifests.items() if name == _ANNEX_IV_DATA}
    for language in languages:
        name = member_name("dossier.pdf", language, languages[0])
        papers[name] = partial(printout, material, document, _attachments(manifests), language)
        if beside:
            name = member_name("annex_iv.pdf", language, languages[0])
            papers[name] = partial(
                printout, material, beside, _attachments(own), language, is_summarised=False
            )
    return papers


def _put_papers(
    package: Package,
    papers: Mapping[str, Callable[[], Printout]],
    renderer: Renderer,
    sealer: Sealer | None,
    report: Reporter,
) -> dict[str, dict[str, Any]]:
    """Print and seal; return what MANIFEST.json says of the sealed ones."""
    unsealed: dict[str, dict[str, Any]] = {}
    for number, (name, lay_out) in enumerate(papers.items()):
        report("setting pages", 60 + 20 * number // len(papers))
        gc.collect()  # what is left of the manifests, or of the paper before
        pdf = renderer.render(lay_out())
        if sealer:
            report("sealing", 60 + 20 * (number + 1) // len(papers))
            unsealed[name] = _entry_of(pdf)
            pdf = sealer.seal(pdf)
        package.put(name, pdf)
    return unsealed


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Have nobody look for garbage: a fifth of the time of all pages went into finding none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _put_slice(package: Package, dossier: Dossier, folder: Path, tree: TreeCheck | None) -> Slice:
    """The period's records, straight into the zip, and their proofs."""

    def records(count: int) -> AbstractContextManager[Sink]:
        return package.open(RECORDS_FILE, about=count * _BYTES_OF_A_RECORD)

    folder.mkdir()
    evidence = write_slice(dossier, folder, records, tree.take if tree else None)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        package.put(path.relative_to(folder).as_posix(), path.read_bytes())
    package.hash_ahead()  # while the paper is made: nearly all of a large bundle is its records
    return evidence


def file_name(dossier: Dossier) -> str:
    """``dossier_<organisation>_<first day>_<last day>``, the days without dashes."""
    period = dossier.period
    return f"dossier_{dossier.organisation.slug}_{period.first:%Y%m%d}_{period.last:%Y%m%d}"


# -- Manifests -------------------------------------------------------------------------------------


def _manifests(material: Material, document: Document, beside: Document | None) -> dict[str, bytes]:
    """Every JSON member but MANIFEST.json, by its name in the zip."""
    kind = material.kind
    # Each is made when it is written, and gone before the next: as objects they take many times
    # as much as their text.
    files: dict[str, Callable[[], dict[str, Any]]] = {
        f"{kind.value}_manifest.json": partial(manifest, material, document, kind=kind),
        "metrics.json": partial(_part, material, "metrics", logbook.usage),
        "integrity_attestation.json": partial(_attestation, material),
    }
    if kind in (Kind.ART53, Kind.FULL):
        files["provider_manifest.json"] = partial(
            _part, material, "provider_manifest", upstream.register
        )
    if kind in (Kind.ART10, Kind.FULL):
        files["data_flow_manifest.json"] = partial(
            _part, material, "data_flow_manifest", data_flow.statement
        )
    if kind is Kind.FULL:
        files["incidents.json"] = partial(_part, material, "incidents", incidents.incidents)
        files["oversight.json"] = partial(_part, material, "oversight", oversight.oversight)
    if beside:
        files[_ANNEX_IV_DATA] = partial(_annex_iv, material, beside)
    return {name: write(content()) for name, content in sorted(files.items())}


def _attachments(manifests: Mapping[str, bytes]) -> tuple[Attachment, ...]:
    return tuple(Attachment(name, _purpose(name), data) for name, data in manifests.items())


def _part(material: Material, name: str, section: Callable[[Material], Section]) -> dict[str, Any]:
    return {
        "format": f"lex-custis/{name}/v1",
        "law_version": LAW_VERSION,
        "period_start": moment(material.period.opens),
        "period_end": moment(material.period.closes),
        "dossier": identity(material),
        "section": section_json(section(material)),
    }


def _annex_iv(material: Material, document: Document) -> dict[str, Any]:
    return {
        "format": "lex-custis/annex_iv/v1",
        "law_version": LAW_VERSION,
        "dossier": identity(material),
        "title": document.title,
        "sections": [section_json(section) for section in document.sections],
    }


def _attestation(material: Material) -> dict[str, Any]:
    """What the service found when it verified its own log, and what that is worth."""
    state = material.integrity
    return {
        **_part(material, "integrity_attestation", logbook.integrity),
        "verified": state.verified,
        "total_entries": state.size,
        "entries_checked": state.entries_checked,
        "first_broken_at": state.first_bad,
        "message": state.message,
        "not_checked": list(state.not_checked),
        "origin": state.origin,
        "root": state.root,
        "checkpoint": state.checkpoint,
        "verification_key": state.verification_key,
        "anchoring": state.anchoring,
        "note": "Made by the system that it is about. Check it with verifier.py and a key that "
        "you have from elsewhere.",
    }


def _purpose(name: str) -> str:
    return {
        "integrity_attestation.json": phrase("State and verification of the audit log"),
        "metrics.json": phrase("Usage statistics of the period"),
        "provider_manifest.json": phrase("Models called, and what their makers publish"),
        "data_flow_manifest.json": phrase("Where text was sent"),
        "incidents.json": phrase("Incidents recorded in the period"),
        "oversight.json": phrase("Reviews and stops recorded in the period"),
        _ANNEX_IV_DATA: phrase("What is known of each point of Annex IV"),
    }.get(name, phrase("The whole dossier as data"))


def member_name(name: str, language: str, first: str) -> str:
    """*name* for the first language; with the language's code before its ending for others."""
    if language == first:
        return name
    stem, ending = name.rsplit(".", 1)
    return f"{stem}.{language}.{ending}"


def readme(material: Material, language: str, package: Package) -> str:
    """How to check the bundle, in lines that fit a narrow window."""
    seal = material.seal
    with speaking(language):
        context = {
            "name": package.path.stem,
            "time_stamp": _time_stamp(package),
            "seal": seal,
            "seal_quality": say(seal.quality),
            "seal_timestamp": say(seal.timestamp),
            "anchoring": capitalised(say(material.integrity.anchoring)),
        }
        text = render_to_string("dossier/readme.txt", context)
    return "\n".join(_wrapped(line) for line in text.splitlines()).rstrip("\n") + "\n"


def _time_stamp(package: Package) -> str:
    """The first of the authorities' answers beside the anchored head; empty where there is none."""
    return next((PurePosixPath(name).name for name in package.members if name.endswith(".tsr")), "")


def _wrapped(line: str) -> str:
    indent = "   " if line[:2].strip(".").isdigit() or line.startswith(" ") else ""
    return textwrap.fill(
        line, _README_WIDTH, subsequent_indent=indent, break_on_hyphens=False,
        break_long_words=False, drop_whitespace=True,
    )  # fmt: skip


def _entry_of(pdf: bytes) -> dict[str, Any]:
    """What MANIFEST.json says of a PDF that a seal will be appended to: its bytes up to there.

    No two seals are alike, and the same inputs give the same manifest (promise P6).
    """
    return {
        "bytes": len(pdf),
        "sha256": hashlib.sha256(pdf).hexdigest(),
        "followed_by": "seal",
    }


def _put_manifest(
    package: Package, material: Material, unsealed: Mapping[str, dict[str, Any]]
) -> str:
    """MANIFEST.json: every member with its size and SHA-256; its signature beside it.

    *unsealed* are the entries of sealed members: those speak of the bytes before the seal.

    Returns its own SHA-256. Raises :class:`audit.signer.SignerUnavailable`: a bundle without a
    signature is not published instead.
    """
    entries = [
        {
            "path": name,
            "bytes": member.size,
            "sha256": member.sha256,
            "media": MEDIA.get(PurePosixPath(name).suffix, "application/octet-stream"),
            **unsealed.get(name, {}),
        }
        for name, member in sorted(package.members.items())
    ]
    data = write(
        {
            "format": "lex-custis/manifest/v1",
            "law_version": LAW_VERSION,
            "dossier": identity(material),
            "engine": dict(material.engine),
            "seal": material.seal.as_json(),
            "signature": "MANIFEST.json.sig",
            "files": entries,
        }
    )
    digest = hashlib.sha256(data)
    package.put("MANIFEST.json", data)
    package.put("MANIFEST.json.sig", signer().sign_manifest(digest.digest()).encode())
    return digest.hexdigest()


def _put_checksums(package: Package) -> None:
    """SHA256SUMS: every other member as it is, for ``sha256sum --check``."""
    lines = (f"{member.sha256}  {name}\n" for name, member in sorted(package.members.items()))
    package.put("SHA256SUMS", "".join(lines).encode())
