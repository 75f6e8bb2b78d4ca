"""
What the operators report to OpenLineage, which asks an operator after its run, in the same process.

For a task that reports nothing, OpenLineage takes what its hooks have opened, such as the part of an unfinished file.
So each reports the way of its data also where it fails; the counts are those of the tasks that did not.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_channel_provider.lineage import Way

log = logging.getLogger(__name__)


class WithLineage:
    """An operator that reports the way of its data."""

    @abstractmethod
    def _way(self) -> Way:
        """Return the way of the data, as far as it is known."""

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Tell OpenLineage the way of the data."""
        from airflow_channel_provider.lineage import as_operator_lineage

        try:
            return as_operator_lineage(self._way())
        except Exception as error:
            # Its message may hold a value.
            log.warning("The way of the data was not reported to OpenLineage (%s)", type(error).__name__)
            return None
