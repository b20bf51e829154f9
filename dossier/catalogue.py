"""What only people know: the statements that a dossier asks for, each with its article.

The catalogue is closed. A key that is not in it cannot be declared, so a dossier never prints a
statement whose legal hook nobody has thought about.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dossier.law import facts


class About(enum.StrEnum):
    """What a statement is about."""

    ORGANISATION = "organisation"
    PROVIDER = "provider"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Item:
    """One statement that a person can make.

    ``choices`` closes the answers where the law knows only some; ``missing`` is printed where
    nobody has answered.
    """

    key: str
    label: str
    law: tuple[str, ...]
    help: str
    example: str
    about: About = About.ORGANISATION
    choices: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Why the leaf is unknown."""
        return "not declared by the organisation"


ROLES = (
    "deployer",
    "provider of the AI system",
    "provider of the AI system, downstream of a general-purpose model",
    "provider of a general-purpose AI model",
    "importer",
    "distributor",
)

_ITEMS = (
    # -- Section 1: role
    Item(
        "role.role",
        "Role under the AI Act",
        ("AI Act 3(3)", "AI Act 3(4)", "AI Act 3(68)"),
        "Whoever uses a system under its own authority is a deployer; whoever builds or runs a "
        "chat on a model's API and puts it into service under its own name may be its provider.",
        "deployer",
        choices=ROLES,
    ),
    Item(
        "role.reasons",
        "Reasons for the role",
        ("AI Act 3(3)", "AI Act 3(4)", "AI Act 25"),
        "Whose name is on the product, who put it into service, who changed its purpose.",
        "The chat runs under our own name for our staff only; it is not offered to others.",
    ),
    Item(
        "role.union_nexus",
        "Link to the Union",
        ("AI Act 2(1)",),
        "Established in the Union, placed on its market, or output used in the Union.",
        "Established in Germany; staff in Germany and Austria use the output.",
    ),
    Item(
        "role.counsel",
        "Legal advice on the role",
        ("AI Act 3",),
        "Whether counsel was consulted on the role, and when.",
        "Yes, external counsel, opinion of 12 March 2026.",
    ),
    # -- Section 2: the system
    Item(
        "system.purpose",
        "Purpose of the system",
        ("AI Act 3(12)", "AI Act 26(1)"),
        "What people may use the chat for.",
        "Drafting, summarising and translating texts in internal administration.",
    ),
    Item(
        "system.users",
        "Users",
        ("AI Act 26(1)",),
        "Which groups of people use the system.",
        "About 120 employees in administration and sales.",
    ),
    Item(
        "system.excluded_uses",
        "Excluded uses",
        ("AI Act 5", "AI Act 6"),
        "What the system must not be used for, and where that is written down.",
        "No decisions on people (recruiting, performance, credit); works agreement of 2 May 2026.",
    ),
    # -- Section 3: risk
    Item(
        "risk.art5_screening",
        "Screening for prohibited practices",
        ("AI Act 5(1)",),
        "Result of the check against Art. 5(1)(a) to (h), and from 2 December 2026 points (ba) "
        "and (bb); who made it and when it is due again.",
        "No listed practice found on 3 June 2026; next check 3 June 2027.",
    ),
    Item(
        "risk.annex_iii_screening",
        "Screening against Annex III",
        ("AI Act 6(2)", "AI Act 6(3)"),
        "For each point of Annex III whether the use falls under it, with the reason.",
        "None of points 1 to 8 applies: the chat takes no part in decisions on people.",
    ),
    # -- Section 6: requests
    Item(
        "upstream.requests_outside",
        "Requests to model providers made elsewhere",
        ("AI Act 53(1)(b)", "AI Act 89(2)"),
        "Requests for documentation that were not sent through this system: to whom, when, what "
        "for, and what came back.",
        "None.",
    ),
    # -- Section 7: modification
    Item(
        "modification.fine_tuned",
        "Changes to a model",
        ("AI Act recital 109",),
        "Whether a model was fine-tuned or otherwise trained further, by whom, with what compute. "
        "Prompts, system prompts and retrieval are not training.",
        "No model was trained further.",
    ),
    # -- Section 8: data flow
    Item(
        "data.training_by_us",
        "Own training, validation or testing data sets",
        ("AI Act 10(1)",),
        "Whether the organisation trained, validated or tested a model with data sets.",
        "No model was trained, validated or tested with data sets of ours.",
    ),
    Item(
        "data.categories",
        "Categories of data sent",
        ("GDPR 30(1)(c)", "GDPR 13(1)"),
        "Which data people may put into prompts, and of which persons.",
        "Business correspondence: names and contact data of customers and staff.",
    ),
    Item(
        "data.special_categories",
        "Special categories of data",
        ("GDPR 9",),
        "The rule on health data, union membership and the other categories of GDPR Art. 9.",
        "Not allowed in prompts (policy of 1 April 2026); detected prompts are reviewed.",
    ),
    Item(
        "data.inputs_under_control",
        "Inputs under our control",
        ("AI Act 26(4)",),
        "System prompts, templates, document collections: owner, date, purpose, relevance check.",
        "One system prompt (legal department, 4 May 2026); no document collection.",
    ),
    Item(
        "data.legal_basis",
        "Legal basis of logging",
        ("GDPR 6(1)",),
        "The basis for keeping the log. Art. 26(6) AI Act is one only for high-risk systems.",
        "Legitimate interests, GDPR Art. 6(1)(f); balancing test of 9 May 2026.",
    ),
    Item(
        "data.dpia",
        "Data protection impact assessment",
        ("GDPR 35",),
        "Reference, date, owner and date of review, or why none is needed.",
        "DPIA-2026-04 of 20 April 2026, data protection officer, review in April 2027.",
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
    # -- Section 9: logging
    Item(
        "log.retention",
        "Retention of the log",
        ("GDPR 5(1)(e)", "AI Act 26(6)"),
        "How long content and records are kept. Six months is a minimum for high-risk systems.",
        "Content 6 months, records 3 years.",
    ),
    Item(
        "log.access",
        "Access to the log",
        ("GDPR 32",),
        "Who can read content, who can erase it, who holds the signing key.",
        "Compliance officer by break-glass; erasure by two persons; key with the IT manager.",
    ),
    # -- Section 12: oversight
    Item(
        "oversight.persons",
        "Persons who oversee",
        ("AI Act 14", "AI Act 26(2)"),
        "Roles, competence, authority to stop or overrule, and the hours they are there.",
        "Compliance officer and deputy, trained in May 2026, may pause the system, office hours.",
    ),
    # -- Section 13: transparency
    Item(
        "transparency.notice",
        "Where people learn that they use an AI system",
        ("AI Act 50(1)", "AI Act 50(5)"),
        "Where the notice is shown, in which languages, and the check of its accessibility.",
        "Above every chat, in German and English; checked with a screen reader on 4 May 2026.",
    ),
    Item(
        "transparency.marking",
        "Marking of generated content",
        ("AI Act 50(2)",),
        "The mechanism of machine-readable marking, whether the model provider's marks are kept, "
        "and since when the system is in use.",
        "Answers are passed on unchanged; a marking of our own does not exist yet.",
    ),
    Item(
        "transparency.published_text",
        "Published text and deep fakes",
        ("AI Act 50(4)",),
        "Whether text on matters of public interest, or deep fakes, are published, and who holds "
        "editorial responsibility.",
        "Nothing generated is published without review by the press office.",
    ),
    Item(
        "transparency.data_subjects",
        "Information of data subjects and workers",
        ("GDPR 13", "GDPR 14", "AI Act 26(7)"),
        "Privacy notice with version and date; information of workers and their representatives.",
        "Privacy notice, version 5, 2 May 2026; works agreement of 2 May 2026.",
    ),
    # -- Section 15: explanation and complaints
    Item(
        "complaints.channel",
        "Channel for explanations and complaints",
        ("AI Act 85", "AI Act 86", "GDPR 15", "GDPR 22"),
        "Where people can ask for an explanation or complain, and how many did in the period.",
        "ai@acme.example; two requests in October 2026, both answered within ten days.",
    ),
    # -- Section 16: accuracy, robustness, cybersecurity
    Item(
        "accuracy.tests",
        "Own tests of accuracy and robustness",
        ("AI Act 15",),
        "Tests of the system by the organisation itself: date, tool, result. What a model's maker "
        "measured is not a test of this system.",
        "30 typical questions, 12 June 2026, 27 answered correctly.",
    ),
    Item(
        "accuracy.security",
        "Security of the system",
        ("GDPR 32", "AI Act 15(5)"),
        "Penetration test, handling of vulnerabilities, with dates and references.",
        "Penetration test of 3 March 2026, report PT-2026-02, findings closed.",
    ),
    # -- Section 17: impact assessments
    Item(
        "assessment.fria",
        "Fundamental rights impact assessment",
        ("AI Act 27",),
        "Owed by listed deployers of high-risk systems: needed or not, with the reason.",
        "Not needed: neither a public body nor a listed use.",
    ),
    # -- Section 18: monitoring, quality, risk
    Item(
        "monitoring.documents",
        "Risk management, quality, monitoring after placing on the market",
        ("AI Act 9", "AI Act 17", "AI Act 72"),
        "References and dates of the documents.",
        "Risk file RF-7 of 1 June 2026.",
    ),
    # -- Section 19: registration
    Item(
        "registration.entry",
        "Entry in the EU database",
        ("AI Act 49", "AI Act 71"),
        "Whether an entry is required, with the reason, and its number.",
        "Not required on the declared classification.",
    ),
    # -- Section 20: literacy
    Item(
        "literacy.measures",
        "Measures for AI literacy",
        ("AI Act 4(1)",),
        "Training offered: content, version, date, audience, participation. No level is owed.",
        "E-learning “Working with AI”, version 2, May 2026, offered to 120, attended by 97.",
    ),
)

CATALOGUE: dict[str, Item] = {item.key: item for item in _ITEMS}


def annex_xii_items() -> dict[str, Item]:
    """The eleven items of Annex XII, each as something that can be declared about a model."""
    return {
        f"annex_xii.{row['key']}": Item(
            key=f"annex_xii.{row['key']}",
            label=str(row["title"]),
            law=(str(row["law"]), "AI Act 53(1)(b)"),
            help="Which document answers this item, with version, page and date.",
            example="Model card, version of 3 June 2026, page 4.",
            about=About.MODEL,
        )
        for row in facts("annex_xii").rows
    }


CATALOGUE.update(annex_xii_items())
