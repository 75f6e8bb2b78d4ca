"""
The rights of one person on an app: those on any of the connections that use it.

Airflow's auth manager is asked for each connection, with its team if Airflow has teams. An app without a known
connection needs the right to all connections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
from airflow.providers.common.compat.sdk import conf

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser


class Rights:
    """
    The rights of one person during one request: each connection is asked for once.

    :param user: who asks.
    """

    def __init__(self, user: BaseUser) -> None:
        self._user = user
        self._known: dict[tuple[ResourceMethod, str], bool] = {}

    def reads(self, connections: Sequence[str]) -> bool:
        """Return whether the person may read one of these connections."""
        return self._may("GET", connections)

    def edits(self, connections: Sequence[str]) -> bool:
        """Return whether the person may edit one of these connections."""
        return self._may("PUT", connections)

    def _may(self, method: ResourceMethod, connections: Sequence[str]) -> bool:
        return any(self._may_with(method, conn_id) for conn_id in connections or ("",))

    def _may_with(self, method: ResourceMethod, conn_id: str) -> bool:
        key = (method, conn_id)
        if key not in self._known:
            details = ConnectionDetails(conn_id=conn_id, team_name=_team_of(conn_id)) if conn_id else None
            self._known[key] = get_auth_manager().is_authorized_connection(
                method=method, details=details, user=self._user
            )
        return self._known[key]


def _team_of(conn_id: str) -> str | None:
    if not conf.getboolean("core", "multi_team", fallback=False):
        return None
    from airflow.models.connection import Connection

    team_name: str | None = Connection.get_team_name(conn_id)
    return team_name
