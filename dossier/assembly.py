"""Gathering the material of a dossier: everything read from the database, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import connections

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
    copy: Callable[[], Slice],
    progress: Progress | None = None,
    *,
    seal: SealFacts | None = None,
    tree: TreeCheck | None = None,
) -> Material:
    """The inputs of *dossier*, as they stood at its moment of statement (``as_of``).

    *copy* writes the records of its bundle and says what they are; meanwhile the database gathers
    the rest. *progress* is told how far verification is; *seal* says how the PDF will be sealed;
    *tree* sees the records that are copied.
    """
    if dossier.as_of is None or dossier.checkpoint_size is None:
        raise ValueError("Moment and checkpoint of the statement are fixed when the work begins.")
    with ThreadPoolExecutor(1, thread_name_prefix="dossier-gathering") as beside:
        gathering = beside.submit(copy_context().run, _gathered, dossier, dossier.as_of)
        evidence = copy()
    integrity = integrity_at(
        dossier.organisation_id,
        dossier.checkpoint_size,
        progress,
        as_of=dossier.as_of,
        tree=tree,
    )
    return gathering.result()(integrity=integrity, evidence=evidence, seal=seal or SealFacts())


def _gathered(dossier: Dossier, as_of: datetime) -> Callable[..., Material]:
    """The material but for what copying and verifying tell, from one snapshot; in a thread."""
    try:
        with one_snapshot():
            collected = collect(dossier.organisation_id, dossier.period, as_of)
            return partial(
                Material,
                number=str(dossier.pk),
                kind=Kind(dossier.kind),
                subject=_subject(dossier.organisation),
                period=dossier.period,
                as_of=as_of,
                collected=collected,
                declarations=declarations_at(dossier.organisation_id, as_of),
                law=law_at(dossier.organisation_id, as_of),
                upstream=upstream_at(dossier.organisation_id, as_of),
                systems=systems_in(dossier.organisation, dossier.period, as_of, collected.systems),
                software_version=settings.VERSION,
                engine=engine(),
                comparison=compare(dossier.organisation_id, collected),
            )
    finally:
        connections.close_all()


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
