"""Addresses outside of admin and API: the pages of auditor links."""

from django.urls import path

from dossier import views

urlpatterns = [
    path("shared/<str:secret>/", views.shared, name="dossier_shared"),
    path(
        "shared/<str:secret>/<uuid:dossier_id>.zip",
        views.download,
        name="dossier_shared_download",
    ),
]
