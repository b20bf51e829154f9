"""What was on file of model makers at one moment: documents, requests, and the item they answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dossier.declarations import Declarations
from dossier.leaves import (
    Leaf,
    published_upstream,
    refused,
    requested,
    supplied_upstream,
)
from dossier.phrases import phrase
from dossier.upstream_models import UpstreamDocument, UpstreamRequest


@dataclass(frozen=True, slots=True)
class UpstreamFile:
    """Documents and requests of one organisation as they stood at *as_of*, newest first."""

    as_of: datetime
    documents: tuple[UpstreamDocument, ...]
    requests: tuple[UpstreamRequest, ...]

    def documents_of(self, model: str) -> tuple[UpstreamDocument, ...]:
        """The documents about *model*."""
        return tuple(document for document in self.documents if document.model == model)

    def outcome(self, request: UpstreamRequest) -> str:
        """What had come of a request by then."""
        if request.answered_at is None or request.answered_at > self.as_of:
            return UpstreamRequest.Outcome.OPEN
        return request.outcome

    def item(self, model: str, key: str, law: tuple[str, ...], made: Declarations) -> Leaf:
        """One item of Annex XII: the best that is known of it."""
        document = next((d for d in self.documents_of(model) if key in d.answers), None)
        if document is not None:
            return document_leaf(document, self.as_of, law)
        declared = made.leaf(f"annex_xii.{key}", model)
        if declared.value is not None:
            return declared
        return self.asked(model, key, law) or declared

    def asked(self, model: str, key: str, law: tuple[str, ...]) -> Leaf | None:
        """That *key* was asked for, or declined; None where it was not, or documents came."""
        for request in self.requests:
            if request.model != model or key not in request.items:
                continue
            match self.outcome(request):
                case UpstreamRequest.Outcome.OPEN:
                    return request_leaf(self, request, law)
                case UpstreamRequest.Outcome.REFUSED:
                    return request_leaf(self, request, law)
        return None


def document_leaf(document: UpstreamDocument, as_of: datetime, law: tuple[str, ...] = ()) -> Leaf:
    """A document with its hash and day: published at an address, or supplied."""
    if document.url:
        return published_upstream(
            document.url,
            by=document.publisher,
            url=document.url,
            checked_on=document.retrieved_on,
            grade="P",
            sha256=document.sha256,
            version=document.version or None,
            reason=phrase(
                "“%(title)s”, retrieved by %(name)s", title=document.title, name=document.added_name
            ),
            law=law,
        )
    return supplied_upstream(
        document.title,
        by=document.publisher,
        on=document.retrieved_on,
        sha256=document.sha256,
        version=document.version or None,
        request_id=str(document.request_id or ""),
        is_confidential=document.is_confidential,
        as_of=as_of,
        law=law,
    )


def request_leaf(file: UpstreamFile, request: UpstreamRequest, law: tuple[str, ...] = ()) -> Leaf:
    """An open request, or one that was declined."""
    if file.outcome(request) == UpstreamRequest.Outcome.REFUSED:
        assert request.answered_on is not None
        return refused(
            addressee=request.addressee,
            on=request.answered_on,
            ground=request.answer,
            record_id=str(request.answer_record_id),
            as_of=file.as_of,
            law=law,
        )
    return requested(
        addressee=request.addressee,
        on=request.asked_on,
        remind_on=request.remind_on,
        record_id=str(request.record_id),
        as_of=file.as_of,
        law=law,
    )


def upstream_at(organisation_id: UUID, as_of: datetime) -> UpstreamFile:
    """What the organisation had on file by *as_of*."""
    documents = UpstreamDocument.objects.for_organisation(organisation_id)
    requests = UpstreamRequest.objects.for_organisation(organisation_id)
    return UpstreamFile(
        as_of=as_of,
        documents=tuple(documents.filter(added_at__lte=as_of).order_by("-added_at", "pk")),
        requests=tuple(requests.filter(created_at__lte=as_of).order_by("-asked_on", "pk")),
    )
