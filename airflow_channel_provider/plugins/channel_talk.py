"""
The page *Channel Talk* in the Browse menu of Airflow's UI.

Every process of Airflow imports its plugins, so this module is light: the web application is imported by the server
that gets the first request for it. An Airflow without pages of plugins (before 3.1) gets none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["URL_PREFIX", "ChannelTalkPlugin"]

URL_PREFIX = "/channel-talk"

_SUPPORTED = hasattr(AirflowPlugin, "fastapi_apps") and hasattr(AirflowPlugin, "external_views")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the page and its data."""
    from airflow_channel_provider.plugins._app import app

    await app(scope, receive, send)


class ChannelTalkPlugin(AirflowPlugin):
    """Registers the page and its place in the menu; who may see it is decided by its routes."""

    name = "channel_talk"
    fastapi_apps: list[Any] = (
        [{"app": application, "url_prefix": URL_PREFIX, "name": "Channel Talk"}] if _SUPPORTED else []
    )
    external_views: list[Any] = (
        # Relative: the UI may live below a path of its host.
        [
            {
                "name": "Channel Talk",
                "href": f"{URL_PREFIX.removeprefix('/')}/",
                "url_route": "channel-talk",
                "destination": "nav",
                "category": "browse",
            }
        ]
        if _SUPPORTED
        else []
    )
