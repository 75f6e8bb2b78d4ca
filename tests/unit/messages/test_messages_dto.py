from __future__ import annotations

import sys
from typing import Any

import pytest

from airflow_channel_provider.contract.parts import DTO
from airflow_channel_provider.contract.sources import HACK
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.messages import markdown as markdown_module
from airflow_channel_provider.messages.attachments import COLORS, message_button, message_file
from airflow_channel_provider.messages.dto import message_dto, message_id
from airflow_channel_provider.messages.options import OPTIONS, message_options

HOST = "https://example.com"
WEB = {"type": "web", "attributes": {"url": HOST}}


def test_everything_at_once() -> None:
    assert message_dto(
        text="plain <b>",
        markdown=f'**hi** [A]({HOST} "button") ![]({HOST}/a.png)',
        bot_name="bot",
        buttons=[{"title": "B", "url": HOST, "color": "red"}],
        files=[f"{HOST}/b.pdf"],
        options=["MESSAGE_OPTION_IMMUTABLE"],
        private=True,
        web_page={"url": HOST},
        form={"type": "x"},
    ) == {
        "botName": "bot",
        "plainText": "plain <b>",
        "blocks": [{"type": "text", "value": "<b>hi</b>"}],
        "buttons": [
            {"title": "A", "action": WEB},
            {"title": "B", "action": WEB, "colorVariant": "MESSAGE_COLOR_VARIANT_RED"},
        ],
        "files": [
            {"url": f"{HOST}/a.png", "mime": "image/png", "fileName": "a.png"},
            {"url": f"{HOST}/b.pdf", "mime": "application/pdf", "fileName": "b.pdf"},
        ],
        "options": ["MESSAGE_OPTION_IMMUTABLE", "MESSAGE_OPTION_PRIVATE"],
        "webPage": {"url": HOST},
        "form": {"type": "x"},
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "message is empty"),
        ({"markdown": " \n"}, "message is empty"),
        ({"markdown": "-"}, "message is empty"),
        ({"markdown": f'[A]({HOST} "button")'}, "message is empty"),
        ({"text": "x", "bot_name": ""}, "no writer"),
        ({"text": "x", "bot_name": None}, "no writer"),
        ({"text": "x", "bot_name": True}, "bot_name must be a text, not bool"),
        ({"markdown": "x", "blocks": [{"type": "divider"}]}, "either markdown or blocks"),
        ({"text": "x", "files": {"url": HOST}}, "files must be a list, not dict"),
        ({"text": "x", "options": "MESSAGE_OPTION_PRIVATE"}, "options must be a list, not str"),
        ({"text": "x", "form": []}, "form must be a mapping, not list"),
        ({"text": "x", "silent": "everybody"}, "silent must be"),
        ({"text": "x", "silent": ["user"]}, "silent must be"),
        *(({"text": "x", "private": given}, "private must be") for given in ("false", "True", "", 1, None)),
    ],
)
def test_what_can_not_become_a_message_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        message_dto(**{"bot_name": "bot", **arguments})


def test_a_missing_parser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    markdown_module._parser.cache_clear()
    with pytest.raises(ChannelConfigurationError, match=r"markdown-it-py.*\[markdown\]"):
        message_dto(markdown="x", bot_name="bot")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [({"message": {"id": 7}}, "7"), ({"id": "m"}, "m"), ({"message": None}, None), (None, None), ("m", None)],
)
def test_id_of_the_message(answer: Any, expected: str | None) -> None:
    assert message_id(answer) == expected


# Options


def test_each_option_is_taken_once_and_in_order() -> None:
    assert len(OPTIONS) == 12
    assert "MESSAGE_OPTION_ALERT_TO_WRITER" in OPTIONS  # which only the server behind has, not the SDK
    assert message_options([*OPTIONS, OPTIONS[0]]) == list(OPTIONS)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({}, []),
        ({"private": True}, ["PRIVATE"]),
        ({"silent": True}, ["SILENT_TO_MANAGER", "SILENT_TO_USER"]),
        ({"silent": "manager"}, ["SILENT_TO_MANAGER"]),
        ({"private": True, "silent": "user"}, ["PRIVATE", "SILENT_TO_USER"]),
    ],
)
def test_shorthands(arguments: dict[str, Any], names: list[str]) -> None:
    assert message_options(**arguments) == [f"MESSAGE_OPTION_{name}" for name in names]


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("private", "MESSAGE_OPTION_PRIVATE"),
        ("silentToManager", "MESSAGE_OPTION_SILENT_TO_MANAGER"),
        ("actAsManager", "MESSAGE_OPTION_ACT_AS_MANAGER"),
        (" doNotSendApp", "MESSAGE_OPTION_DO_NOT_SEND_APP"),
        ("IMMUTABLE", "MESSAGE_OPTION_IMMUTABLE"),
        ("message_option_immutable", "MESSAGE_OPTION_IMMUTABLE"),
    ],
)
def test_the_names_of_the_other_interface_are_spelt_as_this_one_does(name: str, spelt: str) -> None:
    assert message_options([name, spelt]) == [spelt]


