"""The README says what the code says. What it shows in Python is run in the integration tests."""

from __future__ import annotations

import configparser
import inspect
import json
import logging
import re
import shlex
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
from airflow.cli.cli_config import GroupCommand
from airflow.providers.common.compat.sdk import BaseHook
from support import markdown
from support.airflow_features import PROVIDER_COMMANDS, RETRY_POLICY, needs
from support.token_service import busiest_window
from unit.tokens.test_token_day import Day

from airflow_channel_provider import configuration, connection_form, exceptions, metrics
from airflow_channel_provider.cli.definition import get_cli_commands
from airflow_channel_provider.connections import BenllyLogin, BenllySettings, ChannelTalkSettings
from airflow_channel_provider.emulator import __main__ as emulator_command
from airflow_channel_provider.emulator import faults
from airflow_channel_provider.get_provider_info import get_provider_info
from airflow_channel_provider.hooks import _tokens
from airflow_channel_provider.hooks._stores import open_store
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator
from airflow_channel_provider.retry_policy import Action, decide
from airflow_channel_provider.tokens import outcomes, policy
from tools.demo import report
from tools.demo.result import DemoResult, Effects, Task, TokenUse

ROOT = Path(__file__).parents[3]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
BLOCKS = markdown.blocks(README)
IMAGE_BYTES = 150_000


def of_language(language: str) -> list[markdown.Block]:
    return [block for block in BLOCKS if block.language == language]


def table_under(heading: str) -> list[list[str]]:
    return markdown.tables(markdown.section(README, heading))[0][1:]


def names_under(heading: str) -> list[str]:
    return [markdown.code(row[0]) for row in table_under(heading)]


# ---------------------------------------------------------------------------------------------------- commands


def commands() -> list[str]:
    return [line for block in of_language("shell") for line in block.text.replace("\n  ", " ").splitlines()]


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", ROOT.joinpath("Makefile").read_text(), re.MULTILINE))
    wanted = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert wanted == {"demo", "test", "ui"}
    assert wanted <= targets


def test_what_is_installed_is_this_package_with_extras_that_it_has() -> None:
    distribution = metadata("airflow-channel-provider")
    extras = set(distribution.get_all("Provides-Extra") or [])
    for line in [line for line in commands() if line.startswith("pip ")]:
        verb, target = shlex.split(line)[1:]
        assert verb == "install"
        assert re.fullmatch(r"\.(\[(\w+)\])?", target)
        assert set(re.findall(r"\[(\w+)\]", target)) <= extras
    assert set(re.findall(r"airflow-channel-provider\[(\w+)\]", README)) <= extras


def test_emulator_is_started_with_arguments_that_it_takes() -> None:
    (line,) = [line for line in commands() if line.startswith("python ")]
    module, *arguments = shlex.split(line)[2:]
    assert module == emulator_command.__name__.removesuffix(".__main__")
    assert emulator_command._parser().parse_args(arguments).port == 8765


def test_there_are_no_other_commands() -> None:
    kinds = ("make ", "pip install ", "python -m ", "export AIRFLOW_CONN_", "}'", "airflow ")
    assert [line for line in commands() if not line.startswith(kinds)] == []


def test_end_of_the_report_is_how_the_demo_writes_it() -> None:
    (block,) = of_language("text")
    uses = [
        TokenUse(scope, int(requests), int(calls), int(connections))
        for requests, scope, calls, connections in re.findall(
            r"(\d+) token requests? for (\S+) served (\d+) calls? over (\d+) connection", block.text
        )
    ]
    ((count, dags),) = re.findall(r"All (\d+) tasks of (\d+) DAGs", block.text)
    (processes,) = re.findall(r"(\d+) task processes ran in all", block.text)
    tries = [1 + int(processes) - int(count)] + [1] * (int(count) - 1)  # one task was tried again
    tasks = [Task("dag0", "run", f"task{n}", -1, number, "success") for n, number in enumerate(tries)]
    result = DemoResult({f"dag{n}": "success" for n in range(int(dags))}, tasks, uses, Effects())
    assert report.report(result, ROOT).endswith(block.text.rstrip())
    assert int(dags) == len(list(ROOT.joinpath("dags_examples").glob("*.py")))


@needs(*PROVIDER_COMMANDS)
def test_commands_of_airflow_are_taken_by_its_parser() -> None:
    shown = [line for line in commands() if line.startswith("airflow ")]
    for line in shown:
        assert airflow_arguments(line).func
    (group,) = get_cli_commands()
    assert isinstance(group, GroupCommand)
    assert [line.split()[2] for line in shown if line.startswith("airflow channel ")] == [
        command.name for command in group.subcommands
    ]


