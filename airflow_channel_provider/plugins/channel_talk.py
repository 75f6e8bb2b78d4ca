"""
The page *Channel Talk* in the Browse menu of Airflow's UI, the routes that Channel Talk calls (webhooks, an app's
functions), and the preloading of modules in the scheduler.

Every process of Airflow imports its plugins, so this module is light: only the server that gets the first request
imports the web application. Airflow 3.0 has no pages of plugins and gets only the routes that Channel Talk calls,
Airflow 2 gets nothing.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

from airflow_channel_provider import configuration

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)

URL_PREFIX = "/channel-talk"

_SERVES = hasattr(AirflowPlugin, "fastapi_apps")
HAS_PAGE = hasattr(AirflowPlugin, "external_views")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the page and its data, take webhooks, and run an app's functions."""
    from airflow_channel_provider.plugins._app import app, hide_query

    hide_query(scope)
    await app(scope, receive, send)


def forks_tasks_of_ours() -> bool:
    """
    Return whether this process is a scheduler whose tasks are forked from it, and use this provider.

    The processes that it has forked load the plugin once more. They have a parent in terms of ``multiprocessing``.
    Airflow 2 imports much of its own in each task, so preloading would not help there.
    """
    return (
        sys.argv[1:2] == ["scheduler"]
        and find_spec("airflow.sdk") is not None
        and multiprocessing.parent_process() is None
        and multiprocessing.get_start_method() == "fork"
        and "LocalExecutor" in conf.get("core", "executor", fallback="")
        and configuration.preload()
        and configuration.store_is_in_use()
    )


class ChannelTalkPlugin(AirflowPlugin):
    """Registers the page and its place in the menu, and the routes; who may use them is decided by each."""

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Import in the scheduler what its tasks would import; a scheduler loads plugins before it forks."""
        try:
            if forks_tasks_of_ours():
                import airflow_channel_provider.preload  # noqa: F401
        except Exception:
            log.warning("The modules of the provider could not be imported ahead of the tasks", exc_info=True)

    name = "channel_talk"
    fastapi_apps: list[Any] = (
        [{"app": application, "url_prefix": URL_PREFIX, "name": "Channel Talk"}] if _SERVES else []
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
        if HAS_PAGE
        else []
    )
