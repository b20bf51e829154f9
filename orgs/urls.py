"""Addresses of the pages about oneself."""

from django.urls import path

from orgs import views

urlpatterns = [
    path("", views.home, name="home"),
    path("account/organisation/", views.switch_organisation, name="switch_organisation"),
    path("account/keys/", views.keys, name="keys"),
    path("account/keys/<uuid:key_id>/revoke/", views.revoke, name="revoke_key"),
]
