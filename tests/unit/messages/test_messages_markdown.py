from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.messages import markup
from airflow_channel_provider.messages.markdown import read_markdown

HOST = "https://example.com"
WORD_JOINER = "\u2060"


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "value": value}


def bullets(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "bullets", "blocks": list(blocks)}


def code(value: str, **more: str) -> dict[str, Any]:
    return {"type": "code", "value": value, **more}


def link(value: str, url: str = HOST) -> str:
    return f'<link type="url" value="{url}">{value}</link>'


@pytest.mark.parametrize(
    ("source", "blocks"),
    [
        ("", []),
        ("hello", [text("hello")]),
        ("one\ntwo\\\nthree", [text("one\ntwo\nthree")]),
        ("one\n\ntwo", [text("one"), text("two")]),
        ("*a* **b** ***c***", [text("<i>a</i> <b>b</b> <i><b>c</b></i>")]),
        ("**a __b__ c** *a _b_*", [text("<b>a b c</b> <i>a b</i>")]),
        ("# One *two* **three**", [text("<b>One <i>two</i> three</b>")]),
        ("#", []),
        ("a < b && <b>c</b> &amp; &copy;", [text("a &lt; b &amp;&amp; &lt;b&gt;c&lt;/b&gt; &amp; ©")]),
        ("<div>\nx\n</div>", [text("&lt;div&gt;\nx\n&lt;/div&gt;")]),
        (f"[a & b]({HOST})", [text(link("a &amp; b"))]),
        (f'[a]({HOST}/?x=1&y="2")', [text(link("a", f"{HOST}/?x=1&amp;y=%222%22"))]),
        (f"<{HOST}>", [text(link(HOST))]),
        (f"[]({HOST})", [text(link(HOST))]),
        (f'[a]({HOST} "a title")', [text(link("a") + " (a title)")]),
        ("[a](docs/page.html)", [text("a (docs/page.html)")]),
        ("[mail](mailto:a@b.cd) <a@b.cd>", [text("mail (mailto:a@b.cd) a@b.cd")]),
        ("[x](javascript:alert)", [text("[x](javascript:alert)")]),
        ("[@Mina Seo](manager:12)", [text('<link type="manager" value="12">@Mina Seo</link>')]),
        ("[Mina & co](manager:1%222)", [text('<link type="manager" value="1&quot;2">@Mina &amp; co</link>')]),
        ("call `f(<x>)` now", [text("call <b>f(&lt;x&gt;)</b> now")]),
        ("# of `a_b`", [text("<b>of a_b</b>")]),
        ("**of `a_b`** and *`c`*", [text("<b>of a_b</b> and <i><b>c</b></i>")]),
        ("`` a`b `` and ` `", [text("<b>a`b</b> and")]),
        (
            "[`a_b`](https://x.example)",
            [text('<link type="url" value="https://x.example"><b>a_b</b></link>')],
        ),
        ("```python\nif a < b:\n    pass\n```", [code("if a < b:\n    pass", language="python")]),
        ("~~~\nplain & simple\n~~~", [code("plain & simple")]),
        ("```sql query.sql\nSELECT 1\n```", [text("query.sql"), code("SELECT 1", language="sql")]),
        ("    indented", [code("indented")]),
        ("one\n\n---\n\ntwo", [text("one"), text("———"), text("two")]),
        ("> ---", [text("&gt; ———")]),
        ("- a\n\n  ***", [bullets(text("a\n———"))]),
        ("done :tada: for ${HOME|you}", [text(f"done :tada: for ${WORD_JOINER}{{HOME|you}}")]),
        ("run `:tada:`", [text(f"run <b>:{WORD_JOINER}tada:</b>")]),
        ("```\n${HOME} :tada:\n```", [code("${HOME} :tada:")]),
        (
            "[a](https://example.com/${b}:c:)",
            [text('<link type="url" value="https://example.com/$%7Bb%7D:c:">a</link>')],
        ),
        ("- a\n- *b*", [bullets(text("a"), text("<i>b</i>"))]),
        ("- a\n  - b\n    - c\n- d", [bullets(text("a"), bullets(text("b"), bullets(text("c"))), text("d"))]),
        ("- a\n\n  more\n- b", [bullets(text("a\nmore"), text("b"))]),
        ("3. a\n4. b\n   - c", [bullets(text("3. a"), text("4. b"), bullets(text("c")))]),
        ("1. ```\n   x\n   ```", [bullets(text("1."), code("x"))]),
        ("-", []),
        ("> a\n> b", [text("&gt; a\n&gt; b")]),
        ("> > a\n>\n> - b", [text("&gt; &gt; a"), bullets(text("&gt; b"))]),
        ("[x]: https://example.com", [text("[x]: https://example.com")]),
    ],
)
def test_markdown_becomes_blocks(source: str, blocks: list[Any]) -> None:
    assert read_markdown(source) == (blocks, [], [])


def button(title: str, color: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"title": title, "action": {"type": "web", "attributes": {"url": HOST}}}
    return made if color is None else {**made, "colorVariant": f"MESSAGE_COLOR_VARIANT_{color}"}


