"""Finds statements that change data in SQL text, before it is sent.

Words in comments, literals and quoted names are not statements, by the rules of the connection's database. A change is
found wherever it is: after ``;``, in a ``WITH``, in a block. Temporary tables and variables of the session are not
data. What a procedure or a function does can't be seen here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_MYSQL = ("pymysql", "MySQLdb", "mysql", "mariadb")
_ESCAPING = (
    *_MYSQL,
    "clickhouse_connect",
    "clickhouse_driver",
    "databricks",
    "google",
    "pyhive",
    "snowflake",
)
"""Drivers of databases in which a backslash escapes a quote in a text."""

# Words that change data at the beginning of a statement, and the words that follow if they may be names as well.
_FIRST = (
    *("ALTER", "COPY", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "MERGE", "RENAME", "REPLACE", "REVOKE"),
    *("TRUNCATE", "UPDATE", "UPSERT"),
)
_PAIRS = {
    "DELETE": ("FROM",),
    "LOAD": ("DATA", "XML"),
    **dict.fromkeys(("INSERT", "MERGE", "REPLACE", "UPSERT"), ("INTO", "OVERWRITE")),
    **dict.fromkeys(("ALTER", "CREATE", "DROP", "TRUNCATE"), ("TABLE",)),
}
_SUSPECTS = frozenset({*_FIRST, *_PAIRS, "INTO"})
_SUSPECT = re.compile(rf"\b(?:{'|'.join(_SUSPECTS)})\b", re.IGNORECASE)
_ONLY_SHOWN = ("DESC", "DESCRIBE", "EXPLAIN", "SHOW")
_TEMPORARY = ("TEMP", "TEMPORARY", "VOLATILE")
_BEFORE_A_NAME = (
    *("FROM", "INTO", "IF", "NOT", "EXISTS", "OR", "REPLACE", "GLOBAL", "LOCAL", "PRIVATE", *_TEMPORARY),
    *("TABLE", "VIEW", "SEQUENCE", "FUNCTION", "MACRO", "["),
)
_OF_THE_SESSION = ("#", "@", "PG_TEMP")
_BEFORE_A_COLUMN = ("SELECT", "DISTINCT", "ALL", "AS", *",.=<>+-*/%|:[")

_COMMENT = r"--[^\n]*|/\*.*?\*/"
_COMMENT_OF_MYSQL = (
    r"--(?=\s|\Z)[^\n]*|\#[^\n]*|/\*(?!M?!).*?\*/|/\*M?!\d*|\*/"  # some databases run code in it
)
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
_QUOTED_ESCAPING = r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\""
_QUOTED_ANYWHERE = r"\b[Ee]'(?:[^'\\]|''|\\.)*'|`[^`]*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"


def is_empty(sql: str, driver: str) -> bool:
    """
    Return whether the text has no statement.

    :param driver: the package of the connection.
    """
    return all(word == ";" for word in _words(sql, driver))


def find_change(sql: str, driver: str) -> str | None:
    """
    Return the word of the statement that changes data; None if there is none.

    :param driver: package of the connection: databases differ in their literals and comments.
    """
    if not _SUSPECT.search(sql):
        return None
    changes = (
        _change(statement, place)
        for statement in _statements(sql, driver)
        for place, word in enumerate(statement)
        if word in _SUSPECTS
    )
    return next(filter(None, changes), None)


def _statements(sql: str, driver: str) -> Iterator[list[str]]:
    statement: list[str] = []
    for word in (*_words(sql, driver), ";"):
        if word == ";":
            yield [] if {*statement[:1]} & {*_ONLY_SHOWN} and "ANALYZE" not in statement else statement
            statement = []
        elif statement or word != "(":
            statement.append(word)


def _words(sql: str, driver: str) -> Iterator[str]:
    """Return words in capitals, and marks; a text or a quoted name is a pair of quotes."""
    comment = _COMMENT_OF_MYSQL if driver in _MYSQL else _COMMENT
    quoted = _QUOTED_ESCAPING if driver in _ESCAPING else _QUOTED
    pattern = rf"(?P<comment>{comment})|(?P<quoted>{_QUOTED_ANYWHERE}|{quoted})|[#@]{{0,2}}\w+|\S"
    for match in re.finditer(pattern, sql, re.DOTALL):
        if not match["comment"]:
            yield "''" if match["quoted"] else match[0].upper()


def _change(words: Sequence[str], place: int) -> str | None:
    """Return the change that a word begins."""
    word, before, after = words[place], words[place - 1] if place else "", words[place + 1 :]
    if word == "INTO":
        is_change = before not in (".", "AS")
    elif not place and word in _FIRST:
        is_change = after[:1] != ["SESSION"]  # ALTER SESSION SET
    elif word == "UPDATE":
        is_change = before != "ON" and _sets(after)
    else:
        follows = after[0] if after else ""
        is_change = before not in _BEFORE_A_COLUMN and follows in _PAIRS.get(word, ())
        # Of the rows of a WITH, SQL Server deletes without FROM, and inserts without INTO.
        is_bare = word in ("DELETE", "INSERT") and (follows.isidentifier() or follows in ("[", "''"))
        is_change |= is_bare and (words[0], before) == ("WITH", ")")
    return (
        ("SELECT INTO" if word == "INTO" else word) if is_change and not _is_of_the_session(after) else None
    )


def _sets(words: Sequence[str]) -> bool:
    """Return whether a SET follows before the parenthesis ends in which they are: no FOR UPDATE has one."""
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth < 0 or (depth, word) == (0, "SET"):
            return depth == 0
    return False


def _is_of_the_session(words: Sequence[str]) -> bool:
    """Return whether what is changed is gone with the session, by its name or what is said before it."""
    for word in words:
        if word in _TEMPORARY or word not in _BEFORE_A_NAME:
            return word in _TEMPORARY or word.startswith(_OF_THE_SESSION)
    return False
