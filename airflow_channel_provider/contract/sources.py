"""
The sources of the rules, and how certain each is.

The service publishes no list of rules. They come from its SDK, its protos, its documentation and its own clients. A
call that breaks a rule which a machine checks there is refused; a rule that only a type or prose states causes a
warning.
"""

from __future__ import annotations

from enum import Enum

from airflow_channel_provider.values import Values


class Strength(Enum):
    """How certain a rule is. The value is its name in the documentation."""

    SCHEMA = "schema"
    """A schema of the SDK, which machines check."""
    PROTO = "proto"
    """A validation rule of the vendor's protos."""
    TYPE = "type"
    """A type of the SDK or of a proto; perhaps nothing checks it."""
    DOC = "doc"
    """The vendor's prose."""
    CODE = "code"
    """The behaviour of a server or client of the vendor."""
    INFERRED = "inf"
    """Our conclusion: only advice, which the emulator does not enforce."""

    @property
    def is_certain(self) -> bool:
        """Whether a call that breaks the rule is refused before it is sent."""
        return self in (Strength.SCHEMA, Strength.PROTO)


class Source(Values):
    """
    The source of a rule.

    :param strength: how certain its rules are.
    :param document: the name of the document.
    """

    strength: Strength
    document: str

    def of_type(self) -> Source:
        """The source for the type of a value: only a schema checks types; the rules of a proto are about values."""
        return Source(Strength.TYPE, self.document) if self.strength is Strength.PROTO else self

    def __str__(self) -> str:
        return f"[{self.strength.value}] {self.document}"


SCHEMA = Source(Strength.SCHEMA, "app-sdk, schemas of native functions")
COMMAND_SCHEMA = Source(Strength.SCHEMA, "app-sdk, schema of commands")
HOOK_SCHEMA = Source(Strength.SCHEMA, "app-sdk, schema of hooks")
HACK = Source(Strength.PROTO, "ch-proto-for-hackathon")
CORE = Source(Strength.PROTO, "ch-proto-public")
"""The contract of the server behind; native functions probably obey its limits, which is not proven."""
SDK = Source(Strength.TYPE, "app-sdk, types of native functions")
GUIDE = Source(Strength.DOC, "developers.channel.io")
OLD_SERVER = Source(Strength.CODE, "an older server")
INFERRED = Source(Strength.INFERRED, "our reading of the others")
