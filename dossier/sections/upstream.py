"""Sections 5 to 7: the models seen in the log, what their makers publish, what was asked."""

from __future__ import annotations

from typing import Any

from dossier.collect import Use, versions_of
from dossier.document import Block, Row, Section
from dossier.law import documents_for, facts, host_of, not_a_model, upstream_leaf
from dossier.leaves import (
    Evidence,
    Leaf,
    Origin,
    not_applicable,
    not_found,
    published_upstream,
    unknown,
)
from dossier.material import Material, use_evidence
from dossier.phrases import phrase
from dossier.sections.opening import by_rule, role_notice
from dossier.upstream_file import document_leaf, request_leaf
from dossier.upstream_models import UpstreamRequest

NO_CONCLUSION = (
    (
        "Art. 53 binds the provider of the general-purpose AI model and is supervised by the "
        "Commission alone (Art. 88). No conclusion about the provider's compliance is drawn. "
        "Models placed on the market before 2 August 2025 have until 2 August 2027 (Art. 111(3))."
    ),
    (
        "That a summary or a signature was found says nothing about its quality; adherence to the "
        "Code of Practice is not conclusive evidence."
    ),
)
_RULE = "not-a-model"
SUMMARY = "training_content_summary"
_KIND_LABELS = {
    SUMMARY: "Summary of training content",
    "model_documentation": "Model documentation",
    "terms": "Terms, licence",
    "acceptable_use": "Acceptable use policy",
    "copyright_policy": "Copyright policy",
    "data_processing": "Data processing agreement",
}


def register(material: Material) -> Section:
    """Section 5: one block for each model that really was called."""
    blocks: list[Block] = []
    models = material.collected.models
    for number, ((provider, model), uses) in enumerate(models.items(), start=1):
        blocks.append(_model(material, f"model_{number}", provider, model, uses))
        if not_a_model(model) is None:
            blocks.append(_annex_xii(material, f"annex_xii_{number}", model))
    if not blocks:
        seen = material.counted(0, "count-calls", law=("AI Act 53",))
        blocks.append(Block("none", "Models seen", (Row("calls", "Calls to models", seen),)))
    return Section(
        "5",
        "upstream_register",
        "Upstream documentation trail for Art. 53",
        "AI Act Art. 53(1)(b) and (d), Annex XII, Art. 54 (addressee: the model provider). Our "
        "interest: Art. 25(4), Art. 89(2), GDPR Art. 28. Applies to providers since 2 August 2025.",
        (*role_notice(material), *NO_CONCLUSION),
        tuple(blocks),
    )


def _model(material: Material, key: str, provider: str, model: str, uses: list[Use]) -> Block:
    maker = material.law.maker_of(model)
    fixed = not_a_model(model)
    rows = [
        *_observed(material, provider, uses),
        *(_not_a_model(material, fixed) if fixed else _upstream(material, model, maker)),
    ]
    return Block(
        key, phrase("%(model)s, through %(provider)s", model=model, provider=provider), tuple(rows)
    )


def _observed(material: Material, provider: str, uses: list[Use]) -> list[Row]:
    evidence: list[Evidence] = [item for use in uses for item in use_evidence(use)]
    answered = versions_of(uses)
    first, last = min(use.first_at for use in uses), max(use.last_at for use in uses)
    snapshots: Leaf
    if answered:
        snapshots = material.recorded(answered, *evidence)
    else:
        snapshots = unknown(
            "no answer in the period named the version of the model that wrote it",
            as_of=material.as_of,
            origin=Origin.RECORDED,
        )
    regions = {use.region: use.calls for use in uses}
    return [
        Row("host", "Called through (host)", material.recorded(provider, *evidence)),
        Row("level", "Run by", _run_by(material, provider, evidence)),
        Row(
            "calls",
            "Calls in the period",
            material.counted(sum(use.calls for use in uses), "count-calls", *evidence),
        ),
        Row("regions", "Calls by configured region", material.counted(regions, "calls-by-region")),
        Row(
            "first_seen",
            "First seen",
            material.recorded(f"{first:%Y-%m-%d %H:%M} UTC", evidence[0]),
        ),
        Row("last_seen", "Last seen", material.recorded(f"{last:%Y-%m-%d %H:%M} UTC", evidence[1])),
        Row("answered_by", "Versions that answered", snapshots),
        Row("version_changes", "Changes of version noticed", _version_changes(material, uses[0])),
    ]


