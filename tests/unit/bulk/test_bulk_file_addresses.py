"""One file is known by whatever address, and two are two."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.airflow_features import attach

from airflow_channel_provider.bulk import files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder on this host, below one that is the test's own."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def on_disk(path: Path) -> Any:
    return ObjectStoragePath(path.as_uri())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{folder}/a.jsonl", "file://{folder}/a.jsonl"),
        ("{folder}/a.jsonl", "{folder}/./b/../a.jsonl"),
        ("{folder}//a.jsonl", "{folder}/a.jsonl"),
        ("{folder}/a.jsonl", "{folder}/../link/a.jsonl"),
        ("{folder}/there.jsonl", "{folder}/hard.jsonl"),
        ("{folder}/there.jsonl", "{folder}/soft.jsonl"),
        ("memory://bulk/a.jsonl", "memory://bulk/a.jsonl"),
        ("memory://bulk/a.jsonl", "memory://conn@bulk/a.jsonl"),
        ("memory://bulk/a.jsonl", "memory://bulk/./b/..//a.jsonl"),
    ],
)
def test_one_file_is_known_by_all_its_addresses(
    one: str, other: str, folder: Path, tmp_path: Path, bucket: Any
) -> None:
    attach("memory", conn_id="conn", fs=fsspec.filesystem("memory"))
    (tmp_path / "link").symlink_to(folder)
    (folder / "there.jsonl").touch()
    os.link(folder / "there.jsonl", folder / "hard.jsonl")
    (folder / "soft.jsonl").symlink_to("there.jsonl")
    first, second = (ObjectStoragePath(address.format(folder=folder)) for address in (one, other))
    assert files.is_same_file(first, second)
    assert files.is_same_file(second, first)


@pytest.mark.skipif(
    ObjectStoragePath("a.jsonl").is_absolute(), reason="Before Airflow 3.2 every path begins at the root."
)
@pytest.mark.parametrize("address", ["a.jsonl", "~/a.jsonl", "local://{folder}/a.jsonl"])
def test_one_file_is_known_from_where_one_stands(
    address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    first, second = (ObjectStoragePath(text.format(folder=folder)) for text in (address, "{folder}/a.jsonl"))
    assert files.is_same_file(first, second)
    assert files.is_same_file(second, first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{folder}/a.jsonl", "{folder}/b.jsonl"),
        ("{folder}/a.jsonl", "{folder}/A.jsonl"),
        ("{folder}/a.jsonl", "memory://{folder}/a.jsonl"),
        ("memory://bulk/a.jsonl", "memory://bulk/b/a.jsonl"),
    ],
)
def test_two_files_are_two(one: str, other: str, folder: Path, bucket: Any) -> None:
    first, second = (ObjectStoragePath(address.format(folder=folder)) for address in (one, other))
    assert not files.is_same_file(first, second)


@pytest.mark.parametrize("name", ["a\0b", "half \ud800", "circle/x"])
def test_what_no_file_can_be_is_not_the_same_as_one(name: str, folder: Path) -> None:
    (folder / "circle").symlink_to("circle")
    impossible, there = on_disk(folder) / name, on_disk(folder) / "a.jsonl"
    assert not files.is_same_file(impossible, there)
    assert not files.is_same_file(there, impossible)