@pytest.mark.parametrize("name", ["MESSAGE_OPTION_PRIVAT", "MESSAGE_OPTION_OF_TOMORROW", "privat"])
def test_a_name_that_only_a_type_does_not_know_is_sent(name: str) -> None:
    assert message_options([name], private=True) == [name, "MESSAGE_OPTION_PRIVATE"]


@pytest.mark.parametrize(
    ("name", "words"), [("", "an empty text"), (" ", "an empty text"), (3, "int"), (None, "None")]
)
def test_an_option_is_a_name(name: Any, words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"A message option must be a name, not {words}"):
        message_options([name])


# Files


@pytest.mark.parametrize(
    ("given", "name", "mime"),
    [
        (f"{HOST}/a/report.csv?token=1#x", "report.csv", "text/csv"),
        (f"{HOST}/%EB%B3%B4%EA%B3%A0.pdf", "보고.pdf", "application/pdf"),
        (HOST, "file", "application/octet-stream"),
        (f"{HOST}/a/", "a", "application/octet-stream"),
        ({"url": HOST, "fileName": "x.png"}, "x.png", "image/png"),
        ({"url": f"{HOST}/x.png", "mime": "image/webp"}, "x.png", "image/webp"),
    ],
)
def test_name_and_type_of_a_file_are_guessed(given: Any, name: str, mime: str) -> None:
    file = message_file(given)
    assert (file["fileName"], file["mime"]) == (name, mime)
    assert file["url"] == (given if isinstance(given, str) else given["url"])


@pytest.mark.parametrize(
    "given", ["/tmp/a.png", "a.png", "file:///a", "https://", "http://[", {}, {"url": 3}, 3]
)
def test_a_file_that_the_service_cannot_fetch_is_refused(given: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"url|URL"):
        message_file(given)


# Buttons


@pytest.mark.parametrize("color", COLORS)
def test_colors(color: str) -> None:
    for spelling in (color, color.lower(), f"MESSAGE_COLOR_VARIANT_{color}"):
        button = message_button({"title": "A", "url": HOST, "color": spelling})
        assert button == {"title": "A", "action": WEB, "colorVariant": f"MESSAGE_COLOR_VARIANT_{color}"}


@pytest.mark.parametrize("color", ["mauve", "MESSAGE_COLOR_VARIANT_MAUVE"])
def test_a_colour_that_only_a_type_does_not_know_is_sent(color: str) -> None:
    button = message_button({"title": "A", "url": HOST, "color": color})
    assert button["colorVariant"] == "MESSAGE_COLOR_VARIANT_MAUVE"


def test_a_title_is_measured_as_it_is_sent() -> None:
    assert message_button({"title": f" {'A' * 30} ", "url": HOST})["title"] == "A" * 30
    own = {"title": f" {'A' * 29}", "action": {"type": "web"}}
    assert message_button(own) == own


def test_a_number_is_the_name_of_a_bot() -> None:
    assert message_dto(text="x", bot_name=2026)["botName"] == "2026"


def test_what_is_built_keeps_the_contract() -> None:
    dto = message_dto(
        markdown=f'# Hi\n\n---\n\n- a\n\n```sql\nb\n```\n[A]({HOST} "button red") ![]({HOST}/a.png)',
        bot_name="bot",
        private=True,
        silent=True,
    )
    assert {block["type"] for block in dto["blocks"]} == {"text", "bullets", "code"}
    assert DTO.check(dto, HACK) == []


def test_an_action_of_ones_own_is_passed_on() -> None:
    button = {"title": "A" * 30, "action": {"type": "wam"}, "colorVariant": "whatever"}
    assert message_button(button) == button


@pytest.mark.promise(name="messages")
@pytest.mark.parametrize(
    ("button", "words"),
    [
        ("A", "mapping, not str"),
        ({"url": HOST}, "title"),
        ({"title": " ", "url": HOST}, "needs a title"),
        ({"title": " ", "action": {"type": "web"}}, "needs a title"),
        ({"title": "A"}, "url, or its own action"),
        ({"title": "A", "url": "page"}, "url, or its own action"),
        ({"title": "A", "url": HOST, "color": 5}, "colour of a button must be a name"),
        ({"title": "A", "url": HOST, "color": ""}, "colour of a button must be a name"),
    ],
)
def test_a_button_that_is_none_is_refused(button: Any, words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        message_button(button)
