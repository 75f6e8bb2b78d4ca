"""CSV files as Excel, pandas, Spark and hands write them: the rows, or an error that names file and line."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk import text_files
from airflow_channel_provider.bulk.sources import FileSource
from airflow_channel_provider.exceptions import ChannelConfigurationError

ROWS = [{"번호": "1", "이름": "김, 철수"}, {"번호": "2", "이름": ""}]
TEXT = '번호,이름\r\n1,"김, 철수"\r\n2,\r\n'


def source(folder: Path, content: bytes, name: str = "rows.csv", **arguments: Any) -> FileSource:
    (folder / name).write_bytes(content)
    return FileSource(ObjectStoragePath((folder / name).as_uri()), **arguments)


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (TEXT.encode(), {}),
        (TEXT.encode("utf-8-sig"), {}),
        (TEXT.encode("utf-8-sig"), {"encoding": "utf-8"}),
        (TEXT.encode("utf-16"), {}),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), {}),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), {}),
        (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (TEXT.encode("utf-16"), {"encoding": "utf-16"}),
        (TEXT.encode("cp949"), {"encoding": "cp949"}),
        (TEXT.encode("euc-kr"), {"encoding": "EUC-KR"}),
        (TEXT.replace("\r\n", "\r").encode(), {}),
        (TEXT.replace("\r\n", "\n").encode()[:-1], {}),
        (f"\r\n  \r\n{TEXT}\r\n\r\n".encode(), {}),
        (
            b"sep=;\r\n" + TEXT.replace(",\r", ";\r").replace("호,이", "호;이").replace("1,", "1;").encode(),
            {},
        ),
        ('번호;이름\n1;"김, 철수"\n2;\n'.encode(), {}),
        ("번호\t이름\n1\t김, 철수\n2\t\n".encode(), {}),
        ("번호|이름\n1|김, 철수\n2|\n".encode(), {}),
        ('번호^이름\n1^"김, 철수"\n2^\n'.encode(), {"delimiter": "^"}),
        ('번호,이름,\n1,"김, 철수",\n2,,,,\n'.encode(), {}),
        (b'"sep=,"\r\n' + TEXT.encode(), {}),
        (TEXT.replace("\r\n", "\r\r\n").encode(), {}),
        (TEXT.encode() + b"\x1a", {}),
        (TEXT.encode() + b"\x1a\r\n", {}),
        (TEXT.encode() + b"\x1a" * 9, {}),
        (TEXT.encode()[:-2] + b"\x1a", {}),
        (TEXT.replace("2,", " \t\r\n2,").encode() + b"   ", {}),
    ],
)
def test_it_is_read_as_it_was_written(
    content: bytes, arguments: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(source(tmp_path, content, **arguments)) == ROWS
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 3)  # so that whatever belongs together is torn
    assert list(source(tmp_path, content, **arguments)) == ROWS


def test_a_row_that_lacks_fields_has_nulls(tmp_path: Path) -> None:
    assert list(source(tmp_path, b"id,name,at\n1\n")) == [{"id": "1", "name": None, "at": None}]


def test_a_field_may_be_as_long_as_a_row(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    assert list(source(tmp_path, f"id,text\n1,{long}\n".encode())) == [{"id": "1", "text": long}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_name_of_the_header_may_have_several_lines(delimiter: str, tmp_path: Path) -> None:
    content = f'"order\nnumber, or so"{delimiter}"na\n\nme"\n1{delimiter}a\n2{delimiter}b{delimiter}c\n'
    rows = iter(source(tmp_path, content.encode()))
    assert next(rows) == {"order\nnumber, or so": "1", "na\n\nme": "a"}
    with pytest.raises(ChannelConfigurationError, match="Line 6 of"):
        next(rows)


def test_a_header_that_never_ends_is_not_looked_for_in_the_whole_file(tmp_path: Path) -> None:
    rows = [{'size (5")': str(n), "name": "a"} for n in range(1_000)]
    content = 'size (5"),name\n' + "".join(f"{row['name'] and n},a\n" for n, row in enumerate(rows))
    assert list(source(tmp_path, content.encode())) == rows


def test_null_as_databases_write_it_is_null(tmp_path: Path) -> None:
    content = b'id,name,path\n1,\\N,C:\\New\n2,"\\N",\\n\n\\N\n'
    assert list(source(tmp_path, content)) == [
        {"id": "1", "name": None, "path": "C:\\New"},
        {"id": "2", "name": None, "path": "\\n"},
        {"id": None, "name": None, "path": None},
    ]


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a", b"\r\n\x1a\x1a\x1a"])
def test_the_end_of_an_old_file_is_no_row_and_in_no_value(end: bytes, tmp_path: Path) -> None:
    assert list(source(tmp_path, b"id\r\n1" + end)) == [{"id": "1"}]
    assert list(source(tmp_path, b'{"id": "1"}' + end, "rows.jsonl")) == [{"id": "1"}]


def test_blanks_may_be_the_value_of_an_only_column(tmp_path: Path) -> None:
    assert list(source(tmp_path, b"id\n  \n\n1\n")) == [{"id": "  "}, {"id": "1"}]


def test_an_empty_line_among_nulls_is_no_row(tmp_path: Path) -> None:
    assert list(source(tmp_path, b"id,name\n1,\\N\n\n \n")) == [{"id": "1", "name": None}]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("last", [b"", b'"b"', b"2,b"])
@pytest.mark.parametrize("first", [b'"id"\n"a"\n', b'"id,name"\n"1,a"\n'])
def test_a_file_that_was_not_written_to_its_end_is_told(
    first: bytes, last: bytes, name: str, tmp_path: Path
) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"Line 3 of .* ends in zero bytes: the file was not"):
        list(source(tmp_path, first + last + bytes(8), name))


def test_a_hole_in_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"Line 3 of .*(contains a zero byte|NUL)"):
        list(source(tmp_path, b"id,name\n1,a\n" + bytes(8) + b"\n2,b\n"))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"id,name\n", b"id,name\n\n\n"])
def test_a_file_without_rows_has_none(content: bytes, tmp_path: Path) -> None:
    assert list(source(tmp_path, content)) == []


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (TEXT.encode("cp949"), 1, "is not valid UTF-8; set encoding, such as cp949"),
        (b"id,name\n1,a\n" + "2,김\n".encode("cp949"), 3, "is not valid UTF-8; set encoding, such as cp949"),
        (TEXT.encode("utf-16-be")[2:], 1, "is not valid UTF-8; set encoding, such as cp949"),
        ("id,name\n".encode("utf-16-le"), 1, "contains a zero byte, as UTF-16 does; set encoding"),
        (
            b"id,name;at\n1,2;3\n",
            1,
            "contains ',' and ';', and each could separate the names; set delimiter",
        ),
        (b"id,name\n1,a\n2,b,c\n", 3, "ends a row of 3 fields, but the header has 2"),
        (b"id,name,\n1,a,b\n", 2, "ends a row of 3 fields, but the header has 2"),
        (b'\nid,name\n1,"a\nb"\n2,"c\n3,d\n', 5, "is not valid CSV (unexpected end of data)"),
        (b'id,name\n1,"say \\"no\\""\n', 2, "is not valid CSV (',' expected after '\"')"),
        (b"<html>\n<table>\n", 1, "is HTML or XML, not CSV"),
        (b'\n  <?xml version="1.0"?><rows/>', 2, "is HTML or XML, not CSV"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(content: bytes, line: int, words: str, tmp_path: Path) -> None:
    wrong = source(tmp_path, content)
    with pytest.raises(ChannelConfigurationError) as caught:
        list(wrong)
    assert str(caught.value) == f"Line {line} of {wrong.path} {words}; correct the file."


def test_rows_before_what_is_wrong_are_given(tmp_path: Path) -> None:
    rows = iter(source(tmp_path, b"id\n1\n2\n\xff\n"))
    assert [next(rows), next(rows)] == [{"id": "1"}, {"id": "2"}]
    with pytest.raises(ChannelConfigurationError, match="Line 4"):
        next(rows)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("rows.csv", {"encoding": "klingon"}, "encoding is not known to Python"),
        ("rows.csv", {"encoding": "base64"}, "encoding is not known to Python"),
        ("rows.csv", {"delimiter": "||"}, "delimiter must be one character"),
        ("rows.csv", {"delimiter": ""}, "delimiter must be one character"),
        ("rows.csv", {"delimiter": '"'}, "delimiter must be one character"),
        ("rows.jsonl", {"delimiter": ";"}, "delimiter is for CSV files"),
        ("rows.parquet", {"encoding": "cp949"}, "encoding is for JSONL and CSV files"),
    ],
)
def test_an_argument_that_means_nothing_is_refused(
    name: str, arguments: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        source(tmp_path, b"", name, **arguments)


@pytest.mark.parametrize("encoding", ["utf-16", "cp949"])
def test_lines_of_json_have_an_encoding_as_well(encoding: str, tmp_path: Path) -> None:
    content = '{"이름": "김"}\r\n\r\n {"이름": "이\u2028"}'.encode("utf-16")
    if encoding == "cp949":
        content = '{"이름": "김"}\n{"이름": "이\\u2028"}\n'.encode(encoding)
    read = source(tmp_path, content, "rows.jsonl", encoding=None if encoding == "utf-16" else encoding)
    assert list(read) == [{"이름": "김"}, {"이름": "이\u2028"}]


def test_half_of_a_pair_in_a_line_of_json_is_an_item(tmp_path: Path) -> None:
    content = b'{"a": "\xed\xa0\xbd"}\n{"a": "\\ud83d"}\n'
    assert list(source(tmp_path, content, "rows.jsonl")) == [{"a": "\ud83d"}, {"a": "\ud83d"}]


def null(text: str) -> str | None:
    return None if text == "\\N" else text


@pytest.mark.fuzz
@cases(40)
@given(
    rows=st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=5),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 9),
)
def test_whatever_python_writes_is_read(
    rows: list[tuple[str, str]], delimiter: str, encoding: str, end: str, block: int, tmp_path: Path
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    try:
        writer.writerows([("a", "b"), *rows])
        content = file.getvalue().encode(encoding)
    except (
        csv.Error,
        UnicodeEncodeError,
    ):  # the character NUL before Python 3.11, and half of a surrogate pair
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "BLOCK_BYTES", block)
        read = source(tmp_path, content, delimiter=delimiter)
        assert list(read) == [{"a": null(a), "b": null(b)} for a, b in rows]
