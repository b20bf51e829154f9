"""Who a failed sign-in counts against. django-axes locks one address from one network, not all."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest


def account_of_attempt(request: HttpRequest | None, credentials: Mapping[str, str] | None) -> str:
    """The e-mail address that somebody tried to sign in with, in lower case.

    The form calls it ``login``, allauth hands it on as ``email``, Django as ``username``.
    """
    given = credentials or {}
    named = given.get("email") or given.get("username") or given.get("login")
    if not named and request is not None:
        named = request.POST.get("login") or request.POST.get("username")
    return (named or "").strip().lower()
