"""The options of a message, by name.

The vendor's Open API has the same options under other names; these are accepted and converted. An unknown name is
passed on: the vendor lists the names only in a type, so the hook warns and sends it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_channel_provider.contract.parts import MESSAGE_OPTION
from airflow_channel_provider.exceptions import ChannelConfigurationError

PREFIX = MESSAGE_OPTION.prefix
OPTIONS = MESSAGE_OPTION.spelt
"""What the service knows; ``SILENT`` is deprecated there."""

_SILENT = {
    "manager": (PREFIX + "SILENT_TO_MANAGER",),
    "user": (PREFIX + "SILENT_TO_USER",),
}
_SILENT_TO_ALL = (*_SILENT["manager"], *_SILENT["user"])


def message_options(
    names: Sequence[object] = (), *, private: bool = False, silent: bool | str = False
) -> list[str]:
    """
    Return the options of a message, each once.

    :param names: as the service spells them, or as its Open API does.
    :param private: shown to managers only.
    :param silent: without a notification: ``manager`` or ``user`` to one side, True to both.
    :raises ChannelConfigurationError: a name is no text, ``private`` no bool, or ``silent`` has no meaning.
    """
    if not isinstance(private, bool):  # the text "false" would be true
        raise ChannelConfigurationError("private must be True or False.")
    shorthands = [*([PREFIX + "PRIVATE"] if private else []), *_silent(silent)]
    return list(dict.fromkeys([*map(_spelt, names), *shorthands]))


def _silent(value: bool | str) -> tuple[str, ...]:
    if isinstance(value, bool):
        return _SILENT_TO_ALL if value else ()
    if not isinstance(value, str) or value not in _SILENT:
        raise ChannelConfigurationError("silent must be True, False, 'manager' or 'user'.")
    return _SILENT[value]


def _spelt(name: object) -> str:
    """Return a name as the service spells it; one that it is not known to have is its to judge."""
    if not isinstance(name, str) or not name.strip():
        raise ChannelConfigurationError(
            f"A message option must be a name, not {'an empty text' if isinstance(name, str) else type(name).__name__}."
        )
    spelt = _as_ours(name)
    return spelt if spelt in OPTIONS else name


def _as_ours(name: str) -> str:
    """Spell ``silentToManager``, or a name without its prefix, as the service would."""
    spelt = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).upper()
    return spelt if spelt.startswith(PREFIX) else PREFIX + spelt
