"""The file that follows Annex IV, beside a full dossier, about the systems that are provided.

Art. 11 wants it of the provider of a high-risk AI system; other providers may keep one. A system of
which the organisation is the deployer is not in it. Each point holds what this software recorded or
was told, and where the organisation says that the rest of the point is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from dossier.catalogue import CATALOGUE
from dossier.document import Document, Row, Section
from dossier.material import Material
from dossier.phrases import phrase
from dossier.sections.systems import HIGH_RISK_FROM, calls_in_period, per_system, register_evidence
from dossier.statements.system import HIGH_RISK_CLASSES, PROVIDER_ROLES
from dossier.systems import SystemInPeriod

TITLE = "Technical documentation following the structure of Annex IV"
VOLUNTARY_TITLE = "Voluntary system documentation following the structure of Annex IV"
SUBTITLE = (
    "of the AI systems that the organisation provides, in view of Art. 11 of Regulation (EU) "
    "2024/1689"
)
_ADDRESSEE = phrase(
    "Art. 11 and Annex IV are addressed to the provider of a high-risk AI system and will apply "
    "from %(days)s.",
    days=HIGH_RISK_FROM,
)
_VOLUNTARY = (
    "No system in this file is declared as high-risk: nobody has to keep the file, and it is kept "
    "voluntarily."
)
_HELD = (
    "Each point holds what this software recorded or was told, with its state. What is kept "
    "elsewhere is named with the place that was declared for it. That a point has entries does not "
    "say that it is documented in full."
)
_Observed = Callable[[Material, SystemInPeriod], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class Point:
    """One of the nine: statements of the catalogue, rows of our own, and what is elsewhere."""

    title: str
    declared: tuple[str, ...] = ()
    observed: _Observed | None = None
    elsewhere: str = ""


def provided(material: Material) -> tuple[SystemInPeriod, ...]:
    """The systems of which the organisation declares to be the provider."""
    return tuple(
        system for system in material.systems if material.role_of(system) in PROVIDER_ROLES
    )


def annex_iv_file(material: Material) -> Document | None:
    """The file as a document of nine sections; None where no system is provided."""
    systems = provided(material)
    if not systems:
        return None
    classes = {material.declarations.value("risk.result", system.id) for system in systems}
    is_owed = bool(classes & HIGH_RISK_CLASSES)
    of_these = dataclasses.replace(material, systems=systems)
    return Document(
        TITLE if is_owed else VOLUNTARY_TITLE,
        tuple(_section(of_these, number, point) for number, point in enumerate(POINTS, start=1)),
        subtitle=SUBTITLE,
        notices=(_ADDRESSEE, _HELD) if is_owed else (_ADDRESSEE, _VOLUNTARY, _HELD),
    )


def _section(material: Material, number: int, point: Point) -> Section:
    return Section(
        str(number),
        f"point_{number}",
        point.title,
        phrase("AI Act Annex IV, point %(number)s.", number=number),
        (),
        per_system(material, "point", "Entries", partial(_rows, material, point)),
    )


def _rows(material: Material, point: Point, system: SystemInPeriod) -> Iterable[Row]:
    leaf = material.declarations.leaf
    if point.observed:
        yield from point.observed(material, system)
    for key in point.declared:
        yield Row(key.replace(".", "_"), CATALOGUE[key].label, leaf(key, system.id))
    label = phrase("Kept elsewhere: %(parts)s", parts=phrase(point.elsewhere))
    yield Row("elsewhere", label, leaf("annex_iv.file", system.id))


def _identity(material: Material, system: SystemInPeriod) -> Iterable[Row]:
    evidence = register_evidence(system)
    software = phrase("Lex Custis %(version)s", version=material.software_version)
    name = material.subject.legal_name or material.subject.name
    yield Row("system", "Name", material.recorded(system.name, evidence))
    yield Row("number", "Number in the register", material.recorded(system.id, evidence))
    yield Row("provider", "Provider", material.recorded(name, material.organisation()))
    yield Row("software", "Software", material.recorded(software, material.software()))


def _models(material: Material, _system: SystemInPeriod) -> Iterable[Row]:
    models = sorted(f"{model} ({provider})" for provider, model in material.collected.models)
    leaf = material.counted(
        models or "none",
        "models-called",
        reason="by all systems together: section 5 of the dossier says more of each",
    )
    yield Row("models", "Models of third parties that were called", leaf)


def _calls(material: Material, system: SystemInPeriod) -> Iterable[Row]:
    yield Row("calls", "Calls in the period", calls_in_period(material, system))


def _changes(material: Material, _system: SystemInPeriod) -> Iterable[Row]:
    leaf = material.counted(
        material.collected.changes_recorded,
        "count-records",
        reason="of settings and policy, for all systems: section 21 of the dossier lists them",
    )
    yield Row("changes", "Recorded changes", leaf)


def _incidents(material: Material, system: SystemInPeriod) -> Iterable[Row]:
    of_system = [
        item for item in material.collected.incidents.incidents if item.system_id == system.id
    ]
    leaf = material.counted(
        len(of_system),
        "incidents-of-system",
        *({"type": "record", "id": str(item.record_ids[0])} for item in of_system),
        over=material.range_from_before,
    )
    yield Row("incidents", "Recorded incidents about this system", leaf)


POINTS = (
    Point(
        "General description",
        ("system.purpose", "system.interfaces", "system.hosting", "system.screenshot"),
        _identity,
        "(a) versions and how they differ; (d) forms of supply; (e) hardware; (f) pictures of a "
        "product that it is part of; (h) instructions for use",
    ),
    Point(
        "Elements and development",
        (
            "oversight.persons",
            "oversight.authority",
            "accuracy.tests",
            "accuracy.security",
            "accuracy.vulnerabilities",
        ),
        _models,
        "(a) methods and steps of development; (b) design and its reasons; (c) architecture and "
        "computing; (d) data sets; (f) changes determined beforehand; (g) signed test reports",
    ),
    Point(
        "Monitoring, functioning and control",
        ("system.users", "system.excluded_uses", "oversight.competence"),
        _calls,
        "capabilities and limits; accuracy for groups of persons; foreseeable unintended outcomes; "
        "what input has to be like",
    ),
    Point(
        "Appropriateness of performance metrics",
        elsewhere="why these metrics fit this system",
    ),
    Point(
        "Risk management system",
        ("monitoring.risk_management",),
        elsewhere="the system of Art. 9 itself",
    ),
    Point(
        "Relevant changes over the lifecycle",
        observed=_changes,
        elsewhere="changes that the provider made to the system",
    ),
    Point(
        "Standards applied",
        elsewhere="harmonised standards, in full or part, or the solutions in their place",
    ),
    Point(
        "EU declaration of conformity",
        ("registration.entry",),
        elsewhere="a copy of the declaration",
    ),
    Point(
        "Evaluation after placing on the market",
        ("monitoring.documents", "monitoring.quality"),
        _incidents,
        "the plan of Art. 72(3)",
    ),
)
