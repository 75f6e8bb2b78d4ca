"""The page for people: one HTML file without any outside resource; it fetches its data from the control plane."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["read_page"]


def read_page() -> str:
    """The page's HTML."""
    return files(__package__).joinpath("page.html").read_text(encoding="utf-8")
