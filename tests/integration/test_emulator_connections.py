"""What the emulator prints to be pasted into a shell or into ``airflow connections add`` works as it stands."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook


@pytest.mark.parametrize("form", ["shell", "uri"])
def test_every_connection_works(form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.as_uri())
    with EmulatorThread() as emulator:
        for made in emulator.connections():
            conn_id = made["conn_id"]
            value = shlex.split(made["shell"])[1].partition("=")[2] if form == "shell" else made["uri"]
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)
        with ChannelTalkHook("channel_talk_default") as hook:
            assert hook.call("getChannel")["channel"]["id"] == "ch-1"
        with ChannelTalkOpenApiHook("channel_talk_open_api_default") as open_api:
            assert len(list(open_api.iterate("user_chats"))) == 10
        for conn_id in ("benlly_default", "benlly_tablet"):
            with BenllyHook(conn_id) as benlly:
                benlly.authorize_channel(2)
        assert len(emulator.authorizations()) == 2
