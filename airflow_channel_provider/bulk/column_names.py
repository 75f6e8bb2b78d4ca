"""Matches column names of a source with those of a table.

A name that matches no column, or two, is an error before anything is sent. An exact match wins; otherwise names are
matched apart from case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from airflow_channel_provider.exceptions import ChannelConfigurationError

MOST_SHOWN = 30


def unique_names(names: Iterable[object], of: object) -> list[str]:
    """
    Return the names of the columns of a source as texts.

    :param of: the source, for the error.
    :raises ChannelConfigurationError: two columns have one name, or a column has none.
    """
    texts = [str(name) for name in names]
    twice = sorted(name for name, count in Counter(texts).items() if count > 1)
    if twice:
        raise ChannelConfigurationError(
            f"{of} has several columns named {quoted_names(twice)}, and only one of them would be sent; give each "
            "column its own name (in a query: AS)."
        )
    if "" in texts:
        raise ChannelConfigurationError(
            f"Column {texts.index('') + 1} of {of} has no name; give it one (in a query: AS)."
        )
    return texts


class ColumnNames:
    """
    The columns of a table, found by the names that a source has for them.

    :param names: of the columns of the table.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        folded = Counter(name.casefold() for name in self._names)
        self._folded = {name.casefold(): name for name in self._names if folded[name.casefold()] == 1}

    def of(self, name: str) -> str | None:
        """Return the column that is meant by a name; None where there is none."""
        return name if name in self._names else self._folded.get(name.casefold())

    def all_of(self, names: Sequence[str], what: str) -> list[str]:
        """
        Return the columns that are meant by some names.

        :param what: names them, for the error.
        :raises ChannelConfigurationError: a name matches no column.
        """
        found = [self.of(name) for name in names]
        lost = [name for name, column in zip(names, found, strict=True) if column is None]
        if lost:
            raise ChannelConfigurationError(
                f"{what} names {quoted_names(lost)}, but the table has the columns {quoted_names(self._names)}; "
                "correct the name."
            )
        return [name for name in found if name is not None]

    def placed(self, names: Iterable[str]) -> dict[str, str]:
        """
        Return the names of one row that match a column, each with that column.

        A name beside the very name of the column matches none.

        :raises ChannelConfigurationError: two names match one column.
        """
        exact = {name: name for name in names if name in self._names}
        placed, taken = dict(exact), dict[str, str]()
        for name in names:
            column = None if name in exact else self.of(name)
            if column is None or column in exact:
                continue
            if column in taken:
                raise ChannelConfigurationError(
                    f"{taken[column]!r} and {name!r} both match the column {column!r}; remove one of them."
                )
            placed[name], taken[column] = column, name
        return placed


def quoted_names(names: Iterable[str]) -> str:
    """Return the names for an error; of very many only the first."""
    shown = [repr(name) for name in names]
    more = len(shown) - MOST_SHOWN
    return ", ".join(shown[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "") or "none"
