"""
``provider.yaml``, which Airflow's own tools read: ``python -m tools.provider_yaml`` writes it.

Nothing in it is written by hand: it is the metadata that Airflow reads at start, and the fields for authors, which come
from the changelog.
"""

from __future__ import annotations

import yaml

from airflow_channel_provider import __version__
from airflow_channel_provider.get_provider_info import get_provider_info
from tools.modules import ROOT
from tools.release import CHANGELOG, releases

FILE = ROOT / "provider.yaml"
HEADER = "# Written by `make generated`; change get_provider_info.py instead.\n"


def metadata() -> dict[str, object]:
    """Return the metadata of ``get_provider_info`` with the fields that the schema for authors adds."""
    released = releases(CHANGELOG.read_text(encoding="utf-8"))
    older = [release.version for release in released if release.version != __version__]
    return {
        **get_provider_info(),
        "state": "ready",
        "lifecycle": "incubation",
        "build-system": "hatchling",
        "source-date-epoch": released[0].epoch if released else 0,
        "versions": [__version__, *older],
    }


def text() -> str:
    """Return the content of the file."""
    return HEADER + yaml.safe_dump(metadata(), sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
