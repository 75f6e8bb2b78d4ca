"""Files of a task on a real disk: who may read them, what is replaced by them, and where they are refused."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from support.bulk_plans import plan_of

from airflow_channel_provider.bulk import files
from airflow_channel_provider.bulk.checkpoint import FileCheckpoints
from airflow_channel_provider.bulk.dead_letters import DeadLetterFile
from airflow_channel_provider.bulk.items import FIELDS, Items
from airflow_channel_provider.bulk.outcomes import FailedItem, ItemOutcome
from airflow_channel_provider.bulk.run_state import RunState
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

pytestmark = pytest.mark.promise(name="files")

LOSS = FailedItem({"id": 1}, "1", ItemOutcome.FAILED, "ChannelRequestError", "no")
OTHERS = "what somebody else has written\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder on this host, below one that is the test's own."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A file that no task has any business with."""
    path = tmp_path / "elsewhere.txt"
    path.write_text(OTHERS, encoding="utf-8")
    return path


def on_disk(path: Path) -> Any:
    return ObjectStoragePath(path.as_uri())


def letters(path: Path) -> DeadLetterFile:
    return DeadLetterFile(on_disk(path), "a1", attempt=1)


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(found.stat().st_mode) for found in folder.rglob("*") if found.is_file()}


@contextlib.contextmanager
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


# ---- who may read them


def test_whatever_is_written_is_for_this_user_alone(folder: Path) -> None:
    kept = letters(folder / "failed.jsonl")
    with open_umask():
        kept.write_part(1, [LOSS])
        FileCheckpoints(kept.path, "a1").save({"n": 1})
        kept.merge_parts(1)
    assert modes(folder) == {0o600}
    assert len([found for found in folder.rglob("*") if found.is_file()]) == 3
    assert stat.S_IMODE((folder / "failed.jsonl.a1.parts").stat().st_mode) == 0o700


def test_a_file_that_was_open_to_all_is_not_any_more(folder: Path) -> None:
    target = folder / "rows.jsonl"
    target.write_text("{}\n", encoding="utf-8")
    target.chmod(0o666)
    with files.atomic_write(on_disk(target)) as stream:
        stream.write(b"[]\n")
    assert (stat.S_IMODE(target.stat().st_mode), target.read_bytes()) == (0o600, b"[]\n")


def test_nobody_can_tell_the_name_that_is_written_under(folder: Path) -> None:
    names = set()
    for _ in range(3):
        with files.atomic_write(on_disk(folder / "rows.jsonl"), mark="m"):
            (aside,) = (found.name for found in folder.iterdir() if found.name != "rows.jsonl")
        names.add(aside)
    assert len(names) == 3
    assert all(name.startswith("rows.jsonl.m.") and name.endswith(".part") for name in names)
    assert not any(str(os.getpid()) in name for name in names)


def test_what_a_killed_writer_left_behind_is_removed_and_nothing_else(folder: Path) -> None:
    left = [
        folder / name for name in ("rows.jsonl.m.abc.part", "rows.jsonl.m.part", "rows.jsonl.m2.abc.part")
    ]
    for path in [*left, folder / "rows.jsonl", folder / "rows.jsonl.m.abc"]:
        path.touch()
    files.remove_temporary_files(on_disk(folder / "rows.jsonl"), mark="m")
    kept = [left[2], folder / "rows.jsonl", folder / "rows.jsonl.m.abc"]
    assert sorted(folder.iterdir()) == sorted(kept)
    files.remove_temporary_files(on_disk(folder / "nowhere" / "rows.jsonl"), mark="m")


def test_a_file_that_fails_on_the_way_leaves_the_old_one(folder: Path) -> None:
    target = folder / "rows.jsonl"
    target.write_text("old", encoding="utf-8")

    def half_written() -> None:
        with files.atomic_write(on_disk(target)) as stream:
            stream.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        half_written()
    assert [(found.name, found.read_text()) for found in folder.iterdir()] == [("rows.jsonl", "old")]


# ---- links and what else is no file


def as_link(place: Path, elsewhere: Path) -> None:
    place.symlink_to(elsewhere)


def as_dangling_link(place: Path, elsewhere: Path) -> None:
    place.symlink_to(elsewhere.with_name("not there yet"))


