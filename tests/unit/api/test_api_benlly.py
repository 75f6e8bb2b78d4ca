from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_transport import FakeTransport

from airflow_channel_provider.api.benlly import BenllyClient
from airflow_channel_provider.connection_form import BODY_ENCODINGS, DEVICES
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
)

USER_TOKEN = "the-users-token"
PUSH_TOKEN = "push/token+1&2="
UDID = "7f0abbcd-fb03-4484-aaba-a0211d9c14e2"
DATA = {
    "udid": UDID,
    "device_token": "EAACEdEose0cBAGSMI90",
    "expired_at": None,
    "expired": False,
    "created_at": "2016-04-01T12:30:31+09:00",
    "updated_at": "2016-04-01T12:30:31+09:00",
}


def client(
    body: Any = None, status: int = 200, headers: dict[str, str] | None = None, **settings: Any
) -> tuple[BenllyClient, FakeTransport]:
    transport = FakeTransport({"data": DATA} if body is None else body, status, headers)
    arguments = {"device": "android", "udid": UDID, **settings}
    return BenllyClient(transport, now=lambda: 1000.0, **arguments), transport


HEADERS = {
    "Authorization": f"Bearer {USER_TOKEN}",
    "X-Benlly-Request-Device": "android",
    "X-Benlly-Udid": UDID,
}


@pytest.mark.parametrize(
    ("encoding", "token", "body", "content_type"),
    [
        ("form", PUSH_TOKEN, b"token=push%2Ftoken%2B1%262%3D", "application/x-www-form-urlencoded"),
        ("json", PUSH_TOKEN, b'{"token":"push/token+1&2="}', "application/json"),
        ("form", None, None, None),
        ("json", None, None, None),
    ],
)
def test_authorize_on_the_wire(
    encoding: str, token: str | None, body: bytes | None, content_type: str | None
) -> None:
    benlly, transport = client(body_encoding=encoding)
    assert benlly.authorize_channel(12, token=token, access_token=USER_TOKEN) == DATA
    assert transport.sent == [
        {
            "http_method": "POST",
            "path": "/api/v0.9/channel/12/authorize",
            "body": body,
            "headers": {**HEADERS, **({"Content-Type": content_type} if content_type else {})},
            "operation": "authorize channel 12",
        }
    ]


def test_the_choices_are_the_documented_ones() -> None:
    assert DEVICES == ("ios", "android", "web", "infoboard", "windows")
    assert BODY_ENCODINGS == ("form", "json")
    for device in DEVICES:
        client(device=device)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"device": "toaster"}, "device"),
        ({"device": "iOS"}, "device"),
        ({"device": ""}, "device"),
        ({"device": None}, "device"),
        ({"udid": ""}, "udid"),
        ({"udid": " "}, "udid"),
        ({"udid": "a\nb"}, "udid"),
        ({"udid": "é"}, "udid"),
        ({"udid": None}, "udid"),
        ({"body_encoding": "xml"}, "body_encoding"),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        client(**settings)
    assert field in str(caught.value)
    assert USER_TOKEN not in str(caught.value)


@pytest.mark.parametrize("access_token", ["", None, f"{USER_TOKEN}\r\nX: y", "two words"])
def test_an_access_token_that_no_header_can_carry_is_not_sent_and_not_shown(access_token: Any) -> None:
    benlly, transport = client()
    for act in (benlly.authorize_channel, benlly.deauthorize_channel):
        with pytest.raises(ChannelConfigurationError, match="password") as caught:
            act(1, access_token=access_token)
        assert not access_token or access_token not in str(caught.value)
    assert transport.sent == []


def test_deauthorize_on_the_wire() -> None:
    benlly, transport = client()
    assert benlly.deauthorize_channel("12", access_token=USER_TOKEN) == DATA
    assert transport.sent == [
        {
            "http_method": "DELETE",
            "path": "/api/v0.9/channels/12/deauthorize",
            "body": None,
            "headers": HEADERS,
            "operation": "deauthorize channel 12",
        }
    ]


