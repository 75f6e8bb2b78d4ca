"""A bucket as a store, disturbed in each way: what it costs, and what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.fleet import together
from support.s3_server import KEYS, Fault

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelNotSentError
from airflow_channel_provider.hooks import _stores
from airflow_channel_provider.tokens.stores import s3, s3_bucket
from airflow_channel_provider.tokens.stores.base import TokenStore
from airflow_channel_provider.tokens.stores.s3 import S3Store

if TYPE_CHECKING:
    from support.backends import S3Backend

DOCUMENT = r"/some/prefix/doc\.json$"
PUT, GET = f"^PUT .*{DOCUMENT}", f"^GET .*{DOCUMENT}"


@pytest.fixture
def service() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as emulator:
        yield emulator


def count(store: TokenStore) -> int:
    """Count on, and see that a change is made once."""

    def change(snapshot: Any) -> tuple[dict[str, Any], int]:
        n = (snapshot.state or {"n": 0})["n"] + 1
        return {"n": n}, n

    return store.update("doc", change)


# ------------------------------------------------------------------------------------------------ what it costs


def test_a_task_with_a_living_token_asks_once(on_s3: S3Backend, service: EmulatorProcess) -> None:
    token = on_s3.manager(service.url).get()
    task = on_s3.manager(service.url)
    on_s3.server.requests(forget=True)
    assert task.get() == token
    assert [request.split()[0] for request in on_s3.server.requests()] == ["GET"]
    assert task.get() == token
    assert len(on_s3.server.requests()) == 1


def test_a_token_request_costs_four_reads_and_three_writes(
    on_s3: S3Backend, service: EmulatorProcess
) -> None:
    on_s3.manager(service.url).get()
    task = on_s3.manager(service.url)
    on_s3.server.requests(forget=True)
    task.get("ch-1")
    asked = [request.split()[0] for request in on_s3.server.requests()]
    assert (asked.count("GET"), asked.count("PUT")) == (4, 3)


# ------------------------------------------------------------------------------------------------ disturbances


@pytest.mark.parametrize(
    "fault",
    [
        Fault(PUT, 409, count=2),
        Fault(PUT, 412, count=2),
        Fault(PUT, 500, count=2),
        Fault(PUT, 500, count=1, after=True),
        Fault(PUT, 503, count=2),
        Fault(PUT, 0, count=1),
        Fault(PUT, 0, count=1, after=True),
        Fault(PUT, delay_seconds=6.0, count=1),
        Fault(GET, 500, count=2),
        Fault(GET, 0, count=1),
        Fault(GET, delay_seconds=6.0, count=1),
        Fault(GET, date_seconds=7200.0, count=1),
        Fault(GET, date_seconds=-7200.0, count=1),
    ],
    ids=lambda fault: (
        f"{fault.what[1:4]}-{fault.status}-{fault.after}-{fault.delay_seconds:.0f}-{fault.date_seconds:.0f}"
    ),
)
def test_what_passes_changes_nothing_and_is_not_counted_twice(on_s3: S3Backend, fault: Fault) -> None:
    store = on_s3.store()
    assert count(store) == 1
    on_s3.server.fail(fault)
    assert count(store) == 2
    assert abs(on_s3.store().load("doc").now - time.time()) < 30
    on_s3.server.fail()
    assert count(on_s3.store()) == 3


def test_a_write_whose_answer_was_lost_is_recognized_behind_that_of_another(
    on_s3: S3Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, put = on_s3.store(), s3_bucket.Bucket.put
    assert count(store) == 1

    def put_and_lose(self: Any, name: str, content: bytes, **condition: str) -> bool:
        monkeypatch.setattr(s3_bucket.Bucket, "put", put)
        assert put(self, name, content, **condition)
        assert count(on_s3.store()) == 3  # another one, before ours looks again
        raise ChannelNotSentError("the answer was lost")

    monkeypatch.setattr(s3_bucket.Bucket, "put", put_and_lose)
    assert count(store) == 2
    assert on_s3.store().load("doc").state == {"n": 3}


def test_the_same_state_twice_is_not_the_same_object(on_s3: S3Backend) -> None:
    """A, B, A: a third one that has seen the first A must not write over the second."""
    store, states = on_s3.store(), [{"n": 0}, {"n": 1}, {"n": 0}]
    seen: list[Any] = []

    def write(state: dict[str, Any]) -> None:
        on_s3.store().update("doc", lambda snapshot: (state, None))

    write(states[0])

    def change(snapshot: Any) -> tuple[dict[str, Any], None]:
        seen.append(snapshot.state)
        if len(seen) == 1:
            write(states[1])
            write(states[2])
        return {"n": 7}, None

    store.update("doc", change)
    assert seen == [{"n": 0}, {"n": 0}]  # it was decided anew
    lines = []
    for _ in range(2):
        store.write_blob("doc", "name", b"same", 60.0)
        lines.append(on_s3.lines("doc"))
    assert lines[0] != lines[1]


def test_a_clock_that_jumps_with_each_answer_is_not_believed(on_s3: S3Backend) -> None:
    store = on_s3.store()
    assert count(store) == 1
    on_s3.server.fail(*(Fault(GET, date_seconds=7200.0 * n, count=1) for n in range(1, 9)))
    with pytest.raises(ChannelNotSentError, match="clock of its answers jumps"):
        count(store)


def test_time_never_goes_back(on_s3: S3Backend) -> None:
    store = on_s3.store()
    count(store)
    before = store.load("doc").now
    count(store)  # from here on the document tells others that it was as late as that
    on_s3.server.fail(Fault(GET, date_seconds=-30.0))
    assert store.load("doc").now >= before
    assert on_s3.store().load("doc").now >= before


@pytest.mark.promise(name="quota")
def test_ten_stay_ten_whatever_disturbs_the_bucket(on_s3: S3Backend) -> None:
    channels = [f"ch-{i}" for i in range(25)]
    app = {"app_id": "demo-app", "secret": "ZW11bGF0b3ItZGVtby1zZQ==", "channels": channels}
    named = [{"id": channel, "name": channel} for channel in channels]
    prefix = r"^PUT .*/some/prefix/"
    on_s3.server.fail(
        *(Fault(prefix, status, passed=passed, count=2, after=after) for status, passed, after in (
            (500, 3, True), (409, 5, False), (0, 7, True), (412, 9, False), (503, 4, False)
        )),
        Fault(r"^GET .*/some/prefix/", passed=30, count=5, date_seconds=7200.0),
    )  # fmt: skip
    with EmulatorProcess({"apps": [app], "channels": named}) as service:
        outcome = together(25, lambda i: on_s3.manager(service.url).get(channels[i]).scope)
        assert len({scope for scope in outcome.results if isinstance(scope, str)}) <= 10
        assert service.stats()["token_requests"] <= 10
        assert service.stats()["quota_refusals"] == 0
        status = on_s3.manager(service.url).status()
        assert status.charges_used >= service.stats()["token_requests"]


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_server_that_ignores_conditions_is_refused_by_name(
    on_s3: S3Backend, service: EmulatorProcess, header: str
) -> None:
    on_s3.server.fail(Fault("^PUT ", unconditional=(header,)))
    for _ in range(2):
        with pytest.raises(
            ChannelConfigurationError, match=rf"127\.0\.0\.1:\d+ .* ignores the header {header} "
        ):
            on_s3.manager(service.url).get()
    assert service.stats()["token_requests"] == 0


def test_a_server_that_does_not_know_conditions_is_refused_by_name(on_s3: S3Backend) -> None:
    on_s3.server.fail(Fault("^PUT ", 501, code="NotImplemented"))
    with pytest.raises(
        ChannelConfigurationError, match=r"127\.0\.0\.1:\d+ .* does not know the condition IfNoneMatch"
    ):
        count(on_s3.store())


def test_conditions_are_tried_once_and_the_object_says_so(on_s3: S3Backend) -> None:
    for puts in (4, 1, 1):
        on_s3.server.requests(forget=True)
        count(on_s3.store())
        assert sum(request.startswith("PUT ") for request in on_s3.server.requests()) == puts
    assert json.loads(on_s3.lines("doc")[1])["checked"] == on_s3.server.url


@pytest.mark.parametrize(
    ("what", "permission"), [("PUT", "s3:PutObject"), ("GET", "s3:GetObject")], ids=["put", "get"]
)
@pytest.mark.parametrize("is_there", [False, True])
def test_a_permission_that_is_missing_is_named(
    on_s3: S3Backend, service: EmulatorProcess, what: str, permission: str, is_there: bool
) -> None:
    if is_there:
        on_s3.manager(service.url).get()
    on_s3.server.fail(Fault(f"^{what} /[^/]+/.", 403))
    with pytest.raises(
        ChannelConfigurationError, match=rf"{permission} on arn:aws:s3:::tokens-\w+/some/prefix/\*"
    ):
        on_s3.manager(service.url).get("ch-1")
    assert service.stats()["token_requests"] == int(is_there)


def test_the_permission_to_list_is_not_needed_by_tasks(on_s3: S3Backend, service: EmulatorProcess) -> None:
    """Who may not list is told of a key that is not there that it is forbidden."""
    on_s3.server.fail(Fault(r"^GET /[^/]+/some/prefix/", 403, count=2), Fault(r"^GET /[^/]+/?$", 403))
    task = on_s3.manager(service.url)
    token = task.get()
    assert on_s3.manager(service.url).get() == token
    assert service.stats()["token_requests"] == 1
    with pytest.raises(ChannelConfigurationError, match=r"s3:ListBucket .*Only the page"):
        on_s3.store().documents()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("^GET ", 301, code="PermanentRedirect"), "another region .*region_name"),
        (Fault("^GET ", 400, code="AuthorizationHeaderMalformed"), "another region .*region_name"),
        (Fault("^GET ", 400, code="ExpiredToken"), "credentials .*refused .*ExpiredToken.*Renew"),
        (Fault("^GET ", 403, code="InvalidAccessKeyId"), "credentials .*refused .*InvalidAccessKeyId"),
        (Fault("^GET ", 403, code="SignatureDoesNotMatch"), "credentials .*refused"),
        (Fault("^GET ", 404, code="NoSuchBucket"), "bucket 'tokens-.*' does not exist. Create it"),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_what_somebody_has_to_correct_is_named_with_its_remedy(
    on_s3: S3Backend, fault: Fault, said: str
) -> None:
    on_s3.server.fail(fault)
    with pytest.raises(ChannelConfigurationError, match=rf"Option \[channel_talk\] store: .*{said}"):
        count(on_s3.store())
    on_s3.server.fail()
    assert count(on_s3.store()) == 1


# ------------------------------------------------------------------------------------------------ by Airflow's hook


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stores, "_opened", {})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_connection_leads_to_the_bucket(
    on_s3: S3Backend, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"endpoint_url": on_s3.server.url, "region_name": KEYS["region_name"]}
    login = {"login": KEYS["aws_access_key_id"], "password": KEYS["aws_secret_access_key"]}
    conn = {"conn_type": "aws", **login, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(conn))
    store = _stores.open_store(f"s3://lake/{on_s3.bucket}/some/prefix")
    assert count(store) == 1
    assert on_s3.store().load("doc").state == {"n": 1}
    assert isinstance(store, S3Store)
    options = store._bucket._opened().meta.config
    assert (options.retries["total_max_attempts"], options.read_timeout) == (1, 5.0)


def test_a_password_in_the_address_of_the_server_is_shown_and_kept_nowhere(
    on_s3: S3Backend, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    password, login = "a-password-of-a-gateway", {"login": KEYS["aws_access_key_id"], "password": "x" * 20}
    said: list[str] = []
    for place in (on_s3.server.url.removeprefix("http://"), "127.0.0.1:9"):
        extra = {"endpoint_url": f"http://someone:{password}@{place}", "region_name": KEYS["region_name"]}
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", **login, "extra": extra}))
        monkeypatch.setattr(_stores, "_opened", {})
        store = _stores.open_store(f"s3://lake/{on_s3.bucket}/behind")
        try:
            assert count(store) == 1
            count(store)
        except ChannelNotSentError as error:
            said.append(str(error))
    kept = "".join(path.read_text() for path in on_s3.server.directory.joinpath("objects").iterdir())
    assert f'"checked":"{on_s3.server.url}"' in kept
    assert "127.0.0.1:9" in said[0]
    assert password not in kept + said[0]


def test_without_a_connection_the_identity_of_the_process_counts(
    on_s3: S3Backend, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", on_s3.server.url)
    assert count(_stores.open_store(f"s3:///{on_s3.bucket}")) == 1


def test_a_connection_that_does_not_exist_is_not_replaced_by_the_identity_of_the_process(
    on_s3: S3Backend, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    on_s3.server.requests(forget=True)
    with pytest.raises(
        ChannelConfigurationError, match=r"'my-bucket', which does not exist.*s3:///my-bucket"
    ):
        count(_stores.open_store("s3://my-bucket/prefix"))
    assert on_s3.server.requests() == []


def test_no_credentials_at_all_are_named(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(ChannelConfigurationError, match=r"Option \[channel_talk\] store: .*credentials"):
        count(_stores.open_store("s3:///my-bucket/prefix"))


# ------------------------------------------------------------------------------------------------ pauses


def test_pauses_of_those_who_were_not_first_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    pauses = s3._pauses()
    first = [next(pauses) for _ in range(12)]
    assert first[:4] == [0.02, 0.04, 0.08, 0.16]
    assert first[-1] == 2.0
    assert S3Store(Callable, "bucket").poll_seconds == (0.1, 2.0)  # type: ignore[arg-type]
