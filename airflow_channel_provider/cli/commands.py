"""
``airflow channel check``, ``call``, ``quota`` and ``register``.

What was asked for goes to the standard output and nothing else does; an error is one sentence on the standard error,
with the exit code 1. No secret is printed, and nothing that a terminal would obey: controls are shown as escapes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook
from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_channel_provider import configuration
from airflow_channel_provider.connection_form import FORMS
from airflow_channel_provider.connections import NoSuchConnectionError, find_connection, unreadable_variable
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.hooks.open_api import ChannelTalkOpenApiHook
from airflow_channel_provider.masking import redacted

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime

    from airflow_channel_provider.hooks._base import ServiceHook
    from airflow_channel_provider.tokens.overview import AppOverview, ScopeOverview

# Controls, what turns the direction of writing, and half of a surrogate pair.
_UNSEEN = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@suppress_logs_and_warning
@providers_configuration_loaded
def check(args: Namespace) -> None:
    """Test a connection, print the sentence that the Test button shows, and read all options."""
    from difflib import get_close_matches

    with _errors_as_one_sentence(args.conn_id):
        unknown = configuration.check()
        works, found = _hook(args.conn_id, "airflow channel check").test_connection()
    for name in unknown:
        near = get_close_matches(name, [option.name for option in configuration.OPTIONS], n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        _note(
            f"The section [{configuration.SECTION}] has {name}, which is no option and changes nothing{hint}"
        )
    if not works:
        raise SystemExit(_shown(found))
    _print(_shown(found))


@suppress_logs_and_warning
@providers_configuration_loaded
def call(args: Namespace) -> None:
    """Call a native function and print its result."""
    params = _params(args.params)
    with (
        _errors_as_one_sentence(args.conn_id),
        ChannelTalkHook(args.conn_id, caller="airflow channel call") as hook,
    ):
        result = hook.call(args.method, params, channel_id=args.channel_id)
    _print(_json(redacted(result)))


@suppress_logs_and_warning
@providers_configuration_loaded
def quota(args: Namespace) -> None:
    """Print the shared tokens by scope, and the quota."""
    from airflow.cli.simple_table import AirflowConsole

    from airflow_channel_provider.hooks._overviews import overviews, shown_address, visibility_note

    with _errors_as_one_sentence():
        apps = overviews()
        store = configuration.store()
    console = AirflowConsole()
    if args.output in ("json", "yaml"):
        # print_as would turn numbers into texts.
        show = console.print_as_json if args.output == "json" else console.print_as_yaml
        # YAML has no way to write half of a surrogate pair.
        found = [{"store": shown_address(store), **app.as_json()} for app in apps]
        show(json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")))
    elif apps:
        console.print_as(data=[row for app in apps for row in _rows(app)], output=args.output)
    if apps:
        _note(f"The token store is {shown_address(store)}.")
    else:
        _note(f"The token store {shown_address(store)} holds no app yet: no task has asked for a token.")
    if note := visibility_note(store):
        _note(note)
    for app in apps:
        for warning in app.warnings:
            _note(f"{_named(app)}: {warning}")


@suppress_logs_and_warning
@providers_configuration_loaded
def register(args: Namespace) -> None:
    """Make Channel Talk ask this Airflow for its commands, and print them."""
    from airflow_channel_provider.inbound.commands import SYSTEM_VERSION

    if find_spec("airflow.sdk") is None:
        raise SystemExit("Before Airflow 3 no command of Channel Talk starts a DAG.")
    with (
        _errors_as_one_sentence(args.conn_id),
        ChannelTalkHook(args.conn_id, caller="airflow channel register") as hook,
    ):
        commands = _declared_commands(hook, args.conn_id)
        params = {"extensionName": args.extension, "systemVersion": SYSTEM_VERSION}
        result = hook.call("registerExtension", params)
    if isinstance(result, dict) and result.get("success") is False:
        faults = [result.get("errorMessage"), *(result.get("validationErrors") or [])]
        raise SystemExit(
            _shown("Channel Talk refused: " + "; ".join(str(fault) for fault in faults if fault))
        )
    if args.extension != "command":
        _note(f"Channel Talk has registered the extension {args.extension}.")
        return
    for command in commands:
        _print(_shown(f"{command['name']}: {command['actionFunctionName']}"))
    if not commands:
        _note(f"No DAG is a command of connection {args.conn_id!r}, so the app has none now.")


def _declared_commands(hook: ChannelTalkHook, conn_id: str) -> list[dict[str, Any]]:
    """Return what the api-server will answer; the metadata database is this process's as well."""
    from airflow.utils.session import create_session

    from airflow_channel_provider.inbound_connections import EndpointSettings
    from airflow_channel_provider.plugins import _commands

    conn = find_connection("--conn-id", conn_id, hook.get_connection)
    if EndpointSettings.from_connection(conn).signing_key is None:
        raise SystemExit(
            _shown(
                f"Connection {conn_id!r} has no signing key, so Airflow would refuse each call of Channel Talk; save "
                f"it in the extra signing_secret."
            )
        )
    with create_session() as session:
        return _commands.wires(session, conn_id)


