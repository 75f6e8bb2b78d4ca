"""How the emulator starts and ends: as a thread, as a process, from the command line, with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorControl, EmulatorProcess, EmulatorThread

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = str(Path(__file__).resolve().parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}
COMMAND = [sys.executable, "-m", "airflow_channel_provider.emulator"]
pytest_plugins = ["airflow_channel_provider.emulator.pytest_plugin"]


def issue(url: str) -> bool:
    body = {"method": "issueToken", "params": {"secret": DEMO_SECRET}}
    answer = requests.put(f"{url}/general/v1/native/functions", json=body, timeout=10).json()
    return "accessToken" in answer.get("result", ())


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def refuses(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("kind", [EmulatorThread, EmulatorProcess])
def test_it_runs_for_as_long_as_the_block(kind: type[EmulatorThread] | type[EmulatorProcess]) -> None:
    with kind(settings={"quota_limit": 1}) as emulator:
        url = emulator.url
        assert url.startswith("http://127.0.0.1:")
        assert [issue(url), issue(url)] == [True, False]
        assert EmulatorControl(url + "/").stats()["quota_refusals"] == 1
    assert refuses(url)
    with pytest.raises(RuntimeError, match="does not run"):
        emulator.stats()
    emulator.stop()


@pytest.mark.parametrize("kind", [EmulatorThread, EmulatorProcess])
def test_it_can_start_again_with_nothing_left_over(
    kind: type[EmulatorThread] | type[EmulatorProcess],
) -> None:
    emulator = kind()
    for _ in range(2):
        with emulator:
            assert issue(emulator.url)
            assert emulator.stats()["calls"] == 1
            with pytest.raises(RuntimeError, match="runs already"):
                emulator.start()


@pytest.mark.parametrize("kind", [EmulatorThread, EmulatorProcess])
def test_wrong_settings_are_told_before_anything_starts(
    kind: type[EmulatorThread] | type[EmulatorProcess],
) -> None:
    with pytest.raises(ValueError, match="no setting 'quota'"):
        kind(settings={"quota": 3})


@pytest.mark.parametrize("kind", [EmulatorThread, EmulatorProcess])
def test_a_taken_port_is_told(kind: type[EmulatorThread] | type[EmulatorProcess]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RuntimeError, match="did not start"):
            kind(port=taken.getsockname()[1]).start()


@pytest.mark.parametrize("kind", [EmulatorThread, EmulatorProcess])
def test_it_stops_at_once_though_connections_are_open(
    kind: type[EmulatorThread] | type[EmulatorProcess],
) -> None:
    with requests.Session() as session:
        with kind(settings={"latency_seconds": 60}) as emulator:
            session.get(emulator.url, timeout=10)
            with pytest.raises(requests.ReadTimeout):
                session.put(emulator.url + "/general/v1/native/functions", json={"method": "x"}, timeout=0.2)
            started_at = time.monotonic()
        assert time.monotonic() - started_at < 30  # the call that is under way would take 60


def test_it_needs_nothing_of_airflow_and_only_the_contract_of_the_provider() -> None:
    code = (
        "import sys, airflow_channel_provider.emulator.server, airflow_channel_provider.emulator as e\n"
        "e.EmulatorThread\n"
        "ours = {n for n in sys.modules if n.startswith('airflow_channel_provider.')}\n"
        "assert {n.split('.')[1] for n in ours} == {'emulator', 'contract', 'values'}, ours\n"
        "assert not {'airflow', 'requests', 'tenacity', 'cryptography'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, timeout=60)


def test_its_control_needs_no_server_library() -> None:
    code = "import sys, airflow_channel_provider.emulator; assert 'aiohttp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, timeout=60)


PARENT = """
import os, sys, time
from airflow_channel_provider.emulator import EmulatorProcess
emulator = EmulatorProcess().start()
# A child that was forked holds the pipe open even after this process is gone.
held = os.fork()
if held == 0:
    os.close(1)
    time.sleep(20)
    os._exit(0)
print(emulator.url, emulator.pid, held, flush=True)
time.sleep(60)
"""


def test_it_dies_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PARENT], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        url, _, held = parent.stdout.readline().split()
        try:
            assert issue(url)
            parent.kill()
            parent.wait(10)
            assert wait_until(lambda: refuses(url))
        finally:
            os.kill(int(held), signal.SIGKILL)


def test_the_command_line_prints_its_address_and_ends_on_a_signal(tmp_path: Path) -> None:
    settings, port_file = tmp_path / "settings.json", tmp_path / "port"
    settings.write_text('{"answer_shape": "seed"}', encoding="utf-8")
    command = [*COMMAND, "--port", "0", "--settings", str(settings), "--port-file", str(port_file)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[-1]
        assert line == f"Channel Talk and Benlly emulator on {url}\n"
        assert wait_until(port_file.exists)
        assert url == f"http://127.0.0.1:{port_file.read_text(encoding='utf-8').strip()}"
        answer = requests.put(f"{url}/general/v1/native/functions", json={"method": "issueToken"}, timeout=10)
        assert "error" in answer.json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Expecting"),
        ("[]", "must be a JSON object"),
        ('{"quota": 1}', "no setting 'quota'"),
        (None, "No such file"),
    ],
)
def test_the_command_line_refuses_wrong_settings(tmp_path: Path, content: str | None, message: str) -> None:
    settings = tmp_path / "settings.json"
    if content is not None:
        settings.write_text(content, encoding="utf-8")
    command = [*COMMAND, "--settings", str(settings)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_the_command_line_refuses_what_is_no_port(port: str) -> None:
    command = [*COMMAND, f"--port={port}"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        f"error: argument --port: '{port}' is no port; give a number from 0 to 65535\n"
    )


def test_the_fixture_gives_a_fresh_emulator(channel_talk_emulator: EmulatorThread) -> None:
    assert channel_talk_emulator.stats()["calls"] == 0
    assert issue(channel_talk_emulator.url)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (lambda e: e.inject("nonsense"), "no fault 'nonsense'"),
        (lambda e: e.inject("slow", count=0), "count must be"),
        (lambda e: e.configure(quota=1), "no setting 'quota'"),
        (lambda e: e.reissue_secret("x"), "no app 'x'"),
        (lambda e: e.advance(-1), "never runs back"),
    ],
)
def test_a_wrong_order_is_a_value_error(
    channel_talk_emulator: EmulatorThread, order: Callable[[EmulatorThread], None], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        order(channel_talk_emulator)
