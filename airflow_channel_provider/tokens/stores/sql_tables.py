"""
The two tables of a store in a database, and the few statements on them; each is atomic and commits by itself.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

METADATA = sa.MetaData()

DOCUMENTS = sa.Table(
    "channel_talk_document",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text().with_variant(MEDIUMTEXT(), "mysql"), nullable=False),
)

TOKENS = sa.Table(
    "channel_talk_token",
    METADATA,
    sa.Column("document", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("drop_at", sa.Float(53), nullable=False),
)

CLOCKS: dict[str, sa.ColumnElement[Any]] = {
    # Local time jumps when summer time begins or ends; the time of a transaction stands still in it.
    "postgresql": sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float(53)),
    "mysql": sa.literal_column("timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) / 1000000e0"),
    "sqlite": sa.null(),
}
"""The server's clock in seconds, by SQLAlchemy's name of the database; null if it has none."""

STRAY_SECONDS = 86_400.0
_MOST_VERSIONS = 2**62

_BLOB_QUERY = sa.select(TOKENS.c.sealed).where(
    TOKENS.c.document == sa.bindparam("wanted"), TOKENS.c.name == sa.bindparam("token")
)


@lru_cache
def _document_query(dialect: str) -> sa.Select[Any]:
    """Query the clock and, if there is one, the document, at the same moment."""
    present = sa.select(sa.literal_column("1").label("one")).subquery("present")
    # SQLite accepts any bytes in a text and then fails to read it.
    body = sa.cast(DOCUMENTS.c.body, sa.LargeBinary) if dialect == "sqlite" else DOCUMENTS.c.body
    return sa.select(CLOCKS[dialect].label("clock"), DOCUMENTS.c.version, body.label("body")).select_from(
        present.outerjoin(DOCUMENTS, DOCUMENTS.c.name == sa.bindparam("document"))
    )


class Statements:
    """
    Reads and writes through one connection, which commits each statement.

    :param connection: in autocommit.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._clock = CLOCKS[connection.dialect.name]

    def read_document(self, document: str) -> tuple[float | None, int | None, bytes | None]:
        """Return the server's clock, and version and body of a document; None if there is none."""
        query = _document_query(self._connection.dialect.name)
        clock, version, body = self._connection.execute(query, {"document": document}).one()
        content = body.encode() if isinstance(body, str) else body
        return None if clock is None else float(clock), version, content

    def write_document(self, document: str, seen_version: int | None, body: str) -> bool:
        """
        Replace a document, if it is still the one that was read.

        :param seen_version: its version then; None: there was none.
        :return: False if another process was faster.
        """
        if seen_version is None:
            values = {"name": document, "version": 1, "body": body}
            return self._inserted(DOCUMENTS, values)
        change = (
            sa.update(DOCUMENTS)
            .where(DOCUMENTS.c.name == document, DOCUMENTS.c.version == seen_version)
            .values(version=seen_version % _MOST_VERSIONS + 1, body=body)
        )
        return self._connection.execute(change).rowcount == 1

    def document_names(self) -> list[str]:
        """Return the names of the documents."""
        return list(self._connection.execute(sa.select(DOCUMENTS.c.name)).scalars())

    def has_blobs(self, document: str) -> bool:
        """Return whether a document has sealed tokens."""
        query = sa.select(TOKENS.c.name).where(TOKENS.c.document == document).limit(1)
        return self._connection.execute(query).first() is not None

    def read_blob(self, document: str, name: str) -> bytes | None:
        """Return a sealed token."""
        sealed = self._connection.execute(_BLOB_QUERY, {"wanted": document, "token": name}).scalar()
        return None if sealed is None else bytes(sealed)

    def write_blob(self, document: str, name: str, blob: bytes, keep_seconds: float) -> None:
        """Replace a sealed token, and drop those of its app that ended long ago."""
        now = self._connection.execute(sa.select(self._clock)).scalar()
        now = time.time() if now is None else float(now)
        values = {"sealed": blob, "drop_at": now + keep_seconds}
        change = sa.update(TOKENS).where(TOKENS.c.document == document, TOKENS.c.name == name).values(values)
        if self._connection.execute(change).rowcount == 0 and not self._inserted(
            TOKENS, {"document": document, "name": name, **values}
        ):
            self._connection.execute(change)  # another process inserted it in between
        stray = (TOKENS.c.document == document) & (TOKENS.c.drop_at < now - STRAY_SECONDS)
        self._connection.execute(sa.delete(TOKENS).where(stray))

    def drop_blob(self, document: str, name: str) -> None:
        """Remove a sealed token."""
        this = (TOKENS.c.document == document) & (TOKENS.c.name == name)
        self._connection.execute(sa.delete(TOKENS).where(this))

    def _inserted(self, table: sa.Table, values: dict[str, Any]) -> bool:
        try:
            self._connection.execute(sa.insert(table).values(values))
        except IntegrityError:
            return False
        return True
