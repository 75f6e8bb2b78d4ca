"""What Airflow reads at start. Imports nothing of Airflow."""

from __future__ import annotations

from airflow_channel_provider import configuration, connection_form

_CHANNEL_TALK = "Channel Talk"
_BENLLY = "Benlly"
# Airflow's convention: the folder lies in docs/.
_LOGO = "/integration-logos/channel-talk.svg"


def get_provider_info() -> dict[str, object]:
    """Return the provider's metadata; ``package-name`` must equal the name of the distribution."""
    return {
        "package-name": "airflow-channel-provider",
        "name": "Channel Talk",
        "description": "Channel Talk (channel.io) and Benlly: calls, messages and authorizations over one token that "
        "every task of every worker shares.",
        "integrations": [
            {
                "integration-name": _CHANNEL_TALK,
                "external-doc-url": "https://developers.channel.io/",
                "how-to-guide": _pages("messages", "reading", "bulk", "operators"),
                "logo": _LOGO,
                "tags": ["service"],
            },
            {
                "integration-name": _BENLLY,
                "external-doc-url": "http://doc.plusbenlly.com/",
                "how-to-guide": _pages("connections", "operators"),
                "logo": _LOGO,
                "tags": ["service"],
            },
        ],
        "hooks": _modules("hooks", "open_api"),
        "notifications": [
            "airflow_channel_provider.notifications.channel_talk.ChannelTalkNotifier",
            "airflow_channel_provider.notifications.command_reply.CommandReplyNotifier",
        ],
        "operators": _modules(
            "operators", "approval", "bulk", "dag_command", "extract", "open_api", "paged_read", "users"
        ),
        "sensors": _of_channel_talk("sensors"),
        "triggers": _of_channel_talk("triggers", "open_api"),
        "connection-types": [form.metadata() for form in connection_form.FORMS],
        "asset-uris": [
            {"schemes": ["channeltalk"], "handler": "airflow_channel_provider.assets.sanitize_uri"}
        ],
        "extra-links": ["airflow_channel_provider.links.OpenChatLink"],
        "cli": ["airflow_channel_provider.cli.definition.get_cli_commands"],
        "config": configuration.metadata(),
    }


def _pages(*names: str) -> list[str]:
    return [f"/docs/{name}.md" for name in names]


def _of_channel_talk(kind: str, *more: str) -> list[dict[str, object]]:
    modules = [f"airflow_channel_provider.{kind}.{module}" for module in ("channel_talk", *more)]
    return [{"integration-name": _CHANNEL_TALK, "python-modules": modules}]


def _modules(kind: str, *more_of_channel_talk: str) -> list[dict[str, object]]:
    return [
        {
            "integration-name": name,
            "python-modules": [f"airflow_channel_provider.{kind}.{module}" for module in modules],
        }
        for name, modules in (
            (_CHANNEL_TALK, ("channel_talk", *more_of_channel_talk)),
            (_BENLLY, ("benlly",)),
        )
    ]
