"""``airflow channel ...`` against the emulator: through Airflow's own parser, and as processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.airflow_api import COMMAND_SECONDS, AirflowApi, airflow_command
from support.airflow_features import PROVIDER_COMMANDS, has, needs
from support.fuzzing import cases
from support.records import app_record, now_of, write

from airflow_channel_provider.cli.__main__ import parser as own_parser
from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread
from airflow_channel_provider.hooks._overviews import overviews
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.tokens.stores.file import FileStore

USER_TOKEN = "benlly-user-token"


@pytest.fixture(autouse=True)
def process_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command says of its process ends with its test."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        connect(monkeypatch, "channel_talk", emulator, login="demo-app", password=DEMO_SECRET)
        connect(monkeypatch, "benlly", emulator, password=USER_TOKEN)
        yield emulator


def connect(monkeypatch: pytest.MonkeyPatch, conn_type: str, emulator: EmulatorThread, **fields: Any) -> None:
    extra = {"channel_id": "ch-1", "device": "web", "udid": "u-1"}
    connection = {"conn_type": conn_type, "host": emulator.url, "extra": extra, **fields}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT", json.dumps(connection))


class Shell:
    """Runs commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[str, str]:
        """Return what a command that succeeds prints to standard output and standard error."""
        if has(PROVIDER_COMMANDS[0]):
            from airflow.cli.cli_parser import get_parser

            parsed = get_parser().parse_args(["channel", *arguments])
        else:
            parsed = own_parser().parse_args(arguments)
        self._capsys.readouterr()
        parsed.func(parsed)
        printed = self._capsys.readouterr()
        assert DEMO_SECRET not in printed.out + printed.err
        return printed.out, printed.err

    def fail(self, *arguments: str) -> str:
        """Return the sentence of one that fails; Python prints it to standard error and exits with 1."""
        with pytest.raises(SystemExit) as caught:
            self.run(*arguments)
        printed = self._capsys.readouterr()
        assert (printed.out, printed.err) == ("", "")
        assert isinstance(caught.value.code, str)
        assert "\n" not in caught.value.code
        return caught.value.code


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


# --------------------------------------------------------------------------------------------- check


def test_check_says_what_the_button_says(shell: Shell, emulator: EmulatorThread) -> None:
    said, noted = shell.run("check")
    assert said.startswith(
        "Channel Talk accepted the App Secret: app demo-app on channel ch-1 (Cafe Morning) at "
    )
    assert noted == ""
    said, _ = shell.run("check")
    assert said.startswith("Channel Talk accepts the token that is already shared: app demo-app")
    assert said.count("\n") == 1
    (app,) = overviews()
    assert app.connections == ("channel_talk_default",)
    assert [entry.asked_by for entry in app.timeline] == ["airflow channel check"]


def test_check_knows_both_types(shell: Shell, emulator: EmulatorThread) -> None:
    said, _ = shell.run("check", "--conn-id", "benlly_default")
    assert f"{emulator.url} accepts the access token" in said


