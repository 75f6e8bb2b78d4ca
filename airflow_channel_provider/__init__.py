"""Apache Airflow provider for Channel Talk (channel.io) and Benlly."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
