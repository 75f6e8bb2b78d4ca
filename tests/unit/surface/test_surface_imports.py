"""What an import may bring along, and what it may do: nothing that a DAG file would pay for each time it is parsed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.airflow_features import QUESTIONS, needs
from support.fresh_imports import FreshImport, parse

from tools.modules import INSIDES, PACKAGE, SURFACE, modules, path_of

if TYPE_CHECKING:
    from support.fresh_process import FreshProcess

ROOT = Path(__file__).parents[3]
ASK = frozenset({"example_channel_talk_approval", "example_channel_talk_one_click"})
EXAMPLES = sorted((ROOT / "dags_examples").glob("*.py"))
PARSED_HERE = [
    pytest.param(path, id=path.stem, marks=[needs(*QUESTIONS)] if path.stem in ASK else [])
    for path in EXAMPLES
]
# What stands behind the page is imported by the api-server alone, when it starts.
MODULES = [name for name in modules(*SURFACE) if not name.startswith(f"{PACKAGE}.plugins._")]

HEAVY = frozenset(
    {
        *("requests", "urllib3", "aiohttp", "httpx"),
        *("redis", "psycopg", "psycopg2", "asyncpg", "pymysql", "sqlalchemy", "sqlite3"),
        *("cryptography", "pandas", "numpy", "pyarrow", "polars", "duckdb", "fsspec", "fastapi", "starlette"),
        *("markdown", "markdown_it", "mistune", "bs4", "docutils"),
    }
)
LAZY = tuple(f"{PACKAGE}.{room}" for room in INSIDES if room != "messages")

PROVIDER_INFO = """
import json, sys
before = set(sys.modules)
import airflow_channel_provider.get_provider_info
airflow_channel_provider.get_provider_info.get_provider_info()
brought = {name.split(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(brought - set(sys.stdlib_module_names)) + [n for n in sys.modules if n == "http.client"]))
"""

# Airflow is there, and so is all of ours that a DAG file may use; from here on it must only be put together. Each file
# gets a process of its own, since none can take back what it did.
PARSED = """
import json, os, runpy, sys, warnings
import airflow.providers.common.compat.sdk as compat
warnings.resetwarnings()
from airflow_channel_provider.hooks import benlly, channel_talk

def refused(what):
    def refuse(*args, **kwargs):
        raise AssertionError(what)
    return refuse

def watch(event, arguments):
    if event.startswith("socket.") or event == "sqlite3.connect":
        refused(event)()
    if event in ("open", "os.mkdir") and str(arguments[0]).startswith(os.environ["AIRFLOW_HOME"]):
        refused(f"{event} in the home of Airflow")()
    if event == "import" and arguments[0].startswith("airflow_channel_provider.tokens.stores."):
        refused("a store")()

def parse(path):
    sys.addaudithook(watch)
    try:
        runpy.run_path(path)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return dag_ids

dag_ids = []
make = compat.DAG.__init__
def noted(self, *args, **kwargs):
    make(self, *args, **kwargs)
    dag_ids.append(self.dag_id)

compat.DAG.__init__ = noted
compat.BaseHook.get_connection = refused("a connection")
compat.Connection.get = refused("a connection")
compat.Variable.get = refused("a Variable")
warnings.filterwarnings("error", module="airflow_channel_provider|<run_path>")
told = {}
for path in sys.argv[1:]:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(parse(path)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        told[path] = json.load(stream)
    os.wait()
print(json.dumps(told))
"""

GREEDY = {
    "import socket; socket.socket()": "socket.__new__",
    "import socket; socket.getaddrinfo('localhost', 80)": "socket.getaddrinfo",
    "from airflow_channel_provider.hooks._stores import open_store; open_store('memory://')": "a store",
    "import airflow_channel_provider.tokens.stores.file": "a store",
    "import os; open(os.environ['AIRFLOW_HOME'] + '/tokens', 'w')": "open in the home of Airflow",
    "channel_talk.ChannelTalkHook().settings": "a connection",
    "from airflow.providers.common.compat.sdk import Variable; Variable.get('x')": "a Variable",
}


@pytest.fixture(scope="module")
def imports(fresh_process: FreshProcess) -> dict[str, FreshImport]:
    code = "import sys; from support import fresh_imports; fresh_imports.main(1, sys.argv[1:])"
    return parse(fresh_process.run(code, *MODULES))


def imported_at_the_top(module: str) -> set[str]:
    """The packages that a module imports when it is imported, whoever may have imported them before."""
    found = set()
    pending: list[ast.AST] = list(ast.parse(path_of(module).read_text(encoding="utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending.extend(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(node))
    return found


def test_provider_info_brings_in_nothing_but_itself() -> None:
    command = [sys.executable, "-c", PROVIDER_INFO]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [PACKAGE]


def test_surface_is_found() -> None:
    assert {f"{PACKAGE}.operators.channel_talk", f"{PACKAGE}.hooks._base"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_surface_brings_in_nothing_heavy(module: str, imports: dict[str, FreshImport]) -> None:
    brought = imports[module].brought
    assert module in brought
    assert {name.split(".")[0] for name in brought} & HEAVY == set()
    # Airflow may have brought some of them already; ours must not rely on that.
    ours = [name for name in brought if name.split(".")[0] == PACKAGE]
    assert {name: heavy for name in ours if (heavy := imported_at_the_top(name) & HEAVY)} == {}


@pytest.mark.parametrize("module", [name for name in MODULES if not name.split(".")[-1].startswith("_")])
def test_surface_leaves_the_inner_rooms_alone(module: str, imports: dict[str, FreshImport]) -> None:
    assert sorted(name for name in imports[module].brought if name.startswith(LAZY)) == []


@pytest.mark.parametrize("module", modules("operators", "sensors", "triggers", "notifications"))
def test_what_dags_are_made_of_uses_no_private_module_of_another_folder(module: str) -> None:
    folder = module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            private = [name for name in names if "._" in name and not name.startswith(f"{folder}._")]
            assert private == [], ast.unparse(node)


@pytest.fixture(scope="module")
def parsed(fresh_process: FreshProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What became of each example, and of some files that do too much."""
    folder = tmp_path_factory.mktemp("greedy")
    files = {str(path): path for path in EXAMPLES}
    for number, line in enumerate(GREEDY):
        files[line] = folder / f"greedy_{number}.py"
        files[line].write_text(f"from airflow_channel_provider.hooks import channel_talk\n{line}\n")
    told = json.loads(fresh_process.run(PARSED, *files.values()))
    return {name: told[str(path)] for name, path in files.items()}


@pytest.mark.parametrize("path", PARSED_HERE)
def test_example_is_parsed_without_socket_store_and_connection(path: Path, parsed: dict[str, object]) -> None:
    assert parsed[str(path)] == [path.stem]


@pytest.mark.parametrize("line", GREEDY)
def test_a_dag_file_that_does_more_is_found_out(line: str, parsed: dict[str, object]) -> None:
    assert parsed[line] == f"AssertionError: {GREEDY[line]}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_marks_what_the_docs_quote(path: Path) -> None:
    text = path.read_text()
    started = [line.split("[START ")[1].rstrip("]\n") for line in text.splitlines() if "[START " in line]
    ended = [line.split("[END ")[1].rstrip("]\n") for line in text.splitlines() if "[END " in line]
    assert started == ended
    assert started
