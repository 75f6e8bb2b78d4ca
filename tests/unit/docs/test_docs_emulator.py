"""The pages about the emulator and about tests with it say what its code says."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import Any

from support import markdown

from airflow_channel_provider.emulator import (
    DEMO_APP_ID,
    DEMO_SECRET,
    EmulatorControl,
    EmulatorThread,
    faults,
    settings,
)
from airflow_channel_provider.emulator.benlly import Benlly
from airflow_channel_provider.emulator.seed_data import populate

TESTING = markdown.page("testing.md")
EMULATOR = markdown.page("emulator.md")


def bare(signature: inspect.Signature) -> str:
    """Return a signature without self and without types."""
    parameters = [p.replace(annotation=p.empty) for name, p in signature.parameters.items() if name != "self"]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty)).replace("'", '"')


def test_control_is_documented_with_its_signatures() -> None:
    tables = markdown.tables(markdown.section(TESTING, "## Control the emulator"))
    said = [markdown.code(row[0]) for table in tables[:2] for row in table[1:]]
    public = {
        name: member for name, member in inspect.getmembers(EmulatorControl) if not name.startswith("_")
    }
    assert sorted(said) == sorted(
        name if isinstance(member, property) else name + bare(inspect.signature(member))
        for name, member in public.items()
    )


def test_faults_are_all_of_them_with_their_options() -> None:
    section = markdown.section(TESTING, "### Faults")
    (sentence,) = re.findall(r"`inject` knows these faults: (.*?)\.", section, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", sentence)) == sorted(faults.OPTIONS)
    rows = markdown.tables(section)[0][1:]
    said = {markdown.code(row[0]): set(re.findall(r"`(\w+)`", row[2])) for row in rows}
    assert said == {name: set(options) for name, options in faults.OPTIONS.items()}


def test_settings_are_all_of_them_with_their_defaults_and_choices() -> None:
    rows = {
        markdown.code(row[0]): row
        for row in markdown.tables(markdown.section(EMULATOR, "## Settings"))[0][1:]
    }
    defaults: dict[str, Any] = {
        field.name: getattr(settings.Settings(), field.name) for field in fields(settings.Settings)
    }
    assert set(rows) == set(defaults)
    for name in rows.keys() - {"apps", "channels", "benlly"}:
        assert rows[name][1].strip("`") == (str(defaults[name]) or "*(empty)*")
    assert set(re.findall(r"`(\w+)`", rows["channels"][2])) == set(populate({"id": "ch-4"}))
    for name, choices in settings._CHOICES.items():
        assert set(choices) <= set(re.findall(r"`(\w+)`", rows[name][2])), name


def test_settings_of_benlly_are_all_that_it_reads() -> None:
    asked = set()

    class Settings(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    Benlly(Settings())
    rows = markdown.tables(markdown.section(EMULATOR, "## Settings"))[0][1:]
    (said,) = [row[2] for row in rows if markdown.code(row[0]) == "benlly"]
    assert asked <= set(re.findall(r"`(\w+)`", said))


def test_ids_are_those_of_the_demo_data() -> None:
    assert f"`{DEMO_APP_ID}` and `{DEMO_SECRET}`" in EMULATOR
    data = populate(settings.Settings().channels[0])
    for kind in ("groups", "user_chats", "users", "managers"):
        assert f"`{data[kind][0]['id']}`" in EMULATOR
        assert f"`{data[kind][-1]['id']}`" in EMULATOR
    assert all(f"`{token}`" in EMULATOR for token in settings.Settings().benlly["access_tokens"])
    (user,) = settings.Settings().benlly["users"]
    assert all(f"`{user[name]}`" in EMULATOR for name in ("client_id", "username", "password"))


def test_connections_are_those_that_it_prints() -> None:
    with EmulatorThread() as emulator:
        printed = [
            one["shell"].replace(emulator.url.rpartition(":")[2], "8765") for one in emulator.connections()
        ]
    shown = [block.text for block in markdown.blocks(EMULATOR) if "export AIRFLOW_CONN" in block.text]
    assert shown == ["\n".join([*printed, ""])]
