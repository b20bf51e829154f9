"""Section 8: where text goes, what is sent, and why Art. 10 is not the rule for that."""

from __future__ import annotations

from dossier.collect import Settings, Use
from dossier.document import Block, Row, Section
from dossier.law import not_a_model
from dossier.leaves import (
    Evidence,
    Leaf,
    Origin,
    not_applicable,
    not_yet_applicable,
    unknown,
)
from dossier.material import Material, use_evidence
from dossier.phrases import phrase
from dossier.sections.opening import by_rule, role_notice
from llm.routing import region_is_allowed

_HOSTNAME = "configured by the organisation; an address or a setting is no proof of a place"


def statement(material: Material) -> Section:
    """Section 8: the data-flow and input-data statement."""
    blocks = [_article_10(material), _inputs(material)]
    for number, provider in enumerate(material.collected.providers, start=1):
        uses = [use for use in material.collected.uses if use.provider == provider]
        blocks.append(_flow(material, f"flow_{number}", provider, uses))
    blocks += [_regions(material), _detectors(material)]
    return Section(
        "8",
        "data_flow",
        "Data-flow and input-data statement",
        "AI Act Art. 26(4) (deployers of high-risk systems, from 2 December 2027); GDPR Arts 5, 13 "
        "to 15, 28, 30, 32, 35, 44 to 49 (now); with a note on the applicability of Art. 10.",
        (
            *role_notice(material),
            (
                "Art. 10 AI Act governs data sets for the training, validation and testing of "
                "high-risk systems and binds their provider. It does not govern the text that "
                "flows to a model in use; that is the subject of this section."
            ),
        ),
        tuple(blocks),
    )


def _article_10(material: Material) -> Block:
    applies = not_yet_applicable(
        provision="AI Act 10",
        applies_from=phrase("2 December 2027 (Annex III), 2 August 2028 (Annex I)"),
        as_of=material.as_of,
        reason="Art. 10 is addressed to providers of high-risk AI systems and applies from "
        "2 December 2027 (Annex III) and 2 August 2028 (Annex I); Art. 10(5) was deleted",
    )
    return Block(
        "article_10",
        "8.1  Applicability of Art. 10",
        (
            Row("applicability", "Art. 10 AI Act", applies),
            Row(
                "own_data_sets",
                "Own data sets",
                material.declarations.leaf("data.training_by_us"),
            ),
        ),
        note="What models were trained on is for their makers to say: see the upstream "
        "documentation trail. This organisation has not verified it.",
    )


def _inputs(material: Material) -> Block:
    leaf = material.declarations.leaf
    return Block(
        "inputs",
        "8.2  What is sent",
        (
            Row("categories", "Categories of data", leaf("data.categories")),
            Row("special_categories", "Special categories", leaf("data.special_categories")),
            Row("controlled", "Inputs under our control", leaf("data.inputs_under_control")),
            *(
                Row(
                    f"dpia_{number}",
                    phrase("Impact assessment: %(system)s", system=system.name),
                    leaf("assessment.dpia", system.id),
                )
                for number, system in enumerate(material.systems, start=1)
            ),
        ),
        note="Free text may contain anything that a user types.",
    )


def _flow(material: Material, key: str, provider: str, uses: list[Use]) -> Block:
    evidence = [item for use in uses for item in use_evidence(use)]
    used = {settings_id for use in uses for settings_id in use.settings_ids}
    settings = [row for row in material.collected.settings if row.id in used]
    leaf = material.declarations.leaf
    calls = material.counted(sum(use.calls for use in uses), "count-calls", *evidence)
    if all(not_a_model(use.model) for use in uses):
        rows = [Row("calls", "Calls in the period", calls), _stays_inside(material)]
        return Block(key, phrase("8.3  Flow to %(provider)s", provider=provider), tuple(rows))
    rows = [
        Row("calls", "Calls in the period", calls),
        Row("endpoint", "Configured endpoint", _endpoint(material, settings)),
        Row("configured_region", "Configured region", _configured_region(material, uses, evidence)),
        Row("returned_region", "Place named in answers", _returned_region(material, provider)),
        Row(
            "contract_region",
            "Place of inference by contract",
            leaf("flow.inference_region", provider),
        ),
        Row(
            "storage_region", "Place of storage by contract", leaf("flow.storage_region", provider)
        ),
        Row("support_access", "Access from elsewhere", leaf("flow.support_access", provider)),
        Row("role", "Role of the recipient", leaf("flow.role", provider)),
        Row("dpa", "Data processing agreement", leaf("flow.dpa", provider)),
        Row("subprocessors", "List of sub-processors of", leaf("flow.subprocessors", provider)),
        Row("categories", "Categories of data sent there", leaf("flow.categories", provider)),
        Row(
            "transfer_checked",
            "Transfer mechanism checked on",
            leaf("flow.transfer_checked", provider),
        ),
        Row("zero_retention", "Zero retention", leaf("flow.zero_retention", provider)),
    ]
    for field, label, law in (
        ("entity", "Contracting legal entity", "legal_entity"),
        ("transfer_mechanism", "Transfer mechanism", "transfer_mechanism"),
        ("retention", "Retention at the provider", "retention_at_provider"),
        ("training_use", "Use for training", "training_use"),
    ):
        rows.append(
            Row(field, label, _declared_or_entered(material, provider, field, law, settings))
        )
    return Block(key, phrase("8.3  Flow to %(provider)s", provider=provider), tuple(rows))


