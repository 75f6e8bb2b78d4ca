"""Every command that a page shows exists and takes the arguments that it is shown with."""

from __future__ import annotations

import re
import shlex
from typing import Any

from airflow.cli.cli_config import GroupCommand
from support import markdown
from support.airflow_features import PROVIDER_COMMANDS, needs

from airflow_channel_provider.cli.definition import get_cli_commands
from airflow_channel_provider.emulator import __main__ as emulator_command

COMMANDS = [
    line
    for _, block in markdown.all_blocks()
    if block.language == "shell"
    for line in block.text.replace("\n  ", " ").splitlines()
]
OTHERS = {"apache-airflow-providers-openlineage", "apache-airflow-providers-sqlite"}
"""Packages that the pages say to install beside this one."""
PYPROJECT = markdown.ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8")
EXTRAS = set(
    re.findall(
        r"^([\w-]+) = \[",
        PYPROJECT.partition("\n[project.optional-dependencies]\n")[2].partition("\n[")[0],
        re.MULTILINE,
    )
)


def that_begin(start: str) -> list[str]:
    return [line for line in COMMANDS if line.startswith(start)]


def test_there_are_no_other_commands() -> None:
    kinds = (
        "make ",
        "pip install ",
        "python -m airflow_channel_provider.",
        "export AIRFLOW_",
        "}'",
        "airflow ",
    )
    assert [line for line in COMMANDS if not line.startswith(kinds)] == []


def test_make_targets_exist() -> None:
    makefile = markdown.ROOT.joinpath("Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    wanted = {line.split()[1] for line in that_begin("make ")}
    assert {"demo", "test", "ui"} <= wanted <= targets


def test_what_is_installed_is_this_package_with_extras_that_it_has() -> None:
    lines = that_begin("pip ")
    assert lines
    for line in lines:
        verb, target = shlex.split(line)[1:]
        assert verb == "install"
        if target in OTHERS:
            continue
        named = re.fullmatch(r"(?:\.|airflow-channel-provider)(?:\[([\w,]+)\])?", target)
        assert named, line
        assert set((named[1] or "").split(",")) - {""} <= EXTRAS


def test_extras_that_are_named_anywhere_exist() -> None:
    for path in markdown.PAGES:
        named = re.findall(r"airflow-channel-provider\[([\w,]+)\]", path.read_text(encoding="utf-8"))
        assert {extra for names in named for extra in names.split(",")} <= EXTRAS, path


def test_table_of_extras_has_them_all() -> None:
    (table,) = markdown.tables(markdown.section(markdown.page("quick_start.md"), "## Install it"))
    assert {name for row in table[1:] for name in re.findall(r"`([\w-]+)`", row[0])} == EXTRAS


def test_emulator_is_started_with_arguments_that_it_takes() -> None:
    lines = that_begin("python ")
    assert lines
    for line in lines:
        module, *arguments = shlex.split(line)[2:]
        assert module == emulator_command.__name__.removesuffix(".__main__")
        assert emulator_command._parser().parse_args(arguments).port == 8765


@needs(*PROVIDER_COMMANDS)
def test_commands_of_airflow_are_taken_by_its_parser() -> None:
    for line in that_begin("airflow "):
        assert airflow_arguments(line).func
    (group,) = get_cli_commands()
    assert isinstance(group, GroupCommand)
    shown = {line.split()[2] for line in that_begin("airflow channel ")}
    assert shown == {command.name for command in group.subcommands}


def airflow_arguments(line: str) -> Any:
    from airflow.cli.cli_parser import get_parser

    return get_parser().parse_args(shlex.split(line)[1:])