@pytest.mark.parametrize(
    ("source", "blocks", "buttons"),
    [
        (f'[Open *it*]({HOST} "button")', [], [button("Open it")]),
        (
            f'See:\n\n[A]({HOST} "button green") [B]({HOST} "button RED")',
            [text("See:")],
            [button("A", "GREEN"), button("B", "RED")],
        ),
        (f'# [A]({HOST} "button")\n- [B]({HOST} "button")', [], [button("A"), button("B")]),
        (
            " ".join(f'[{name}]({HOST} "button")' for name in "ABC"),
            [text(link("C"))],
            [button("A"), button("B")],
        ),
        (f'[{"x" * 31}]({HOST} "button")', [text(link("x" * 31))], []),
        (f'[A]({HOST} "button mauve")', [text(link("A") + " (button mauve)")], []),
        ('[A](page "button")', [text("A (page)")], []),
    ],
)
def test_a_link_with_the_title_button_becomes_one_where_it_can(
    source: str, blocks: list[Any], buttons: list[Any]
) -> None:
    assert read_markdown(source) == (blocks, buttons, [])


def test_an_image_becomes_a_file_and_its_text_stays() -> None:
    read = read_markdown(f'Sales ![of *May*]({HOST}/may.png?v=2 "in euros") ![]({HOST}/b)')
    assert read.blocks == [text("Sales of May (in euros)")]
    assert read.files == [
        {"url": f"{HOST}/may.png?v=2", "mime": "image/png", "fileName": "may.png"},
        {"url": f"{HOST}/b", "mime": "application/octet-stream", "fileName": "b"},
    ]


def test_an_image_that_is_none_of_the_web_or_one_too_many_stays_in_the_text() -> None:
    assert read_markdown("![chart](chart.png)") == ([text("chart (chart.png)")], [], [])
    read = read_markdown(f"![x]({HOST}/x.png)" * 31)
    assert len(read.files) == 30
    assert read.blocks == [text("x" * 30 + link("x", f"{HOST}/x.png"))]


@pytest.mark.parametrize("source", [">" * 50 + " deep <x>", "- " * 30 + "deep <x>"])
def test_what_is_nested_too_deeply_is_shown_as_it_is_written(source: str) -> None:
    assert read_markdown(source).blocks == [text(markup.escape(source))]


# Properties

MARKS = [
    "#",
    "*",
    "**",
    "_",
    "`",
    "```",
    "~~~",
    "> ",
    "- ",
    "1. ",
    "---",
    "    ",
    "\n",
    "\n\n",
    " ",
    "[",
    "](",
    ")",
]
MARKS += [
    "![",
    "<",
    ">",
    "&",
    "\\",
    '"',
    ' "button',
    "manager:",
    "https://",
    "|",
    "\t",
    "\x00",
    "\r\n",
    "&lt;",
    "$",
    ":",
]
WORDS = st.integers(0, 9999).map(lambda number: f"zq{number}")
SOURCES = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(MARKS) | WORDS, max_size=40).map("".join))
TAG = re.compile(r'<(?:/?[bi]|link type="(?:url|manager)" value="[^"<>]*"|/link)>')
ENTITY = re.compile(r"&(?:amp|lt|gt|quot);")


def values(blocks: list[dict[str, Any]], kind: str) -> list[str]:
    found = [block["value"] for block in blocks if block["type"] == kind]
    return found + [value for block in blocks for value in values(block.get("blocks", []), kind)]


@pytest.mark.promise(name="messages")
@pytest.mark.fuzz
@cases(400)
@given(SOURCES)
def test_no_character_of_the_source_is_markup_by_itself(source: str) -> None:
    for value in values(read_markdown(source).blocks, "text"):
        opened = []
        for tag in TAG.findall(value):
            name = re.sub(r"[</>]| .*", "", tag)
            if not tag.startswith("</"):
                opened.append(name)
            else:
                assert opened.pop() == name
        assert opened == []
        rest = TAG.sub("", value)
        assert "<" not in rest
        assert ">" not in rest
        assert "&" not in ENTITY.sub("", value)


@pytest.mark.fuzz
@cases(400)
@given(st.lists(st.sampled_from(MARKS) | WORDS, max_size=40))
def test_no_word_is_lost(pieces: list[str]) -> None:
    source = "".join(pieces)
    shown = repr(read_markdown(source))
    assert [word for word in re.findall(r"zq\d+", source) if word not in shown] == []


@pytest.mark.fuzz
@cases(200)
@given((st.text() | st.text(alphabet=":${}ab1-+&<>;")).filter(lambda source: WORD_JOINER not in source))
def test_what_was_escaped_is_read_as_it_was(source: str) -> None:
    assert markup.plain(markup.bold(markup.escape(source))) == source
    assert markup.plain(markup.mention("1", source)) == f"@{source}"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (":smile:", ":|smile:"),
        ("a:b:c:d", "a:|b:|c:d"),
        (":+1: :-1: :1up:", ":|+1: :|-1: :|1up:"),
        ("2026-01-31T08:10:00+00:00", "2026-01-31T08:10:00+00:00"),
        ("at 08:10:45, ratio 1:2:3", "at 08:10:45, ratio 1:2:3"),
        ("key: value: other", "key: value: other"),
        (":보고:", ":보고:"),
        ("${name} ${name|you} $name {name}", "$|{name} $|{name|you} $name {name}"),
        ("<${a}>", "&lt;$|{a}&gt;"),
    ],
)
def test_what_the_service_would_read_as_more_than_text_means_itself(source: str, shown: str) -> None:
    assert markup.escape(source).replace(WORD_JOINER, "|") == shown


def test_an_address_is_left_as_it_is() -> None:
    assert markup.link("https://a/${b}:c:", "x") == '<link type="url" value="https://a/${b}:c:">x</link>'
