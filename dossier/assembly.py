"""Gathering the material of a dossier: everything read from the database, nothing written."""

from __future__ import annotations

from django.conf import settings

from audit.tree_check import TreeCheck
from dossier.collect import collect, one_snapshot
from dossier.comparison import compare
from dossier.declarations import declarations_at
from dossier.evidence import Slice
from dossier.integrity import Progress, integrity_at
from dossier.lawbook import law_at
from dossier.material import Material, Subject
from dossier.models import Dossier, Kind
from dossier.rendering import engine
from dossier.seal import SealFacts
from dossier.systems import systems_in
from dossier.upstream_file import upstream_at
from orgs.models import Organisation


def material_of(
    dossier: Dossier,
    evidence: Slice,
    progress: Progress | None = None,
    *,
    seal: SealFacts | None = None,
    tree: TreeCheck | None = None,
) -> Material:
    """The inputs of *dossier*, as they stood at its moment of statement (``as_of``).

    *evidence* is what its bundle holds of the log; *progress* is told how far verification is;
    *seal* says how the PDF will be sealed; *tree* has seen the records of the bundle.
    """
    if dossier.as_of is None or dossier.checkpoint_size is None:
        raise ValueError("Moment and checkpoint of the statement are fixed when the work begins.")
    integrity = integrity_at(
        dossier.organisation_id,
        dossier.checkpoint_size,
        progress,
        as_of=dossier.as_of,
        tree=tree,
    )
    with one_snapshot():
        collected = collect(dossier.organisation_id, dossier.period, dossier.as_of)
        return Material(
            number=str(dossier.pk),
            kind=Kind(dossier.kind),
            subject=_subject(dossier.organisation),
            period=dossier.period,
            as_of=dossier.as_of,
            collected=collected,
            declarations=declarations_at(dossier.organisation_id, dossier.as_of),
            law=law_at(dossier.organisation_id, dossier.as_of),
            upstream=upstream_at(dossier.organisation_id, dossier.as_of),
            systems=systems_in(
                dossier.organisation, dossier.period, dossier.as_of, collected.systems
            ),
            integrity=integrity,
            evidence=evidence,
            software_version=settings.VERSION,
            engine=engine(),
            seal=seal or SealFacts(),
            comparison=compare(dossier.organisation_id, collected),
        )


def _subject(organisation: Organisation) -> Subject:
    return Subject(
        id=str(organisation.pk),
        name=organisation.name,
        slug=organisation.slug,
        legal_name=organisation.legal_name,
        register_number=organisation.register_number,
        country=organisation.country,
        allowed_regions=tuple(organisation.allowed_regions),
        notice=organisation.notice,
    )