@pytest.mark.parametrize(
    ("status", "body"), [(200, b""), (204, b""), (200, {}), (200, {"message": "done"}), (200, {"data": None})]
)
def test_a_deauthorization_may_be_answered_with_nothing(status: int, body: Any) -> None:
    benlly, _ = client(body, status)
    assert benlly.deauthorize_channel(3, access_token=USER_TOKEN) == {}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>", ChannelResponseError),
        (200, [], ChannelResponseError),
        (200, {"error": "no"}, ChannelResponseError),
        (302, b"", ChannelResponseError),
        (401, {"error": "access_denied"}, ChannelAuthenticationError),
        (404, {"message": "not authorized"}, ChannelRequestError),
        (502, b"", ChannelResponseError),
    ],
)
def test_everything_else_is_no_deauthorization(status: int, body: Any, error: type[ChannelError]) -> None:
    benlly, _ = client(body, status)
    with pytest.raises(ChannelError) as caught:
        benlly.deauthorize_channel(3, access_token=USER_TOKEN)
    assert type(caught.value) is error
    assert caught.value.http_status == status


@pytest.mark.parametrize(("channel_id", "path"), [("12", "12"), (" 7 ", "7"), ("007", "7"), (1, "1")])
def test_a_channel_id_may_be_digits_in_a_text(channel_id: Any, path: str) -> None:
    benlly, transport = client()
    benlly.authorize_channel(channel_id, access_token=USER_TOKEN)
    assert transport.sent[0]["path"] == f"/api/v0.9/channel/{path}/authorize"


@pytest.mark.parametrize(
    "channel_id", [True, False, None, "", "x", "1/2", "-1", "1.0", "٣", 0, -1, 1.0, [], 10**19, "9" * 30]
)
def test_a_channel_id_that_is_no_number_is_not_sent(channel_id: Any) -> None:
    benlly, transport = client()
    with pytest.raises(ChannelConfigurationError, match="channel_id"):
        benlly.authorize_channel(channel_id, access_token=USER_TOKEN)
    assert transport.sent == []


@pytest.mark.parametrize("token", ["", "  ", 5])
def test_an_empty_token_is_not_sent(token: Any) -> None:
    benlly, transport = client()
    with pytest.raises(ChannelConfigurationError, match="token is empty"):
        benlly.authorize_channel(1, token=token, access_token=USER_TOKEN)
    assert transport.sent == []


AUTH = "Check the user's access token (the password of the connection, where it has one)."


@pytest.mark.parametrize(
    ("status", "body", "error", "words", "remedy"),
    [
        (
            400,
            {"error": "invalid_request", "message": "no token"},
            ChannelRequestError,
            "invalid_request; no token",
            "",
        ),
        (400, {"error": "invalid_token"}, ChannelAuthenticationError, "invalid_token", AUTH),
        (
            401,
            {"error": "access_denied", "error_description": "no"},
            ChannelAuthenticationError,
            "access_denied; no",
            AUTH,
        ),
        (401, b"", ChannelAuthenticationError, "", AUTH),
        (403, {"message": "forbidden"}, ChannelPermissionError, "forbidden", "may not use this channel"),
        (404, b"", ChannelRequestError, "", ""),
        (429, b"<html>slow</html>", ChannelRateLimitError, "", "Possible again in 30 seconds"),
        (
            422,
            {"errors": {"token": ["is required", "is short"]}},
            ChannelRequestError,
            "is required; is short",
            "",
        ),
        (422, {"errors": ["a", {"message": "b"}]}, ChannelRequestError, "a; b", ""),
        (429, {"message": "slow"}, ChannelRateLimitError, "slow", "Possible again in 30 seconds"),
        (500, {"message": "Boom."}, ChannelRequestError, "Boom.", ""),
    ],
)
def test_a_refusal_lands_in_its_class(
    status: int, body: Any, error: type[ChannelRequestError], words: str, remedy: str
) -> None:
    benlly, _ = client(body, status, {"Retry-After": "30"})
    with pytest.raises(ChannelRequestError) as caught:
        benlly.authorize_channel(3, access_token=USER_TOKEN)
    assert type(caught.value) is error
    assert (caught.value.method, caught.value.http_status) == ("authorize channel 3", status)
    assert caught.value.service_message == words
    assert remedy in str(caught.value)
    assert ".." not in str(caught.value)
    if isinstance(caught.value, ChannelRateLimitError):
        assert caught.value.retry_at == datetime.fromtimestamp(1030, tz=timezone.utc)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b'{"data": {"device_token": "EAAC'),
        (200, {}),
        (200, []),
        (200, {"data": None}),
        (200, {"data": []}),
        (200, {"error": "x"}),
        (204, b""),
        (301, b""),
        (401, b"<html>"),
        (403, b"<html>"),
        (404, b"404 page not found"),
        (407, b"<html>"),
        (500, b"<html>"),
        (502, b""),
    ],
)
def test_what_holds_no_data_is_a_response_error(status: int, body: Any) -> None:
    benlly, _ = client(body, status, {"Location": "https://elsewhere.example/"})
    with pytest.raises(ChannelResponseError) as caught:
        benlly.authorize_channel(3, access_token=USER_TOKEN)
    assert caught.value.http_status == status
    assert "EAAC" not in str(caught.value)


