"""Static files served by the application itself, without a thread per request.

WhiteNoise's own middleware is synchronous: behind it every stream would hold a thread until its
first word, and each file would be read twice through Django's adapter for iterators.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise for ASGI: a file is read whole in a thread, anything else passes through."""

    async_capable = True
    sync_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer with the file of this address, or pass the request on."""
        if iscoroutinefunction(self):
            return self._asynchronous(request)
        response: HttpResponseBase = super().__call__(request)
        return response

    async def _asynchronous(self, request: HttpRequest) -> HttpResponseBase:
        file = self.files.get(request.path_info)
        if file is None and self.autorefresh:
            file = await sync_to_async(self.find_file)(request.path_info)
        if file is not None:
            return await sync_to_async(_whole)(file, request)
        response: HttpResponseBase = await self.get_response(request)
        return response


def _whole(file: Any, request: HttpRequest) -> HttpResponse:
    answer = file.get_response(request.method, request.META)
    body = b""
    if answer.file is not None:
        with answer.file:
            body = answer.file.read()
    response = HttpResponse(body, status=int(answer.status))
    del response["Content-Type"]  # the file's own headers say it, or there is none to say
    for name, value in answer.headers:
        response[name] = value
    return response


class HashedFiles(ManifestStaticFilesStorage):
    """Names by content, inside our modules' imports as well: an upgrade never mixes versions."""

    support_js_module_import_aggregation = True


class CompressedHashedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """The same, with compressed copies beside the files."""

    support_js_module_import_aggregation = True
