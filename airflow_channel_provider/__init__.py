"""
Apache Airflow provider for Channel Talk (channel.io) and Benlly.

Public are the names in ``__all__`` of the modules that have one; everything else is internal and may change.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
