"""``python -m airflow_channel_provider.emulator``: run the emulator until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.dialect import DIALECTS
from airflow_channel_provider.emulator.settings import CONTRACTS, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

_WATCH_SECONDS = 0.25


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_channel_provider.emulator",
        description="A local Channel Talk and Benlly with the real limits, to develop and test against.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8765, help="port, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument("--settings", type=Path, metavar="FILE.json", help="a JSON object of settings")
    parser.add_argument(
        "--contract",
        choices=CONTRACTS,
        help="strict refuses what breaks the vendor's contract, lenient only what is missing or of another type "
        "(default: the setting, strict)",
    )
    parser.add_argument(
        "--dialect",
        choices=DIALECTS,
        help="protobuf spells values as the vendor's protos do in JSON, plain as its webhooks do: numbers and words "
        "(default: the setting, protobuf)",
    )
    parser.add_argument(
        "--function-endpoint",
        metavar="URL",
        help="where apps serve their functions, unless the settings say so; registerExtension asks for commands there",
    )
    parser.add_argument(
        "--webhook",
        metavar="URL",
        help="is told of all events of all channels, besides what the settings say",
    )
    parser.add_argument(
        "--chats",
        type=int,
        metavar="N",
        help="so many generated chats in the first channel (default: the setting, 0)",
    )
    parser.add_argument(
        "--changes-per-request",
        type=float,
        metavar="N",
        help="so many changes of them with each request of the Open API (default: the setting, 0)",
    )
    parser.add_argument("--port-file", type=Path, metavar="FILE", help="write the port there once it listens")
    # Of EmulatorProcess: settings come as a line on stdin, and the end of stdin or of that process ends this one.
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    return parser


def _read_settings(arguments: argparse.Namespace) -> Settings:
    named = {
        "contract": arguments.contract,
        "dialect": arguments.dialect,
        "generated_chats": arguments.chats,
        "changes_per_request": arguments.changes_per_request,
    }
    given = {name: value for name, value in named.items() if value is not None}
    settings = _settings_as_given(arguments).changed(given)
    if arguments.webhook is not None:
        webhook = {"name": "command line", "url": arguments.webhook}
        settings = settings.changed({"webhooks": [*settings.webhooks, webhook]})
    if arguments.function_endpoint is None:
        return settings
    return settings.changed(
        {"apps": [{"function_endpoint": arguments.function_endpoint, **app} for app in settings.apps]}
    )


def _settings_as_given(arguments: argparse.Namespace) -> Settings:
    if arguments.parent is not None:
        return Settings.from_mapping(json.loads(sys.stdin.buffer.readline() or b"{}"))
    if arguments.settings is None:
        return Settings()
    values = json.loads(arguments.settings.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise TypeError("the settings must be a JSON object")
    return Settings.from_mapping(values)


def _die_with_stdin() -> None:
    """Wait for the end of the parent's pipe, in a thread: the kernel closes it even if the parent is killed."""
    while os.read(0, 4096):
        pass
    os._exit(0)


async def _die_with_parent(parent: int) -> None:
    """A child that the parent forked may hold the pipe open: so look at who the parent is as well."""
    while os.getppid() == parent:
        await asyncio.sleep(_WATCH_SECONDS)
    os._exit(0)


def _write_port_file(target: Path, url: str) -> None:
    # Written aside and renamed: a reader that waits for the file never sees half of it.
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    aside.write_text(url.rpartition(":")[2] + "\n", encoding="utf-8")
    aside.replace(target)


async def _serve(arguments: argparse.Namespace, settings: Settings) -> None:
    from airflow_channel_provider.emulator.ready_connections import announcement
    from airflow_channel_provider.emulator.server import EmulatorServer
    from airflow_channel_provider.emulator.service import Emulator

    # The journal is many small objects without a cycle among them: looking through them all now and then only delays
    # answers.
    gc.set_threshold(50_000, 20, 50)
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    emulator = Emulator(settings)
    server = EmulatorServer(emulator)
    url = await server.start(arguments.host, arguments.port)
    # A parent reads the address from the first line, and nothing after it.
    text = announcement(emulator) if arguments.parent is None else announcement(emulator).partition("\n")[0]
    print(text, flush=True)  # noqa: T201 - for people at a terminal
    if arguments.port_file is not None:
        _write_port_file(arguments.port_file, url)
    watch = None
    if arguments.parent is not None:
        threading.Thread(target=_die_with_stdin, daemon=True).start()
        watch = asyncio.create_task(_die_with_parent(arguments.parent))
    await end.wait()
    if watch is not None:
        watch.cancel()
    await server.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run until SIGINT or SIGTERM.

    :param argv: arguments; those of the process if left out.
    :return: exit code.
    """
    arguments = _parser().parse_args(argv)
    try:
        settings = _read_settings(arguments)
        asyncio.run(_serve(arguments, settings))
    except (ImportError, OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"emulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
