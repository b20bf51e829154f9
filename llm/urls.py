"""Addresses of the chat pages."""

from django.urls import path

from llm import views

urlpatterns = [
    path("chat/", views.chat, name="chat"),
    path("chat/<uuid:conversation_id>/", views.chat, name="conversation"),
    path("account/data/", views.my_data, name="my_data"),
    path("account/data/export/", views.export_my_data, name="export_my_data"),
]
