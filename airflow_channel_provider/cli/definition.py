"""
What ``airflow channel`` takes. Read at every start of any Airflow command, so it imports nothing but Airflow's own
declarations; the commands themselves are imported when one of them is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.cli.cli_config import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ActionCommand,
    Arg,
    GroupCommand,
    lazy_load_command,
)

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

_COMMANDS = "airflow_channel_provider.cli.commands"


def _arg(*flags: str, **more: str | Sequence[str]) -> Arg:
    return Arg(flags, **more)  # type: ignore[no-untyped-call]


_CONN_ID = _arg(
    "--conn-id", help="Connection id (default: channel_talk_default)", default="channel_talk_default"
)
_METHOD = _arg("method", help="Name of the native function, such as getChannel")
_PARAMS = _arg("--params", help="Its parameters, as a JSON object", default="{}", metavar="JSON")
_CHANNEL_ID = _arg(
    "--channel-id",
    help="The channel to act in (default: the one in the parameters, else the connection's default channel)",
)
_EXTENSION = _arg(
    "extension",
    help="What of the app: its commands, or the hooks that become asset events (default: command)",
    nargs="?",
    choices=("command", "hook"),
    default="command",
)


def get_cli_commands() -> list[CLICommand]:
    """Return the commands, for the key ``cli`` of the provider info."""
    return [
        GroupCommand(
            name="channel",
            help="Test connections, call functions and show the token quota of Channel Talk and Benlly",
            subcommands=(
                ActionCommand(
                    name="check",
                    help="Test a connection, as the Test button does",
                    description="Test a connection of the type channel_talk, channel_talk_open_api or benlly, as the "
                    "Test button of its form "
                    "does. It sends a token request only if the token store holds no valid token.",
                    func=lazy_load_command(f"{_COMMANDS}.check"),
                    args=(_CONN_ID, ARG_VERBOSE),
                ),
                ActionCommand(
                    name="call",
                    help="Call one native function and print its result as JSON",
                    description="Call one native function of Channel Talk with the shared token, and print its result "
                    "as JSON. Secrets in the result are masked.",
                    func=lazy_load_command(f"{_COMMANDS}.call"),
                    args=(_METHOD, _PARAMS, _CHANNEL_ID, _CONN_ID, ARG_VERBOSE),
                ),
                ActionCommand(
                    name="quota",
                    help="Show the shared tokens and the remaining token quota",
                    description="Show each scope's token and the remaining token quota of its app. All tasks share "
                    "them. Also names the token store. Sends nothing. The formats json and yaml also show the slots of "
                    "the quota and the token requests of the last 24 hours.",
                    func=lazy_load_command(f"{_COMMANDS}.quota"),
                    args=(ARG_OUTPUT, ARG_VERBOSE),
                ),
                ActionCommand(
                    name="register",
                    help="Let Channel Talk take the commands that DAGs declare",
                    description="Register the extension of the app, and print the commands that Channel Talk has then "
                    "read from the api-server. Run it again when a DAG that is a command has changed. The api-server "
                    "has to be reachable for Channel Talk.",
                    func=lazy_load_command(f"{_COMMANDS}.register"),
                    args=(_EXTENSION, _CONN_ID, ARG_VERBOSE),
                ),
            ),
        )
    ]