def as_folder(place: Path, elsewhere: Path) -> None:
    place.mkdir()


def as_pipe(place: Path, elsewhere: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("planted", [as_link, as_dangling_link, as_folder, as_pipe])
def test_something_else_in_the_place_of_the_file_is_refused(
    planted: Callable[[Path, Path], None], folder: Path, elsewhere: Path
) -> None:
    place = folder / "failed.jsonl"
    planted(place, elsewhere)
    for check in (
        letters(place).check,
        lambda: files.check_place(on_disk(place), argument="dead_letter"),
    ):
        with pytest.raises(
            ChannelConfigurationError, match=r"^dead_letter names .*; (give|set) the path of"
        ) as caught:
            check()
        assert str(place) in str(caught.value)
    assert elsewhere.read_text() == OTHERS
    assert [found.name for found in folder.iterdir()] == ["failed.jsonl"]


@pytest.mark.parametrize("planted", [as_link, as_dangling_link, as_folder, as_pipe])
def test_something_else_in_the_place_of_a_checkpoint_is_not_read(
    planted: Callable[[Path, Path], None], folder: Path, elsewhere: Path
) -> None:
    elsewhere.write_text(json.dumps({"finished": True}))
    planted(folder / "failed.jsonl.a1.checkpoint.json", elsewhere)
    store = FileCheckpoints(on_disk(folder / "failed.jsonl"), "a1")
    with pytest.raises(ChannelConfigurationError, match="remove it, or set dead_letter to another folder"):
        store.load()


def test_a_link_in_the_place_of_a_checkpoint_is_replaced_and_not_followed(
    folder: Path, elsewhere: Path
) -> None:
    (folder / "failed.jsonl.a1.checkpoint.json").symlink_to(elsewhere)
    FileCheckpoints(on_disk(folder / "failed.jsonl"), "a1").save({"n": 1})
    assert elsewhere.read_text() == OTHERS


@pytest.mark.parametrize("planted", [as_link, as_dangling_link, as_pipe])
def test_parts_are_not_written_into_a_folder_that_is_none_of_ours(
    planted: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    planted(folder / "failed.jsonl.a1.parts", foreign)
    with pytest.raises(ChannelConfigurationError, match="does not belong to the user of this task"):
        letters(folder / "failed.jsonl").write_part(1, [LOSS])
    assert list(foreign.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_what_another_user_has_put_there_is_not_taken(folder: Path) -> None:
    kept = letters(folder / "failed.jsonl")
    parts, checkpoint = folder / "failed.jsonl.a1.parts", folder / "failed.jsonl.a1.checkpoint.json"
    parts.mkdir()
    os.chown(parts, 12_345, 12_345)
    with pytest.raises(ChannelConfigurationError, match="the user of this task"):
        kept.write_part(1, [LOSS])
    checkpoint.write_text("{}")
    os.chown(checkpoint, 12_345, 12_345)
    with pytest.raises(ChannelConfigurationError, match="the user of this task"):
        FileCheckpoints(kept.path, "a1").load()


def test_a_part_that_is_a_link_is_not_put_together(folder: Path, elsewhere: Path) -> None:
    kept = letters(folder / "failed.jsonl")
    kept.write_part(1, [LOSS])
    (folder / "failed.jsonl.a1.parts" / "000002.jsonl").symlink_to(elsewhere)
    with pytest.raises(ChannelConfigurationError):
        kept.merge_parts(2)
    assert sorted(found.name for found in folder.iterdir()) == ["failed.jsonl.a1.parts"]


def test_the_way_to_the_folder_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    kept = letters(tmp_path / "link" / "failed.jsonl")
    kept.check()
    kept.write_part(1, [LOSS])
    kept.merge_parts(1)
    kept.check()
    kept.remove_parts(1)
    assert [found.name for found in folder.iterdir()] == ["failed.jsonl"]


def test_another_name_of_the_old_file_keeps_what_it_had(folder: Path) -> None:
    kept = letters(folder / "failed.jsonl")
    kept.write_part(1, [LOSS])
    kept.merge_parts(1)
    os.link(folder / "failed.jsonl", folder / "copy.jsonl")
    before = (folder / "copy.jsonl").read_bytes()
    kept.write_part(2, [LOSS])
    kept.merge_parts(2)
    assert (folder / "copy.jsonl").read_bytes() == before
    assert len((folder / "failed.jsonl").read_bytes()) == 2 * len(before)


@pytest.mark.parametrize("name", ["a\0b", "half \ud800"])
def test_a_name_that_no_file_can_have_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"^dead_letter is not a valid file name"):
        DeadLetterFile(on_disk(folder) / name, "a1", 1).check()


@pytest.mark.parametrize("place", ["x" * 300, "file/x", "circle/x"])
def test_a_place_where_no_file_can_be_is_refused(folder: Path, place: str) -> None:
    (folder / "file").touch()
    (folder / "circle").symlink_to("circle")
    with pytest.raises(
        ChannelConfigurationError, match=r"^dead_letter names .*, where a file can't exist \("
    ):
        DeadLetterFile(on_disk(folder) / place, "a1", 1).check()


@pytest.mark.parametrize("length", [200, 214, 215, 228, 254, 255])
@pytest.mark.parametrize("letter", ["x", "고"])
def test_a_name_may_be_as_long_as_a_name_may_be(folder: Path, length: int, letter: str) -> None:
    size = len(letter.encode())
    name = letter * (length // size) + "x" * (length % size)
    path = ObjectStoragePath(
        str(folder / name)
    )  # an address of the form file:// would have it in another spelling
    kept, store = DeadLetterFile(path, "a1", 1), FileCheckpoints(path, "a1")
    kept.check()
    kept.write_part(1, [LOSS])
    store.save({"n": 1})
    kept.merge_parts(1)
    assert store.load() == {"n": 1}
    assert sorted(found.name for found in folder.iterdir())[-1].startswith(letter)
    kept.remove_parts(1)
    assert len(list(folder.iterdir())) == 2
    assert json.loads((folder / name).read_bytes())["item"] == {"id": 1}


@pytest.mark.parametrize("name", ["st*r.jsonl", "[1].jsonl", "what?.jsonl"])
def test_a_store_without_a_way_to_rename_takes_no_name_for_a_pattern(name: str, bucket: Any) -> None:
    neighbours = {"star.jsonl": b"s", "1.jsonl": b"1", "whatX.jsonl": b"w", f"{name}.d/part": b"p"}
    for neighbour, content in neighbours.items():
        bucket.fs.pipe_file(f"{bucket.path}/{neighbour}", content)
    kept = DeadLetterFile(bucket / name, "a1", 1)
    kept.write_part(1, [LOSS])
    kept.write_part(2, [LOSS])
    kept.merge_parts(2)
    kept.remove_parts(2)
    found = {path.partition("/bulk/")[2]: bucket.fs.cat_file(path) for path in bucket.fs.find(bucket.path)}
    assert found.pop(name).count(b"\n") == 2
    assert found == neighbours


def test_two_long_names_share_nothing(folder: Path) -> None:
    names = ["x" * 200 + end for end in "ab"]
    assert len({files.short_name(name) for name in names}) == 2
    assert files.short_name("failed.jsonl") == "failed.jsonl"
    assert all(len(files.short_name(name)) < 180 for name in names)


@contextlib.contextmanager
def as_somebody() -> Iterator[None]:
    """As root no folder is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_place_that_is_closed_to_this_user_is_named(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o000)
    path = closed / "failed.jsonl"
    kept = letters(path)

    def writes() -> None:
        with files.atomic_write(on_disk(path)) as stream:
            stream.write(b"x")

    acts: list[Callable[[], object]] = [
        kept.check,
        writes,
        lambda: kept.write_part(1, [LOSS]),
        lambda: FileCheckpoints(on_disk(path), "a1").load(),
        lambda: FileCheckpoints(on_disk(path), "a1").save({}),
        lambda: files.remove(on_disk(path)),
    ]
    try:
        with as_somebody():
            for act in acts:
                with pytest.raises(ChannelConfigurationError, match=r"failed\.jsonl.*permission denied"):
                    act()
            kept.remove_parts(1)
    finally:
        closed.chmod(0o700)


@pytest.mark.parametrize("remote", [False, True])
def test_a_part_that_is_gone_is_named_with_the_way_to_it(remote: bool, folder: Path, bucket: Any) -> None:
    kept = DeadLetterFile((bucket if remote else on_disk(folder)) / "failed.jsonl", "a1", 1)
    kept.check_parts(0)
    kept.write_part(1, [LOSS])
    kept.check_parts(1)
    kept.write_part(3, [LOSS])
    for act, number in ((kept.check_parts, 4), (kept.merge_parts, 2)):
        with pytest.raises(
            ChannelConfigurationError, match=rf"00000{number}\.jsonl, a part of .*copy .*a1\.parts from"
        ):
            act(number)
    assert not kept.path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_disk_without_room_is_told_as_an_error_of_ours(folder: Path) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        output = files._CheckedOutput(full, on_disk(folder / "rows.jsonl"))
        with pytest.raises(
            ChannelError, match=r"rows\.jsonl can't be written \(OSError: No space left on device\)"
        ):
            output.write(b"x")


# ---- what may be replaced


LETTER: dict[str, Any] = {**dict.fromkeys(sorted(FIELDS)), "dead_letter": 1, "item": {"id": 1}}
OURS = [
    json.dumps(LETTER).encode() + b"\n",
    json.dumps(dict(sorted(LETTER.items())), separators=(",", ":")).encode(),
    b"",
]
FOREIGN = [
    b'{"dead_letter": 1, "item": "shoes"}\n',
    b'{"dead_letter": 1, "item": {"id": 1}, "key": "1"}\n',
    json.dumps({**LETTER, "dead_letter": 2}).encode() + b"\n",
    json.dumps({**LETTER, "price": 2}).encode() + b"\n",
    b'{"id": 1}\n',
    b'{"dead_letter": "x", "item": 1}\n',
    b'{"dead_letter": 1}\n',
    b'{"item": 1, "dead_letter": 1}\n',
    b"PAR1\x00\xff",
    b"\n\n\n",
    b" " * 10_000,
    b'[{"dead_letter": 1, "item": 1}]',
]


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize("remote", [False, True])
def test_a_file_that_is_no_dead_letter_file_is_neither_replaced_nor_removed(
    content: bytes, remote: bool, folder: Path, bucket: Any
) -> None:
    path = (bucket if remote else on_disk(folder)) / "rows.jsonl"
    path.fs.pipe_file(path.path, content)
    kept = DeadLetterFile(path, "a1", 1)
    for act in (kept.check, lambda: kept.merge_parts(0), lambda: kept.merge_parts(1)):
        with pytest.raises(ChannelConfigurationError, match=r"^dead_letter names .*rows.jsonl") as caught:
            act()
        assert "Set dead_letter to another name, or move that file" in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", OURS)
@pytest.mark.parametrize("remote", [False, True])
def test_a_dead_letter_file_and_an_empty_one_may_be_replaced(
    content: bytes, remote: bool, folder: Path, bucket: Any
) -> None:
    path = (bucket if remote else on_disk(folder)) / "failed.jsonl"
    path.fs.pipe_file(path.path, content)
    kept = DeadLetterFile(path, "a1", 1)
    kept.check()
    kept.write_part(1, [LOSS])
    kept.merge_parts(1)
    assert json.loads(path.read_bytes())["item"] == {"id": 1}


def test_a_file_that_comes_while_the_task_runs_stops_its_end_and_not_its_parts(folder: Path) -> None:
    kept, store = letters(folder / "failed.jsonl"), FileCheckpoints(on_disk(folder / "failed.jsonl"), "a1")
    kept.check()
    run_state = RunState(store, kept)
    for item in run_state.pending_items(plan_of(Items([1, 2], None))):
        run_state.record(item, [LOSS] if item.position else [])
    (folder / "failed.jsonl").write_text(OTHERS)
    with pytest.raises(ChannelConfigurationError, match="not a dead-letter file"):
        run_state.close(finished=True)
    assert (folder / "failed.jsonl").read_text() == OTHERS
    (folder / "failed.jsonl").unlink()
    again = RunState(store, kept)
    assert not again.finished
    assert list(again.pending_items(plan_of(Items([1, 2], None)))) == []
    again.close(finished=True)
    assert json.loads((folder / "failed.jsonl").read_bytes())["item"] == {"id": 1}
    assert {found.name for found in folder.iterdir()} == {"failed.jsonl", "failed.jsonl.a1.checkpoint.json"}