def airflow_arguments(line: str) -> Any:
    from airflow.cli.cli_parser import get_parser

    return get_parser().parse_args(shlex.split(line)[1:])


# ---------------------------------------------------------------------------------------------------- connections


def exports(name: str) -> list[str]:
    """The values that shell blocks export under a name, quoted as the shell reads them."""
    words = [word for block in of_language("shell") for word in shlex.split(block.text)]
    return [word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}=")]


def test_channel_talk_connections_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [*exports("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT"), added()]
    assert len(values) == 3
    for value in values:
        monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", value)
        settings = ChannelTalkSettings.from_connection(BaseHook.get_connection("channel_talk_default"))
        assert settings == ChannelTalkSettings(
            conn_id="channel_talk_default",
            base_url="https://app-store-api.channel.io",
            app_id="my-app-id",
            secret="c2VjcmV0LW9mLXRoZS1hcHA==",
            channel_id="12345",
            timeout_seconds=20.0,
        )


def test_benlly_connections_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = exports("AIRFLOW_CONN_BENLLY_DEFAULT")
    assert len(values) == 2
    (login,) = exports("AIRFLOW_CONN_BENLLY_TABLET")
    monkeypatch.setenv("AIRFLOW_CONN_BENLLY_TABLET", login)
    tablet = BenllySettings.from_connection(BaseHook.get_connection("benlly_tablet"))
    assert tablet.login == BenllyLogin("7", "Y2xpZW50LXNlY3JldA==", "mina", "dXNlci1wYXNzd29yZA==")
    for value in values:
        monkeypatch.setenv("AIRFLOW_CONN_BENLLY_DEFAULT", value)
        settings = BenllySettings.from_connection(BaseHook.get_connection("benlly_default"))
        assert settings == BenllySettings(
            conn_id="benlly_default",
            base_url="https://benlly.example.com",
            access_token="dXNlci10b2tlbg==",
            device="android",
            udid="7f0abbcd-fb03-4484-aaba-a0211d9c14e2",
        )


def added() -> str:
    """The connection of the command that adds one, as JSON."""
    (line,) = [line for line in commands() if line.startswith("airflow connections add ")]
    given = airflow_arguments(line)
    names = ("type", "login", "password", "extra")
    fields = {name: getattr(given, f"conn_{name}") for name in names}
    return json.dumps({"conn_type": fields.pop("type"), **fields})


@pytest.mark.parametrize(
    ("heading", "form"),
    [
        ("### Channel Talk", connection_form.CHANNEL_TALK_FORM),
        ("### Benlly", connection_form.BENLLY_FORM),
    ],
)
def test_fields_are_those_of_the_form(heading: str, form: connection_form.ConnectionForm) -> None:
    labels = {"host": "Host", "port": "Port", **form.relabeling}
    standard = [name for name in ("host", "schema", "port", "login", "password") if name not in form.hidden]
    expected = [[f"`{name}`", labels[name]] for name in standard]
    expected += [[f"extra `{field.name}`", field.label] for field in form.fields]
    rows = table_under(heading)
    assert [row[:2] for row in rows] == expected
    said = {markdown.code(row[0]): row[2] for row in rows}
    for field in form.fields:
        assert field.required == said[field.name].startswith("required")
        assert set(field.choices) <= set(re.findall(r"`(\w+)`", said[field.name]))
    section = markdown.section(README, heading)
    assert f"`{form.conn_type}`" in section
    assert f"`{form.conn_type}_default`" in section


# ---------------------------------------------------------------------------------------------------- surface


def surface(kind: str) -> dict[str, type[Any]]:
    info: Any = get_provider_info()[kind]
    modules = [import_module(name) for item in info for name in item["python-modules"]]
    return {name: getattr(module, name) for module in modules for name in module.__all__}


@pytest.mark.parametrize("row", table_under("## Operators"), ids=lambda row: markdown.code(row[0]))
def test_each_operator_and_sensor_has_a_section_with_a_snippet(row: list[str]) -> None:
    name, pages = markdown.code(row[0]), markdown.links(row[1])
    if pages:
        (page,) = pages
        assert markdown.blocks(
            markdown.section(ROOT.joinpath(page).read_text(encoding="utf-8"), f"## {name}")
        )
    else:
        assert markdown.blocks(markdown.section(README, f"### {name}"))


def test_operators_and_sensors_are_all_of_them() -> None:
    assert sorted(names_under("## Operators")) == sorted({**surface("operators"), **surface("sensors")})
    info: Any = get_provider_info()
    for item in (*info["operators"], *info["sensors"]):
        assert all(f"`{module}`" in README for module in item["python-modules"])


