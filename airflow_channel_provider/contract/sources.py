"""
Who says what a function takes, and how much that is worth.

The service publishes no list of rules. What is known comes from its SDK, its protos, its documentation and its own
clients. A rule that a machine checks there is worth refusing a call for; a rule that only a type or prose knows is
worth a warning.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Strength(Enum):
    """How sure a rule is. The value is what the documentation calls it."""

    SCHEMA = "schema"
    """A schema of the SDK, checked by machines."""
    PROTO = "proto"
    """A validation rule of the vendor's protos."""
    TYPE = "type"
    """A type of the SDK or of a proto; nothing is known to check it."""
    DOC = "doc"
    """The vendor's prose."""
    CODE = "code"
    """What a server or client of the vendor did."""
    INFERRED = "inf"
    """Our conclusion: advice, which the emulator does not enforce."""

    @property
    def is_certain(self) -> bool:
        """Whether a call that breaks the rule is not worth sending."""
        return self in (Strength.SCHEMA, Strength.PROTO)


class Source(NamedTuple):
    """
    Who says so.

    :param strength: how sure a rule is that stands there.
    :param document: where it stands.
    """

    strength: Strength
    document: str

    def of_type(self) -> Source:
        """Who says of which type a value is: only a schema checks types, a proto's rules are about values."""
        return Source(Strength.TYPE, self.document) if self.strength is Strength.PROTO else self

    def __str__(self) -> str:
        return f"[{self.strength.value}] {self.document}"


SCHEMA = Source(Strength.SCHEMA, "app-sdk, schemas of native functions")
COMMAND_SCHEMA = Source(Strength.SCHEMA, "app-sdk, schema of commands")
HACK = Source(Strength.PROTO, "ch-proto-for-hackathon")
CORE = Source(Strength.PROTO, "ch-proto-public")
"""The contract of the server behind; that native functions obey its limits is likely, not proven."""
SDK = Source(Strength.TYPE, "app-sdk, types of native functions")
GUIDE = Source(Strength.DOC, "developers.channel.io")
OLD_SERVER = Source(Strength.CODE, "an older server")
INFERRED = Source(Strength.INFERRED, "our reading of the others")
