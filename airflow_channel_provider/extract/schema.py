"""
The columns of a stream's files, and what becomes of a field that has none.

Nothing is dropped. In JSONL a record stands as the service sent it. In Parquet a field that is not known, and a value
that its column can't hold, go into the column ``_extra``, whole, as JSON. Both are counted, for the log and the
manifest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.extract.masks import Mask
from airflow_channel_provider.extract.streams import CUSTOM, Kind, Stream
from airflow_channel_provider.times import to_ms

EXTRACTED_AT, WINDOW_START, WINDOW_END, EXTRA = "_extracted_at", "_window_start", "_window_end", "_extra"
OWN = (EXTRACTED_AT, WINDOW_START, WINDOW_END)


def _encoder() -> Callable[[Any], str]:
    """Return what writes JSON: the json module sets its C encoder up for each value, a fifth of the cost of a row."""
    plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
    try:
        made = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            None, plain.default, json.encoder.encode_basestring, None, ":", ",", False, False, True
        )
        made({}, 0)
    except (AttributeError, TypeError):  # another Python may have another one, or none
        return plain.encode
    return lambda value: "".join(made(value, 0))


encode = _encoder()


@dataclass
class Found:
    """
    What the rows had that the columns do not foresee.

    :param unknown: rows by the name of a field that is not known.
    :param unfit: rows by the name of a column that could not hold its value.
    """

    unknown: Counter[str] = field(default_factory=Counter)
    unfit: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Layout:
    """
    What is written of a stream.

    :param stream: which.
    :param custom_fields: names in ``profile`` that get a column of their own, ``profile_NAME``.
    :param mask: hides fields.
    :raises ChannelConfigurationError: the stream has no custom fields, or two columns would have one name.
    """

    stream: Stream
    custom_fields: tuple[str, ...] = ()
    mask: Mask | None = None

    def __post_init__(self) -> None:
        if self.custom_fields and CUSTOM not in self.stream.columns:
            raise ChannelConfigurationError(
                f"The stream {self.stream.name} has no custom fields; leave custom_fields out."
            )
        if len(set(self.custom_columns.values())) < len(self.custom_fields):
            raise ChannelConfigurationError("custom_fields names a field twice; remove one of them.")

    @property
    def custom_columns(self) -> dict[str, str]:
        """The columns of custom fields, by the name of the field."""
        return {name: f"{CUSTOM}_{name}" for name in self.custom_fields}

    @cached_property
    def columns(self) -> dict[str, Kind]:
        """Name and kind of each column of the service's, in order; a hidden one holds text."""
        columns = dict(self.stream.columns) | dict.fromkeys(self.custom_columns.values(), Kind.TEXT)
        if self.mask is None:
            return columns
        return {name: Kind.TEXT if self.mask.hides(name) else kind for name, kind in columns.items()}

    @cached_property
    def known(self) -> frozenset[str]:
        """The names of all fields that are known."""
        return frozenset(self.columns)

    def described(self) -> list[dict[str, str]]:
        """Return name and type of each column, for the manifest."""
        columns = {**self.columns, EXTRA: Kind.JSON, **dict.fromkeys(OWN, Kind.TIME)}
        return [{"name": name, "type": kind.value} for name, kind in columns.items()]

    def is_as_read(self, column: str) -> bool:
        """Return whether a column holds the field of its name as the service sent it."""
        return column in self.stream.columns and not (self.mask is not None and self.mask.hides(column))

    def prepare(self, rows: Sequence[dict[str, Any]], found: Found) -> set[str]:
        """
        Spread custom fields, in place.

        :return: the names of the fields that are not known.
        """
        if self.custom_fields:
            self._spread(rows)
        unknown = set().union(*rows) - self.known
        for name in unknown:
            found.unknown[name] += sum(name in row for row in rows)
        return unknown

    def _spread(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            profile = row.get(CUSTOM)
            if isinstance(profile, Mapping):
                for name, column in self.custom_columns.items():
                    row[column] = profile.get(name)


def fit(value: Any, kind: Kind) -> Any:
    """
    Return a value as a column of a kind holds it.

    :return: None where it can't; the caller keeps the value elsewhere.
    """
    if kind is Kind.TIME:
        return to_ms(value)
    if kind is Kind.TEXT:
        return value if isinstance(value, str) else encode(value)
    if kind is Kind.JSON:
        return encode(value)
    if kind is Kind.BOOLEAN:
        return _BOOLEANS.get(value) if isinstance(value, (str, bool)) else None
    return _number(value, whole=kind is Kind.INTEGER)


_BOOLEANS = {"true": True, "false": False, True: True, False: False}


def _number(value: Any, *, whole: bool) -> int | float | None:
    """Return a number; the newer dialect writes whole ones as texts."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
        exact = int(value) if isinstance(value, (int, str)) and whole else None
    except (ValueError, OverflowError):
        return None
    if not whole:
        return number
    if exact is None:
        exact = int(number) if number.is_integer() else None
    return exact if exact is not None and -(2**63) <= exact < 2**63 else None