def test_check_reads_all_options_and_names_what_is_none(
    shell: Shell, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__MAX_WAIT_SECOND", "5")
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__COLOUR", "blue")
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE_CMD", "")
    _, noted = shell.run("check")
    assert noted.splitlines() == [
        "The section [channel_talk] has colour, which is no option and changes nothing.",
        (
            "The section [channel_talk] has max_wait_second, which is no option and changes nothing; did you mean "
            "max_wait_seconds?"
        ),
    ]
    for name, wrong in {
        "CONTRACT": "lenient",
        "PRELOAD": "maybe",
        "TOKEN_QUOTA": "0",
        "TIMEOUT_SECONDS": "x",
    }.items():
        monkeypatch.setenv(f"AIRFLOW__CHANNEL_TALK__{name}", wrong)
        assert shell.fail("check").startswith(f"The option [channel_talk] {name.lower()} must be ")
        monkeypatch.delenv(f"AIRFLOW__CHANNEL_TALK__{name}")


def test_check_of_a_wrong_secret_fails(
    shell: Shell, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, "channel_talk", emulator, password="bm90LXRoZS1zZWNyZXQtYQ==")
    assert shell.fail("check").startswith(
        "Channel Talk refused the App Secret (HTTP 200: app secret not found); "
    )


def test_check_of_what_is_no_connection_of_ours(
    shell: Shell, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.fail("check", "--conn-id", "nowhere") == (
        "There is no connection 'nowhere'; create it in the UI, with 'airflow connections add' or as "
        "AIRFLOW_CONN_NOWHERE."
    )
    assert shell.fail("check", "--conn-id", "not-here") == (
        "There is no connection 'not-here'; create it in the UI or with 'airflow connections add'."
    )
    monkeypatch.setenv("AIRFLOW_CONN_BADJSON", '{"conn_type": "channel_talk", "password": "x-secret",}')
    for command in (["check"], ["call", "getChannel"]):
        assert shell.fail(*command, "--conn-id", "badjson") == (
            "AIRFLOW_CONN_BADJSON is set, but Airflow can't read it; check that it is valid JSON or a valid URI."
        )
    assert shell.fail("check", "--conn-id", "") == "--conn-id is empty; give the id of a connection."
    monkeypatch.setenv("AIRFLOW_CONN_UNDERSCORE", "channel_talk://app:x-secret@example.invalid")
    assert shell.fail("check", "--conn-id", "underscore").endswith(
        "; a URI names them with a hyphen, as in channel-talk://."
    )
    monkeypatch.setenv("AIRFLOW_CONN_WEB", "http://user:web-password@example.invalid")
    assert shell.fail("check", "--conn-id", "web") == (
        "Connection 'web' has the type 'http'; this command supports the types channel_talk, "
        "channel_talk_open_api, benlly."
    )


# --------------------------------------------------------------------------------------------- call


def test_call_prints_the_result(shell: Shell, emulator: EmulatorThread) -> None:
    printed, noted = shell.run("call", "getUserChat", "--params", '{"userChatId": "chat-ch-1-1"}')
    assert json.loads(printed)["userChat"]["id"] == "chat-ch-1-1"
    assert printed.startswith('{\n  "userChat": {\n    "')
    assert noted == ""
    assert overviews()[0].timeline[0].asked_by == "airflow channel call"


def test_call_acts_in_the_channel_that_is_named(shell: Shell, emulator: EmulatorThread) -> None:
    printed, _ = shell.run("call", "getChannel", "--channel-id", "ch-2", "--conn-id", "channel_talk_default")
    assert json.loads(printed)["channel"]["id"] == "ch-2"


def test_call_without_a_result_prints_no_more_than_that(shell: Shell, emulator: EmulatorThread) -> None:
    assert shell.run("call", "registerCommands", "--params", '{"commands": []}') == ("{}\n", "")


def test_call_blots_out_a_token_that_a_function_hands_out(shell: Shell, emulator: EmulatorThread) -> None:
    params = {"channelId": "ch-1", "entityType": "user", "entityId": "user-ch-1-1"}
    printed, _ = shell.run("call", "issueEntityToken", "--params", json.dumps(params))
    assert set(json.loads(printed)["entityToken"].values()) == {"***"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["getUserChat"], "getUserChat: params.userChatId is required, it is absent"),
        (
            ["getChannel", "--params", "[]"],
            """--params is not a JSON object; write it as '{"name": "value"}'.""",
        ),
        (
            ["getUserChat", "--params", '{"userChatId": "a", "userChatId": "b"}'],
            "--params has the field 'userChatId' twice in one object; leave one of the two out.",
        ),
        (
            ["getChannel", "--params", "{"],
            """--params is not a JSON object; write it as '{"name": "value"}'.""",
        ),
        (["getChannel", "--conn-id", "nowhere"], "There is no connection 'nowhere'; "),
        (["issueToken"], "issueToken can't be called directly: "),
        (
            ["getUserChat", "--params", '{"userChatId": "no"}'],
            "Connection 'channel_talk_default': getUserChat was ",
        ),
    ],
)
def test_call_that_fails_is_one_sentence(
    shell: Shell, emulator: EmulatorThread, arguments: list[str], sentence: str
) -> None:
    assert shell.fail("call", *arguments).startswith(sentence)


