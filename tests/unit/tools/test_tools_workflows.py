"""The workflows run what the Makefile offers, each Airflow on its Python, and nothing whose content can change."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tools.matrix.versions import NEWEST, OLDEST, ROOT, RUNS, AirflowVersion

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.yml")}
TARGETS = set(re.findall(r"^([a-z-]+):", ROOT.joinpath("Makefile").read_text(encoding="utf-8"), re.MULTILINE))
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml")))


def rows(workflow: str) -> list[dict[str, Any]]:
    """Return what the matrix of Airflow versions of a workflow asks for."""
    found: list[dict[str, Any]] = WORKFLOWS[workflow]["jobs"]["airflow"]["strategy"]["matrix"]["include"]
    return found


def row(version: AirflowVersion) -> dict[str, Any]:
    """Return what the matrix of a workflow has to say of a version."""
    asked = {"versions": version.name, "image": f"python:{version.python}-bookworm"}
    return asked | ({"may-fail": True} if version.may_fail else {})


def test_each_night_every_airflow_is_run_on_its_python() -> None:
    assert rows("nightly") == [row(version) for version in RUNS]


def test_a_pull_request_is_run_on_the_oldest_and_the_newest_airflow() -> None:
    assert rows("pull_request") == [row(OLDEST), row(NEWEST)]


@pytest.mark.parametrize("name", ["pull_request", "nightly"])
def test_targets_are_those_of_the_makefile(name: str) -> None:
    asked = WORKFLOWS[name]["jobs"]["make"]["strategy"]["matrix"]["target"]
    assert set(asked) <= TARGETS
    assert WORKFLOWS[name]["jobs"]["airflow"]["with"]["target"] in TARGETS


def test_workflows_alone_run_no_target_that_the_makefile_lacks() -> None:
    asked = re.findall(r"run: make --no-print-directory ([a-z-]+)", TEXT)
    assert asked
    assert set(asked) <= TARGETS


def test_each_action_is_pinned_by_its_commit_and_the_same_everywhere() -> None:
    used = re.findall(r"uses: (?!\./)(\S+)@(\S+)(?: # (v[\d.]+))?$", TEXT, re.MULTILINE)
    assert len(used) == len(re.findall(r"uses: (?!\./)", TEXT)) > 5
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) and version for _, commit, version in used)
    assert len({action for action, _, _ in used}) == len(set(used))


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_may_nothing_but_what_a_job_asks_for(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert all(job["permissions"] for job in WORKFLOWS[name]["jobs"].values())


def test_a_commit_looks_with_the_tools_of_the_development_environment() -> None:
    config = yaml.safe_load(ROOT.joinpath(".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert all(entry.startswith((".venv/bin/", "make --no-print-directory ")) for entry in entries)
    assert {entry.split()[2] for entry in entries if entry.startswith("make")} <= TARGETS
