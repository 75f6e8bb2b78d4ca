"""Where a message may send the person who reads it: to the web, to a mail or to a call, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.messages import markup
from airflow_channel_provider.messages.attachments import LINK_SCHEMES, check_link, message_button
from airflow_channel_provider.messages.dto import message_dto
from airflow_channel_provider.messages.markdown import read_markdown

pytestmark = pytest.mark.promise(name="messages")

GOOD = [
    "https://example.com/a?b=c:d#e",
    "HTTP://EXAMPLE.COM",
    "mailto:shop@example.com?subject=a:b",
    "tel:+82-2-123-4567",
    "example.com/page",
    "/page",
    "",
]
BAD = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " \x01javascript:alert(1)",
    "java\nscript:alert(1)",
    "java\tscript\r:alert(1)",
    "data:text/plain,hello",
    "file:///tmp/a.txt",
    "vbscript:x",
    "intent://x#Intent;end",
    "ftp://example.com/a",
    "blob:https://example.com/1",
    "httpx:a",
    "http+unix:a",
]
# The three shapes of an action that the sources name.
ACTIONS: list[Any] = [
    lambda url: {"webAction": {"attributes": {"url": url}}},
    lambda url: {"type": "web", "attributes": {"url": url}},
    lambda url: {"type": "web", "url": url},
    lambda url: {"type": "web", "attributes": {"mobileUrl": url}},
    lambda url: {"anything": [{"deep": [{"href": url}]}]},
]


def button(action: Any) -> dict[str, Any]:
    return {"title": "A", "action": action}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("url", BAD)
def test_an_action_that_leads_elsewhere_is_refused(action: Any, url: str) -> None:
    for check in (message_button, lambda given: message_dto(text="a", bot_name="b", buttons=[given])):
        with pytest.raises(
            ChannelConfigurationError, match=r"action of a button .* one of http, https, mailto, tel"
        ):
            check(button(action(url)))


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("url", GOOD)
def test_an_action_that_leads_to_the_web_a_mail_or_a_call_is_passed_on(action: Any, url: str) -> None:
    assert message_button(button(action(url))) == button(action(url))


def test_what_a_command_or_a_web_app_is_handed_is_its_own_business() -> None:
    for attributes in (
        {"appId": "a", "name": "n", "params": {"url": "s3://bucket/report"}},
        {"appId": "a", "name": "n", "wamArgs": {"link": "app://page"}},
    ):
        given = button({"commandAction": {"attributes": attributes}})
        assert message_button(given) == given


def test_the_url_of_a_button_or_a_file_is_of_the_web() -> None:
    for url in [*BAD, "mailto:a@example.com"]:
        for wrong in ({"buttons": [{"title": "A", "url": url}]}, {"files": [url]}, {"files": [{"url": url}]}):
            with pytest.raises(ChannelConfigurationError, match="http or https"):
                message_dto(text="a", bot_name="b", **wrong)


@pytest.mark.parametrize("url", BAD)
def test_a_link_preview_and_a_link_in_a_block_that_lead_elsewhere_are_refused(url: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^web_page has an address"):
        message_dto(bot_name="b", web_page={"url": url, "title": "T"})
    text = {"type": "text", "value": f"see {markup.link(url, 'this')}"}
    for blocks in ([text], [{"type": "bullets", "blocks": [{"type": "bullets", "blocks": [text]}]}]):
        with pytest.raises(ChannelConfigurationError, match=r"^blocks has an address"):
            message_dto(bot_name="b", blocks=blocks)
    code = {"type": "code", "value": text["value"]}
    assert message_dto(bot_name="b", blocks=[code])["blocks"] == [code]


@pytest.mark.parametrize(
    "tag",
    [
        '<link type="url" value="{}">a</link>',
        "<link value='{}' type='url'>a</link>",
        '<LINK  value = "{}" >a',
        "<link type=url value={}>a</link>",
        '<b><link value="&#106;avascript:x">a</link></b>',
        '<link type="url" value="{}',
        '<link value="{}" value="https://example.com">a</link>',
        '<link value="https://example.com" value="{}">a</link>',
        '<link type="manager" type="url" value="{}">a</link>',
        '<link title=">" value="{}">a</link>',
    ],
)
def test_a_link_is_found_however_it_is_written(tag: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^blocks has an address"):
        message_dto(bot_name="b", blocks=[{"type": "text", "value": tag.format("javascript:x")}])


def test_links_that_are_none_of_the_bad_ones_stay() -> None:
    value = markup.link(GOOD[0], "a") + markup.mention("file:1", "Mina") + markup.link("tel:112", "call")
    block = {"type": "text", "value": value}
    assert message_dto(bot_name="b", blocks=[block])["blocks"] == [block]
    assert list(markup.links(value)) == [GOOD[0], "tel:112"]


def test_a_structure_that_contains_itself_is_refused() -> None:
    action: dict[str, Any] = {}
    action["action"] = action
    blocks: list[Any] = [{"type": "bullets"}]
    blocks[0]["blocks"] = blocks
    for wrong in ({"buttons": [button(action)]}, {"web_page": action}, {"blocks": blocks}):
        with pytest.raises(ChannelConfigurationError, match="nested too deeply"):
            message_dto(text="a", bot_name="b", **wrong)


@pytest.mark.parametrize("url", BAD)
def test_markdown_makes_no_link_button_or_file_of_them(url: str) -> None:
    read = read_markdown(f'[a]({url}) [b](<{url}> "button") ![c]({url}) <{url}>')
    assert (read.buttons, read.files) == ([], [])
    assert [link for block in read.blocks for link in markup.links(block.get("value", ""))] == []


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_whatever_a_browser_would_open_otherwise_is_refused(url: str) -> None:
    seen = url.translate({9: None, 10: None, 13: None}).lstrip("".join(map(chr, range(33))))
    scheme, colon, _ = seen.partition(":")
    is_scheme = bool(colon) and scheme[:1].isalpha() and all(c.isalnum() or c in "+-." for c in scheme)
    try:
        check_link("x", url)
    except ChannelConfigurationError:
        assert is_scheme
        assert scheme.lower() not in LINK_SCHEMES
    else:
        assert not is_scheme or scheme.lower() in LINK_SCHEMES