def test_notifiers_are_all_of_them() -> None:
    section = markdown.section(README, "## Alerts")
    paths: Any = get_provider_info()["notifications"]
    assert names_under("## Alerts") == [path.rpartition(".")[2] for path in paths]
    for path in paths:
        assert f"`{path.rpartition('.')[0]}`" in section


@needs(*RETRY_POLICY)
def test_shared_arguments_are_those_of_the_base_class() -> None:
    parameters = inspect.signature(ChannelTalkBaseOperator.__init__).parameters
    own = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    (table,) = [
        table for table in markdown.tables(README) if table[0][0] == "argument" and table[0][1] == "default"
    ]
    said = {markdown.code(row[0]): markdown.code(row[1]).strip('"') for row in table[1:]}
    policy_name = f"{type(own['retry_policy']).__name__}()"
    assert said == {**{name: str(default) for name, default in own.items()}, "retry_policy": policy_name}


def test_hooks_are_all_of_them() -> None:
    section = markdown.section(README, "## Hooks")
    for name, hook in surface("hooks").items():
        assert f"`{name}` in `{hook.__module__}`" in section


def test_options_are_all_of_them_with_their_defaults() -> None:
    said = {markdown.code(row[0]): row[1].strip("`") for row in table_under("## Options")}
    assert said == {option.name: option.default or "*(empty)*" for option in configuration.OPTIONS}


def test_settings_files_set_options_that_exist() -> None:
    for block in of_language("ini"):
        settings = configparser.ConfigParser()
        settings.read_string(block.text)
        assert settings.sections() == [configuration.SECTION]
        assert set(settings[configuration.SECTION]) <= {option.name for option in configuration.OPTIONS}
        open_store(settings[configuration.SECTION]["store"])


def test_stores_can_be_opened() -> None:
    addresses = names_under("### Where tokens are shared")
    assert {address.partition("://")[0] for address in addresses} >= {"file", "memory"}
    for address in addresses:
        open_store(address)


def test_metrics_are_those_that_are_counted() -> None:
    assert names_under("## Metrics") == re.findall(r"^``([\w.]+)``", metrics.__doc__ or "", re.MULTILINE)


def test_errors_are_all_of_them() -> None:
    said = names_under("## When something fails")
    assert sorted([*said, "ChannelError"]) == sorted(exceptions.__all__)


@pytest.mark.parametrize("row", table_under("## When something fails"), ids=lambda row: markdown.code(row[0]))
def test_what_becomes_of_a_task_is_what_the_policy_decides(row: list[str]) -> None:
    action = decide(getattr(exceptions, markdown.code(row[0]))("no")).action
    words = {Action.FAIL: "fails at once", Action.RETRY: "tried again", Action.DEFAULT: "as `retries` and"}
    assert row[2].startswith(words[action])


def test_pauses_are_those_of_the_code() -> None:
    text = " ".join(markdown.section(README, "## When something fails").split())
    assert policy.LEASE_SECONDS == 20
    assert "otherwise after 20 s" in text
    assert outcomes.TRANSIENT_PAUSES_SECONDS == (2, 10, 60, 300)
    assert "after 2, 10, 60, then every 300 s" in text
    assert _tokens.PATIENCE_SECONDS == (1, 2, 3)
    assert "waits 1, 2 and 3 s" in text


def test_faults_are_all_of_them() -> None:
    (sentence,) = re.findall(r"`inject` knows these faults: (.*?)\.", README, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", sentence)) == sorted(faults.OPTIONS)


@pytest.mark.parametrize("row", table_under("## How the quota is spent"), ids=lambda row: f"{row[0]} scopes")
def test_a_simulated_day_costs_what_is_said(row: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(
        logging.ERROR, logger="airflow_channel_provider"
    )  # the lines of a day take longer than the day
    scopes, requests, most = int(row[0]), int(row[2]), int(row[3])
    assert row[1] == f"{policy.early_seconds(1800, scopes):.0f} s"
    day = Day(scopes, "first").run()
    assert len(day.service.log) == pytest.approx(requests, rel=0.05)
    assert busiest_window(day.service.times()) <= most <= 10


# ---------------------------------------------------------------------------------------------------- links


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *ROOT.joinpath("docs").glob("*.md")):
        for link in markdown.links(page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or page.parent.joinpath(link.partition("#")[0]).exists(), link


def test_images_are_shown_and_small() -> None:
    images = sorted(ROOT.joinpath("docs", "images").iterdir())
    assert images
    for image in images:
        assert image.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert image.stat().st_size < IMAGE_BYTES
        assert f"(docs/images/{image.name})" in README
