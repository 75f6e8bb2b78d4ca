"""The native functions: one table of a name and what it does to the world; what it takes is in the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.functions import (
    apps,
    chats,
    contacts,
    extensions,
    messages,
    people,
    tables,
)

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.functions.base import Function

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for module in (apps, extensions, tables, messages, people, contacts, chats)
    for function in module.FUNCTIONS
}
