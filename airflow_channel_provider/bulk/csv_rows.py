"""The rows of a CSV file, each with the names of its header. A row that does not fit the header is told, not bent."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice

from airflow_channel_provider.bulk import lines as limits
from airflow_channel_provider.bulk.columns import distinct
from airflow_channel_provider.bulk.lines import Lines
from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = ["CsvRows", "checked_delimiter"]

_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile(r'"[^"]*(?:"|$)')
_SAID_BY_EXCEL = re.compile(r"\"?sep=(.)\"?\r?\n?", re.IGNORECASE)
_NULL = "\\N"
"""How MySQL, Snowflake, Hive and the like write null, and nobody a text."""
_END = "\x1a"
"""What old programs write behind the last row."""
_MARKUP = re.compile(r"\s*<[!?a-z]", re.IGNORECASE)
_MOST_HEADER_LINES = 100


def checked_delimiter(delimiter: str | None) -> str | None:
    """
    Return a delimiter as it is.

    :raises ChannelConfigurationError: it can't be one.
    """
    if delimiter is not None and (
        not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n\0'
    ):
        raise ChannelConfigurationError(
            "delimiter must be one character that is no quotation mark and ends no line, such as ';' or '\\t'."
        )
    return delimiter


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
        self._usual = 0

    def __iter__(self) -> Iterator[dict[str, str | None]]:
        # The limit of a row is ours; that of a field is one of this process, and only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), limits.MOST_ITEM_BYTES))
        texts = chain.from_iterable(self._blocks())
        header = self._header(texts)
        if not header:
            return
        delimiter = self._delimiter or self._delimiter_of("".join(header))
        reader = csv.reader(chain(header, texts), delimiter=delimiter, strict=True)
        try:
            names = self._names(next(reader), reader.line_num)
            # A row that is looked at more closely takes longer.
            self._usual = 0 if self._has_nulls or len(names) == 1 else len(names)
            for fields in reader:
                self._settled = reader.line_num
                if len(fields) == self._usual:
                    yield dict(zip(names, fields))  # noqa: B905 - they are as many
                elif fields and fields != [_END]:
                    yield self._fitted(names, fields)
        except csv.Error as error:
            raise self._lines.wrong(f"is no CSV ({error})", self._line + 1) from error

    @property
    def _line(self) -> int:
        """The line that the last row ended with."""
        return self._skipped + self._settled

    def _blocks(self) -> Iterator[list[str]]:
        """Yield the lines; where a row does not end, no more of them than one item may be."""
        held = 0
        for block in self._lines.blocks():
            before = self._lines.count
            if not self._has_nulls and _NULL in "".join(block):
                self._has_nulls, self._usual = True, 0
            yield block
            held = 0 if self._line > before else held + sum(map(len, block))
            if held > limits.MOST_ITEM_BYTES:
                raise self._lines.wrong(
                    f"makes an item of more than {limits.MOST_ITEM_BYTES:,} bytes", self._line + 1
                )

    def _header(self, texts: Iterator[str]) -> list[str]:
        """Return the lines of the header, several where a name has several; none: the file has none."""
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
            raise self._lines.wrong("has a zero in it, as UTF-16 has; give its encoding", self._skipped + 1)
        if _MARKUP.match(text):
            raise self._lines.wrong("is HTML or XML, and no CSV", self._skipped + 1)

    def _delimiter_of(self, header: str) -> str:
        """Return the comma, or that of the others which the header has in its place."""
        bare = _QUOTED.sub("", header)
        found = [delimiter for delimiter in _DELIMITERS if delimiter in bare]
        if len(found) > 1:
            raise self._lines.wrong(
                f"has {' and '.join(map(repr, found))}, and any of them may stand between the names; give delimiter",
                self._skipped + 1,
            )
        return found[0] if found else ","

    def _names(self, header: list[str], lines: int) -> list[str]:
        while header and not header[-1]:  # a delimiter behind the last name
            header.pop()
        self._settled = lines
        return distinct(header, self._lines.path)

    def _fitted(self, names: list[str], texts: list[str]) -> dict[str, str | None]:
        """Return a row that has nulls, or fewer fields than the header, or more: what it lacks is null."""
        fields = [None if text == _NULL else text for text in texts]
        if len(fields) == len(names):
            return dict(zip(names, fields))  # noqa: B905
        if "\0" in texts[0]:
            raise self._lines.wrong("has a zero in it: the file was not written to its end", self._line)
        if any(fields[len(names) :]):
            raise self._lines.wrong(
                f"ends a row of {len(fields)} fields, and the header names {len(names)}", self._line
            )
        missing = [None] * (len(names) - len(fields))
        return dict(zip(names, [*fields, *missing]))  # noqa: B905 - more of them are empty
