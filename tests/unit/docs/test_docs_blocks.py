"""
Every block of code on every page is held to something.

What is marked ``example`` is a piece of an example DAG, which the demo runs; what is marked ``run`` or ``dag`` is
executed by ``integration/test_docs_snippets.py`` and ``integration/test_docs_dags.py``; what is not in Python has a
test of its own, named here.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from support import markdown

ROOT = markdown.ROOT
BLOCKS = markdown.all_blocks()
ANYWHERE = {
    "shell": "test_docs_commands.py::test_there_are_no_other_commands",
    "ini": "test_docs_options.py::test_settings_files_set_options_that_exist",
}
OTHERS = {
    ("README.md", "text"): "test_docs_readme.py::test_end_of_the_report_is_how_the_demo_writes_it",
    ("docs/page.md", "json"): "test_docs_page.py::test_example_is_what_such_a_record_gives",
    ("docs/stores.md", "json"): "test_docs_stores.py::test_json_names_what_the_stores_take",
    ("docs/how_to/warehouse.md", "text"): "test_docs_warehouse.py::test_folder_is_named_as_it_is_shown",
    ("docs/how_to/warehouse.md", "sql"): "test_docs_warehouse.py::test_view_keeps_the_record_that_counts",
    ("docs/architecture.md", "text"): "test_docs_blocks.py::test_folders_are_all_of_them",
}


def test_each_block_in_python_is_run() -> None:
    for page, block in BLOCKS:
        if block.language == "python":
            assert re.fullmatch(r"(example|run|dag): [\w.]+", block.mark), f"{page}: {block.text}"


def test_each_other_block_has_a_test() -> None:
    others = {(page, block.language) for page, block in BLOCKS if block.language not in ("python", *ANYWHERE)}
    assert others == set(OTHERS)
    for where in (*ANYWHERE.values(), *OTHERS.values()):
        file, _, name = where.partition("::")
        assert f"\ndef {name}(" in Path(__file__).with_name(file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "block"),
    [(page, block) for page, block in BLOCKS if block.mark.startswith("example: ")],
    ids=lambda value: value if isinstance(value, str) else value.mark,
)
def test_snippet_is_what_the_example_says(page: str, block: markdown.Block) -> None:
    module, name = block.mark.removeprefix("example: ").split(".")
    text = ROOT.joinpath("dags_examples", f"{module}.py").read_text(encoding="utf-8")
    (marked,) = re.findall(rf"# \[START {name}\]\n(.*?)\n *# \[END {name}\]", text, re.DOTALL)
    assert block.text.strip() == textwrap.dedent(marked).strip()


def test_folders_are_all_of_them() -> None:
    (shown,) = [block.text for page, block in BLOCKS if page == "docs/architecture.md"]
    folders = {path.parent.name for path in ROOT.joinpath("airflow_channel_provider").glob("*/__init__.py")}
    assert set(re.findall(r"\b(\w+)/", shown)) - {"airflow_channel_provider", "stores"} == folders


@pytest.mark.parametrize(
    "path",
    [*markdown.PAGES, *sorted(ROOT.joinpath("dags_examples").glob("*.py"))],
    ids=lambda path: path.name,
)
def test_no_template_names_what_only_runs_of_a_schedule_have(path: Path) -> None:
    templates = re.findall(r"\{\{.*?\}\}|\{%.*?%\}", path.read_text(encoding="utf-8"))
    names = {
        name for template in templates for name in re.findall(r"(?<![\w.|'\"])(?<!\| )[a-z_]+", template)
    }
    assert not {
        name
        for name in names
        if re.match(r"(ds|ts|prev|next|logical_date|data_interval|execution_date)", name)
    }
