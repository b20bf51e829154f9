"""Sections 5 to 7: the models seen in the log, what their makers publish, what was asked."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from dossier.collect import Use
from dossier.document import Block, Row, Section
from dossier.law import documents_for, facts, maker_of, not_a_model, upstream_leaf
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


def register(material: Material) -> Section:
    """Section 5: one block for each model that really was called."""
    blocks: list[Block] = []
    models: dict[tuple[str, str], list[Use]] = defaultdict(list)
    for use in material.collected.called:
        models[use.provider, use.model].append(use)
    for number, ((provider, model), uses) in enumerate(sorted(models.items()), start=1):
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
    maker = maker_of(model)
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
    answered = sorted({name for use in uses for name in use.response_models})
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
    ]


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
        rows += _documents(maker, model)
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


def _documents(maker: dict[str, Any], model: str) -> list[Row]:
    checked = facts("upstream").checked_on
    law = ("AI Act 53(1)(d)",)
    found = documents_for(maker, model)
    summaries = [d for d in found if d["kind"] == "training_content_summary"]
    rows = [
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
    ]
    if not summaries:
        searched = phrase(
            "the register of upstream facts of this software, %(maker)s", maker=maker["name"]
        )
        leaf = not_found(
            searched=searched,
            on=checked,
            law=law,
            reason="no summary of training content that names this model is on file; the provider "
            "may publish one elsewhere",
        )
        rows.append(Row("training_content_summary", "Summary of training content", leaf))
    return rows


def _annex_xii(material: Material, key: str, model: str) -> Block:
    rows = tuple(
        Row(
            row["key"],
            phrase(
                "%(number)s  %(title)s",
                number=row["law"].removeprefix("Annex XII "),
                title=phrase(row["title"]),
            ),
            material.declarations.leaf(f"annex_xii.{row['key']}", model),
        )
        for row in facts("annex_xii").rows
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
    sent = material.counted(
        0,
        "upstream-requests-sent",
        over="requests for documentation sent through this system in the period",
        reason="no request to a model provider was sent through this system in the period",
        law=("AI Act 53(1)(b)", "AI Act 89(2)"),
    )
    outside = material.declarations.leaf("upstream.requests_outside")
    return Section(
        "6",
        "upstream_requests",
        "Upstream request log",
        "Code of Practice, Measure 1.2 (signatories answer within 14 days); AI Act Art. 89(2), "
        "Art. 25(4).",
        (*role_notice(material),),
        (
            Block(
                "requests",
                "Requests",
                (
                    Row("sent", "Requests sent through this system", sent),
                    Row("outside", "Requests made elsewhere", outside),
                ),
            ),
        ),
    )


def modification(material: Material) -> Section:
    """Section 7: whether somebody trained a model further, which can make him its provider."""
    tuned = sorted(
        {use.model for use in material.collected.uses if use.model.startswith(("ft:", "ft-"))}
    )
    seen = material.counted(
        tuned or "none",
        "fine-tuned-model-names",
        over="model names called in the period",
        reason=None
        if not tuned
        else "names of this form stand for models that were trained further",
    )
    return Section(
        "7",
        "modification",
        "Modification test",
        "Commission guidelines C(2025) 7719, section 3.2 (non-binding); recital 109. Indicative "
        "threshold: more than one third of the original training compute.",
        ("Prompts, system prompts and retrieval are not training.",),
        (
            Block(
                "modification",
                "Models trained further",
                (
                    Row("seen", "Names of fine-tuned models in the log", seen),
                    Row(
                        "declared",
                        "Declared changes",
                        material.declarations.leaf("modification.fine_tuned"),
                    ),
                ),
            ),
        ),
    )
