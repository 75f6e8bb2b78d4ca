"""What is built is the same each time, complete, and nothing but the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from datetime import datetime, timezone
from email import message_from_bytes
from email.message import Message
from hashlib import sha256
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from support.building import EPOCH, ROOT, Built, build, copy_of_the_tree, files_of_the_tree

import airflow_channel_provider
from airflow_channel_provider.get_provider_info import get_provider_info
from tools.matrix.versions import OLDEST, VERSIONS

PACKAGE = "airflow_channel_provider/"


def fingerprints(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def metadata(built: Built) -> Message:
    (name,) = (name for name in built.names if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(built.wheel) as archive:
        return message_from_bytes(archive.read(name))


# -------------------------------------------------------------------------------------------------- reproducible


def test_two_builds_are_equal_byte_for_byte(built: Built, tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path / "elsewhere")
    for number, path in enumerate(sorted(tree.rglob("*"))):
        os.utime(path, (10**9 + number, 10**9 + number))
    build(tree, tmp_path / "dist", umask=0o077, time_zone="Asia/Seoul")
    assert fingerprints(tmp_path / "dist") == fingerprints(built.folder)
    assert len(fingerprints(built.folder)) == 2


def test_wheel_is_the_same_when_it_is_built_from_the_source_distribution(
    built: Built, tmp_path: Path
) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    build(tree, tmp_path / "dist")
    assert fingerprints(tmp_path / "dist") == fingerprints(built.folder)


def test_archives_carry_the_moment_that_they_are_told(built: Built) -> None:
    moment = datetime.fromtimestamp(int(EPOCH), tz=timezone.utc)
    with zipfile.ZipFile(built.wheel) as archive:
        assert {member.date_time for member in archive.infolist()} == {moment.timetuple()[:6]}


# ------------------------------------------------------------------------------------------------------ contents


def test_wheel_holds_every_file_of_the_package_and_nothing_else(built: Built) -> None:
    of_the_package = {name for name in files_of_the_tree() if name.startswith(PACKAGE)}
    in_the_wheel = {name for name in built.names if ".dist-info/" not in name}
    assert in_the_wheel == of_the_package
    assert {PACKAGE + "py.typed", PACKAGE + "emulator/page.html"} <= in_the_wheel


def test_wheel_holds_the_licence(built: Built) -> None:
    (name,) = (name for name in built.names if name.endswith("/licenses/LICENSE"))
    with zipfile.ZipFile(built.wheel) as archive:
        assert archive.read(name) == ROOT.joinpath("LICENSE").read_bytes()


def test_source_distribution_holds_what_a_reader_wants_and_no_tests(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.partition("/")[0] for name in names} == {
        *("airflow_channel_provider", "dags_examples", "README.md", "CHANGELOG.md", "LICENSE"),
        *("pyproject.toml", "PKG-INFO", ".gitignore"),
    }
    assert {name for name in names if name.startswith(PACKAGE)} == {
        name for name in built.names if name.startswith(PACKAGE)
    }


# ------------------------------------------------------------------------------------------------------ metadata


def test_strict_check_of_the_index_passes(built: Built) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(built.wheel), str(built.sdist)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_version_comes_from_one_place(built: Built, metadata: Message) -> None:
    version = airflow_channel_provider.__version__
    assert metadata["Version"] == version
    assert str(parse_wheel_filename(built.wheel.name)[1]) == version
    assert str(parse_sdist_filename(built.sdist.name)[1]) == version
    assigned = re.compile(r"^ *(?:__version__|VERSION|version) *(?::[^=]*)?= *[\"']", re.MULTILINE)
    texts = {
        name: ROOT.joinpath(name).read_text(encoding="utf-8")
        for name in files_of_the_tree()
        if name.startswith(PACKAGE) or name == "pyproject.toml"
    }
    assert [name for name, text in texts.items() if assigned.search(text)] == [PACKAGE + "__init__.py"]


def test_changelog_has_a_section_for_the_version_or_for_what_is_to_come() -> None:
    text = ROOT.joinpath("CHANGELOG.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## \[(.+?)\](.*)$", text, re.MULTILINE)
    names = [name for name, _ in titles]
    assert names[0] == "Unreleased" or names[0] == airflow_channel_provider.__version__
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", rest) for name, rest in titles if name != "Unreleased")
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_floor_is_the_oldest_airflow_of_the_matrix(metadata: Message) -> None:
    required = [Requirement(text) for text in metadata.get_all("Requires-Dist") or []]
    (airflow,) = (r for r in required if r.name == "apache-airflow")
    assert str(airflow.specifier) == f">={OLDEST.name}"
    assert airflow.marker is None


def test_each_python_that_is_promised_is_in_the_matrix(metadata: Message) -> None:
    promised = {
        text.rpartition(" ")[2]
        for text in metadata.get_all("Classifier") or []
        if re.search(r"Python :: 3\.\d+$", text)
    }
    assert {version.python for version in VERSIONS} == promised
    assert metadata["Requires-Python"] == ">=" + min(promised, key=lambda text: int(text.partition(".")[2]))


def test_metadata_names_the_distribution_and_its_pages(metadata: Message) -> None:
    assert metadata["Name"] == get_provider_info()["package-name"]
    assert metadata["License-Expression"] == "Apache-2.0"
    pages = dict(text.split(", ", 1) for text in metadata.get_all("Project-URL") or [])
    assert {"Homepage", "Documentation", "Changelog"} <= set(pages)
    assert all(address.startswith("https://") for address in pages.values())
