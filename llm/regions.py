"""Where text is processed, in words and as one of four icons. Never by colour alone."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from llm.routing import EU_MEMBER_STATES

# Those that providers name most; any other is shown as its code.
_NAMES = {
    "EU": gettext_lazy("European Union"),
    "US": gettext_lazy("United States"),
    "self-hosted": gettext_lazy("Our own servers"),
    "AT": gettext_lazy("Austria"),
    "AU": gettext_lazy("Australia"),
    "BE": gettext_lazy("Belgium"),
    "BR": gettext_lazy("Brazil"),
    "CA": gettext_lazy("Canada"),
    "CH": gettext_lazy("Switzerland"),
    "CN": gettext_lazy("China"),
    "DE": gettext_lazy("Germany"),
    "ES": gettext_lazy("Spain"),
    "FI": gettext_lazy("Finland"),
    "FR": gettext_lazy("France"),
    "GB": gettext_lazy("United Kingdom"),
    "IE": gettext_lazy("Ireland"),
    "IN": gettext_lazy("India"),
    "IT": gettext_lazy("Italy"),
    "JP": gettext_lazy("Japan"),
    "KR": gettext_lazy("South Korea"),
    "NL": gettext_lazy("Netherlands"),
    "NO": gettext_lazy("Norway"),
    "PL": gettext_lazy("Poland"),
    "SE": gettext_lazy("Sweden"),
    "SG": gettext_lazy("Singapore"),
}


class Region(NamedTuple):
    """A region as a page shows it: ``icon`` is a name in ``static/lexcustis/icons.svg``."""

    code: str
    name: str
    icon: str


def region_of(code: str) -> Region:
    """The region of ``data_region`` *code*: EU, US, self-hosted, an ISO country, or unknown."""
    if code in {"", "unknown"}:
        return Region("unknown", _("Region not known"), "region-unknown")
    name = str(_NAMES.get(code, code))
    if code == "self-hosted":
        return Region(code, name, "region-self-hosted")
    if code in EU_MEMBER_STATES:
        return Region(code, _("%(country)s (EU)") % {"country": name}, "region-eu")
    return Region(code, name, "region-eu" if code == "EU" else "region-abroad")
