"""Sections 1 to 3, for each AI system: role, identity and purpose, risk classification."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dossier.document import Block, Row, Section
from dossier.leaves import Evidence, Leaf, Origin, not_yet_applicable, unknown
from dossier.material import Material
from dossier.phrases import phrase
from dossier.systems import SystemInPeriod
from orgs.models import AISystem

HIGH_RISK_FROM = phrase("2 December 2027 (Annex III), 2 August 2028 (Annex I)")
_STATUSES = {
    AISystem.Status.PLANNED.value: phrase("planned"),
    AISystem.Status.IN_USE.value: phrase("in use"),
    AISystem.Status.SUSPENDED.value: phrase("suspended"),
    AISystem.Status.RETIRED.value: phrase("retired"),
}


def per_system(
    material: Material,
    key: str,
    title: str,
    rows: Callable[[SystemInPeriod], Iterable[Row]],
    *,
    note: str = "",
    layout: str = "list",
) -> tuple[Block, ...]:
    """One block for each system; its name stands in the title where there is more than one."""
    several = len(material.systems) > 1
    return tuple(
        Block(
            key if number == 1 else f"{key}_{number}",
            phrase("%(what)s: %(system)s", what=phrase(title), system=system.name)
            if several
            else title,
            tuple(rows(system)),
            note=note if number == 1 else "",
            layout=layout,
            system=system.id,
        )
        for number, system in enumerate(material.systems, start=1)
    )


def declared_rows(
    material: Material, system: SystemInPeriod, *fields: tuple[str, str, str]
) -> tuple[Row, ...]:
    """Rows of declarations about *system*: each field is its key, label and statement."""
    return tuple(
        Row(name, label, material.declarations.leaf(key, system.id)) for name, label, key in fields
    )


def register_evidence(system: SystemInPeriod) -> Evidence:
    """Evidence that is the system's row in the register."""
    return {
        "type": "settings",
        "of": "ai_system",
        "id": system.id,
        "changed_at": f"{system.changed_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def role(material: Material) -> Section:
    """Section 1: in which role the organisation stands; the first question of every other."""
    return Section(
        "1",
        "role",
        "Role determination",
        "AI Act Art. 3(3), (4), (11), (68), Art. 25, recital 97. Applies now.",
        (
            (
                "Who only uses a system is its deployer. Who builds or runs a chat on a model's "
                "interface and puts it into service under its own name may be its provider. The "
                "role decides which duties exist, so it is declared, never derived."
            ),
        ),
        per_system(
            material,
            "role",
            "Declared role",
            lambda system: declared_rows(
                material,
                system,
                ("role", "Role under the AI Act", "role.role"),
                ("reasons", "Reasons", "role.reasons"),
                ("name_on_product", "Name on the product", "role.name_on_product"),
                ("put_into_service", "Put into service by", "role.put_into_service"),
                ("union_nexus", "Link to the Union", "role.union_nexus"),
                ("counsel", "Legal advice", "role.counsel"),
            ),
        ),
    )


def system(material: Material) -> Section:
    """Section 2: what each system is and what it is for."""
    return Section(
        "2",
        "system",
        "System identity and purpose",
        "AI Act Art. 3(12), Art. 26(1); a duty only for high-risk systems, here voluntary.",
        (),
        (
            _software(material),
            *per_system(
                material, "register", "In the register", lambda it: _registered(material, it)
            ),
            *per_system(
                material,
                "declared",
                "As declared",
                lambda it: declared_rows(
                    material,
                    it,
                    ("purpose", "Purpose", "system.purpose"),
                    ("users", "Users", "system.users"),
                    ("excluded_uses", "Excluded uses", "system.excluded_uses"),
                    ("hosting", "Where it runs", "system.hosting"),
                    ("interfaces", "Interfaces", "system.interfaces"),
                    ("screenshot", "Picture of the user interface", "system.screenshot"),
                ),
            ),
        ),
    )


def _software(material: Material) -> Block:
    origin = material.integrity.origin
    software = phrase(
        "Lex Custis %(version)s (gateway, chat, audit log)", version=material.software_version
    )
    rows = [
        Row("software", "Software", material.recorded(software, material.software())),
        Row("log", "Audit log", material.recorded(origin, {"type": "log", "origin": origin})),
        Row(
            "providers",
            "Providers called in the period",
            material.counted(material.collected.providers or "none", "providers-seen"),
        ),
        Row(
            "notice",
            "Notice shown above every chat",
            material.recorded(
                material.subject.notice, material.organisation(), law=("AI Act 50(1)",)
            ),
        ),
    ]
    stray = material.collected.systems.get(None)
    if stray is not None:
        leaf = material.counted(
            stray.calls,
            "calls-without-system",
            {"type": "record", "id": stray.first_record, "which": "first request"},
            reason="these calls are from before the register of AI systems",
        )
        rows.append(Row("unassigned", "Calls that belong to no system", leaf))
    return Block("recorded", "As recorded", tuple(rows))


def _registered(material: Material, system: SystemInPeriod) -> Iterable[Row]:
    evidence = register_evidence(system)
    status = material.recorded(
        _STATUSES[system.status],
        evidence,
        reason="calls that name no system belong to it" if system.is_default else None,
    )
    yield Row("name", "Name", material.recorded(system.name, evidence))
    yield Row("id", "Number in the register", material.recorded(system.id, evidence))
    yield Row("status", "Status", status)
    yield Row("in_use_since", "In use since", _in_use_since(material, system))
    if system.retired_on is not None:
        after = "calls were recorded after that day" if system.called_after_retirement else None
        retired = material.recorded(system.retired_on.isoformat(), evidence, reason=after)
        yield Row("retired_on", "Retired on", retired)
    yield Row("calls", "Calls in the period", calls_in_period(material, system))


def _in_use_since(material: Material, system: SystemInPeriod) -> Leaf:
    law = ("AI Act 3(11)", "AI Act 111")
    if system.in_use_since is None:
        return unknown(
            "the day of putting into service is not entered in the register",
            as_of=material.as_of,
            law=law,
        )
    return material.recorded(
        system.in_use_since.isoformat(),
        register_evidence(system),
        law=law,
        reason="entered in the register, not confirmed by a declaration",
    )


def calls_in_period(material: Material, system: SystemInPeriod) -> Leaf:
    """How many calls named the system, with the first and the last of them."""
    if system.use is None:
        return material.counted(0, "calls-by-system")
    return material.counted(
        system.use.calls,
        "calls-by-system",
        {"type": "record", "id": system.use.first_record, "which": "first request"},
        {"type": "record", "id": system.use.last_record, "which": "last request"},
    )


def risk(material: Material) -> Section:
    """Section 3: the screening for prohibited and high-risk uses. Never a default class."""
    return Section(
        "3",
        "risk",
        "Risk classification record",
        "AI Act Art. 5 (applies now; points (ba), (bb) from 2 December 2026), Art. 6 and Annex III "
        "(from 2 December 2027 and 2 August 2028).",
        ("No class is assumed. Without a declared screening the classification is not assessed.",),
        per_system(material, "screening", "Screening", lambda it: _screening(material, it)),
    )


def _screening(material: Material, system: SystemInPeriod) -> Iterable[Row]:
    yield from declared_rows(
        material,
        system,
        ("art5", "Prohibited practices, points (a) to (h)", "risk.art5_screening"),
        ("art5_ba_bb", "Prohibited practices, points (ba) and (bb)", "risk.art5_ba_bb"),
        ("annex_iii", "Screening against Annex III", "risk.annex_iii_screening"),
        ("annex_iii_answer", "Use listed in Annex III", "risk.annex_iii"),
        ("profiling", "Profiling of natural persons", "risk.profiling"),
        ("art6_3_ground", "Ground under Art. 6(3)", "risk.art6_3_ground"),
        ("annex_i", "Part of a product under Annex I", "risk.annex_i"),
        ("result", "Result of the classification", "risk.result"),
        ("review_date", "Next review of the classification", "risk.review_date"),
    )
    drift = unknown(
        "no detector looked for topics that suggest a use listed in Annex III",
        as_of=material.as_of,
        origin=Origin.COMPUTED,
        law=("AI Act 25(1)(c)",),
    )
    yield Row("drift", "Signs of a change of purpose", drift)
    rules = not_yet_applicable(
        provision="AI Act Chapter III, Sections 1 to 3",
        applies_from=HIGH_RISK_FROM,
        as_of=material.as_of,
    )
    yield Row("high_risk_rules", "Rules for high-risk systems", rules)
