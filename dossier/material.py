"""Everything the sections of a dossier are written from. No section reads anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dossier.collect import Collected, Use
from dossier.comparison import Comparison
from dossier.declarations import Declarations
from dossier.evidence import Slice
from dossier.integrity import Integrity
from dossier.lawbook import LawBook
from dossier.leaves import Evidence, Leaf, Value, computed, recorded
from dossier.models import Kind
from dossier.periods import Period
from dossier.seal import SealFacts
from dossier.systems import SystemInPeriod
from dossier.upstream_file import UpstreamFile


@dataclass(frozen=True, slots=True)
class Subject:
    """The organisation, as it stood at the moment of the statement."""

    id: str
    name: str
    slug: str
    legal_name: str
    register_number: str
    country: str
    allowed_regions: tuple[str, ...]
    notice: str


@dataclass(frozen=True, slots=True)
class Material:
    """The inputs of one dossier. The same material gives the same manifest, byte for byte."""

    number: str
    kind: Kind
    subject: Subject
    period: Period
    as_of: datetime
    collected: Collected
    declarations: Declarations
    systems: tuple[SystemInPeriod, ...]
    law: LawBook
    upstream: UpstreamFile
    integrity: Integrity
    evidence: Slice
    software_version: str
    engine: Mapping[str, str]
    seal: SealFacts = field(default_factory=SealFacts)
    comparison: Comparison | None = None

    def role_of(self, system: SystemInPeriod) -> str | None:
        """The declared role for *system*, which decides how half of the sections are to be read."""
        return self.declarations.value("role.role", system.id)

    @property
    def roles(self) -> frozenset[str]:
        """Every role that is declared for a system of this dossier."""
        return frozenset(filter(None, map(self.role_of, self.systems)))

    @property
    def without_role(self) -> tuple[SystemInPeriod, ...]:
        """The systems for which nobody has determined the role."""
        return tuple(system for system in self.systems if self.role_of(system) is None)

    @property
    def input_range(self) -> str:
        """The range of input that computed leaves name."""
        opens, closes = self.period.opens, self.period.closes
        return f"records from {opens:%Y-%m-%dT%H:%M:%SZ} to before {closes:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def range_from_before(self) -> str:
        """The same of leaves that count what began before the period, too."""
        return f"records before {self.collected.until:%Y-%m-%dT%H:%M:%SZ}"

    def recorded(
        self,
        value: Value,
        *evidence: Evidence,
        law: tuple[str, ...] = (),
        reason: str | None = None,
    ) -> Leaf:
        """An observed value, as of the moment of the statement."""
        return recorded(value, evidence=evidence, as_of=self.as_of, law=law, reason=reason)

    def counted(
        self,
        value: Value,
        method: str,
        *evidence: Evidence,
        over: str = "",
        law: tuple[str, ...] = (),
        reason: str | None = None,
    ) -> Leaf:
        """A value computed over the period's records; *method* is the id of the rule."""
        return computed(
            value,
            method=f"lex-custis/{method}/v1",
            over=over or self.input_range,
            as_of=self.as_of,
            evidence=evidence,
            law=law,
            reason=reason,
        )

    def software(self) -> Evidence:
        """Evidence that is the software itself."""
        return {"type": "software", "name": "Lex Custis", "version": self.software_version}

    def organisation(self) -> Evidence:
        """Evidence that is the organisation's own row of settings."""
        return {"type": "settings", "of": "organisation", "id": self.subject.id}


def use_evidence(use: Use) -> tuple[Evidence, ...]:
    """The records behind one row of use: the first, the last, and how to find all others."""
    return (
        {"type": "record", "id": use.first_record, "which": "first request"},
        {"type": "record", "id": use.last_record, "which": "last request"},
        {
            "type": "records",
            "kind": "inference.requested",
            "gen_ai.provider.name": use.provider,
            "gen_ai.request.model": use.model,
            "lexcustis.data_region": use.region,
            "count": use.calls,
        },
    )
