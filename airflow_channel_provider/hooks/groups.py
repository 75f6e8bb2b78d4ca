"""A group by its name. The service has no such look-up, so its list is read to the end and compared."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook


def group_id_of(hook: ChannelTalkHook, name: str, *, channel_id: str | None) -> str:
    """
    Return the id of the public group with this title or name.

    :raises ChannelConfigurationError: there is none, or more than one.
    """
    names: dict[str, set[str]] = {}
    for group in hook.iterate("searchGroups", channel_id=channel_id):
        if not isinstance(group, Mapping):
            continue
        for known in {group.get("title"), group.get("name")}:
            if isinstance(known, str) and group.get("id") is not None:
                names.setdefault(known, set()).add(str(group["id"]))
    found = names.get(name, set())
    if len(found) > 1:
        raise ChannelConfigurationError(
            f"{len(found)} groups are called {name!r} ({', '.join(sorted(found))}); give group_id."
        )
    if not found:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = (
            f"near it: {', '.join(map(repr, near))}" if near else f"it has {len(names)} other public groups"
        )
        raise ChannelConfigurationError(
            f"No public group of the channel is called {name!r}; {hint}. Correct group_name or give group_id."
        )
    return next(iter(found))
