"""The tables of the docs that are made of the code are those of the present code."""

from __future__ import annotations

from graphlib import CycleError

import pytest
from support import markdown

from tools import doc_tables, modules


@pytest.mark.parametrize("name", doc_tables.PAGES)
def test_tables_are_current(name: str) -> None:
    assert doc_tables.page(name) == markdown.page(name), "run `make generated`"


def test_imports_run_one_way() -> None:
    order = list(modules.imports_between_folders())
    assert (
        order.index("operators") < order.index("hooks") < order.index("tokens") < order.index("exceptions.py")
    )


def test_two_folders_that_import_each_other_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = modules.imports_of
    back = {"airflow_channel_provider.tokens.policy": [("airflow_channel_provider.hooks._tokens", False)]}
    monkeypatch.setattr(modules, "imports_of", lambda module: [*real(module), *back.get(module, [])])
    with pytest.raises(CycleError, match="hooks"):
        modules.imports_between_folders()
