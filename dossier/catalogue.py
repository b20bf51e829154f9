"""What only people know: the statements that a dossier asks for, each with its article.

The catalogue is closed. A key that is not in it cannot be declared, so a dossier never prints a
statement whose legal hook nobody has thought about.
"""

from __future__ import annotations

from dossier.statements import organisation, system, upstream
from dossier.statements.item import About, Item
from dossier.statements.system import ROLES

__all__ = ["CATALOGUE", "ROLES", "About", "Item"]

CATALOGUE: dict[str, Item] = {
    item.key: item
    for item in (
        *system.ITEMS,
        *organisation.ITEMS,
        *upstream.ITEMS,
        *upstream.annex_xii_items(),
    )
}
