"""Reads the lines of a text file, and the rows of a CSV file.

Files are not trusted: at most one item of the maximum size is in memory, however long a line is or whatever a file
decompresses to. Errors name the file and the line. A CSV row that does not fit the header is an error, never guessed.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from airflow_channel_provider.bulk.column_names import unique_names
from airflow_channel_provider.bulk.input_file import decompressed, name_without_compression
from airflow_channel_provider.exceptions import ChannelConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_channel_provider.bulk.input_file import InputFile

MAX_ITEM_BYTES = 32 * 2**20
"""Maximum size of a line of a JSONL file, or of a row of another one; the service accepts far less in one call."""
READ_AHEAD_BYTES = 4 * 2**20
BLOCK_BYTES = 2**16
BOM = "\ufeff"
_END = "\x1a"
"""What old programs write after the last row, often more than once."""
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_NO_TEXTS = (
    (b"\x1f\x8b", "compressed by gzip"),
    (b"BZh9", "compressed by bzip2"),
    (b"\xfd7zX", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard"),
    (b"PK\x03\x04", "a zip file, or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"Obj\x01", "Avro"),
)
"""Beginnings of files that would otherwise be taken for text in an unknown encoding."""

_MARK_BYTES = 4
"""The longest of them; the first read has at least this size, if the file has."""


def checked_encoding(name: str | None) -> str | None:
    """
    Return the name of an encoding unchanged.

    :raises ChannelConfigurationError: Python has no encoding of this name.
    """
    if name is not None:
        try:
            "".encode(name)
        except (LookupError, ValueError, TypeError):
            raise ChannelConfigurationError(
                "encoding is not known to Python; set one such as utf-8, utf-16 or cp949."
            ) from None
    return name


def split_at_line_feeds(text: str) -> list[str]:
    """Return the lines of a text without their ends, and after them the part without a line feed."""
    return text.split("\n")


def split_with_ends(text: str) -> list[str]:
    """Return the lines of a text with their ends, and after them the part without an end."""
    found = io.StringIO(text, newline="").readlines()
    if found and found[-1][-1] in "\r\n":
        found.append("")
    return found


class Lines:
    """
    Reads lines in blocks, and limits their length.

    :param path: of the file; its suffix names the compression.
    :param file: as it is stored.
    :param encoding: None: by the byte order mark, otherwise UTF-8.
    :param split: returns the lines of a text, and after them the part without an end.
    :param errors: how bytes that are not text are handled, by its name in codecs.
    """

    def __init__(
        self,
        path: ObjectStoragePath,
        file: InputFile,
        *,
        encoding: str | None = None,
        split: Callable[[str], list[str]] = split_at_line_feeds,
        errors: str = "strict",
    ) -> None:
        self.path = path
        self._size_bytes = file.size_bytes
        self._stored = io.BufferedReader(file, READ_AHEAD_BYTES)
        self._encoding = encoding
        self._split = split
        self._errors = errors
        self.count = 0

    @property
    def share(self) -> float:
        """Share of the stored file that was read; 1 if its size is unknown."""
        if not self._size_bytes or self._stored.closed:
            return 1.0
        return min(1.0, self._stored.tell() / self._size_bytes)

    def blocks(self) -> Iterator[list[str]]:
        """
        Yield the lines in lists; :attr:`count` is the number of lines before the present list.

        :raises ChannelConfigurationError: a line is too long or is not text.
        """
        pieces: list[str] = []
        for text in self._texts():
            found = self._split(text)
            rest = found.pop() if found else ""
            if found:
                found[0] = "".join((*pieces, found[0]))
                pieces.clear()
                self._check(len(found[0]))
                yield found
                self.count += len(found)
            pieces.append(rest)
            self._check(sum(map(len, pieces)))
        if last := "".join(pieces).rstrip(_END):
            if last.endswith("\0"):
                raise self.wrong("ends in zero bytes: the file was not written completely", self.count + 1)
            yield [last]
            self.count += 1

    def wrong(self, what: str, line: int) -> ChannelConfigurationError:
        """
        Describe what is wrong with a line.

        :param what: completes the sentence that begins with the line.
        :param line: its number, from 1.
        """
        return ChannelConfigurationError(f"Line {line} of {self.path} {what}; correct the file.")

    def _check(self, length: int) -> None:
        if length > MAX_ITEM_BYTES:
            raise self.wrong(f"exceeds the limit of {MAX_ITEM_BYTES:,} bytes for one item", self.count + 1)

    def _texts(self) -> Iterator[str]:
        decoder: io.IncrementalNewlineDecoder | None = None
        encoding = ""
        is_begun = False
        for block in self._bytes():
            if decoder is None:
                self._check_is_text(block)
                encoding = self._encoding or _encoding_of(block)
                made = codecs.getincrementaldecoder(encoding)(self._errors)
                decoder = io.IncrementalNewlineDecoder(made, translate=False)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "ignore")
                yield before
                raise self.wrong(self._is_no_text(), self.count + 1) from error
            if not is_begun:  # some tools write a mark before an existing one
                text = text.lstrip(BOM)
                is_begun = bool(text)
            yield text

    def _check_is_text(self, head: bytes) -> None:
        found = next((what for mark, what in _NO_TEXTS if head.startswith(mark)), None)
        if found is None:
            return
        if name_without_compression(self.path.name) != self.path.name.lower():
            raise ChannelConfigurationError(
                f"{self.path} decompresses to data that is {found}; correct the file: compress a text file, once."
            )
        raise ChannelConfigurationError(
            f"{self.path} is {found}, which its name does not say; add the right suffix to its name (.gz, .zip), or "
            "save it as text."
        )

    def _is_no_text(self) -> str:
        if self._encoding:
            return f"is not valid {self._encoding}, the given encoding"
        return "is not valid UTF-8; set encoding, such as cp949"

    def _bytes(self) -> Iterator[bytes]:
        """Yield the decompressed file, and nothing at its end."""
        size = min(BLOCK_BYTES, MAX_ITEM_BYTES)
        try:
            stream = io.BufferedReader(decompressed(self._stored, self.path.name), size)
            block = stream.read(_MARK_BYTES)
            while block:
                yield block
                block = stream.read1(size)
        except ChannelConfigurationError as error:
            raise ChannelConfigurationError(f"{self.path}: {error}") from error
        except Exception as error:
            raise self.wrong(f"can't be decompressed ({type(error).__name__})", self.count + 1) from error
        yield b""


def _encoding_of(head: bytes) -> str:
    return next((encoding for mark, encoding in _BOMS if head.startswith(mark)), "utf-8")


# ---- CSV

_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile(r'"[^"]*(?:"|$)')
_SAID_BY_EXCEL = re.compile(r"\"?sep=(.)\"?\r?\n?", re.IGNORECASE)
_NULL = "\\N"
"""How MySQL, Snowflake, Hive and others write null; nobody writes a text like that."""
_MARKUP = re.compile(r"\s*<[!?a-z]", re.IGNORECASE)
_MOST_HEADER_LINES = 100


def checked_delimiter(delimiter: str | None) -> str | None:
    """
    Return a delimiter unchanged.

    :raises ChannelConfigurationError: it can't be one.
    """
    if delimiter is not None and (
        not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n\0'
    ):
        raise ChannelConfigurationError(
            "delimiter must be one character, but not a quotation mark or a line break, such as ';' or '\\t'."
        )
    return delimiter


def _is_empty(fields: list[str], names: list[str]) -> bool:
    """Return whether a line holds no row; where there is only one column, blanks may be its value."""
    return fields in ([], [_END]) or (len(fields) == 1 < len(names) and fields[0].isspace())


class CsvRows:
    """
    Reads the rows.

    :param lines: of the file.
    :param delimiter: None: as the file says (:func:`_delimiter_of`).
    """

    def __init__(self, lines: Lines, delimiter: str | None) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._skipped = 0
        self._settled = 0
        self._has_nulls = False
        self._usual: int | None = None

    def __iter__(self) -> Iterator[dict[str, str | None]]:
        # The limit of a row is ours; the limit of a field is one of the process, and is only raised.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ITEM_BYTES))
        texts = chain.from_iterable(self._blocks())
        header = self._header(texts)
        if not header:
            return
        delimiter = self._delimiter or self._delimiter_of("".join(header))
        reader = csv.reader(chain(header, texts), delimiter=delimiter, strict=True)
        try:
            names = self._names(next(reader), reader.line_num)
            # Only these rows are checked field by field, which takes longer.
            self._usual = None if self._has_nulls or len(names) == 1 else len(names)
            for fields in reader:
                self._settled = reader.line_num
                if len(fields) == self._usual:
                    yield dict(zip(names, fields))  # noqa: B905 - they are as many
                elif not _is_empty(fields, names):
                    yield self._fitted(names, fields)
        except csv.Error as error:
            raise self._lines.wrong(f"is not valid CSV ({error})", self._line + 1) from error

    @property
    def _line(self) -> int:
        """Number of the line at which the last row ended."""
        return self._skipped + self._settled

    def _blocks(self) -> Iterator[list[str]]:
        """Yield the lines; of a row that does not end, no more than the maximum size of an item."""
        held = 0
        for block in self._lines.blocks():
            before = self._lines.count
            if not self._has_nulls and _NULL in "".join(block):
                self._has_nulls, self._usual = True, None
            yield block
            held = 0 if self._line > before else held + sum(map(len, block))
            if held > MAX_ITEM_BYTES:
                raise self._lines.wrong(
                    f"exceeds the limit of {MAX_ITEM_BYTES:,} bytes for one item", self._line + 1
                )

    def _header(self, texts: Iterator[str]) -> list[str]:
        """Return the lines of the header, several if a name has several; an empty list if the file has none."""
        for text in texts:
            said = _SAID_BY_EXCEL.fullmatch(text)
            if said is not None and not self._skipped:
                self._delimiter = self._delimiter or said[1]
            elif not text.isspace():
                self._check_header(text)
                return self._to_its_end(text, texts)
            self._skipped += 1
        return []

    def _to_its_end(self, header: str, texts: Iterator[str]) -> list[str]:
        found = [header]
        is_open = header.count('"') % 2 == 1
        for text in islice(texts, _MOST_HEADER_LINES if is_open else 0):
            found.append(text)
            if text.count('"') % 2:
                break
        return found

    def _check_header(self, text: str) -> None:
        if "\0" in text:
            raise self._lines.wrong("contains a zero byte, as UTF-16 does; set encoding", self._skipped + 1)
        if _MARKUP.match(text):
            raise self._lines.wrong("is HTML or XML, not CSV", self._skipped + 1)

    def _delimiter_of(self, header: str) -> str:
        """Return the delimiter that the header uses: the comma, or another one."""
        bare = _QUOTED.sub("", header)
        found = [delimiter for delimiter in _DELIMITERS if delimiter in bare]
        if len(found) > 1:
            raise self._lines.wrong(
                f"contains {' and '.join(map(repr, found))}, and each could separate the names; set delimiter",
                self._skipped + 1,
            )
        return found[0] if found else ","

    def _names(self, header: list[str], lines: int) -> list[str]:
        while header and not header[-1]:  # a delimiter after the last name
            header.pop()
        self._settled = lines
        return unique_names(header, self._lines.path)

    def _fitted(self, names: list[str], texts: list[str]) -> dict[str, str | None]:
        """Return a row with nulls, or with fewer or more fields than the header; missing fields are null."""
        fields = [None if text == _NULL else text for text in texts]
        if len(fields) == len(names):
            return dict(zip(names, fields))  # noqa: B905
        if "\0" in texts[0]:
            raise self._lines.wrong("contains a zero byte: the file was not written completely", self._line)
        if any(fields[len(names) :]):
            raise self._lines.wrong(
                f"ends a row of {len(fields)} fields, but the header has {len(names)}", self._line
            )
        missing = [None] * (len(names) - len(fields))
        return dict(zip(names, [*fields, *missing]))  # noqa: B905 - more of them are empty