# --------------------------------------------------------------------------------------------- quota


ANYTHING = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "\ud800",
        "\udcff",
        "\0",
        "a\nb",
        "\x1b[2J",
        "\u202e",
        "../../x",
        "a" * 5_000,
        "{{ x }}",
        "%s",
        "ch-1",
    ]
)


@pytest.mark.fuzz
@cases(60)
@given(
    method=ANYTHING | st.sampled_from(["getChannel", "issueToken", "getUser"]),
    params=ANYTHING
    | st.dictionaries(ANYTHING, ANYTHING, max_size=3).map(json.dumps)
    | st.integers(1, 20_000).map(lambda depth: "[" * depth)
    | st.integers(1, 20_000).map(lambda depth: '{"a":' + "[" * depth + "]" * depth + "}"),
    channel_id=st.none() | ANYTHING,
    conn_id=st.sampled_from(["channel_talk_default", "benlly_default"]) | ANYTHING,
)
@example(method="getChannel", params="{}", channel_id="\ud800", conn_id="channel_talk_default")
@example(method="getChannel", params="[" * 20_000, channel_id=None, conn_id="channel_talk_default")
@example(method="a\x1b[2J\n", params="{}", channel_id=None, conn_id="channel_talk_default")
@example(method="getChannel", params="{}", channel_id=None, conn_id="a\x1b[2J\n")
def test_any_arguments_are_a_result_or_one_sentence(
    shell: Shell, emulator: EmulatorThread, method: str, params: str, channel_id: str | None, conn_id: str
) -> None:
    emulator.configure(quota_limit=1_000)
    named = [] if channel_id is None else [f"--channel-id={channel_id}"]
    for command in (["call", f"--params={params}", *named, "--", method], ["check"]):
        said = said_by(shell, command[0], f"--conn-id={conn_id}", *command[1:])
        assert said.strip()
        assert {unicodedata.category(character) for character in said if character != "\n"}.isdisjoint(
            {"Cc", "Cs"}
        )


def said_by(shell: Shell, *arguments: str) -> str:
    """Return what a command prints, or the sentence that it fails with."""
    try:
        return "".join(shell.run(*arguments))
    except SystemExit as error:
        return error.code if isinstance(error.code, str) else ""


@pytest.mark.promise(name="page")
def test_what_a_terminal_would_obey_is_shown_as_an_escape(
    shell: Shell, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"name": "\x1b[2J\x9b \u202e 민아 \ud800", "list": [1]}
    with monkeypatch.context() as patch:
        patch.setattr(ChannelTalkHook, "call", lambda *_, **__: answer)
        said, _ = shell.run("call", "getChannel")
        assert json.loads(said) == answer
        assert said.isascii()
        answer["name"] = "\x9b \u202e 민아"
        said, _ = shell.run("call", "getChannel")
        assert json.loads(said) == answer
        assert '"\\u009b \\u202e 민아"' in said
    assert "get\\u001b[2J User was refused" in shell.fail("call", "get\x1b[2J\nUser")


@pytest.mark.parametrize("output", ["table", "json", "yaml", "plain"])
@pytest.mark.parametrize("name", ["half \ud800", "\x1b[2J \x9b \u202e"])
def test_quota_of_an_app_with_a_name_that_a_terminal_would_obey(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, output: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.as_uri())
    store = FileStore(tmp_path)
    write(store, "shop", app_record(now_of(store), name, ages=[10]))
    said, noted = shell.run("quota", "-o", output)
    seen = {unicodedata.category(character) for character in f"{said}{noted}" if character != "\n"}
    assert seen.isdisjoint({"Cc", "Cs"})


