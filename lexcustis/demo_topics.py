"""What the people of the demo ask: openings and follow-ups from an insurer's and a haulier's days.

Words in braces are filled in from :data:`WORDS`, so that a topic comes back as topics do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Topic = tuple[str, ...]

WORDS: Mapping[str, Sequence[str]] = {
    "city": ("Hamburg", "Lübeck", "Bremen", "Kiel", "Rostock", "Gdańsk", "Aarhus", "Malmö"),
    "product": (
        "household contents",
        "building",
        "motor fleet",
        "cyber",
        "travel cancellation",
        "professional indemnity",
    ),
    "month": ("September", "October", "November", "the third quarter", "the coming winter"),
    "team": ("claims", "underwriting", "customer service", "sales support", "finance"),
    "number": ("12", "18", "24", "35", "40", "60"),
    "goods": ("chilled fish", "paper rolls", "machine parts", "furniture", "medical supplies"),
    "carrier": ("the ferry line", "our subcontractor", "the rail operator", "the night shift"),
}

INSURER: Sequence[Topic] = (
    (
        (
            "Draft a friendly letter to a customer in {city} whose {product} claim needs two more "
            "documents: the invoice and photographs of the damage."
        ),
        "Make it shorter, and put the deadline of 14 days into the first sentence.",
        "Now the same as an e-mail in plain language.",
    ),
    (
        "Summarise the main exclusions of a {product} policy for new colleagues in {team}.",
        "Compare them with what most customers expect, as a table.",
    ),
    (
        (
            "Compare three ways to handle the peak of {product} claims after a storm in {city}: "
            "overtime, an external adjuster, or a simplified procedure below 1,500 euros."
        ),
        "What would each mean for the time until payment?",
        "Draft a message to the {team} team that announces the simplified procedure.",
    ),
    (
        "Write a SQL query that counts open {product} claims older than {number} days by office.",
        "Add the average reserve per office and sort by it.",
    ),
    (
        "Explain the difference between gross and net loss ratio to a new colleague in {team}.",
        "Give a small example with numbers.",
    ),
    (
        (
            "List questions for an interview with a broker in {city} about why {product} contracts "
            "were cancelled in {month}."
        ),
    ),
    (
        "Draft an agenda for a one-hour workshop of the {team} team on faster first replies.",
        "Add who prepares what, and leave ten minutes for complaints.",
    ),
    (
        (
            "Rewrite this paragraph in plain language: the insurer shall be released from its "
            "obligation to perform where the policyholder wilfully breaches a duty of disclosure."
        ),
        "Is anything of the meaning lost?",
    ),
    (
        (
            "Give me an overview of what a customer should do in the first hour after a water "
            "leak, for our page on {product} insurance."
        ),
        "Turn it into five steps of at most twelve words each.",
    ),
    (
        "Compare fixed and variable deductibles for {product} contracts of small companies.",
        "Which questions would a broker ask about this?",
    ),
    (
        (
            "Write a Python function that checks whether a policy number has our format: two "
            "letters, six digits and a check digit modulo 97."
        ),
        "Add tests for the borders.",
        "Explain the check digit in two sentences for the documentation.",
    ),
    (
        (
            "Draft a reply to a complaint: the customer in {city} waited {number} days for an "
            "answer about a {product} claim. Apologise without admitting liability."
        ),
        "The tone is too stiff. Try again, warmer.",
    ),
    (
        (
            "Summarise the key points for the management meeting: the {team} backlog fell by "
            "{number} per cent in {month}. Two people joined. The phone queue is still too long on "
            "Mondays."
        ),
    ),
    (
        "Which indicators would show early that our {product} prices are too low in {city}?",
        "How often should each be looked at?",
    ),
    (
        "Draft a checklist for the handover of a large {product} claim between two adjusters.",
        "Add a column for the deadline.",
    ),
    (
        "Explain to a customer why the sum insured of a building follows an index.",
        "Can you make an example with 300,000 euros?",
    ),
    (
        (
            "Prepare a short comparison of our {product} terms with a typical competitor, "
            "structured by cover, limits, deductible and service."
        ),
        "Where would we have to be careful with such a comparison in advertising?",
    ),
    (
        (
            "Write an announcement for the intranet: from {month} on, AI answers in the chat carry "
            "a record number, and anyone may report an answer that is wrong."
        ),
        "Translate it into German.",
        "And into French, please.",
    ),
    (
        "Outline a training of 45 minutes on careful use of AI for the {team} team.",
        "What would be a good exercise about made-up facts?",
        "Write three multiple-choice questions for the end.",
    ),
    (
        (
            "Draft a retention table for correspondence about {product} contracts: kind of "
            "document, period, reason."
        ),
        "Which of these would you have checked by legal first?",
    ),
    (
        "How could we estimate the number of calls about {product} bills in {month}?",
        "Write this as a Python script that reads a CSV file with date and count.",
    ),
    (
        "Summarise the pros and cons of moving the {team} mailboxes into one shared queue.",
        "What did other insurers learn from that?",
    ),
    (
        "Draft a job advertisement for a claims handler in {city}, {number} hours a week.",
        "Check it for wording that could put people off.",
    ),
    ("Explain what a bordereau is and which columns ours for {product} should have.",),
    (
        (
            "Write an e-mail to a garage in {city} asking for a corrected estimate: the labour "
            "rate is {number} per cent above the agreed one."
        ),
        "Add that we would like to keep working with them.",
    ),
    (
        "List risks of letting customers upload photographs of damage through a web form.",
        "Sort them by likelihood and say what would lower each.",
    ),
    (
        "Create a table of escalation levels for {product} claims by amount and by complexity.",
        "Who should be told at each level?",
    ),
    (
        "Draft talking points for a call with a reinsurer about the storm in {city}.",
        "Shorten them to five.",
    ),
)

HAULIER: Sequence[Topic] = (
    (
        (
            "Draft an e-mail to a customer in {city}: the delivery of {goods} is {number} hours "
            "late because of {carrier}."
        ),
        "Offer two new time windows.",
    ),
    (
        "Compare road and short-sea transport of {goods} from {city}: cost, time, emissions.",
        "Put the assumptions into a table.",
        "What could we tell a customer about the emissions without overstating it?",
    ),
    (
        "Write a Python function that turns pallet counts into loading metres.",
        "Add a check for mixed pallet sizes.",
    ),
    ("List what a driver must have at hand at the border with {goods}.",),
    (
        "Draft a procedure for damage to {goods} found at unloading, in six steps.",
        "Make a version that fits on a card for the dashboard.",
    ),
    (
        (
            "Summarise the key points for the shift meeting in {city}: {number} trailers waiting. "
            "Two gates are closed for repair. The new scanner works since Tuesday."
        ),
    ),
    (
        "Which figures should the weekly report on {carrier} contain?",
        "Write the SQL query for the delays per route.",
    ),
    (
        "Explain demurrage and detention to a new colleague with an example.",
        "Where do the two get mixed up most often?",
    ),
)

# Asked for by somebody who had chosen a provider that the organisation's policy does not allow.
FORBIDDEN: Sequence[str] = (
    "Can the American model translate this {product} brochure better?",
    "Try this with the model in the US: summarise the {product} terms in five points.",
    "Same question to the other provider, please: which {product} indicators matter most?",
)
