"""The pages behind an auditor link: no account, no script needed, nothing but what was shared."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from audit.checkpoints import verification_key
from dossier.downloads import download_shared
from dossier.links import TooManyUses, shared_dossiers, use_link

_View = Callable[..., HttpResponseBase]


def _for_strangers(view: _View) -> _View:
    """Answer politely where a link is no good, and keep its address out of caches and logs."""

    @wraps(view)
    def answered(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except Http404:
            response = render(request, "dossier/shared_nothing.html", status=404)
        except TooManyUses as refusal:
            context = {"seconds": refusal.retry_after}
            response = render(request, "dossier/shared_too_often.html", context, status=429)
            response["Retry-After"] = str(refusal.retry_after)
        # Django would write the address of a refusal into its log: it is a secret (P7).
        response._has_been_logged = True  # type: ignore[attr-defined]
        response["Cache-Control"] = "private, no-store"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return answered


@require_GET
@_for_strangers
def shared(request: HttpRequest, secret: str) -> HttpResponse:
    """What was shared, its hashes, and how to check it."""
    link = use_link(secret)
    context = {
        "link": link,
        "secret": secret,
        "organisation": link.organisation,
        "dossiers": shared_dossiers(link),
        "verification_key": verification_key(),
    }
    return render(request, "dossier/shared.html", context)


@require_GET
@_for_strangers
def download(request: HttpRequest, secret: str, dossier_id: UUID) -> HttpResponseBase:
    """The zip; the download is recorded with the link's id."""
    return download_shared(use_link(secret), dossier_id)