def test_expired_is_a_state_and_no_error() -> None:
    benlly, _ = client({"data": {**DATA, "expired": True}})
    assert benlly.authorize_channel(3, access_token=USER_TOKEN)["expired"] is True


@settings(deadline=None)
@given(
    status=st.sampled_from([200, 301, 400, 401, 403, 422, 429, 500]),
    before=st.text(max_size=50),
    key=st.sampled_from(["error", "message", "errors", "device_token", "data", "x"]),
    secret=st.sampled_from([USER_TOKEN, PUSH_TOKEN]),
    raw=st.booleans(),
)
def test_no_answer_makes_a_message_with_a_token(
    status: int, before: str, key: str, secret: str, raw: bool
) -> None:
    text = before + secret
    benlly, _ = client(text.encode("utf-8", "replace") if raw else {key: text}, status)
    with pytest.raises(ChannelError) as caught:
        benlly.authorize_channel(3, token=PUSH_TOKEN, access_token=USER_TOKEN)
    assert secret not in f"{caught.value!r} {vars(caught.value)}"


# Trying the access token

HTML = b"<html>Not found</html>"


@pytest.mark.parametrize(
    ("body", "status", "accepted"),
    [
        ({"data": []}, 200, True),
        ([], 200, True),
        ({"message": "Channel not found."}, 404, False),
        (HTML, 404, False),
        ({"message": "This action is unauthorized."}, 403, False),
        ({"message": "Too Many Attempts."}, 429, False),
        ({"errors": {"X-Benlly-Request-Device": ["invalid"]}}, 400, False),
    ],
)
def test_a_token_is_tried_on_a_read(body: Any, status: int, accepted: bool) -> None:
    benlly, transport = client(body, status)
    assert benlly.accepts_token(USER_TOKEN) == (accepted, status)
    assert transport.sent == [
        {
            "http_method": "GET",
            "path": "/api/v0.9/channel/1/triggers",
            "body": None,
            "headers": HEADERS,
            "operation": "A read of a channel's triggers",
        }
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "access_denied", "message": f"no user has {USER_TOKEN}"}, 401),
        (b"", 401),
        ({"error": "invalid_token"}, 400),
    ],
)
def test_a_token_that_is_refused_is_told(body: Any, status: int) -> None:
    with pytest.raises(ChannelAuthenticationError, match="access token") as caught:
        client(body, status)[0].accepts_token(USER_TOKEN)
    assert USER_TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "status"),
    [(HTML, 200), (b"", 204), (HTML, 301), (HTML, 401), (b"Forbidden", 403), ({"message": "no"}, 503)],
)
def test_what_is_no_answer_of_benlly_is_a_response_error(body: Any, status: int) -> None:
    with pytest.raises(ChannelResponseError):
        client(body, status)[0].accepts_token(USER_TOKEN)
