"""
The sentences of the Test button, through Airflow's own endpoint: what was checked and what to do next.

Each is compared as a whole, so that no random connection id, secret or stack trace can hide in it.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.airflow_features import skip_unless_saved_secrets_are_tested
from support.example_runs import BENLLY_LOGIN
from support.peers import Handler, make_certificate, serving, tls_serving

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorThread
from airflow_channel_provider.hooks._overviews import overviews
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

if TYPE_CHECKING:
    from support.airflow_api import AirflowApi

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's own application warns of its own

USER_TOKEN = "benlly-user-token"
WRONG_SECRET = "bm90LXRoZS1zZWNyZXQtYQ=="
UDID = "7f0abbcd-fb03-4484-aaba-a0211d9c14e2"
LOOK_AGAIN = r"; check host, port and schema of the connection, and any proxy or login page in between\."
NOT_SENT = {
    "channel_talk": "The token request was not sent: ",
    "benlly": "A read of a channel's triggers was not sent: ",
}
SENT = {name: text.replace("not sent:", "sent, but") for name, text in NOT_SENT.items()}
ANSWERED = {name: text.replace(" was not sent:", ":") for name, text in NOT_SENT.items()}
BOTH = pytest.mark.parametrize("conn_type", ["channel_talk", "benlly"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmulatorThread]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", tmp_path.joinpath("store").as_uri())
    with EmulatorThread() as emulator:
        yield emulator


@dataclass(frozen=True)
class Button:
    """The Test button of a form that is filled in."""

    api: AirflowApi
    url: str

    def press(self, conn_type: str, **changes: Any) -> tuple[bool, str]:
        """Return what it says; ``extra`` is written as JSON."""
        filled: dict[str, dict[str, Any]] = {
            "channel_talk": {
                "login": "demo-app",
                "password": DEMO_SECRET,
                "extra": {"channel_id": "ch-1", "timeout": None},
            },
            "benlly": {
                "password": USER_TOKEN,
                "extra": {"device": "android", "udid": UDID, "body_encoding": "form", "timeout": None},
            },
        }
        # As the button in the list of connections posts what nobody has filled in.
        fields = {"host": self.url, "port": 0, "schema": "", **filled[conn_type], **changes}
        fields["extra"] = json.dumps(fields["extra"])
        return self.api.test(conn_type=conn_type, **fields)

    def refuses(self, conn_type: str, sentence: str, **changes: Any) -> None:
        """Press it and compare."""
        works, said = self.press(conn_type, **changes)
        assert not works, said
        assert re.fullmatch(sentence, said), said


@pytest.fixture
def button(airflow_api: AirflowApi, emulator: EmulatorThread) -> Button:
    return Button(airflow_api, emulator.url)


# --------------------------------------------------------------------------------------------- what works

TOKEN = (
    r"token \d+ s old, valid for another 1[78]\d\d s, (\d+) token requests left in the present 30 minutes\."
)


def test_a_secret_that_is_accepted(button: Button, emulator: EmulatorThread) -> None:
    works, said = button.press("channel_talk")
    assert works, said
    where = re.escape(f"on channel ch-1 (Cafe Morning) at {button.url}")
    found = re.fullmatch(f"Channel Talk accepted the App Secret: app demo-app {where}, {TOKEN}", said)
    assert found, said
    assert found[1] == "9"
    (app,) = overviews()
    assert (app.left, app.connections) == (9, ())
    assert [entry.asked_by for entry in app.timeline] == ["a connection test"]


def test_a_live_token_that_tasks_share_costs_nothing(
    button: Button, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "channel_talk", "host": emulator.url, "login": "demo-app"}
    secret = {"password": DEMO_SECRET, "extra": {"channel_id": "ch-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_OF_A_TASK", json.dumps({**connection, **secret}))
    ChannelTalkHook("of_a_task").get_access_token()
    for _ in range(3):
        works, said = button.press("channel_talk")
        assert works, said
        assert said.startswith(
            "Channel Talk accepts the token that is already shared: app demo-app on channel "
        )
        assert "9 token requests left" in said
    assert len(emulator.token_requests()) == 1


def test_without_a_default_channel_the_shared_token_is_not_tried(
    button: Button, emulator: EmulatorThread
) -> None:
    works, said = button.press("channel_talk", extra={"channel_id": ""})
    assert works, said
    assert said.startswith("Channel Talk accepted the App Secret: app demo-app without a default channel at ")
    works, said = button.press("channel_talk", extra={"channel_id": ""})
    assert works, said
    assert said.startswith(
        "A live token is already shared: app demo-app without a default channel to try it on at "
    )
    assert len(emulator.token_requests()) == 1


def test_a_shared_token_that_the_service_has_revoked_is_replaced(
    button: Button, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_channel_provider.hooks._tokens.REFUSAL_PAUSES_SECONDS", ())
    button.press("channel_talk")
    emulator.revoke_tokens()
    works, said = button.press("channel_talk")
    assert works, said
    assert said.startswith("Channel Talk refused the token that was shared and gave a new one: app demo-app")
    assert len(emulator.token_requests()) == 2


def test_an_app_that_may_not_read_its_channel_is_told_so(button: Button, emulator: EmulatorThread) -> None:
    app = {"app_id": "demo-app", "secret": DEMO_SECRET, "permissions": ["getUser"], "channels": ["ch-1"]}
    emulator.configure(apps=[app])
    unreadable = (
        "app demo-app on channel ch-1 (not readable: getChannel is not among the app's permissions, or the app is not "
        "installed there any more) at "
    )
    for how in ("Channel Talk accepted the App Secret", "A live token is already shared"):
        works, said = button.press("channel_talk")
        assert works, said
        assert said.startswith(f"{how}: {unreadable}")


def test_a_connection_that_is_saved_is_tested_without_typing_the_secret_again(
    button: Button, emulator: EmulatorThread
) -> None:
    skip_unless_saved_secrets_are_tested()
    fields = {"conn_type": "channel_talk", "host": emulator.url, "login": "demo-app"}
    button.api.save(connection_id="saved", **fields, password=DEMO_SECRET)
    # As the button in the list of connections does it: the secret is the mask that Airflow shows of it.
    works, said = button.api.test(connection_id="saved", **fields, password="***", extra="{}")
    assert works, said
    works, said = button.api.test(connection_id="not_saved", **fields, password="***", extra="{}")
    assert not works
    assert said.startswith("This connection: the field password has no App Secret; ")


def test_a_button_that_is_not_enabled_stays_so(button: Button, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Disabled")
    with pytest.raises(AssertionError, match="disabled"):
        button.press("channel_talk")


def test_a_user_token_that_is_accepted(button: Button, emulator: EmulatorThread) -> None:
    assert button.press("benlly") == (
        True,
        (
            f"The fields are complete, and {button.url} accepts the access token: a read that changes nothing was "
            "answered with HTTP 200."
        ),
    )
    assert emulator.authorizations() == []


def test_a_benlly_that_does_not_know_the_channel_that_is_read(
    button: Button, emulator: EmulatorThread
) -> None:
    emulator.configure(benlly={"access_tokens": [USER_TOKEN], "channels": [{"id": 7, "auth_type": "none"}]})
    assert button.press("benlly") == (
        True,
        (
            f"The fields are complete and {button.url} answers, but whether it accepts the access token is unknown: "
            "a read that changes nothing was answered with HTTP 404, and the first authorization will show it."
        ),
    )


# --------------------------------------------------------------------------------------------- what is refused


def test_a_secret_that_is_refused(button: Button, emulator: EmulatorThread) -> None:
    sentence = re.escape(
        "Channel Talk refused the App Secret (HTTP 200: app secret not found); copy the one that the app's settings "
        "page shows now, since reissuing a secret invalidates the old one."
    )
    # Who tests has probably corrected something, so the refusal that tasks remember is asked for again.
    for _ in range(2):
        button.refuses("channel_talk", sentence, password=WRONG_SECRET)
    assert len(emulator.token_requests()) == 2


def test_an_app_that_is_not_installed(button: Button) -> None:
    sentence = re.escape(
        "Channel Talk answered, but the app is not installed on the connection's default channel (HTTP 200: "
        "unauthorized); install it there or correct the channel, and where no channel works, the App Secret."
    )
    button.refuses("channel_talk", sentence, extra={"channel_id": "ch-99"})


@pytest.mark.parametrize(("zone", "name"), [("utc", "UTC"), ("Asia/Seoul", "KST"), ("system", r"\w+")])
@pytest.mark.parametrize("shape", ["token_fetch_fail", "http_429_retry_after"])
def test_a_quota_that_is_exhausted(
    button: Button,
    emulator: EmulatorThread,
    monkeypatch: pytest.MonkeyPatch,
    shape: str,
    zone: str,
    name: str,
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", zone)
    emulator.inject("token_quota", count=9, shape=shape)
    sentence = (
        rf"The quota of token requests, which all tasks of the app share, is exhausted until \d\d:\d\d {name}, so "
        "nothing could be checked; tasks go on with the tokens that are valid, and this test can be repeated then\\."
    )
    for _ in range(2):
        button.refuses("channel_talk", sentence)
    assert len(emulator.token_requests()) == 1


def test_a_service_in_trouble(button: Button, emulator: EmulatorThread) -> None:
    emulator.inject("http_500", method="issueToken")
    button.refuses(
        "channel_talk",
        r"The token request was refused \(HTTP 500, type Internal Server Error\): Internal Server Error; the service "
        r"has a problem, so test again later\.",
    )


def test_a_user_token_that_is_refused(button: Button) -> None:
    sentence = (
        r"The access token was refused \(HTTP 401\): access_denied; The resource owner or authorization "
        r"server denied the request; check the user's access token \(the password of the connection, where it has "
        r"one\)\."
    )
    button.refuses("benlly", sentence, password="another-user-token")


# --------------------------------------------------------------------------------------------- who is there


@BOTH
def test_a_host_that_refuses(button: Button, conn_type: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    remedy = "check host and port of the connection, and that the service runs."
    reason = f"127.0.0.1:{port} refused the connection; {remedy}"
    button.refuses(
        conn_type, re.escape(NOT_SENT[conn_type] + reason), host="127.0.0.1", schema="http", port=port
    )


@BOTH
def test_a_host_that_is_unknown(button: Button, conn_type: str) -> None:
    reason = "the name of nowhere.invalid is unknown; check the host of the connection and the name service."
    button.refuses(conn_type, re.escape(NOT_SENT[conn_type] + reason), host="nowhere.invalid")


@BOTH
def test_https_to_a_port_that_speaks_http(button: Button, conn_type: str) -> None:
    target = button.url.removeprefix("http://")
    reason = (
        f"TLS with {target} failed; check that schema and port of the connection belong to an https service."
    )
    button.refuses(conn_type, re.escape(NOT_SENT[conn_type] + reason), host=target, schema="https")


def page(status: str, *headers: str, body: bytes = b"") -> Handler:
    """Answer each request with one page, and hang up."""

    def handler(peer: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            if not (more := peer.recv(65_536)):
                return
            received += more
        head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""])
        peer.sendall(head.encode() + body)

    return handler


def silence(peer: socket.socket) -> None:
    while peer.recv(65_536):
        pass


@BOTH
def test_a_certificate_of_nobody(button: Button, certificate: Path, conn_type: str) -> None:
    with tls_serving(certificate, page("200 OK", body=b"{}")) as server:
        reason = (
            f"the TLS certificate of 127.0.0.1:{server.port} can't be verified; check the host of the connection; for "
            "a private certificate authority, such as that of a proxy that looks into TLS, set REQUESTS_CA_BUNDLE "
            "(SSL_CERT_FILE is not read)."
        )
        button.refuses(
            conn_type,
            re.escape(NOT_SENT[conn_type] + reason),
            host="127.0.0.1",
            schema="https",
            port=server.port,
        )


@BOTH
def test_http_to_a_port_that_speaks_https(button: Button, certificate: Path, conn_type: str) -> None:
    with tls_serving(certificate, page("200 OK", body=b"{}")) as server:
        hung_up = rf"127\.0\.0\.1:{server.port} closed the connection without an answer"
        was_lost = rf"the connection to 127\.0\.0\.1:{server.port} was lost \(Connection reset by peer\)"
        button.refuses(
            conn_type,
            f"{SENT[conn_type]}({hung_up}|{was_lost}){LOOK_AGAIN}",
            host="127.0.0.1",
            schema="http",
            port=server.port,
        )


@BOTH
def test_a_page_of_something_else(button: Button, conn_type: str) -> None:
    with serving(page("200 OK", "Content-Type: text/html", body=b"<html>Welcome</html>")) as server:
        quoted = ": <html>Welcome</html>" if conn_type == "benlly" else ""
        button.refuses(
            conn_type,
            f"{ANSWERED[conn_type]}the service answered HTTP 200 with 20 bytes that are not a valid answer{quoted}; "
            "the service does not answer in this form, so a proxy, a gateway, a firewall or a login page may have "
            r"answered instead; check these, and host, port and schema of the connection\.",
            host=server.url,
        )


@BOTH
def test_a_redirect(button: Button, conn_type: str) -> None:
    with serving(page("301 Moved", "Location: https://other.example/login?next=1")) as server:
        button.refuses(
            conn_type,
            re.escape(
                f"{ANSWERED[conn_type]}the service answered with a redirect to https://other.example (HTTP 301); "
                "redirects are not followed, since they would carry the token to another host; correct host and schema "
                "of the connection, and check whether a proxy, a gateway or a login page redirects."
            ),
            host=server.url,
        )


@BOTH
def test_a_host_that_does_not_answer(button: Button, conn_type: str) -> None:
    extra = {"device": "web", "udid": UDID, "channel_id": "ch-1", "timeout": 1}
    with serving(silence) as server:
        reason = rf"127\.0\.0\.1:{server.port} did not answer within 1 seconds{LOOK_AGAIN}"
        button.refuses(conn_type, SENT[conn_type] + reason, host=server.url, extra=extra)


# --------------------------------------------------------------------------------------------- what is filled in

FIELDS: list[tuple[str, dict[str, Any], str]] = [
    (
        "channel_talk",
        {"password": ""},
        "the field password has no App Secret; issue one on the app's settings page and save it here.",
    ),
    (
        "benlly",
        {"password": ""},
        (
            "the field password has no access token; save the user's access token here, or fill in client_id, "
            "client_secret and either refresh_token, or username and user_password in the extra."
        ),
    ),
    ("benlly", {"host": ""}, "the field host is missing; enter the host of your Benlly platform."),
    (
        "benlly",
        {"extra": {"udid": UDID}},
        "the field extra device is missing; choose one of ios, android, web, infoboard, windows.",
    ),
    (
        "benlly",
        {"extra": {"device": "fridge", "udid": UDID}},
        "the field extra device has an unknown value; choose one of ios, android, web, infoboard, windows.",
    ),
    (
        "benlly",
        {"extra": {"device": "web"}},
        "the field extra udid is missing; choose a unique id for the device once and keep it.",
    ),
    (
        "channel_talk",
        {"schema": "ftp"},
        "the field schema is neither https nor http; write https, or leave it empty.",
    ),
    (
        "benlly",
        {"schema": "ws"},
        "the field schema is neither https nor http; write https, or leave it empty.",
    ),
    (
        "channel_talk",
        {"host": "example.io/path"},
        "the host of the connection must be a host only, without path or query.",
    ),
    (
        "benlly",
        {"host": "https://user:pw@example.io"},
        "the host of the connection must not hold a user or a password.",
    ),
    (
        "channel_talk",
        {"extra": {"timeout": "soon"}},
        (
            "the field extra timeout is not a number of seconds above 0 and up to "
            "86400; write 30, or leave it empty."
        ),
    ),
    (
        "benlly",
        {"extra": {"device": "web", "udid": UDID, "timeout": -1}},
        (
            "the field extra timeout is not a number of "
            "seconds above 0 and up to 86400; write 30, or leave it empty."
        ),
    ),
]


@pytest.mark.parametrize(("conn_type", "changes", "fault"), FIELDS)
def test_a_field_that_is_wrong(
    button: Button, emulator: EmulatorThread, conn_type: str, changes: dict[str, Any], fault: str
) -> None:
    button.refuses(conn_type, re.escape(f"This connection: {fault}"), **changes)
    assert emulator.journal() == []


@BOTH
def test_a_connection_that_airflow_cannot_read(button: Button, conn_type: str) -> None:
    sentence = (
        "Airflow finds no such connection, or can't read it; check its id, that its port is a number from 1 to 65535, "
        "and that an environment variable which holds it is valid JSON or a valid URI."
    )
    button.refuses(conn_type, re.escape(sentence), host="example.io", port=70_000)


# --------------------------------------------------------------------------------------------- where tokens are kept

STORES: list[tuple[str, str]] = [
    (
        "redis://redis_away",
        (
            "The token store redis://redis_away can't be reached: Error 111 connecting to 127.0.0.1:1; "
            "connection refused; no token request was sent, so nothing was checked."
        ),
    ),
    (
        "redis://nowhere",
        (
            "Option [channel_talk] store: redis://nowhere names the connection 'nowhere', which does not "
            "exist; create it, or correct the option."
        ),
    ),
    (
        "blah://host",
        (
            "Option [channel_talk] store: blah:// is not a known store; use file:///DIRECTORY, "
            "redis://CONN_ID, sql://CONN_ID, s3://CONN_ID/BUCKET/PREFIX or memory://."
        ),
    ),
]


@pytest.mark.parametrize(("store", "sentence"), STORES)
def test_a_store_that_does_not_work(
    button: Button, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, store: str, sentence: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_REDIS_AWAY", "redis://:store-password@127.0.0.1:1/0")
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", store)
    button.refuses("channel_talk", re.escape(sentence))
    assert emulator.journal() == []


def test_a_login_whose_host_was_edited_is_tested_once_it_is_saved(
    button: Button, airflow_api: AirflowApi
) -> None:
    skip_unless_saved_secrets_are_tested()
    fields = {"conn_type": "benlly", "port": 0, "schema": ""}
    extra = {"device": "android", "udid": UDID, **BENLLY_LOGIN}
    airflow_api.save(
        connection_id="moved_login", host="http://127.0.0.1:9", **fields, extra=json.dumps(extra)
    )
    kept = {"connection_id": "moved_login", "host": button.url, **fields}
    secrets = {"client_secret": "***", "user_password": "***"}
    airflow_api.ask(
        "PATCH", "/api/v2/connections/moved_login", {**kept, "extra": json.dumps(extra | secrets)}
    )
    works, said = airflow_api.test(**kept, extra=json.dumps(extra | secrets))
    assert works, said
    # What Airflow asks for in place of that is no way.
    works, said = airflow_api.test(**kept, password="some-password", extra=json.dumps(extra))
    assert not works
    assert "to test another host or port, save the connection first" in said
