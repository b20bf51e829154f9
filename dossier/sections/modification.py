"""Section 7: whether somebody trained a model further, which can make him its provider."""

from __future__ import annotations

from decimal import Decimal

from dossier.document import Block, Row, Section
from dossier.leaves import Leaf, not_applicable, unknown
from dossier.material import Material
from dossier.phrases import phrase
from dossier.sections.opening import by_rule

# Guidelines C(2025) 7719, section 3.2: a third of the original's training compute; where that is
# not known, a third of the threshold for general-purpose models.
SUBSTITUTE = Decimal("1e23")
SHARE = Decimal(1) / 3


def modification(material: Material) -> Section:
    """Section 7: fine-tuned names in the log, what is declared of them, and the ratio."""
    tuned = fine_tuned(material)
    seen = material.counted(
        tuned or "none",
        "fine-tuned-model-names",
        over="model names called in the period",
        reason=None
        if not tuned
        else "names of this form stand for models that were trained further",
    )
    leaf = material.declarations.leaf
    blocks = [
        Block(
            "modification",
            "Models trained further",
            (
                Row("seen", "Names of fine-tuned models in the log", seen),
                Row("declared", "Declared changes", leaf("modification.fine_tuned")),
            ),
        )
    ]
    for number, model in enumerate(tuned, start=1):
        rows = (
            Row("weights", "Control over the weights", leaf("modification.weights", model)),
            Row("compute", "Compute of the modification", leaf("modification.compute_flop", model)),
            Row("original", "Compute of the original", leaf("modification.original_flop", model)),
            Row("ratio", "Ratio of the two", _ratio(material, model)),
        )
        blocks.append(Block(f"modification_{number}", phrase("%(model)s", model=model), rows))
    return Section(
        "7",
        "modification",
        "Modification test",
        "Commission guidelines C(2025) 7719, section 3.2 (non-binding); recital 109. Indicative "
        "threshold: more than one third of the original training compute.",
        ("Prompts, system prompts and retrieval are not training.",),
        tuple(blocks),
    )


def fine_tuned(material: Material) -> list[str]:
    """Names in the log of the form that vendors give to models that were trained further."""
    uses = material.collected.uses
    return sorted({use.model for use in uses if use.model.startswith(("ft:", "ft-"))})


def _ratio(material: Material, model: str) -> Leaf:
    """Compute of the modification over that of the original, or over its substitute."""
    law = ("Guidelines C(2025) 7719, 3.2",)
    spent = material.declarations.value("modification.compute_flop", model)
    if spent is None:
        return unknown("the compute of the modification is not declared", as_of=material.as_of)
    stated = material.declarations.value("modification.original_flop", model)
    original = Decimal(stated) if stated else SUBSTITUTE
    if not original:
        return not_applicable(
            rule=law[0],
            reason="the compute of the original is declared as zero",
            decided_by=by_rule(material, "modification-ratio"),
            as_of=material.as_of,
        )
    ratio = Decimal(spent) / original
    return material.counted(
        format(ratio, ".3g"),
        "modification-ratio",
        over="declared compute of the modification and of the original",
        reason=phrase(
            "the original is not declared: 10^23 FLOP was put in its place; the mark is %(share)s",
            share="1/3",
        )
        if stated is None
        else phrase("the mark is %(share)s; it is indicative", share="1/3"),
        law=law,
    )