def test_quota_lists_each_scope(shell: Shell, emulator: EmulatorThread) -> None:
    shell.run("check")
    shell.run("call", "getChannel", "--channel-id", "ch-2")
    for output in ("table", "plain"):
        printed, noted = shell.run("quota", "--output", output)
        rows = [line.replace("|", " ").split() for line in printed.splitlines() if "channel:" in line]
        assert [(row[0], row[1], row[2]) for row in rows] == [
            ("demo-app", "channel:ch-1", "fresh"),
            ("demo-app", "channel:ch-2", "fresh"),
        ]
        assert all("8 of 10" in line for line in printed.splitlines() if "channel:" in line)
        assert noted.startswith("The token store is file:///")


def test_quota_as_json_is_all_that_may_be_known(shell: Shell, emulator: EmulatorThread) -> None:
    shell.run("check")
    (shown,) = json.loads(shell.run("quota", "-o", "json")[0])
    (app,) = overviews()
    assert set(shown) == {"store", *app.as_json()}
    assert shown["store"].startswith("file:///")
    assert (shown["app_id"], shown["limit"], shown["left"]) == ("demo-app", 10, 9)
    assert shown["timeline"] == app.as_json()["timeline"]
    assert "app_id: demo-app" in shell.run("quota", "-o", "yaml")[0]


def test_quota_that_is_exhausted_is_told_beside_the_table(shell: Shell, emulator: EmulatorThread) -> None:
    emulator.inject("token_quota", count=1)
    shell.fail("check")
    printed, noted = shell.run("quota")
    assert "0 of 10" in printed
    assert re.search(r"in \d+ min.* \(\d\d:\d\d:\d\d UTC\)", printed)
    assert "demo-app: The service refuses token requests for its quota; the next is sent at " in noted


def test_quota_of_a_store_without_any_app(shell: Shell, emulator: EmulatorThread) -> None:
    printed, noted = shell.run("quota")
    assert printed == ""
    assert noted.startswith("The token store file:///")
    assert json.loads(shell.run("quota", "-o", "json")[0]) == []


def test_quota_of_a_store_that_is_away(
    shell: Shell, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_REDIS_AWAY", "redis://:store-password@127.0.0.1:1/0")
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "redis://redis_away")
    said = shell.fail("quota")
    assert said.startswith("The token store redis://redis_away can't be reached: ")
    assert "store-password" not in said


# --------------------------------------------------------------------------------------------- processes


@needs(*PROVIDER_COMMANDS)
@pytest.mark.filterwarnings("default")  # Airflow's own application warns of its own
def test_a_connection_of_the_metadata_database(airflow_api: AirflowApi, emulator: EmulatorThread) -> None:
    fields = {"conn_type": "channel_talk", "host": emulator.url, "login": "demo-app", "password": DEMO_SECRET}
    airflow_api.save(connection_id="in_the_database", **fields)
    call = ["channel", "call", "getChannel", "--channel-id", "ch-1", "--conn-id", "in_the_database"]
    done = airflow_command(*call)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["channel"]["name"] == "Cafe Morning"
    done = airflow_command(*call, "--params", "no")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == """--params is not a JSON object; write it as '{"name": "value"}'.\n"""


OWN_CALL = (
    sys.executable, "-m", "airflow_channel_provider.cli", "call", "getChannel", "--channel-id", "ch-1",
)  # fmt: skip


def test_who_reads_what_a_command_prints_may_end_before(emulator: EmulatorThread) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        OWN_CALL, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=COMMAND_SECONDS
    )
    os.close(writer)
    assert done.returncode == 1
    assert not [sign for sign in ("Traceback", "BrokenPipe") if sign in done.stderr]


def test_the_commands_can_do_without_airflows(emulator: EmulatorThread) -> None:
    done = subprocess.run(OWN_CALL, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["channel"]["name"] == "Cafe Morning"