def _run_by(material: Material, provider: str, evidence: list[Evidence]) -> Leaf:
    """The second level: whose endpoint it is, apart from whose model."""
    host = host_of(provider)
    reasons = {
        "maker": "the maker's own service",
        "cloud": "another company than the model's maker: its contract governs the processing",
        "settings": "the address is entered in the provider's settings; see section 8",
        "own": "part of this software",
    }
    return material.counted(
        phrase(host["name"]),
        "host-by-provider-name",
        *evidence[:1],
        over=f"name {provider}",
        reason=reasons[host["level"]],
        law=("AI Act 25(4)", "GDPR 28"),
    )


def _version_changes(material: Material, use: Use) -> Leaf:
    """Another version answered under the same name, in the period or since the one before."""
    law = ("AI Act 3(23)",)
    found = [
        item
        for item in material.collected.snapshots
        if (item.provider, item.model) == (use.provider, use.model)
    ]
    if not found:
        return unknown(
            "no answer in the period named the version of the model that wrote it",
            as_of=material.as_of,
            origin=Origin.RECORDED,
            law=law,
        )
    before = material.collected.answered_before.get((use.provider, use.model))
    names = [*([before] if before else []), *(item.answered_by for item in found)]
    changed = [item for item, previous in zip(found, names, strict=False) if before] or found[1:]
    changed = [item for item in changed if item.answered_by != before]
    return material.counted(
        [
            phrase("%(version)s since %(moment)s", version=item.answered_by, moment=item.first_at)
            for item in changed
        ]
        or "none",
        "version-changes",
        *({"type": "record", "id": item.first_record, "which": "first answer"} for item in changed),
        reason=phrase("before the period: %(version)s", version=before) if before else None,
        law=law,
    )


def _not_a_model(material: Material, reason: str) -> list[Row]:
    leaf = not_applicable(
        rule="AI Act 3(63)",
        reason=reason,
        decided_by=by_rule(material, _RULE),
        as_of=material.as_of,
    )
    return [Row("art53", "Documentation under Art. 53", leaf)]


def _upstream(material: Material, model: str, maker: dict[str, Any] | None) -> list[Row]:
    declared = material.declarations
    rows: list[Row] = []
    if maker is None:
        leaf = unknown(
            "the maker cannot be told from the model's name; the register of upstream facts has "
            "no row for it",
            as_of=material.as_of,
            origin=Origin.COMPUTED,
        )
        rows.append(Row("maker", "Made by", leaf))
    else:
        made_by = material.counted(maker["name"], "maker-by-model-name", over=f"name {model}")
        rows.append(Row("maker", "Made by", made_by))
        law = ("AI Act 53", "AI Act 54")
        rows += [
            Row(field, label, upstream_leaf(maker, field, as_of=material.as_of, law=law))
            for field, label in (
                ("gpai_provider_entity", "Model provider (legal entity)"),
                ("headquarters", "Seat"),
                ("authorised_representative", "Authorised representative"),
                ("code_of_practice", "Code of Practice"),
            )
        ]
    rows += _documents(material, maker, model)
    rows += [
        Row(
            "market_date",
            "Placed on the Union market",
            declared.leaf("upstream.market_date", model),
        ),
        Row("licence", "Licence and acceptable use", declared.leaf("upstream.licence", model)),
        Row(
            "eu_use_excluded",
            "Use in the EU excluded",
            declared.leaf("upstream.eu_use_excluded", model),
        ),
        Row(
            "systemic_risk",
            "Systemic risk (Art. 51)",
            unknown(
                "no public list of models with systemic risk (Art. 52(6)) was found",
                as_of=material.as_of,
                origin=Origin.UPSTREAM,
                law=("AI Act 51", "AI Act 52(6)"),
            ),
        ),
    ]
    return rows


