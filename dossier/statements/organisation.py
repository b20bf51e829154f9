"""What is declared about the organisation as a whole: data, the log, literacy, complaints."""

from __future__ import annotations

from dossier.statements.item import Item

ITEMS = (
    # -- Section 6: requests
    Item(
        "upstream.requests_outside",
        "Requests to model providers made elsewhere",
        ("AI Act 53(1)(b)", "AI Act 89(2)"),
        "Requests for documentation that were not sent through this system: to whom, when, what "
        "for, and what came back.",
        "None.",
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
    # -- Section 20: literacy
    Item(
        "literacy.measures",
        "Measures for AI literacy",
        ("AI Act 4(1)",),
        "Training offered: content, version, date, audience, participation. No level is owed.",
        "E-learning “Working with AI”, version 2, May 2026, offered to 120, attended by 97.",
    ),
    Item(
        "log.clock",
        "Source of time",
        ("GDPR 32",),
        "Where the servers take the time from, and how far they may be off.",
        "NTP of the national institute of metrology; alarm at one second.",
    ),
    Item(
        "log.billed_calls",
        "Calls billed by the providers",
        ("AI Act 26(6)",),
        "An independent count of calls, from the providers' bills of the period: the only way to "
        "see whether calls went past this log.",
        "Mistral, October 2026: 1,204 calls billed.",
    ),
    Item(
        "incidents.monitoring",
        "How incidents come to be known",
        ("AI Act 26(5)", "AI Act 73"),
        "Who watches, and how users and others can report.",
        "Button in the chat, mailbox ai@acme.example, weekly look at rejected answers.",
    ),
    Item(
        "incidents.contacts",
        "Whom to inform",
        ("AI Act 26(5)", "GDPR 33"),
        "Contacts of the providers, of the market surveillance authority and of the data "
        "protection authority.",
        "Provider: trust@provider.example; authorities: list in emergency plan, annex 3.",
    ),
    Item(
        "complaints.requests",
        "Requests and complaints in the period",
        ("AI Act 85", "AI Act 86", "GDPR 15"),
        "How many people asked for an explanation or complained, about which decisions, and how "
        "long the answers took.",
        "Two requests in October 2026, both answered within ten days.",
    ),
    Item(
        "literacy.audience",
        "Audience and participation",
        ("AI Act 4(1)",),
        "To whom the measures were offered and how many took part, with dates.",
        "Offered to 120 users in May 2026, attended by 97; new staff in their first month.",
    ),
    Item(
        "literacy.material",
        "Material",
        ("AI Act 4(1)",),
        "Version and date of the material.",
        "“Working with AI”, version 2 of 2 May 2026.",
    ),
)
