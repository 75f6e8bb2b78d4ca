"""Statements of the vendors' pages that no test of a single room shows."""

from __future__ import annotations

import json
import uuid

import pytest
from support.fake_transport import FakeTransport

from airflow_channel_provider.api.benlly import BenllyClient
from airflow_channel_provider.api.client import ChannelTalkClient
from airflow_channel_provider.connection_form import BENLLY_FORM, CHANNEL_TALK_FORM
from airflow_channel_provider.exceptions import ChannelResponseError

PRINTED_ANSWER = (
    b'{\n\t"accessToken": "an-access-token",\n\t"refreshToken": "a-refresh-token",\n\t"expiresIn": 1800,\n}'
)


def test_both_token_requests_are_puts_of_valid_json() -> None:
    answer = PRINTED_ANSWER.replace(b"1800,", b"1800")
    transport = FakeTransport(answer)
    client = ChannelTalkClient(transport)
    client.issue_token("the-secret", "17")
    client.refresh_token("the-refresh-token")
    assert [(sent["http_method"], sent["path"], json.loads(sent["body"])) for sent in transport.sent] == [
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
        ChannelTalkClient(FakeTransport(PRINTED_ANSWER)).issue_token("the-secret", None)
    assert "not a valid answer" in str(caught.value)
    assert "token" not in str(caught.value).replace("issueToken", "")


def test_the_form_says_where_app_id_and_secret_come_from() -> None:
    for field in ("login", "password"):
        assert "the app's settings page" in CHANNEL_TALK_FORM.placeholders[field]


def test_any_uuid_will_do_for_the_udid() -> None:
    udid = str(uuid.uuid4())
    transport = FakeTransport(b'{"data": {}}')
    client = BenllyClient(transport, device="web", udid=udid)
    client.authorize_channel(1, access_token="a-token")
    (sent,) = transport.sent
    assert sent["headers"]["X-Benlly-Udid"] == udid
    (field,) = [field for field in BENLLY_FORM.fields if field.name == "udid"]
    assert "do not change it for the same device" in field.description.lower()
