"""Sections 9 to 11: the log itself, its integrity, and how the models were used."""

from __future__ import annotations

from dossier.collect import ENDINGS, FEW_PEOPLE, Use
from dossier.comparison import comparison_block
from dossier.document import Block, Row, Section
from dossier.evidence import Slice
from dossier.leaves import Evidence, Leaf, Origin, not_applicable, unknown
from dossier.material import Material, use_evidence
from dossier.phrases import Phrase, phrase
from dossier.sections.opening import by_rule, role_notice

ENDING_LABELS = {
    "completed": "Completed",
    "stopped": "Stopped by the user",
    "failed": "Failed",
    "blocked": "Blocked before sending",
    "interrupted": "Interrupted (process or connection lost)",
}


def logging_statement(material: Material) -> Section:
    """Section 9: what was logged, how completely, and who can get at it."""
    data = material.collected
    log: Evidence = {"type": "log", "origin": material.integrity.origin}
    kinds = [
        Row(kind.replace(".", "_"), kind, material.counted(count, "count-records", log))
        for kind, count in data.kinds.items()
    ]
    if not kinds:
        kinds = [Row("none", "Records", material.counted(0, "count-records", log))]
    leaf = material.declarations.leaf
    keeping = (
        Row("retention", "Retention", leaf("log.retention")),
        Row("access", "Who can read and erase", leaf("log.access")),
        Row("legal_basis", "Legal basis", leaf("data.legal_basis")),
        Row("six_months", "Six months (Art. 26(6))", _six_months(material)),
        Row("clock_source", "Source of time", leaf("log.clock")),
        Row(
            "clock",
            "Drift of the clock",
            unknown(
                "times are those of the host's clock in UTC; its drift was not measured",
                as_of=material.as_of,
                origin=Origin.RECORDED,
            ),
        ),
    )
    return Section(
        "9",
        "logging",
        "Logging statement",
        "Evidence collected in view of AI Act Arts 12, 19 and 26(6), which will apply to high-risk "
        "systems from 2 December 2027 (Annex III) and 2 August 2028 (Annex I); voluntary today. "
        "GDPR Arts 5 and 32 apply now.",
        (
            *role_notice(material),
            (
                "The AI Act asks for the automatic recording of events. It does not ask for hash "
                "chains or for the storage of prompts; the tamper-evident form is our choice."
            ),
        ),
        (
            Block("coverage", "Coverage", _coverage(material, log)),
            Block("kinds", "Records by kind", tuple(kinds), layout="checklist"),
            Block("keeping", "Keeping", keeping),
        ),
    )


def _coverage(material: Material, log: Evidence) -> tuple[Row, ...]:
    data = material.collected
    difference = data.calls - data.requests_recorded
    running = sum(use.running for use in data.uses)
    sealed = material.evidence
    missing = data.records - sealed.in_period
    return (
        Row(
            "requests",
            "Requests recorded",
            material.counted(data.requests_recorded, "count-records", log),
        ),
        Row("calls", "Calls in the index of calls", material.counted(data.calls, "count-calls")),
        Row(
            "difference",
            "Difference of the two counts",
            material.counted(
                difference,
                "calls-minus-requests",
                reason=None if difference == 0 else "the two counts should agree; see the log",
            ),
        ),
        Row(
            "recounted",
            "Records counted again from the bundle",
            material.counted(
                sealed.in_period,
                "count-lines",
                over=f"audit_log_period.jsonl, positions {sealed.first} to {sealed.end - 1}"
                if sealed.records
                else "audit_log_period.jsonl, which is empty",
                reason=None if missing == 0 else _why_fewer(data.records, sealed),
            ),
        ),
        Row("running", "Without an ending yet", material.counted(running, "calls-without-ending")),
        Row(
            "independent",
            "Independent count",
            _independent_count(material),
        ),
    )


def _why_fewer(indexed: int, sealed: Slice) -> Phrase:
    """Why the bundle has not all records that the index has in the period."""
    parts = {"records": indexed, "unsealed": sealed.unsealed}
    if sealed.gone:
        return phrase(
            "%(records)s stand in the index; of them not sealed yet: %(unsealed)s; no longer "
            "there: %(gone)s, see section 10",
            **parts,
            gone=sealed.gone,
        )
    return phrase(
        "%(records)s stand in the index, %(unsealed)s of them were not sealed yet", **parts
    )


def _independent_count(material: Material) -> Leaf:
    """What somebody else counted: without it nobody can say that every call went through here."""
    declared = material.declarations.leaf("log.billed_calls")
    if declared.value is not None:
        return declared
    return unknown(
        "coverage unknown: no count from elsewhere, such as a provider's bill, was entered",
        as_of=material.as_of,
    )


def _six_months(material: Material) -> Leaf:
    """Whether the log reaches back six months: a question only for high-risk systems."""
    return not_applicable(
        rule="AI Act 26(6)",
        reason="the minimum of six months is a duty of deployers of high-risk systems from 2027",
        decided_by=by_rule(material, "six-months"),
        as_of=material.as_of,
    )


