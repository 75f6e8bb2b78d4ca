"""
No token and no secret stands in a frame of a traceback, whichever way a task or a test fails.

The frames are looked through as they are, those of libraries included; and once as Airflow shows them with ``DEV=1``.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from support import failing_paths
from support.airflow_features import VALUES_IN_TRACEBACKS, needs
from support.failing_paths import PATHS, SECRETS

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks import _tokens, _tracebacks
from tools.demo.environment import clean_environment

pytestmark = [pytest.mark.usefixtures("errors_as_they_are"), pytest.mark.promise(name="secrets")]

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("token_answer_lost", "login_misread", "test_button")


def values_in(error: BaseException | None) -> str:
    """Return the values of all frames of an error and of its causes."""
    values, seen = list[str](), set[int]()
    errors = [error]
    while errors:
        one = errors.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            frames = [frame for frame, _ in traceback.walk_tb(one.__traceback__)]
            values += [repr(value) for frame in frames for value in frame.f_locals.values()]
            errors += [one.__cause__, one.__context__]
    return "\n".join(values)


def error_of(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Exception:
    monkeypatch.setattr(_tokens, "REFUSAL_PAUSES_SECONDS", ())
    with EmulatorThread(settings=failing_paths.EMULATOR) as service:
        store = failing_paths.store_of(name, folder)
        for variable, value in failing_paths.environment(service.url, store).items():
            monkeypatch.setenv(variable, value)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one, is asserted by the caller
            PATHS[name](service)
    return caught.value


@pytest.mark.parametrize("name", PATHS)
def test_no_frame_holds_a_secret(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "airflow.task.hooks"):
        error = error_of(name, monkeypatch, tmp_path)
    assert isinstance(error, AssertionError if name == "test_button" else ChannelError)
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert len(logged) == (name == "test_button")
    for shown in (error, *logged):
        values = values_in(shown)
        assert not [secret for secret in SECRETS if secret in values]


@pytest.mark.parametrize("name", ["token_answer_lost", "call_refused", "store_down", "login_misread"])
def test_without_forgetting_they_would_be_there(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_tracebacks, "_clear", lambda frame: None)
    error = error_of(name, monkeypatch, tmp_path)
    values = values_in(error)
    assert [secret for secret in SECRETS if secret in values]


@needs(*VALUES_IN_TRACEBACKS)
def test_the_tracebacks_of_an_airflow_in_development_show_none(tmp_path: Path) -> None:
    environment = {
        **clean_environment(),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests"))),
        "DEV": "1",
        "COLUMNS": "400",
    }
    command = [sys.executable, "-m", "support.failing_paths", *SHOWN]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert re.findall(r"^WAY (\w+)", shown, re.MULTILINE) == list(SHOWN), shown[-4000:]
    assert not [line for line in shown.splitlines() if any(secret in line for secret in SECRETS)]
    # They show the values of frames, and those that the error has come through.
    assert "locals" in shown
    assert "send_once" in shown
    assert "nobody has foreseen this on ch-1" in shown
