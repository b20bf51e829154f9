"""What the demo's organisations are, and what their compliance officer declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lexcustis.demo_accounts import DEMO_ORGANISATION, DEMO_OTHER_ORGANISATION
from orgs.roles import Role

PROFILES: Mapping[str, Mapping[str, str]] = {
    DEMO_ORGANISATION: {
        "legal_name": "Nordwall Versicherung AG",
        "register_number": "HRB 000000 (demo)",
        "country": "DE",
        "time_zone": "Europe/Berlin",
    },
    DEMO_OTHER_ORGANISATION: {
        "legal_name": "Halden Logistics AS",
        "register_number": "000 000 000 (demo)",
        "country": "NO",
        "time_zone": "Europe/Oslo",
    },
}

# People who cannot sign in: the demo's organisations are more than those of the sign-in page.
COLLEAGUES: Mapping[str, Sequence[tuple[str, str, Role]]] = {
    DEMO_ORGANISATION: (
        ("j.weber@demo.example", "Jonas Weber", Role.MEMBER),
        ("a.kowalska@demo.example", "Agnieszka Kowalska", Role.MEMBER),
        ("t.petersen@demo.example", "Tilda Petersen", Role.MEMBER),
        ("m.oduya@demo.example", "Mark Oduya", Role.MEMBER),
        ("p.hald@demo.example", "Pia Hald", Role.REVIEWER),
    ),
    DEMO_OTHER_ORGANISATION: (
        ("i.berg@demo.example", "Ingrid Berg", Role.MEMBER),
        ("k.nowak@demo.example", "Kamil Nowak", Role.MEMBER),
    ),
}

# Key, about whom, statement. What is not here, the dossier prints as not known.
STATEMENTS: Sequence[tuple[str, str, str]] = (
    ("role.role", "", "deployer"),
    (
        "role.reasons",
        "",
        (
            "The chat runs under our own name for our own staff; it is not offered to others, and "
            "no model was changed."
        ),
    ),
    (
        "role.union_nexus",
        "",
        "Established in Germany; staff in Germany and Austria use the output.",
    ),
    (
        "system.purpose",
        "",
        (
            "Drafting, summarising, translating and explaining texts in claims, underwriting and "
            "administration."
        ),
    ),
    ("system.users", "", "About 120 employees; no customers."),
    (
        "system.excluded_uses",
        "",
        (
            "No decisions on people: no pricing of life or health cover, no claims decision, no "
            "recruiting. Works agreement on the use of AI, section 3."
        ),
    ),
    (
        "risk.art5_screening",
        "",
        "No listed practice found in the review of the second quarter; next review in a year.",
    ),
    (
        "risk.annex_iii_screening",
        "",
        (
            "None of points 1 to 8 applies. Point 5(c), life and health insurance, was examined: "
            "the chat takes no part in risk assessment or pricing."
        ),
    ),
    ("upstream.requests_outside", "", "None."),
    ("modification.fine_tuned", "", "No model was trained further."),
    (
        "data.training_by_us",
        "",
        "No model was trained, validated or tested with data sets of ours.",
    ),
    (
        "data.categories",
        "",
        "Business correspondence: names, contact and contract data of customers and brokers.",
    ),
    (
        "data.special_categories",
        "",
        "Not allowed in prompts (policy on the use of AI, section 4).",
    ),
    ("data.legal_basis", "", "Legitimate interests, GDPR Art. 6(1)(f); balancing test on file."),
    ("flow.role", "simulated", "no recipient: own servers"),
    ("flow.inference_region", "simulated", "Our own servers."),
    ("flow.storage_region", "simulated", "Nothing is stored outside this instance."),
    ("flow.training_use", "simulated", "None: prompts and answers are not used for training."),
    ("log.retention", "", "Content 6 months, records 3 years."),
    (
        "literacy.measures",
        "",
        "Course “Working with AI”, 45 minutes, offered to all 120 employees, attended by 97.",
    ),
)
