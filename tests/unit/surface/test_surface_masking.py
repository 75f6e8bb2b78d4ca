"""What Airflow's maskers hide after they were told: each way in which a secret is usually written, in all of them."""

from __future__ import annotations

import base64
import contextlib
import html
import importlib
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest

from airflow_channel_provider import masking
from airflow_channel_provider.hooks._tokens import ClientExchange
from airflow_channel_provider.hooks.benlly import BenllyHook
from airflow_channel_provider.masking import mask_credential, mask_secret, redacted

pytestmark = pytest.mark.promise(name="secrets")

SECRETS = ("p@ss w=rd/+one", 'it\'s "quoted" \\ & 비밀', "kumquat-plain")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", deque(maxlen=64))


def maskers() -> Iterator[Callable[[str], str]]:
    """Each masker of this Airflow."""
    homes = ("airflow.sdk.log", "airflow._shared.secrets_masker")
    older = ("airflow.sdk.execution_time.secrets_masker", "airflow.utils.log.secrets_masker")
    found = [*_redactors(homes)] or [*_redactors(older)]
    assert found
    yield from found


def _redactors(homes: tuple[str, ...]) -> Iterator[Callable[[str], str]]:
    for home in homes:
        with contextlib.suppress(ImportError, AttributeError):
            yield importlib.import_module(home).redact


def shown(text: str) -> set[str]:
    """What the maskers leave of a text."""
    return {redact(text) for redact in maskers()}


@pytest.mark.parametrize(
    "write",
    [
        str,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        lambda text: repr(text)[1:-1],
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: urlencode({"x": text})[2:],
        lambda text: quote_plus(json.dumps({"x": text}))[len("%7B%22x%22%3A+%22") : -len("%22%7D")],
        html.escape,
    ],
)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_as_it_is_usually_written(secret: str, write: Callable[[str], str]) -> None:
    mask_credential(secret)
    assert shown(f"<<{write(secret)}>>") == {"<<***>>"}


def test_percent_encoding_is_masked_in_both_cases() -> None:
    mask_secret("p@ss w=rd/+one")
    assert shown("p%40ss%20w%3Drd%2F%2Bone p%40ss%20w%3drd%2f%2bone p%40ss+w%3Drd%2F%2Bone") == {
        "*** *** ***"
    }


@pytest.mark.parametrize("user", ["", "7:", "mi:", "mina:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_credential_is_masked_in_an_authorization_header(
    user: str, encode: Callable[[bytes], bytes]
) -> None:
    secret = "canary\u00ff-of->a-password?"
    mask_credential(secret)
    for after in ("", "x", "xy"):
        (left,) = shown(f"Authorization: Basic {encode(f'{user}{secret}{after}'.encode()).decode()}")
        assert "***" in left
        assert (
            len(left) < len("Authorization: Basic ***") + 14
        )  # who it is, and less than one letter at either end


def test_the_app_secret_is_masked_in_base64_before_it_is_sent() -> None:
    secret = "canary-of-an-app-secret-0"

    class Client:
        def issue_token(self, sent: str, channel_id: str | None) -> set[str]:
            return shown(base64.b64encode(sent.encode()).decode())

    client: Any = Client()
    answer: Any = ClientExchange(client, secret).issue(None)
    (left,) = answer
    assert left.startswith("***")


def test_the_form_that_benlly_is_sent_shows_no_credential(set_connection: Callable[..., None]) -> None:
    login = {
        "client_id": "7",
        "client_secret": "s:c/r+t=canary",
        "username": "mina",
        "user_password": "p@ss w=rd",
    }
    set_connection(
        "benlly_default",
        conn_type="benlly",
        host="127.0.0.1",
        extra={"device": "web", "udid": "u-1", **login},
    )
    hook = BenllyHook()
    assert hook.settings.login is not None
    uri = hook.get_connection("benlly_default").get_uri()
    for text in (urlencode(login), json.dumps(login), repr(login), uri):
        for left in shown(text):
            assert not any(part in left for part in ("p@ss", "p%40ss", "p%2540ss", "canary"))


@pytest.mark.parametrize("swapped", [False, True])
def test_no_end_of_a_secret_is_shown_that_begins_like_another(swapped: bool) -> None:
    pairs = [(f"first-{n:02}-secret", f"first-{n:02}-secret-and-its/end-{n:02}") for n in range(20)]
    for shorter, longer in pairs:
        for secret in (longer, shorter) if swapped else (shorter, longer):
            mask_secret(secret)
    for shorter, longer in pairs:
        assert shown(shorter) == {"***"}
        assert shown(longer) <= {"***", "******"}
        assert shown(quote(longer, safe="")) <= {"***", "******"}


def test_what_is_shown_by_us_is_blotted_by_its_meaning() -> None:
    mask_secret("p@ss w=rd/+one")
    value = {"a": ["p%2540ss%20w%253Drd/+one", ("x", 1)], "token": "t", "b": "cGFzcw=="}
    assert redacted(value) == {"a": ["***", ("x", 1)], "token": "***", "b": "cGFzcw=="}
    assert redacted({"p@ss w=rd/+one": {"a p%40ss%20w%3Drd/+one": 1}}) == {"***": {"a ***": 1}}


def test_what_this_process_knows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_maskers", lambda: ())
    for n in range(1000):
        mask_secret(f"secret-{n % 300}")
    assert list(masking._known) == [f"secret-{n % 300}" for n in range(936, 1000)]


@pytest.mark.parametrize("secret", ["", "a", "abcd", "\ud800\ud800\ud800\ud800\ud800"])
def test_what_no_masker_takes_is_not_told(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    told: list[Any] = []
    monkeypatch.setattr(masking, "_maskers", lambda: (told.extend,))
    mask_credential(secret)
    assert all(len(text) >= 5 and text.encode() for text in told)
    assert secret not in told


def test_a_value_that_is_too_deep_is_not_shown() -> None:
    mask_secret("secret-of-the-depth")
    value: Any = "secret-of-the-depth"
    for _ in range(5000):
        value = [value]
    assert "secret-of-the-depth" not in repr(redacted(value))


@pytest.mark.parametrize(("comms", "told"), [(None, 2), (object(), 1)])
def test_the_masker_of_the_servers_is_told_where_no_supervisor_masks(
    monkeypatch: pytest.MonkeyPatch, comms: object, told: int
) -> None:
    runner = SimpleNamespace(SUPERVISOR_COMMS=comms)
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.task_runner", runner)
    telling: list[Any] = []
    monkeypatch.setattr(masking, "_maskers", lambda: (telling.append, telling.append))
    mask_secret("canary-of-a-server")
    assert telling == [["canary-of-a-server"]] * told


def test_a_worker_without_the_servers_package_tells_the_one_masker_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = importlib.import_module

    def import_module(name: str) -> Any:
        if name == "airflow._shared.secrets_masker":
            raise ImportError(name)
        return real(name)

    masking._maskers.cache_clear()
    monkeypatch.setattr(masking, "importlib", SimpleNamespace(import_module=import_module))
    try:
        assert len(masking._maskers()) == 1
    finally:
        masking._maskers.cache_clear()
