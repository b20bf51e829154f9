"""What is declared about each AI system: role, purpose, risk, oversight, transparency."""

from __future__ import annotations

from functools import partial

from dossier.statements.item import About, Item

ROLES = (
    "deployer",
    "provider of the AI system",
    "provider of the AI system, downstream of a general-purpose model",
    "provider of a general-purpose AI model",
    "importer",
    "distributor",
)
# Results of the classification. What nobody has assessed is unknown, never one of these.
CLASSES = (
    "no listed high-risk use found",
    "high-risk by Annex III",
    "high-risk by Annex I",
    "in Annex III, not high-risk by Art. 6(3)",
    "undecided",
)
PROVIDER_ROLES = frozenset({ROLES[1], ROLES[2]})  # of AI systems, not of models
HIGH_RISK_CLASSES = frozenset({CLASSES[1], CLASSES[2]})
_item = partial(Item, about=About.SYSTEM)

ITEMS = (
    # -- Section 1: role
    _item(
        "role.role",
        "Role under the AI Act",
        ("AI Act 3(3)", "AI Act 3(4)", "AI Act 3(68)"),
        "Whoever uses a system under its own authority is a deployer; whoever builds or runs a "
        "chat on a model's API and puts it into service under its own name may be its provider.",
        "deployer",
        choices=ROLES,
    ),
    _item(
        "role.reasons",
        "Reasons for the role",
        ("AI Act 3(3)", "AI Act 3(4)", "AI Act 25"),
        "Whose name is on the product, who put it into service, who changed its purpose.",
        "The chat runs under our own name for our staff only; it is not offered to others.",
    ),
    _item(
        "role.name_on_product",
        "Name on the product",
        ("AI Act 3(3)", "AI Act 25(1)(a)"),
        "Under whose name or trade mark people meet the system. Putting one's own name on a "
        "high-risk system makes one its provider.",
        "“Nordwall Chat”, our own name.",
    ),
    _item(
        "role.put_into_service",
        "Put into service by",
        ("AI Act 3(11)",),
        "Who supplied the system for first use, when, and for whose use.",
        "Our IT department, on 4 May 2026, for our own use.",
    ),
    _item(
        "role.union_nexus",
        "Link to the Union",
        ("AI Act 2(1)",),
        "Established in the Union, placed on its market, or output used in the Union.",
        "Established in Germany; staff in Germany and Austria use the output.",
    ),
    _item(
        "role.counsel",
        "Legal advice on the role",
        ("AI Act 3",),
        "Whether counsel was consulted on the role, and when.",
        "Yes, external counsel, opinion of 12 March 2026.",
    ),
    # -- Section 2: the system
    _item(
        "system.purpose",
        "Purpose of the system",
        ("AI Act 3(12)", "AI Act 26(1)"),
        "What people may use the system for.",
        "Drafting, summarising and translating texts in internal administration.",
    ),
    _item(
        "system.users",
        "Users",
        ("AI Act 26(1)",),
        "Which groups of people use the system.",
        "About 120 employees in administration and sales.",
    ),
    _item(
        "system.excluded_uses",
        "Excluded uses",
        ("AI Act 5", "AI Act 6"),
        "What the system must not be used for, and where that is written down.",
        "No decisions on people (recruiting, performance, credit); works agreement of 2 May 2026.",
    ),
    _item(
        "system.hosting",
        "Where it runs",
        ("AI Act 13(3)(b)", "GDPR 32"),
        "The site of the servers that run this software, and who operates them.",
        "Own data centre in Frankfurt, operated by our IT department.",
    ),
    _item(
        "system.interfaces",
        "Interfaces",
        ("Annex IV 1(b)",),
        "Which other software the system exchanges data with.",
        "None; text is copied by hand.",
    ),
    _item(
        "system.screenshot",
        "Picture of the user interface",
        ("Annex IV 1(g)",),
        "Where a dated picture of the page that people see is kept, with its SHA-256.",
        "File UI-2026-11-02.png, in the compliance folder, SHA-256 2f1c…",
    ),
    # -- Section 3: risk
    _item(
        "risk.art5_screening",
        "Prohibited practices, points (a) to (h)",
        ("AI Act 5(1)",),
        "Result of the check against Art. 5(1)(a) to (h); who made it and when it is due again.",
        "No listed practice found on 3 June 2026; next check 3 June 2027.",
    ),
    _item(
        "risk.art5_ba_bb",
        "Prohibited practices, points (ba) and (bb)",
        ("AI Act 5(1)(ba)", "AI Act 5(1)(bb)", "AI Act 5(1a)", "AI Act 5(1b)"),
        "In force from 2 December 2026: no system for intimate material without consent or for "
        "material of child abuse. Which safeguard of the model or of this gateway stands against "
        "it, and what users were told.",
        "Text only, no images; the model refuses; rule 7 of the acceptable use policy of 9 "
        "November 2026; checked on 12 November 2026.",
    ),
    _item(
        "risk.annex_iii_screening",
        "Screening against Annex III",
        ("AI Act 6(2)", "AI Act 6(3)"),
        "For each point of Annex III whether the use falls under it, with the reason.",
        "None of points 1 to 8 applies: the chat takes no part in decisions on people.",
    ),
    _item(
        "risk.annex_iii",
        "Use listed in Annex III",
        ("AI Act 6(2)",),
        "The answer of the screening in one word.",
        "no",
        choices=("no", "yes", "undecided"),
    ),
    _item(
        "risk.profiling",
        "Profiling of natural persons",
        ("AI Act 6(3)", "GDPR 4(4)"),
        "A system listed in Annex III that profiles natural persons is always high-risk.",
        "no",
        choices=("no", "yes"),
    ),
    _item(
        "risk.art6_3_ground",
        "Ground under Art. 6(3)",
        ("AI Act 6(3)", "AI Act 6(4)"),
        "Only where the use is listed in Annex III and yet held not to be high-risk: the ground "
        "and where the assessment is kept.",
        "Not used: the use is not listed.",
    ),
    _item(
        "risk.annex_i",
        "Part of a product under Annex I",
        ("AI Act 6(1)",),
        "Whether the system is a safety component of, or itself, a product under Annex I.",
        "no",
        choices=("no", "yes"),
    ),
    _item(
        "risk.result",
        "Result of the classification",
        ("AI Act 6", "Annex III"),
        "The conclusion of the answers above, as its author draws it. Not a legal finding of this "
        "software.",
        "no listed high-risk use found",
        choices=CLASSES,
    ),
    _item(
        "risk.review_date",
        "Next review of the classification",
        ("AI Act 6(4)",),
        "The day on which the answers above are looked at again.",
        "2027-06-03",
        form="date",
    ),
    # -- Section 12: oversight
    _item(
        "oversight.persons",
        "Persons who oversee",
        ("AI Act 14", "AI Act 26(2)"),
        "Roles, and the hours they are there.",
        "Compliance officer and deputy, office hours.",
    ),
    _item(
        "oversight.competence",
        "Competence and training",
        ("AI Act 26(2)",),
        "What the persons who oversee have learnt, and when.",
        "Two-day course on limits of language models and automation bias, May 2026.",
    ),
    _item(
        "oversight.authority",
        "Authority to stop or overrule",
        ("AI Act 14(4)(d)", "AI Act 14(4)(e)", "AI Act 26(2)"),
        "What they may do without asking, and who backs it.",
        "May reject an answer and pause the whole organisation; board decision of 2 May 2026.",
    ),
    # -- Section 13: transparency
    _item(
        "transparency.notice",
        "Where people learn that they use an AI system",
        ("AI Act 50(1)", "AI Act 50(5)"),
        "Where the notice is shown, in which languages, and the check of its accessibility.",
        "Above every chat, in German and English; checked with a screen reader on 4 May 2026.",
    ),
    _item(
        "transparency.notice_version",
        "Version of the notice",
        ("AI Act 50(1)",),
        "Version and date of the text, and where a dated picture of it is kept.",
        "Version 2 of 4 May 2026, picture in file UI-2026-05-04.png.",
    ),
    _item(
        "transparency.marking",
        "Marking of generated content",
        ("AI Act 50(2)",),
        "The mechanism of machine-readable marking, whether the model provider's marks are kept, "
        "and how a mark can be detected. Owed by the provider of the system.",
        "Answers are passed on unchanged; a marking of our own does not exist yet.",
    ),
    _item(
        "transparency.market_date",
        "First placed on the market or put into service",
        ("AI Act 50(2)", "AI Act 111(4)"),
        "Systems from before 2 August 2026 have until 2 December 2026 for the marking.",
        "2026-05-04",
        form="date",
    ),
    _item(
        "transparency.published_text",
        "Published text and deep fakes",
        ("AI Act 50(4)",),
        "Whether text on matters of public interest, or deep fakes, are published, and the way a "
        "label gets onto them.",
        "Nothing generated is published without review by the press office.",
    ),
    _item(
        "transparency.editor",
        "Editorial responsibility",
        ("AI Act 50(4)",),
        "The person who holds editorial responsibility for published text.",
        "Head of communications.",
    ),
    # -- Section 16: accuracy, robustness, cybersecurity
    _item(
        "accuracy.tests",
        "Own tests of accuracy and robustness",
        ("AI Act 15",),
        "Tests of the system by the organisation itself: date, tool, result. What a model's maker "
        "measured is not a test of this system.",
        "30 typical questions, 12 June 2026, 27 answered correctly.",
    ),
    _item(
        "accuracy.security",
        "Penetration test",
        ("GDPR 32", "AI Act 15(5)"),
        "Date, scope and reference of the last test.",
        "Penetration test of 3 March 2026, report PT-2026-02, findings closed.",
    ),
    _item(
        "accuracy.vulnerabilities",
        "Handling of vulnerabilities",
        ("GDPR 32", "AI Act 15(5)"),
        "Who watches for them and how fast they are closed.",
        "IT security, weekly; critical ones within three days (policy SEC-4).",
    ),
    # -- Section 17: impact assessments
    _item(
        "assessment.dpia",
        "Data protection impact assessment",
        ("GDPR 35",),
        "Reference, date, owner and date of review, or why none is needed.",
        "DPIA-2026-04 of 20 April 2026, data protection officer, review in April 2027.",
    ),
    _item(
        "assessment.fria",
        "Fundamental rights impact assessment",
        ("AI Act 27",),
        "Owed by listed deployers of high-risk systems: needed or not, with the reason; else the "
        "reference of the assessment with its six elements.",
        "Not needed: neither a public body nor a listed use.",
    ),
    _item(
        "assessment.fria_notified",
        "Notice of it to the authority",
        ("AI Act 27(3)",),
        "The day and the authority, where an assessment is owed.",
        "Not owed.",
    ),
    # -- Section 18: monitoring, quality, risk
    _item(
        "monitoring.risk_management",
        "Risk management",
        ("AI Act 9",),
        "Reference and date of the documents. Owed by the provider of a high-risk system.",
        "Risk file RF-7 of 1 June 2026.",
    ),
    _item(
        "monitoring.quality",
        "Quality management",
        ("AI Act 17",),
        "Reference and date of the documents. Owed by the provider of a high-risk system.",
        "Quality manual, chapter 9, version 4 of 2 June 2026.",
    ),
    _item(
        "monitoring.documents",
        "Monitoring after placing on the market",
        ("AI Act 72",),
        "Reference and date of the plan. Owed by the provider of a high-risk system.",
        "Monitoring plan MP-2 of 1 June 2026.",
    ),
    # -- Section 19: registration
    _item(
        "registration.entry",
        "Entry in the EU database",
        ("AI Act 49", "AI Act 71"),
        "Whether an entry is required, with the reason, and its number.",
        "Not required on the declared classification.",
    ),
    # -- Section 22: Annex IV
    _item(
        "annex_iv.file",
        "File that follows Annex IV",
        ("AI Act 11", "AI Act 18"),
        "Where each of the nine points is documented. Owed by the provider of a high-risk system; "
        "others may keep one voluntarily.",
        "None kept.",
    ),
)