def integrity(material: Material) -> Section:
    """Section 10: what shows that the log was not changed, and what does not."""
    state = material.integrity
    log: Evidence = {"type": "log", "origin": state.origin, "size": state.size}
    tree = [
        Row("origin", "Log", material.recorded(state.origin, log)),
        Row("size", "Records in the log", material.recorded(state.size, log)),
        Row("root", "Root hash", material.recorded(state.root, log)),
        Row("checkpoint", "Signed checkpoint", _checkpoint(material)),
        Row("verification_key", "Verification key", material.recorded(state.verification_key, log)),
        Row("anchor", "Anchor outside this system", _anchor(material)),
    ]
    verification = [
        Row(
            "result",
            "Verification",
            material.counted(
                state.message, "verify-log", log, over=f"{state.entries_checked} records"
            ),
        ),
        Row(
            "checked",
            "Records checked",
            material.counted(
                state.entries_checked, "verify-log", log, over=f"{state.size} records"
            ),
        ),
        Row(
            "not_checked",
            "Not checked",
            material.counted(list(state.not_checked) or "nothing else", "verify-log", log),
        ),
        Row(
            "erased",
            "Contents erased in the period",
            material.counted(
                material.collected.kinds.get("content.erased", 0), "count-records", log
            ),
        ),
    ]
    return Section(
        "10",
        "integrity",
        "Integrity of the log",
        "No article of the AI Act asks for this; it is offered as evidence.",
        (
            (
                "The log is tamper-evident: a record that is changed, removed or put in later does "
                "not fit the signed tree head. This proves consistency from the first checkpoint "
                "that somebody outside holds. It does not prove that what was recorded is true, "
                "nor that everything was recorded."
            ),
            (
                "Check it yourself, without this system: see README.txt in the bundle. Take the "
                "verification key from outside the bundle."
            ),
        ),
        (
            Block("tree", "Log and checkpoint", tuple(tree)),
            Block("verification", "Verification", tuple(verification)),
        ),
    )


def _checkpoint(material: Material) -> Leaf:
    state = material.integrity
    if not state.checkpoint:
        return unknown(
            "no checkpoint had been signed at the moment of this statement",
            as_of=material.as_of,
            origin=Origin.RECORDED,
        )
    evidence: Evidence = {
        "type": "checkpoint",
        "size": state.size,
        "signed_at": state.checkpoint_at,
    }
    return material.recorded(
        phrase("%(size)s records, signed %(at)s", size=state.size, at=state.checkpoint_at),
        evidence,
    )


def _anchor(material: Material) -> Leaf:
    if material.integrity.anchoring == "not anchored externally":
        return unknown(
            "not anchored externally: the operator alone holds the checkpoints, except for those "
            "printed in dossiers that others keep",
            as_of=material.as_of,
            origin=Origin.THIRD_PARTY,
        )
    return material.recorded(
        material.integrity.anchoring, {"type": "log", "origin": material.integrity.origin}
    )


def usage(material: Material) -> Section:
    """Section 11: numbers, aggregated; no row points at a person."""
    blocks = []
    for number, use in enumerate(material.collected.uses, start=1):
        evidence = use_evidence(use)
        rows = [Row("calls", "Calls", material.counted(use.calls, "count-calls", *evidence))]
        rows += [
            Row(state, ENDING_LABELS[state], material.counted(use.endings[state], "count-endings"))
            for state in ENDINGS
        ]
        rows += [
            Row(
                "running",
                "Without an ending yet",
                material.counted(use.running, "calls-without-ending"),
            ),
            Row("input_tokens", "Tokens in", material.counted(use.input_tokens, "sum-tokens")),
            Row("output_tokens", "Tokens out", material.counted(use.output_tokens, "sum-tokens")),
            Row(
                "without_usage",
                "Ended calls without a token count",
                material.counted(use.without_usage, "count-calls"),
            ),
            Row("people", "People", _people(material, use.people)),
        ]
        title = phrase(
            "%(model)s, through %(provider)s, region %(region)s",
            model=use.model,
            provider=use.provider,
            region=phrase(use.region),
        )
        if not use.sent:
            title = _blocked(use)
        blocks.append(Block(f"use_{number}", title, tuple(rows), layout="checklist"))
    if not blocks:
        row = Row("calls", "Calls to models", material.counted(0, "count-calls"))
        blocks.append(Block("none", "Use", (row,)))
    blocks.append(comparison_block(material))
    return Section(
        "11",
        "usage",
        "Usage statistics",
        "AI Act Art. 26(5), Art. 72(2): context only.",
        ("All records of the period are counted; nothing is sampled.",),
        tuple(blocks),
    )


def _blocked(use: Use) -> Phrase:
    """The title of calls that nobody got; which provider was asked for, where one was."""
    if not use.provider:
        return phrase("Blocked by the organisation's rules: no provider was called")
    return phrase(
        "Blocked by the organisation's rules (%(provider)s, region %(region)s): no provider was "
        "called",
        provider=use.provider,
        region=phrase(use.region),
    )


def _people(material: Material, people: int) -> Leaf:
    if people < FEW_PEOPLE:
        return material.counted(
            phrase("fewer than %(number)s", number=FEW_PEOPLE),
            "count-people-k5",
            reason="small numbers are not printed, so that nobody is singled out",
        )
    return material.counted(people, "count-people-k5")
