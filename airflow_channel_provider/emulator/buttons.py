"""
The buttons of a message: what a click on one does. Pure.

The vendor's sources show an action in three shapes, and all of them are read: ``{"webAction": {"attributes": …}}``,
``{"type": "web", "attributes": …}`` and ``{"type": "web", "url": …}``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

_KINDS = ("web", "command", "wam")


@dataclass(frozen=True, slots=True)
class Action:
    """
    What a button does.

    :param kind: ``web``, ``command`` or ``wam``.
    :param url: that it leads to.
    :param app_id: whose command or WAM it is.
    :param name: of the command or the WAM.
    :param params: that it runs with.
    """

    kind: str
    url: str | None = None
    app_id: str = ""
    name: str = ""
    params: JSONObject = field(default_factory=dict)


def find_button(message: JSONObject, wanted: JSON) -> JSONObject:
    """
    One button of a message.

    :param wanted: its title, or its number from 0 on.
    :raises ValueError: there is none.
    """
    buttons = [button for button in message.get("buttons") or [] if isinstance(button, dict)]
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 0 <= wanted < len(buttons):
        return buttons[wanted]
    found = [button for button in buttons if isinstance(wanted, str) and button.get("title") == wanted]
    if not found:
        raise ValueError(f"message {message['id']} has no button {wanted!r}")
    return found[0]


def read_action(button: JSONObject) -> Action:
    """
    What a button does.

    :raises ValueError: it has no action of a published shape.
    """
    action = button.get("action")
    for kind in _KINDS:
        attributes = _attributes(action, kind) if isinstance(action, dict) else None
        if attributes is not None:
            return _action(kind, attributes)
    raise ValueError("the button has no action of a published shape")


def _attributes(action: JSONObject, kind: str) -> JSONObject | None:
    nested = action.get(f"{kind}Action")
    if nested is None and action.get("type") == kind:
        nested = action
    if not isinstance(nested, dict):
        return None
    attributes = nested.get("attributes", nested)
    return attributes if isinstance(attributes, dict) else None


def _action(kind: str, attributes: JSONObject) -> Action:
    texts = {name: attributes.get(name) for name in ("url", "appId", "name")}
    if any(value is not None and not isinstance(value, str) for value in texts.values()):
        raise ValueError("the attributes of the button are no texts")
    needed = ("url",) if kind == "web" else ("appId", "name")
    missing = [name for name in needed if not texts[name]]
    if missing:
        raise ValueError(f"the button names no {', '.join(missing)}")
    params = attributes.get("params") or {}
    if not isinstance(params, dict):
        raise ValueError("the params of the button are no object")  # noqa: TRY004 - one error for all buttons
    return Action(kind, texts["url"], texts["appId"] or "", texts["name"] or "", params)
