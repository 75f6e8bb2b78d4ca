"""The page's tests have Airflow's server below a path of its host, which is decided once in a process: this one's."""

from integration.conftest import servers, shared

__all__ = ["servers", "shared"]