def _stays_inside(material: Material) -> Row:
    """The flow to what is part of this software: there is no recipient."""
    leaf = not_applicable(
        rule="GDPR 4(9)",
        reason="the answers come from fixed rules inside this software; no text is handed on",
        decided_by=by_rule(material, "not-a-model"),
        as_of=material.as_of,
    )
    return Row("recipient", "Recipient", leaf)


def _settings_evidence(row: Settings) -> Evidence:
    return {
        "type": "settings",
        "of": "provider",
        "id": str(row.id),
        "changed_at": f"{row.updated_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def _endpoint(material: Material, settings: list[Settings]) -> Leaf:
    if not settings:
        return unknown(
            "the calls were made with the instance's default provider, which has no row of "
            "settings of this organisation",
            as_of=material.as_of,
            origin=Origin.RECORDED,
        )
    value = sorted(
        {
            row.base_url or phrase("the usual address of %(vendor)s", vendor=row.vendor)
            for row in settings
        }
    )
    evidence = [_settings_evidence(row) for row in settings]
    return material.recorded(value, *evidence, reason=_HOSTNAME, law=("GDPR 30(1)(d)",))


def _configured_region(material: Material, uses: list[Use], evidence: list[Evidence]) -> Leaf:
    regions = sorted({use.region for use in uses})
    law = ("GDPR 30(1)(e)", "GDPR 44")
    if regions == ["unknown"]:
        return unknown(
            "no region is configured for this provider",
            as_of=material.as_of,
            origin=Origin.RECORDED,
            law=law,
        )
    return material.recorded(regions, *evidence, reason=_HOSTNAME, law=law)


def _returned_region(material: Material, provider: str) -> Leaf:
    """What the provider's own answers said about the place, counted over the bundle's records."""
    law = ("GDPR 30(1)(e)",)
    places = material.evidence.served.get(provider)
    if not places:
        return unknown(
            "no answer of this provider named the place where it was made",
            as_of=material.as_of,
            origin=Origin.RECORDED,
            law=law,
        )
    return material.counted(
        dict(places),
        "served-regions",
        over="audit_log_period.jsonl",
        reason="as stated by the provider with each answer",
        law=law,
    )


def _declared_or_entered(
    material: Material, provider: str, field: str, attribute: str, settings: list[Settings]
) -> Leaf:
    """A declaration counts; else what stands in the settings, said to be only that."""
    declared = material.declarations.leaf(f"flow.{field}", provider)
    if declared.value is not None:
        return declared
    entered = {str(getattr(row, attribute)) for row in settings} - {"", "unknown"}
    if not entered:
        return declared
    return material.recorded(
        sorted(entered),
        *[_settings_evidence(row) for row in settings],
        reason="entered in the provider's settings, not confirmed by a declaration",
        law=declared.law,
    )


def _regions(material: Material) -> Block:
    allowed = list(material.subject.allowed_regions)
    uses = material.collected.called
    outside = sum(use.sent for use in uses if not region_is_allowed(use.region, allowed))
    by_region: dict[str, int] = {}
    for use in uses:
        by_region[use.region] = by_region.get(use.region, 0) + use.sent
    return Block(
        "regions",
        "8.4  Regions: allowed and used",
        (
            Row(
                "allowed",
                "Regions allowed by the organisation",
                material.recorded(
                    sorted(allowed) or "none",
                    material.organisation(),
                    reason="the policy as it stood at the moment of this statement",
                ),
            ),
            Row(
                "used",
                "Calls by configured region",
                material.counted(by_region or "none", "calls-by-region"),
            ),
            Row(
                "outside",
                "Calls to other regions",
                material.counted(
                    outside,
                    "calls-outside-allowed-regions",
                    reason="measured by the policy above, which may have been another one when "
                    "the calls were made"
                    if outside
                    else None,
                ),
            ),
        ),
        note="Requests were sent to the configured endpoints. Where a provider processes them is "
        "as it states in its contract.",
    )


def _detectors(material: Material) -> Block:
    leaf = unknown(
        "no detector of personal data ran on the prompts of the period",
        as_of=material.as_of,
        origin=Origin.RECORDED,
        law=("GDPR 5(1)(c)",),
    )
    return Block("detectors", "8.5  Personal data found", (Row("findings", "Findings", leaf),))