def _rows(app: AppOverview) -> list[dict[str, str]]:
    shared = {
        "quota_left": f"{app.left} of {app.limit}" if app.limit else "no quota",
        "next_free": _until(app.next_free_at, app.now),
    }
    if not app.scopes:
        return [{"app": _named(app), "scope": "", "token": "", "age": "", "left": "", **shared}]
    return [{"app": _named(app), **_row(app, scope), **shared} for scope in app.scopes]


def _row(app: AppOverview, scope: ScopeOverview) -> dict[str, str]:
    age = (app.now - scope.issued_at).total_seconds() if scope.issued_at else None
    left = (scope.expires_at - app.now).total_seconds() if scope.expires_at else None
    return {
        "scope": _shown(scope.scope),
        "token": f"{scope.state}, being renewed" if scope.renewing else scope.state,
        "age": "" if age is None else _duration(age),
        "left": "" if left is None else _duration(left),
    }


def _until(at: datetime | None, now: datetime) -> str:
    if at is None or at <= now:
        return "now"
    return f"in {_duration((at - now).total_seconds())} ({at:%H:%M:%S} UTC)"


def _duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``45 s``, ``25 min 10 s``, ``29 d 23 h``."""
    rest, parts = max(0, round(seconds)), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def _named(app: AppOverview) -> str:
    return _shown(app.title)


def _shown(sentence: str) -> str:
    """Return a sentence as one line, with names in it that are whatever somebody has called something."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], " ".join(sentence.split()))


def _json(value: Any) -> str:
    """Return a value as JSON, in the characters that the standard output has."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return "\n".join(_UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], line) for line in text.split("\n"))


def _print(text: str) -> None:
    """Print what was asked for; who reads it may end before, as ``head`` does."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest when it ends
        raise SystemExit(1) from None


def _note(sentence: str) -> None:
    print(_shown(sentence), file=sys.stderr)  # noqa: T201 - beside what was asked for


def _hook(conn_id: str, caller: str) -> ServiceHook:
    """Return the hook for a connection of any of our types."""
    conn_type = find_connection("--conn-id", conn_id, BaseHook.get_connection).conn_type
    if conn_type == ChannelTalkHook.conn_type:
        return ChannelTalkHook(conn_id, caller=caller)
    if conn_type == BenllyHook.conn_type:
        return BenllyHook(conn_id, caller=caller)
    if conn_type == ChannelTalkOpenApiHook.conn_type:
        return ChannelTalkOpenApiHook(conn_id)
    known = ", ".join(form.conn_type for form in FORMS)
    in_uri = "" if conn_type else "; a URI names them with a hyphen, as in channel-talk://"
    raise SystemExit(
        _shown(
            f"Connection {conn_id!r} has the type {conn_type!r}; this command supports the types {known}{in_uri}."
        )
    )


def _params(text: str) -> dict[str, Any]:
    from airflow_channel_provider.bulk.json_values import DuplicateFieldError, unique_fields

    try:
        params = json.loads(text, object_pairs_hook=unique_fields)
    except DuplicateFieldError as error:
        raise SystemExit(_shown(f"--params {error}; leave one of the two out.")) from None
    except (ValueError, RecursionError):
        params = None
    if not isinstance(params, dict):
        raise SystemExit("""--params is not a JSON object; write it as '{"name": "value"}'.""")
    return params


@contextlib.contextmanager
def _errors_as_one_sentence(conn_id: str = "") -> Iterator[None]:
    # Airflow looks into its metadata database only in processes that are marked so, as its own commands are.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    try:
        yield
    except NoSuchConnectionError:
        if fault := unreadable_variable(conn_id):
            raise SystemExit(_shown(f"{fault}.")) from None
        has_variable = re.fullmatch(r"\w+", conn_id, re.ASCII) is not None
        ways = ["in the UI", "with 'airflow connections add'"]
        ways += [f"as AIRFLOW_CONN_{conn_id.upper()}"] if has_variable else []
        how = f"{', '.join(ways[:-1])} or {ways[-1]}"
        raise SystemExit(_shown(f"There is no connection {conn_id!r}; create it {how}.")) from None
    except ChannelError as error:
        from airflow_channel_provider.hooks._connection_test import one_sentence

        raise SystemExit(_shown(one_sentence(error.message))) from None
