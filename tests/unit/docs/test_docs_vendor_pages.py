"""Statements of the vendors' pages that no test of a single room shows."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from airflow_channel_provider.api.benlly import BenllyClient
from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.connection_form import BENLLY_FORM, CHANNEL_TALK_FORM
from airflow_channel_provider.exceptions import ChannelResponseError

PRINTED_ANSWER = (
    b'{\n\t"accessToken": "an-access-token",\n\t"refreshToken": "a-refresh-token",\n\t"expiresIn": 1800,\n}'
)


class Recorder(Transport):
    def __init__(self, answer: bytes) -> None:
        super().__init__("https://service.example")
        self.answer = answer
        self.sent: list[tuple[str, str, Any]] = []

    def send(self, http_method: str, path: str, **kwargs: Any) -> Response:
        self.sent.append((http_method, path, kwargs))
        return Response(200, {}, self.answer)


def test_both_token_requests_are_puts_of_valid_json() -> None:
    answer = PRINTED_ANSWER.replace(b"1800,", b"1800")
    transport = Recorder(answer)
    client = ChannelTalkClient(transport)
    client.issue_token("the-secret", "17")
    client.refresh_token("the-refresh-token")
    assert [(method, path, json.loads(sent["body"])) for method, path, sent in transport.sent] == [
        (
            "PUT",
            "/general/v1/native/functions",
            {"method": "issueToken", "params": {"secret": "the-secret", "channelId": "17"}},
        ),
        (
            "PUT",
            "/general/v1/native/functions",
            {"method": "refreshToken", "params": {"refreshToken": "the-refresh-token"}},
        ),
    ]


def test_the_printed_answer_with_its_stray_comma_is_refused_without_quoting_it() -> None:
    with pytest.raises(ChannelResponseError) as caught:
        ChannelTalkClient(Recorder(PRINTED_ANSWER)).issue_token("the-secret", None)
    assert "not a valid answer" in str(caught.value)
    assert "token" not in str(caught.value).replace("issueToken", "")


def test_the_form_says_where_app_id_and_secret_come_from() -> None:
    for field in ("login", "password"):
        assert "the app's settings page" in CHANNEL_TALK_FORM.placeholders[field]


def test_any_uuid_will_do_for_the_udid() -> None:
    udid = str(uuid.uuid4())
    transport = Recorder(b'{"data": {}}')
    client = BenllyClient(transport, device="web", udid=udid)
    client.authorize_channel(1, access_token="a-token")
    ((_, _, sent),) = transport.sent
    assert sent["headers"]["X-Benlly-Udid"] == udid
    (field,) = [field for field in BENLLY_FORM.fields if field.name == "udid"]
    assert "do not change it for the same device" in field.description.lower()
