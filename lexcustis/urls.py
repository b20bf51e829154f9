"""Addresses of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from lexcustis.api import api
from lexcustis.demo_views import sign_in_as
from lexcustis.health import healthz, readyz
from lexcustis.metrics import metrics
from lexcustis.openai import openai_api

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    # An address is its owner's identity here and is changed by an administrator, not by oneself.
    path("accounts/email/", RedirectView.as_view(pattern_name="my_data")),
    path("accounts/", include("allauth.urls")),
    path("demo/sign-in/", sign_in_as, name="demo_sign_in"),
    path("api/v1/", api.urls),
    path("v1/", openai_api.urls),
    path("", include("orgs.urls")),
    path("", include("llm.urls")),
    path("", include("dossier.urls")),
]
