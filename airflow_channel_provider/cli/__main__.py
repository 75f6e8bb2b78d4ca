"""
``python -m airflow_channel_provider.cli check|call|quota|register``: the commands of ``airflow channel``, for an
Airflow before 3.2, which takes no commands from providers.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, cast

from airflow_channel_provider.cli.definition import get_cli_commands

if TYPE_CHECKING:
    from airflow.cli.cli_config import ActionCommand, GroupCommand


def parser() -> ArgumentParser:
    """Return what reads the arguments; it puts the function to call into ``func``."""
    group = cast("GroupCommand", get_cli_commands()[0])
    parser = ArgumentParser(prog="python -m airflow_channel_provider.cli", description=group.help)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in cast("tuple[ActionCommand, ...]", group.subcommands):
        one = commands.add_parser(command.name, help=command.help, description=command.description)
        for argument in command.args:
            argument.add_to_parser(one)
        one.set_defaults(func=command.func)
    return parser


if __name__ == "__main__":
    arguments = parser().parse_args()
    arguments.func(arguments)
