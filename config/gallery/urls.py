"""The pages of the gallery."""

from __future__ import annotations

from django.urls import path

from config.gallery import views

urlpatterns = [
    path("", views.gallery, name="gallery"),
    path("recipes/", views.recipes, name="gallery-recipes"),
    path("placeholders/", views.placeholders, name="gallery-placeholders"),
    path("text/", views.text, name="gallery-text"),
    path("awkward/", views.awkward, name="gallery-awkward"),
    path("cold/", views.cold, name="gallery-cold"),
    path("cold/delete/", views.delete_variants, name="gallery-delete"),
]
