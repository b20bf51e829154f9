"""What is declared about each provider that text goes to, and about each model that answers."""

from __future__ import annotations

from dossier.law import facts
from dossier.statements.item import About, Item

ITEMS = (
    # -- Section 7: modification
    Item(
        "modification.fine_tuned",
        "Changes to a model",
        ("AI Act recital 109",),
        "Whether a model was fine-tuned or otherwise trained further, by whom, with what compute. "
        "Prompts, system prompts and retrieval are not training.",
        "No model was trained further.",
    ),
    Item(
        "flow.entity",
        "Contracting legal entity",
        ("GDPR 28", "GDPR 30(1)(d)"),
        "With which legal entity the contract is.",
        "Mistral AI SAS, Paris.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.role",
        "Role of the recipient",
        ("GDPR 28",),
        "Processor or controller, as the contract says.",
        "processor",
        about=About.PROVIDER,
        choices=("processor", "controller", "joint controller", "no recipient: own servers"),
    ),
    Item(
        "flow.dpa",
        "Data processing agreement",
        ("GDPR 28(3)",),
        "Version and date of the agreement and of the list of sub-processors.",
        "DPA version 3.1 of 2 February 2026; sub-processors as of 1 October 2026.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.inference_region",
        "Place of inference by contract",
        ("GDPR 30(1)(e)",),
        "Where the contract says that prompts are processed.",
        "European Union.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.storage_region",
        "Place of storage by contract",
        ("GDPR 30(1)(e)",),
        "Where the contract says that prompts and answers are stored.",
        "European Union.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.support_access",
        "Access from elsewhere",
        ("GDPR 44",),
        "Whether support staff outside the European Economic Area can reach the data.",
        "None, by clause 7 of the agreement.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.transfer_mechanism",
        "Transfer mechanism",
        ("GDPR 44", "GDPR 45", "GDPR 46"),
        "None needed, adequacy decision (which), Data Privacy Framework (entity listed?), standard "
        "contractual clauses (module, date of the impact assessment), and the date of the check.",
        "None needed: processing in the EEA only, checked on 5 October 2026.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.retention",
        "Retention at the provider",
        ("GDPR 5(1)(e)", "GDPR 28(3)(g)"),
        "What the contract says, and whether zero retention is agreed and proven.",
        "30 days; zero retention not agreed.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.training_use",
        "Use for training by the provider",
        ("GDPR 5(1)(b)", "GDPR 28(3)(a)"),
        "The clause of the contract and the setting.",
        "Excluded by clause 4.2; setting switched off on 3 March 2026.",
        about=About.PROVIDER,
    ),
    # -- Section 5: upstream
    Item(
        "upstream.eu_use_excluded",
        "Use in the EU excluded by licence",
        ("Guidelines C(2025) 7719, 3.1.3",),
        "A model whose maker has clearly excluded use in the EU makes whoever integrates it the "
        "provider of the model.",
        "no",
        about=About.MODEL,
        choices=("no", "yes"),
    ),
    Item(
        "upstream.market_date",
        "Placed on the Union market",
        ("AI Act 53", "AI Act 111(3)"),
        "The date in the maker's public summary. Before 2 August 2025: time until 2 August 2027.",
        "15 September 2026, public summary, section 1.2.",
        about=About.MODEL,
    ),
    Item(
        "upstream.licence",
        "Licence and acceptable use",
        ("Annex XII 1(b)", "Annex XII 1(h)"),
        "Licence and acceptable use policy, each with version and date.",
        "Commercial terms of 1 May 2026; usage policy of 1 May 2026.",
        about=About.MODEL,
    ),
    Item(
        "flow.categories",
        "Categories of data sent there",
        ("GDPR 30(1)(c)", "GDPR 13(1)"),
        "Which data this recipient may get, and of which persons.",
        "Names and contact data of customers and staff in business letters.",
        about=About.PROVIDER,
    ),
    Item(
        "flow.subprocessors",
        "List of sub-processors of",
        ("GDPR 28(2)", "GDPR 28(4)"),
        "The date of the list of sub-processors that was last looked at.",
        "2026-10-01",
        about=About.PROVIDER,
        form="date",
    ),
    Item(
        "flow.transfer_checked",
        "Transfer mechanism checked on",
        ("GDPR 44", "GDPR 46"),
        "The day on which the mechanism was last checked: the listing of the very entity, staff "
        "data covered or not, date of the impact assessment.",
        "2026-10-05",
        about=About.PROVIDER,
        form="date",
    ),
    Item(
        "flow.zero_retention",
        "Zero retention",
        ("GDPR 28(3)(g)",),
        "Whether the contract excludes storage at the provider, and the proof.",
        "not agreed",
        about=About.PROVIDER,
        choices=("agreed, proof on file", "agreed, no proof on file", "not agreed"),
    ),
    Item(
        "modification.weights",
        "Control over the weights",
        ("Guidelines C(2025) 7719, 3.2",),
        "Who holds the weights of the model that was trained further.",
        "The provider: trained through its interface, the weights were never ours.",
        about=About.MODEL,
    ),
    Item(
        "modification.compute_flop",
        "Compute of the modification (FLOP)",
        ("Guidelines C(2025) 7719, 3.2",),
        "Training compute that was spent on the modification. Zero where there was none.",
        "3.0e19",
        about=About.MODEL,
        form="number",
    ),
    Item(
        "modification.original_flop",
        "Compute of the original model (FLOP)",
        ("Guidelines C(2025) 7719, 3.2",),
        "As its maker states it. Unknown: leave it; then 1/3 of 10^23 is the mark, or 1/3 of "
        "10^25 where the original has systemic risk.",
        "2.1e24",
        about=About.MODEL,
        form="number",
    ),
)


def annex_xii_items() -> tuple[Item, ...]:
    """The eleven items of Annex XII, each as something that can be declared about a model."""
    return tuple(
        Item(
            key=f"annex_xii.{row['key']}",
            label=str(row["title"]),
            law=(str(row["law"]), "AI Act 53(1)(b)"),
            help="Which document answers this item, with version, page and date.",
            example="Model card, version of 3 June 2026, page 4.",
            about=About.MODEL,
        )
        for row in facts("annex_xii").rows
    )
