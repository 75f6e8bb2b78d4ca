"""
Hides named fields: in place of a value stands a keyed hash of it, the same for the same value in each stream.

Who has the files and not the key can join by a hidden field, and can't find out what it was, nor try out what it may
have been.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.extract.streams import STREAMS

_PURPOSE = b"airflow-channel-provider extract mask 1"


class Mask:
    """
    Hides fields of rows.

    :param names: fields; a name alone stands for the field at any depth, one with dots (``profile.phone``) for that
        place.
    :param secret: what the key is made of.
    :raises ChannelConfigurationError: no stream has such a field.
    """

    def __init__(self, names: Iterable[str], secret: str) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._anywhere = frozenset(name for name in self.names if "." not in name)
        self._places = [tuple(name.split(".")) for name in self.names if "." in name]
        known = {column for stream in STREAMS.values() for column in stream.columns}
        for name in self.names:
            if name.partition(".")[0] not in known:
                raise ChannelConfigurationError(
                    f"mask names {name!r}, and no stream has such a field. Write it as the service does (plainText, "
                    "mobileNumber); a custom field is profile.NAME."
                )
        self.key = hmac.digest(secret.encode("utf-8", "surrogatepass"), _PURPOSE, "sha256")

    @property
    def fingerprint(self) -> str:
        """Stands for the names and the key, and gives neither away."""
        return hmac.digest(self.key, json.dumps(sorted(self.names)).encode(), "sha256").hex()[:16]

    def hides(self, column: str) -> bool:
        """Return whether a column holds hashes."""
        return column in self._anywhere

    def apply(self, rows: Sequence[dict[str, Any]]) -> None:
        """Hide the fields of rows, in place."""
        for row in rows:
            if self._anywhere:
                self._hide_anywhere(row)
            for place in self._places:
                self._hide_place(row, place)

    def _hide_anywhere(self, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in self._anywhere:
                    value[name] = self._hash(inner)
                elif isinstance(inner, (dict, list)):
                    self._hide_anywhere(inner)
        else:
            for inner in value:
                if isinstance(inner, (dict, list)):
                    self._hide_anywhere(inner)

    def _hide_place(self, value: Any, place: tuple[str, ...]) -> None:
        if isinstance(value, list):
            for inner in value:
                self._hide_place(inner, place)
        elif isinstance(value, dict) and place[0] in value:
            if len(place) == 1:
                value[place[0]] = self._hash(value[place[0]])
            else:
                self._hide_place(value[place[0]], place[1:])

    def _hash(self, value: Any) -> str | None:
        if value is None:
            return None
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        return hmac.new(self.key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
