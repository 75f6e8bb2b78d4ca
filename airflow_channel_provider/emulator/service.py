"""The whole emulator without its wire: faults, journal and both services. One call in, one delivery out, atomically."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airflow_channel_provider.contract.open_api import BASE_PATH as OPEN_API_PATH
from airflow_channel_provider.contract.open_api import find_operation
from airflow_channel_provider.emulator.answers import (
    Answer,
    Delivery,
    PendingAnswer,
    RefusalError,
    http_body,
    refusal_answer,
)
from airflow_channel_provider.emulator.benlly import Benlly
from airflow_channel_provider.emulator.clock import Clock
from airflow_channel_provider.emulator.faults import (
    TOKEN_METHODS,
    FaultQueue,
    apply_fault_after_call,
    apply_fault_before_call,
)
from airflow_channel_provider.emulator.hooks import PUBLIC_PATH, PublicRequest, receive, shown_path
from airflow_channel_provider.emulator.journal import Journal
from airflow_channel_provider.emulator.jsontypes import dump, load
from airflow_channel_provider.emulator.native import answer_app_function, answer_native, identify, read_call
from airflow_channel_provider.emulator.open_api import OpenApi
from airflow_channel_provider.emulator.outbox import Outbox
from airflow_channel_provider.emulator.request_record import RequestRecord
from airflow_channel_provider.emulator.settings import Settings
from airflow_channel_provider.emulator.state import World
from airflow_channel_provider.emulator.token_requests import note_token_request
from airflow_channel_provider.emulator.tokens import TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_channel_provider.emulator.faults import Fault
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

NATIVE_PATH = "/general/v1/native/functions"
_APPS_PREFIX, _APPS_SUFFIX = "/general/v1/apps/", "/functions"


class Emulator:
    """
    Channel Talk and Benlly.

    :param settings: how it starts, and what :meth:`reset` goes back to.
    :param clock: its time.
    :ivar url: where it listens; empty before.
    """

    url = ""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self._initial = settings or Settings()
        self.clock = clock or Clock()
        self.outbox = Outbox()
        self._client: str | None = None  # whose request is being carried out; there is never more than one
        self._start()

    def _start(self) -> None:
        self.settings = self._initial
        self.faults = FaultQueue()
        self.journal = Journal()
        self.outbox.clear()
        self.world = World(self.settings, self.clock, self.outbox)
        self.benlly = Benlly(self.settings.benlly)
        self.open_api = OpenApi(self.world)

    def reset(self) -> None:
        """Go back to the very start: settings, data, clock, journal, faults."""
        self.clock.offset_seconds = 0.0
        self._start()

    def configure(self, values: Mapping[str, JSON]) -> None:
        """
        Change settings; what is under way (windows, tokens, messages) goes on.

        :param values: setting by name.
        :raises ValueError: no such setting or value.
        """
        self.settings = self.settings.changed(values)
        self.world.apply(
            self.settings,
            rebuild_apps="apps" in values,
            rebuild_channels="channels" in values,
            rebuild_webhooks="webhooks" in values,
        )
        if "benlly" in values:
            self.benlly.apply(self.settings.benlly)

    # ---- requests

    def handle(
        self,
        http_method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        client: str | None = None,
        query: str = "",
    ) -> Delivery:
        """
        Carry out one request of any service.

        :param http_method: upper case.
        :param path: decoded, without query.
        :param headers: names in any case.
        :param body: all of it.
        :param client: the connection that it came by, as ``host:port``.
        :param query: of the URL, as it was sent.
        """
        self._client = client
        self.world.scheduler.run_due(self.clock.now())
        if http_method == "PUT" and path == NATIVE_PATH:
            return self._native(path, headers, body)
        if http_method == "PUT" and path.startswith(_APPS_PREFIX) and path.endswith(_APPS_SUFFIX):
            return self._app(path, headers, body)
        if path.startswith("/api/"):
            return self._benlly(http_method, path, headers, body)
        if path.startswith(f"{OPEN_API_PATH}/"):
            return self._open_api(http_method, path, query, headers, body)
        if http_method == "POST" and path.startswith(PUBLIC_PATH):
            return self._public(path, query, headers, body)
        record = RequestRecord("channel_talk", path, self.clock.now(), method=path, error="no such endpoint")
        return self._finish(record, None, _not_found)

    def _native(self, path: str, headers: Mapping[str, str], body: bytes) -> Delivery:
        record, token = self._begin(path, headers, body)
        try:
            read_call(record, load(body))
        except (RefusalError, ValueError) as error:
            return self._finish(record, None, _unreadable(record, error))
        fault = self._fault(record, record.method not in TOKEN_METHODS)
        if fault is not None and not fault.acts:
            self._note(record, token)
        return self._finish(record, fault, lambda: answer_native(self.world, record, token))

    def _app(self, path: str, headers: Mapping[str, str], body: bytes) -> Delivery:
        record, token = self._begin(path, headers, body)
        try:
            parsed = load(body)
            read_call(record, parsed)
        except (RefusalError, ValueError) as error:
            return self._finish(record, None, _unreadable(record, error))
        fault = self._fault(record, True)
        if fault is not None and not fault.acts:
            self._note(record, token)
        app_id = path[len(_APPS_PREFIX) : -len(_APPS_SUFFIX)]
        return self._finish(
            record, fault, lambda: answer_app_function(self.world, record, token, app_id, parsed)
        )

    def _begin(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[RequestRecord, str]:
        token = headers.get("x-access-token") or headers.get("Authorization", "").rpartition(" ")[2]
        return RequestRecord("channel_talk", path, self.clock.now(), method=path, size=len(body)), token

    def _fault(self, record: RequestRecord, needs_token: bool) -> Fault | None:
        return self.faults.take(record.method, record.path, needs_token=needs_token) if self.faults else None

    def _note(self, record: RequestRecord, token: str) -> None:
        """For the journal of a call that is not carried out: whose it was."""
        if record.method in TOKEN_METHODS:
            note_token_request(self.world, record)
            return
        try:
            identify(self.world, record, token)
        except TokenRefusedError:
            return

    def _public(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Delivery:
        shown = shown_path(path)
        record = RequestRecord("channel_talk", shown, self.clock.now(), method=shown, size=len(body))
        fault = self._fault(record, False)
        request = PublicRequest(path.removeprefix(PUBLIC_PATH), query, headers, body)

        def act() -> Answer:
            app = receive(self.world, request, record.at)
            if app is None:
                record.error = "no such hook"
                return _not_found()
            record.app_id, record.acted = app.app_id, True
            return Answer(202, dump({}))

        return self._finish(record, fault, act)

    def _open_api(
        self, verb: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Delivery:
        found = find_operation(verb, path.removeprefix(OPEN_API_PATH))
        method = f"{verb} {found[0].path if found else path}"
        record = RequestRecord("open_api", path, self.clock.now(), method=method, size=len(body))
        fault = self._fault(record, True)
        return self._finish(
            record, fault, lambda: self.open_api.answer(record, verb, path, query, headers, body)
        )

    # ---- Benlly

    def _benlly(self, http_method: str, path: str, headers: Mapping[str, str], body: bytes) -> Delivery:
        record = RequestRecord("benlly", path, self.clock.now(), method=path, size=len(body))
        action, channel_id = _benlly_action(http_method, path)
        if action is None:
            record.error = "no such endpoint"
            return self._finish(record, None, lambda: Answer(404, dump({"message": "Not Found"})))
        try:
            record.params = _read_form(headers.get("Content-Type", ""), body)
        except ValueError:
            record.error = "unreadable body"
            return self._finish(record, None, lambda: Answer(400, dump({"message": "Unreadable body"})))
        needs_token = action != "oauth_token"
        fault = self.faults.take(action, path, needs_token=needs_token) if self.faults else None
        return self._finish(record, fault, lambda: self.benlly.answer(record, action, channel_id, headers))

    # ---- the end of all

    def _finish(
        self, record: RequestRecord, fault: Fault | None, act: Callable[[], Answer | PendingAnswer]
    ) -> Delivery:
        if fault is None or fault.acts:
            record.forgets_cursor = fault is not None and fault.name == "first_page"
            answer = self._act(record, act)
            if isinstance(answer, PendingAnswer):
                return self._finish_later(record, fault, answer)
            delivery = Delivery(answer) if fault is None else apply_fault_after_call(fault, answer)
        else:
            window = self._quota_left_seconds(record)
            delivery = apply_fault_before_call(fault, record, window, self.settings.rate_limit or 100)
            if record.service == "open_api":
                delivery.answer = (
                    self.open_api.refusal(fault.name, fault.options, record.at) or delivery.answer
                )
        delivery.delay_seconds += self._latency(record)
        record.client = self._client
        self.journal.add(record.entry(delivery.answer, fault.name if fault else None))
        return delivery

    def _finish_later(self, record: RequestRecord, fault: Fault | None, answer: PendingAnswer) -> Delivery:
        """Finish when what the answer depends on is known; other requests are carried out meanwhile."""
        client = self._client

        def conclude(found: JSON) -> Delivery:
            self._client = client
            return self._finish(record, fault, lambda: answer.conclude(found))

        return Delivery(None, pending=PendingAnswer(answer.find_out, conclude))

    @staticmethod
    def _act(record: RequestRecord, act: Callable[[], Answer | PendingAnswer]) -> Answer | PendingAnswer:
        try:
            return act()
        except Exception as error:
            record.error = f"internal error: {type(error).__name__}: {error}"
            return Answer(500, dump(http_body(500, "Internal Server Error", "internal error")))

    def _quota_left_seconds(self, record: RequestRecord) -> float:
        app = self.world.apps.get(record.app_id or "")
        return app.quota.ends_at(record.at) - record.at if app else self.settings.quota_window_seconds

    def _latency(self, record: RequestRecord) -> float:
        if record.token_request is not None and self.settings.token_latency_seconds:
            return self.settings.token_latency_seconds
        return self.settings.latency_seconds

    # ---- what is known

    def stats(self) -> JSONObject:
        """Counts since the start or the last reset."""
        journal = self.journal
        return {
            "calls": journal.calls,
            "token_requests": journal.token_request_count(),
            "token_requests_by_scope": dict(journal.by_scope),
            "quota_refusals": journal.quota_refusals,
            "messages": self.world.messages.count,
            "authorizations": len(self.benlly.authorizations()),
            "max_token_requests_in_any_window": journal.most_token_requests(
                self.settings.quota_window_seconds
            ),
        }


def _not_found() -> Answer:
    return refusal_answer(RefusalError("Not Found", via="http", status=404), proxied_errors=True)


def _unreadable(record: RequestRecord, error: Exception) -> Callable[[], Answer]:
    refusal = error if isinstance(error, RefusalError) else RefusalError("body is not JSON", via="http")
    record.error = refusal.message
    return lambda: refusal_answer(refusal, proxied_errors=True)


def _benlly_action(http_method: str, path: str) -> tuple[str | None, int | None]:
    parts = path.split("/")
    if http_method == "POST" and path == "/api/oauth/token":
        return "oauth_token", None
    if len(parts) != 6 or parts[2] != "v0.9" or not (parts[4].isascii() and parts[4].isdecimal()):
        return None, None
    # Published as they are: singular to authorize and to read, plural to take it back.
    wanted = {
        ("POST", "channel", "authorize"),
        ("GET", "channel", "triggers"),
        ("DELETE", "channels", "deauthorize"),
    }
    known = (http_method, parts[3], parts[5]) in wanted and len(parts[4]) <= 18
    return (parts[5], int(parts[4])) if known else (None, None)


def _read_form(content_type: str, body: bytes) -> JSONObject:
    if not body.strip():
        return {}
    if content_type.partition(";")[0].strip().lower() == "application/json":
        parsed = load(body)
        if not isinstance(parsed, dict):
            raise ValueError("the body must be an object")
        return parsed
    return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True))
