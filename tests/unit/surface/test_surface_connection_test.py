from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.hooks._connection_test import clock_time, explain, one_sentence, without_id

TEN_SECONDS_PAST = datetime(2026, 1, 31, 14, 34, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("It broke. Check the host.", "It broke; check the host."),
        ("It broke.. After that it went on.", "It broke; after that it went on."),
        (
            "It broke. Redis renews. Airflow knows.",
            "It broke; Redis renews; Airflow knows.",
        ),
        ("Write 2.5 or app.channel.io. TLS is fine.", "Write 2.5 or app.channel.io; TLS is fine."),
        (
            "Use the button. 'airflow channel check' is another way.",
            ("Use the button; 'airflow channel check' is another way."),
        ),
    ],
)
def test_sentences_are_joined(message: str, sentence: str) -> None:
    assert one_sentence(message) == sentence


@pytest.mark.parametrize(
    ("zone", "text"), [("utc", "14:35 UTC"), ("UTC", "14:35 UTC"), ("Asia/Seoul", "23:35 KST")]
)
def test_a_time_names_its_zone_and_is_not_too_early(
    monkeypatch: pytest.MonkeyPatch, zone: str, text: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", zone)
    assert clock_time(TEN_SECONDS_PAST) == text
    assert clock_time(TEN_SECONDS_PAST.replace(minute=35, second=0)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Connection 'ErxxPxXk': the field host is missing.", "This connection: the field host is missing."),
        ("Connection 'ErxxPxXk': The port must be a number.", "This connection: the port must be a number."),
        ("Check the connection 'ErxxPxXk'.", "Check the connection."),
    ],
)
def test_the_id_of_a_test_is_never_named(text: str, said: str) -> None:
    assert without_id(text, "ErxxPxXk") == said


def caused(error: ChannelError, cause: ChannelError) -> ChannelError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ChannelConfigurationError("Connection 'x': the field host is wrong. Correct it."),
            ("This connection: the field host is wrong; correct it."),
        ),
        (
            caused(
                ChannelNotSentError("no token"),
                ChannelNotSentError("issueToken was not sent: no route. Look."),
            ),
            "The token request was not sent: no route; look.",
        ),
        (
            caused(
                ChannelNotSentError("no token"),
                ChannelAmbiguousResultError("issueToken was sent, but h hung up. It may have taken effect."),
            ),
            (
                "The token request was sent, but h hung up; check host, port and schema of the "
                "connection, and any proxy or login page in between."
            ),
        ),
        (
            ChannelResponseError("issueToken: a redirect. Correct it.", from_intermediary=True),
            ("The token request: a redirect; correct it."),
        ),
        (
            ChannelNotSentError("The store is away. No token request was sent."),
            ("The store is away; no token request was sent, so nothing was checked."),
        ),
        (
            ChannelTokenQuotaError("spent"),
            (
                "The quota of token requests, which all tasks of the app share, is exhausted "
                "for now, so nothing could be checked; tasks go on with the tokens that are valid, and this test can "
                "be repeated then."
            ),
        ),
    ],
)
def test_what_a_test_says_of_an_error(error: ChannelError, said: str) -> None:
    assert explain(error, "x") == said