def _documents(material: Material, maker: dict[str, Any] | None, model: str) -> list[Row]:
    """What is on file: what our officers brought, what our register of upstream facts knows."""
    law = ("AI Act 53(1)(d)",)
    kept = material.upstream.documents_of(model)
    rows = [
        Row(
            f"kept_{number}",
            _KIND_LABELS.get(document.kind, "Document on file"),
            document_leaf(document, material.as_of, law),
        )
        for number, document in enumerate(kept, start=1)
    ]
    held = {document.url for document in kept}
    found = [it for it in (documents_for(maker, model) if maker else ()) if it["url"] not in held]
    checked = facts("upstream").checked_on
    rows += [
        Row(
            f"document_{number}",
            "Published document",
            published_upstream(
                document["title"],
                by=maker["name"],
                url=document["url"],
                checked_on=checked,
                grade=document["grade"],
                law=law,
            ),
        )
        for number, document in enumerate(found, start=1)
        if maker
    ]
    if not any(d.kind == SUMMARY for d in kept) and not any(d["kind"] == SUMMARY for d in found):
        rows.append(
            Row(SUMMARY, "Summary of training content", _no_summary(material, maker, model))
        )
    return rows


def _no_summary(material: Material, maker: dict[str, Any] | None, model: str) -> Leaf:
    law = ("AI Act 53(1)(d)",)
    asked = material.upstream.asked(model, SUMMARY, law)
    if asked is not None:
        return asked
    where = phrase(
        "the register of upstream facts of this software, %(maker)s",
        maker=maker["name"] if maker else phrase("no maker known"),
    )
    return not_found(
        searched=where,
        on=facts("upstream").checked_on,
        law=law,
        reason="no summary of training content that names this model is on file; the provider "
        "may publish one elsewhere",
    )


def _annex_xii(material: Material, key: str, model: str) -> Block:
    rows = tuple(
        Row(
            fact.key,
            phrase(
                "%(point)s  %(title)s",
                point=fact.row["law"].removeprefix("Annex XII "),
                title=phrase(fact.row["title"]),
            ),
            material.upstream.item(
                model, fact.key, (fact.row["law"], "AI Act 53(1)(b)"), material.declarations
            ),
        )
        for fact in material.law.facts("annex_xii")
    )
    return Block(
        key,
        phrase("Annex XII checklist for %(model)s", model=model),
        rows,
        note="Owed by the model provider to providers of AI systems who integrate the model, not "
        "to those who only use a finished product. An item is answered where somebody declares "
        "which document answers it.",
        layout="checklist",
    )


def requests(material: Material) -> Section:
    """Section 6: what was asked of the makers. That nothing was asked is a fact too."""
    law = ("AI Act 53(1)(b)", "AI Act 89(2)")
    first, last = material.period.first, material.period.last
    asked = [row for row in material.upstream.requests if first <= row.asked_on <= last]
    waiting = [
        row
        for row in material.upstream.requests
        if row.asked_on < first and material.upstream.outcome(row) == UpstreamRequest.Outcome.OPEN
    ]
    sent = material.counted(
        len(asked),
        "upstream-requests-sent",
        *({"type": "record", "id": str(row.record_id)} for row in asked),
        over="requests for documentation entered in this system and asked in the period",
        reason=None
        if asked
        else "no request to a model provider was entered in this system in the period",
        law=law,
    )
    outside = material.declarations.leaf("upstream.requests_outside")
    rows = [
        Row("sent", "Requests entered in this system", sent),
        Row("outside", "Requests made elsewhere", outside),
    ]
    rows += [
        Row(
            f"request_{number}",
            phrase("%(model)s, asked on %(day)s", model=row.model, day=row.asked_on),
            _request(material, row, law),
        )
        for number, row in enumerate((*asked, *waiting), start=1)
    ]
    return Section(
        "6",
        "upstream_requests",
        "Upstream request log",
        "Code of Practice, Measure 1.2 (signatories answer within 14 days); AI Act Art. 89(2), "
        "Art. 25(4).",
        (*role_notice(material),),
        (Block("requests", "Requests", tuple(rows)),),
    )


def _request(material: Material, row: UpstreamRequest, law: tuple[str, ...]) -> Leaf:
    if material.upstream.outcome(row) != UpstreamRequest.Outcome.SUPPLIED:
        return request_leaf(material.upstream, row, law)
    assert row.answered_on is not None
    days = (row.answered_on - row.asked_on).days
    return material.recorded(
        phrase(
            "asked of %(addressee)s by %(channel)s; answered with documents on %(day)s, after "
            "%(days)s days",
            addressee=row.addressee,
            channel=row.channel,
            day=row.answered_on,
            days=days,
        ),
        {"type": "record", "id": str(row.record_id), "kind": "upstream.requested"},
        {"type": "record", "id": str(row.answer_record_id), "kind": "upstream.answered"},
        law=law,
    )
