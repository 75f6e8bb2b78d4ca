"""The events of Channel Talk's webhooks. The vendor's Open API calls them the scopes of a webhook."""

from __future__ import annotations

EVENTS = (
    "userChat.opened",
    "message.created.userChat",
    "message.created.teamChat",
    "lead.upserted.contact",
    "lead.upserted.subscription",
    "lead.deleted",
    "member.upserted.contact",
    "member.upserted.subscription",
    "member.deleted",
)
RECEIVED = "webhook.received"
HOOK_EVENTS = (
    "app.installed",
    "app.uninstalled",
    "command.toggle",
    "config.saved",
    "config.deleted",
    RECEIVED,
)
"""The hooks of an app that belong to no widget and to no login of a manager."""

MOST_FAILURES_IN_A_ROW = 100
"""After this number of failures the service blocks a webhook. Any status from 400 on is a failure."""
