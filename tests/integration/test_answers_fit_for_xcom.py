"""
A call that must not be repeated is made once, whatever it is answered with: in Airflow's task runner, under retries.

What the task tells its supervisor is packed as it is packed for it, and written as the supervisor writes it on.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from support.airflow_features import TASK_RUNNER, leave_out_unless
from support.peers import Handler, Server, read_request, serving

from airflow_channel_provider.operators.benlly import ChannelDeauthorizeOperator
from airflow_channel_provider.operators.channel_talk import AppFunctionOperator, NativeFunctionOperator
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor

leave_out_unless(*TASK_RUNNER)

from airflow.sdk.execution_time import comms
from airflow.sdk.execution_time.comms import SetXCom
from support.task_run import Outcome, Run, Supervisor

RETRIES = 2
TOKEN = {"accessToken": "some-access-token", "refreshToken": "some-refresh-token", "expiresIn": 1800}


class Strict(Supervisor):
    """Refuses what the real one would."""

    def send(self, msg: Any) -> Any:
        comms._RequestFrame(id=1, body=msg.model_dump()).as_bytes()
        if isinstance(msg, SetXCom):
            body = json.dumps(msg.value, ensure_ascii=False, allow_nan=False).encode()
            assert b"\\u0000" not in body.replace(b"\\\\", b""), "PostgreSQL keeps no NUL in JSON"
        return super().send(msg)


def answering(result: bytes, calls: list[str]) -> Handler:
    def handler(peer: socket.socket) -> None:
        while True:
            head, _, body = read_request(peer).partition(b"\r\n\r\n")
            method = json.loads(body)["method"] if body else head.split()[1].decode()
            answer = b'{"data": %s}' % result if not body else b'{"result": %s}' % result
            if method == "issueToken":
                answer = json.dumps({"result": TOKEN}).encode()
            else:
                calls.append(method)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

    return handler


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Server], None]:
    def connect(server: Server) -> None:
        monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
        way = {"host": "127.0.0.1", "port": server.port, "schema": "http"}
        app = {"login": "app-1", "password": "some-app-secret", "extra": {"channel_id": "ch-1"}}
        user = {"password": "some-user-token", "extra": {"device": "web", "udid": "u-1"}}
        for name, fields in {"channel_talk": app, "benlly": user}.items():
            monkeypatch.setenv(
                f"AIRFLOW_CONN_{name.upper()}_DEFAULT", json.dumps({"conn_type": name, **way, **fields})
            )

    return connect


class Mapped(BaseOperator):
    """Is mapped over what another task returns."""

    def __init__(self, *, part: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part


def last_of(run: Run, operator: Any, *, is_mapped_over: bool = False, map_index: int = -1) -> Outcome:
    """Run the task as often as Airflow would."""
    with DAG("d", schedule=None) as dag:
        if not operator.has_dag():
            dag.add_task(operator)
        if is_mapped_over:
            Mapped.partial(task_id="m").expand(part=operator.output)
    for try_number in range(1, RETRIES + 2):
        outcome = run(
            operator,
            supervisor=Strict(),
            try_number=try_number,
            max_tries=RETRIES,
            map_index=map_index,
        )
        if outcome.state != "up_for_retry":
            break
    return outcome


def native(**more: Any) -> Any:
    return NativeFunctionOperator(
        task_id="t", method="createUserChat", function_params={"userId": "u"}, retries=RETRIES, **more
    )


def of_app(**more: Any) -> Any:
    return AppFunctionOperator(task_id="t", app_id="a", method="f", retries=RETRIES, **more)


def benlly(**more: Any) -> Any:
    return ChannelDeauthorizeOperator(task_id="t", channel_id=3, retries=RETRIES, **more)


REFUSED = [
    (b'{"n": 18446744073709551616}', {"n": "18446744073709551616"}),
    (b'{"n": -9223372036854775809}', {"n": "-9223372036854775809"}),
    (b'{"n": [18446744073709551615, -9223372036854775808]}', {"n": [2**64 - 1, -(2**63)]}),
    (b'{"text": "\\ud83d and \\ud83d\\ude00"}', {"text": "\\ud83d and \U0001f600"}),
    (b'{"\\ud83d": 1, "a\\u0000b": 2}', {"\\ud83d": 1, "a\\u0000b": 2}),
    (b'{"text": "a\\u0000b"}', {"text": "a\\u0000b"}),
    (b'{"inner": {"__classname__": "x"}}', {"inner": '{"__classname__": "x"}'}),
    (b'{"inner": {"__id__": 7}}', {"inner": '{"__id__": 7}'}),
    (b'{"inner": {"__type": "set", "__var": []}}', {"inner": '{"__type": "set", "__var": []}'}),
]


@pytest.mark.parametrize(("result", "xcom"), REFUSED, ids=[repr(row[0]) for row in REFUSED])
@pytest.mark.parametrize("make", [native, of_app, benlly])
def test_a_call_is_made_once_whatever_it_is_answered_with(
    make: Callable[[], Any], result: bytes, xcom: Any, run: Run, connect: Callable[[Server], None]
) -> None:
    calls: list[str] = []
    with serving(answering(result, calls)) as server:
        connect(server)
        outcome = last_of(run, make())
    assert len(calls) == 1
    assert (outcome.state, outcome.xcom) == ("success", xcom)


@pytest.mark.parametrize(
    ("returned", "xcom"),
    [
        (b"\xff\x00", "/wA="),
        ({"raw": bytearray(b"ab"), "view": memoryview(b"c")}, {"raw": "YWI=", "view": "Yw=="}),
        (float("nan"), "nan"),
        ([float("inf"), 2**70], ["inf", str(2**70)]),
    ],
    ids=["bytes", "buffers", "NaN", "numbers"],
)
def test_what_an_operator_of_ones_own_makes_of_an_answer_is_fit_as_well(
    returned: Any, xcom: Any, run: Run, connect: Callable[[Server], None]
) -> None:
    class Own(NativeFunctionOperator):
        def _call_service(self, context: Any) -> Any:
            super()._call_service(context)
            return returned

    calls: list[str] = []
    with serving(answering(b"{}", calls)) as server:
        connect(server)
        outcome = last_of(
            run, Own(task_id="t", method="createUserChat", function_params={"userId": "u"}, retries=RETRIES)
        )
    assert len(calls) == 1
    assert (outcome.state, outcome.xcom) == ("success", xcom)


def test_what_a_sensor_has_found_is_fit_as_well(run: Run, connect: Callable[[Server], None]) -> None:
    calls: list[str] = []
    with serving(answering(b'{"channel": {"id": 18446744073709551616}}', calls)) as server:
        connect(server)
        sensor = NativeFunctionSensor(
            task_id="t",
            method="getChannel",
            predicate=lambda answer: answer["channel"]["id"],
            retries=RETRIES,
        )
        outcome = last_of(run, sensor)
    assert (outcome.state, outcome.xcom) == ("success", "18446744073709551616")


OUTPUTS, MAPPED = "multiple_outputs=True", "a task is mapped over"
NO_OUTPUTS = [
    (b'"a text"', "not str"),
    (b'[{"n": 1}]', "not list"),
    (b"true", "not bool"),
    (b'{"__classname__": "x"}', "not str"),
    (b'{"": 1}', "1 to 512 characters"),
    (b'{"%s": 1}' % (b"k" * 513), "1 to 512 characters"),
    (b'{"a\\tb": 1}', "control characters"),
]
NOT_MAPPABLE = [
    (b'"a text"', "not str"),
    (b"7", "not int"),
    (b"null", "not null"),
    (b'{"__id__": 7}', "not str"),
    (json.dumps([*range(1025)]).encode(), "1,025"),
]


@pytest.mark.parametrize(
    ("result", "words", "how", "why"),
    [
        *((result, words, {"multiple_outputs": True}, OUTPUTS) for result, words in NO_OUTPUTS),
        *((result, words, {}, MAPPED) for result, words in NOT_MAPPABLE),
        (b'["a"]', "not list", {"multiple_outputs": True, "retry_policy": None}, OUTPUTS),
    ],
)
def test_an_answer_that_airflow_refuses_ends_the_task_at_once(
    result: bytes,
    words: str,
    how: dict[str, Any],
    why: str,
    run: Run,
    connect: Callable[[Server], None],
) -> None:
    calls: list[str] = []
    with serving(answering(result, calls)) as server:
        connect(server)
        outcome = last_of(run, of_app(**how), is_mapped_over=why is MAPPED)
    assert calls == ["f"]
    assert outcome.state == "failed"
    assert why in str(outcome.error)
    assert words in str(outcome.error)


@pytest.mark.parametrize("make", [native, of_app, benlly])
def test_nothing_is_called_for_a_mapped_task_that_would_be_given_nothing(
    make: Callable[..., Any], run: Run, connect: Callable[[Server], None]
) -> None:
    calls: list[str] = []
    with serving(answering(b"[1]", calls)) as server:
        connect(server)
        outcome = last_of(run, make(do_xcom_push=False), is_mapped_over=True)
    assert calls == []
    assert outcome.state == "failed"
    assert "Remove do_xcom_push=False" in str(outcome.error)


@pytest.mark.parametrize(
    ("result", "how", "pushed"),
    [
        (b'{"a": 1, "b": null}', {"multiple_outputs": True}, {"a": 1, "b": None}),
        (b"null", {"multiple_outputs": True}, {}),
        (b'"a text"', {"multiple_outputs": True, "do_xcom_push": False}, {}),
        (b'{"one": 1, "two": 2}', {}, {}),
        (b"[1, 2, 3]", {}, {}),
    ],
)
def test_an_answer_that_airflow_takes_is_taken(
    result: bytes, how: dict[str, Any], pushed: dict[str, Any], run: Run, connect: Callable[[Server], None]
) -> None:
    calls: list[str] = []
    with serving(answering(result, calls)) as server:
        connect(server)
        outcome = last_of(run, of_app(**how), is_mapped_over=not how)
    assert (calls, outcome.state) == (["f"], "success")
    told = outcome.supervisor.of(SetXCom)
    assert {msg.key: msg.value for msg in told if msg.key != "return_value"} == pushed
    if not how:
        assert [msg.mapped_length for msg in told] == [len(json.loads(result))]


@pytest.mark.parametrize(
    ("how", "result", "state", "error"),
    [
        ({"multiple_outputs": True}, b'"a text"', "failed", OUTPUTS),
        ({"multiple_outputs": True}, b'{"a": 1}', "success", ""),
        ({}, b'"a text"', "success", ""),
        ({"do_xcom_push": False}, b'"a text"', "success", ""),
    ],
)
def test_one_of_many_mapped_calls_is_made_once(
    how: dict[str, Any],
    result: bytes,
    state: str,
    error: str,
    run: Run,
    connect: Callable[[Server], None],
) -> None:
    with DAG("d", schedule=None):
        mapped = AppFunctionOperator.partial(task_id="t", app_id="a", retries=RETRIES, **how).expand(
            method=["f", "g"]
        )
        Mapped.partial(task_id="m").expand(part=mapped.output)
    calls: list[str] = []
    with serving(answering(result, calls)) as server:
        connect(server)
        outcome = last_of(run, mapped, map_index=1)
    assert (calls, outcome.state) == (["g"], state)
    assert error in str(outcome.error)
