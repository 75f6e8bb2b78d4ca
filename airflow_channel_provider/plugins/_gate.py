"""
Who is let in at the routes that Channel Talk calls: whoever proves to know a secret of the connection in the address.

No session and no cookie stands in for that proof. Without it the answer is 401 and has no reason; when the database is
away it is 503, and the sender may try again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from airflow.utils.session import create_session
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.masking import mask_credential
from airflow_channel_provider.plugins._locks import turn_to_write

if TYPE_CHECKING:
    from airflow.models.connection import Connection
    from fastapi import Response
    from sqlalchemy.orm import Session

MAX_BODY_BYTES = 2**20
RETRY_AFTER_SECONDS = 30
CONN_ID = re.compile(r"[\w#!()\-.:/\\]{1,250}")
"""What Airflow takes for the id of a connection; nothing else of an address reaches the database."""

S = TypeVar("S")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gate(Generic[S]):
    """
    The gate of one route.

    :param subject: what comes, for the log: "A webhook for", say.
    :param proof: what it has to bring.
    :param failure: what became of it when the database is away.
    :param read: returns what a connection says of the route.
    :param secret_of: returns the secret in that, as a text; None where there is none, and nobody is let in.
    """

    subject: str
    proof: str
    failure: str
    read: Callable[[Connection], S]
    secret_of: Callable[[S], str | None]

    def pass_through(
        self,
        conn_id: str,
        is_proven: Callable[[S | None], bool],
        handle: Callable[[Session, S], Response],
    ) -> Response:
        """
        Answer a request.

        :param conn_id: of the address.
        :param is_proven: compares in constant time; it is called once in any case, so that the time reveals nothing
            about the connection.
        :param handle: answers who is let in.
        """
        try:
            with create_session() as session:
                settings = self._settings(conn_id)
                # To the look-up of a connection, one in a database that is away is one that does not exist.
                session.execute(text("SELECT 1"))
                proven = is_proven(settings)
                if settings is None or not self.secret_of(settings) or not proven:
                    log.warning(
                        "%s connection %r was refused: its %s is not the connection's.",
                        self.subject,
                        conn_id,
                        self.proof,
                    )
                    return JSONResponse({"detail": "Unauthorized"}, status_code=401)
                with turn_to_write(session):
                    return handle(session, settings)
        except SQLAlchemyError as error:
            log.error(  # noqa: TRY400
                "%s connection %r could not be %s: %s.",
                self.subject,
                conn_id,
                self.failure,
                type(error).__name__,
            )
            return JSONResponse(
                {"detail": "The database can't be reached; send it again."},
                status_code=503,
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )

    def _settings(self, conn_id: str) -> S | None:
        """Return what the connection says; None if it says nothing, or does not exist."""
        from airflow.models.connection import Connection
        from airflow.providers.common.compat.sdk import AirflowNotFoundException

        if not CONN_ID.fullmatch(conn_id):
            return None
        try:
            settings = self.read(Connection.get_connection_from_secrets(conn_id))
        except (AirflowNotFoundException, ChannelConfigurationError) as error:
            log.warning("%s connection %r: %s", self.subject, conn_id, error)
            return None
        if secret := self.secret_of(settings):
            mask_credential(secret)
        return settings
