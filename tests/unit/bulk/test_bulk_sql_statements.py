"""What changes data is known before it runs, and what only has its words is not taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk.sql_statements import find_change, is_empty

CHANGES = {
    "DELETE FROM t RETURNING n": "DELETE",
    "DELETE t WHERE n = 1": "DELETE",
    "( (delete FROM t))": "DELETE",
    "WITH gone AS (DELETE FROM t RETURNING n) SELECT n FROM gone": "DELETE",
    "WITH g AS MATERIALIZED (\n  -- the ripe ones\n  DELETE FROM t RETURNING n) SELECT n FROM g": "DELETE",
    "WITH a AS (SELECT 3 AS n) DELETE FROM t RETURNING n": "DELETE",
    "WITH a AS (SELECT 3 AS n) DELETE a OUTPUT deleted.n": "DELETE",
    "WITH a AS (SELECT 3 AS n) DELETE [a] OUTPUT deleted.n": "DELETE",
    "SET work_mem = '8MB'; WITH g AS (DELETE FROM t RETURNING n) SELECT n FROM g": "DELETE",
    "SELECT n FROM t FOR UPDATE; DELETE FROM t": "DELETE",
    "SET NOCOUNT ON DELETE FROM t SELECT 1": "DELETE",
    "BEGIN DELETE FROM t; END": "DELETE",
    "EXPLAIN ANALYZE DELETE FROM t": "DELETE",
    "EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t": "DELETE",
    "WITH i AS (INSERT INTO t VALUES (1) RETURNING n) SELECT n FROM i": "INSERT",
    "WITH a AS (SELECT 1 AS n) INSERT t SELECT n FROM a": "INSERT",
    "SELECT n FROM FINAL TABLE (INSERT INTO t VALUES (1))": "INSERT",
    "FROM s INSERT OVERWRITE TABLE t SELECT n": "INSERT",
    "WITH u AS (UPDATE t SET n = 2 RETURNING n) SELECT n FROM u": "UPDATE",
    "WITH u AS (UPDATE ONLY s.t AS x SET n = (SELECT 2) RETURNING n) SELECT n FROM u": "UPDATE",
    "WITH u AS (SELECT 1) UPDATE t SET n = 2": "UPDATE",
    'UPDATE "t" SET n = 2': "UPDATE",
    "WITH m AS (MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING RETURNING n) SELECT n FROM m": "MERGE",
    "MERGE t USING s ON t.n = s.n WHEN MATCHED THEN DELETE": "MERGE",
    "REPLACE INTO t VALUES (1) RETURNING n": "REPLACE",
    "SELECT n INTO t FROM s": "SELECT INTO",
    "SELECT * INTO t FROM s": "SELECT INTO",
    "SELECT n INTO OUTFILE 'x' FROM s": "SELECT INTO",
    "CREATE TABLE t AS SELECT 1 AS n": "CREATE",
    "CREATE TABLE t (temp int)": "CREATE",
    "CREATE OR REPLACE VIEW v AS SELECT 1": "CREATE",
    "ALTER TABLE t ADD x int": "ALTER",
    "DROP TABLE t": "DROP",
    "DROP TABLE IF EXISTS t; CREATE TEMP TABLE t AS SELECT 1 AS n; SELECT n FROM t": "DROP",
    "IF 1 = 1 DROP TABLE t": "DROP",
    "TRUNCATE t": "TRUNCATE",
    "COPY t FROM 'x.csv'": "COPY",
    "LOAD DATA INFILE 'x' INTO TABLE t": "LOAD",
    "GRANT SELECT ON t TO x": "GRANT",
    "SELECT E'it\\'s' AS a; DELETE FROM t": "DELETE",
    "SELECT '\\' AS a; DELETE FROM t; SELECT 'x'": "DELETE",
}


@pytest.mark.parametrize(("sql", "change"), CHANGES.items())
def test_a_change_is_found_wherever_it_stands(sql: str, change: str) -> None:
    for text in (sql, sql.lower(), f"/* {sql} */ SELECT 1; {sql}", sql.replace(" ", "\n")):
        assert find_change(text, "psycopg") == change, text


READS = [
    "SELECT n FROM t FOR UPDATE",
    "SELECT n FROM t FOR NO KEY UPDATE OF t SKIP LOCKED",
    'SELECT \'a; DELETE FROM t\' AS text, "DELETE" FROM "INSERT INTO"',
    "SELECT n -- ; DELETE FROM t\nFROM t /* DROP TABLE t; */",
    "SELECT $$; DELETE FROM t $$ AS a, $x$ ; DROP TABLE $$ t $x$ AS b",
    "SELECT E'it\\'s; DELETE FROM t' AS a",
    "SELECT 'it''s; DELETE FROM t' AS a",
    "SELECT `delete`, [update], `insert into` FROM t",
    "SELECT replace(a, 'x', 'y'), insert(a, 1, 2, 'z'), truncate(b, 1), left(a, 1) FROM t",
    "SELECT update, delete FROM t WHERE update IS NOT NULL AND delete = 1 ORDER BY update DESC",
    "SELECT t.delete FROM t WHERE (update > 3) AND count(delete) > 1",
    "SELECT delete FROM t GROUP BY delete HAVING (delete) IS NULL",
    "SELECT DISTINCT delete FROM t",
    "SELECT 1 + delete FROM t",
    "SELECT n AS delete FROM t",
    "WITH update AS (SELECT 1 AS n), delete (n) AS (SELECT 2) SELECT n FROM update JOIN delete USING (n)",
    "WITH a AS (SELECT 1 AS insert) SELECT (insert) FROM a",
    "SELECT updated_at, deleted FROM drop_table_truncate",
    "SELECT CASE WHEN n = 1 THEN 'INSERT' ELSE 'DELETE' END AS event FROM audit",
    "EXPLAIN DELETE FROM t",
    "SHOW CREATE TABLE t",
    "SHOW GRANTS",
    "SELECT n FROM t WHERE a = %(delete)s OR b = :update",
    "CALL give(10)",
    "EXEC give @update = 1",
    "SET search_path = shop; SELECT n FROM t",
    "ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY'; SELECT n FROM t",
    "LOAD httpfs; SELECT n FROM t",
    "CREATE TEMP TABLE q AS SELECT 1 AS n; SELECT n FROM q",
    "CREATE OR REPLACE LOCAL TEMPORARY TABLE q (n int) ON COMMIT DELETE ROWS; SELECT n FROM q",
    "CREATE TEMP SEQUENCE s; SELECT nextval('s') AS n",
    "IF OBJECT_ID('tempdb..#q') IS NOT NULL DROP TABLE #q; SELECT n INTO #q FROM t; SELECT n FROM #q",
    "INSERT INTO #q SELECT n FROM t; UPDATE #q SET n = 1; DELETE FROM [#q]; SELECT n FROM #q",
    "DECLARE @q TABLE (n int); INSERT INTO @q SELECT 1; SELECT n FROM @q",
    "SELECT n INTO TEMPORARY q FROM t",
]


@pytest.mark.parametrize("sql", READS)
@pytest.mark.parametrize("driver", ["psycopg", "sqlite3", "pyodbc"])
def test_what_only_has_the_words_of_a_change_is_none(sql: str, driver: str) -> None:
    assert [find_change(text, driver) for text in (sql, sql.lower(), f"SELECT 1; ({sql})")] == [None] * 3


OF_A_DRIVER = [
    # What MySQL runs, and what it takes for a comment and for a text.
    ("SELECT 1; /*! DELETE FROM t */", {"pymysql": "DELETE", "psycopg": None}),
    ("/*M!100100 DROP TABLE t */", {"MySQLdb": "DROP", "psycopg": None}),
    ("SELECT 1--1; DELETE FROM t", {"pymysql": "DELETE", "psycopg": None}),
    ("SELECT 1 # DELETE FROM t", {"mysql": None, "psycopg": "DELETE"}),
    ("SELECT n FROM #q; DELETE FROM t", {"pymysql": None, "pyodbc": "DELETE"}),
    ("SELECT 'it\\'s; DELETE FROM t'", {"pymysql": None, "snowflake": None, "sqlite3": "DELETE"}),
    ('SELECT "it\\"s; DELETE FROM t"', {"google": None, "sqlite3": "DELETE"}),
]


@pytest.mark.parametrize(("sql", "found"), OF_A_DRIVER)
def test_quotes_and_comments_are_those_of_the_database(sql: str, found: dict[str, str | None]) -> None:
    assert {driver: find_change(sql, driver) for driver in found} == found


@pytest.mark.fuzz
@cases(200)
@given(st.text(), st.sampled_from(["psycopg", "pymysql", "pyodbc"]))
def test_no_text_hides_the_change_behind_it(text: str, driver: str) -> None:
    literal = text.replace("\\", "").replace("'", "''")
    for before in (f"SELECT '{literal}'", f"SELECT 1 /* {text.replace('*', '').replace('!', '')} */"):
        assert find_change(f"{before}; DELETE FROM t", driver) == "DELETE"
        assert find_change(f"SELECT '{literal}; DELETE FROM t'", driver) is None


@pytest.mark.parametrize(
    ("sql", "empty"),
    [("", True), (" ;\n; -- x", True), ("/* x */", True), ("''", False), ("SELECT 1", False)],
)
def test_what_has_no_statement_is_empty(sql: str, empty: bool) -> None:
    assert is_empty(sql, "psycopg") is empty
