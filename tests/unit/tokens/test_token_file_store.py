from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelNotSentError
from airflow_channel_provider.hooks._pace import shared_pace
from airflow_channel_provider.hooks._stores import open_store
from airflow_channel_provider.tokens.seal import Sealer, app_key
from airflow_channel_provider.tokens.stores.base import Anew, HostLock, Snapshot
from airflow_channel_provider.tokens.stores.file import FileStore
from airflow_channel_provider.tokens.stores.memory import MemoryStore

FILE = "airflow_channel_provider.tokens.stores.file"
DOCUMENT_FORMAT = "airflow_channel_provider.tokens.stores.document"
APP = app_key("https://service.test", "app", "secret")
OLD, NEW = (Sealer(APP, "secret").blob_name(scope) for scope in ("old", "new"))


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "tokens")


def write(store: FileStore, state: dict[str, Any], document: str = "doc") -> None:
    store.update(document, lambda snapshot: (state, None))


def seen(store: FileStore, document: str = "doc") -> Snapshot:
    return store.update(document, lambda snapshot: (None, snapshot))


def raising(error: Exception) -> Callable[..., None]:
    def trouble(*args: object) -> None:
        raise error

    return trouble


def age(directory: Path, days: float) -> None:
    long_ago = time.time() - days * 86_400
    for path in directory.iterdir():
        os.utime(path, (long_ago, long_ago))


def test_what_is_written_is_read_by_every_process(store: FileStore, tmp_path: Path) -> None:
    assert seen(store).state is None
    write(store, {"n": 1})
    assert FileStore(tmp_path / "tokens").load("doc").state == {"n": 1}


def test_nothing_is_touched_before_the_first_write(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/tokens")
    snapshot = store.load("doc")
    assert (snapshot.state, snapshot.lost) == (None, False)
    assert snapshot.now == pytest.approx(time.time(), abs=2)
    assert store.read_blob("doc", "name") is None
    assert not (tmp_path / "tokens").exists()


def test_only_the_owner_may_read_and_enter(store: FileStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write(store, {})
        store.write_blob("doc", "name", b"sealed", 60)
        with store.host_lock("doc", "app"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o700
    files = list((tmp_path / "tokens").iterdir())
    assert len(files) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_an_empty_directory_made_by_hand_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o755)
    write(FileStore(tmp_path / "mine"), {})
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700


def test_a_change_that_fails_changes_nothing_and_holds_no_lock(store: FileStore) -> None:
    write(store, {"n": 1})
    with pytest.raises(ZeroDivisionError):
        store.update("doc", lambda snapshot: ({"n": 1 // 0}, None))
    assert seen(store).state == {"n": 1}


@pytest.mark.promise(name="plausible")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"format": "of another program"}',
        b'{"format": "airflow-channel-provider/1"}',
    ],
)
def test_an_unreadable_or_foreign_document_is_set_aside_and_heals(
    store: FileStore, tmp_path: Path, content: bytes
) -> None:
    write(store, {"n": 1})
    path = tmp_path / "tokens" / "doc.json"
    path.write_bytes(content)
    snapshot = seen(store)
    assert (snapshot.state, snapshot.lost) == (None, True)
    (aside,) = (tmp_path / "tokens").glob("doc.json.*.unreadable")
    assert aside.read_bytes() == content
    write(store, {"n": 2})
    assert seen(store).state == {"n": 2}


def test_a_truncated_document_is_set_aside_too(store: FileStore, tmp_path: Path) -> None:
    write(store, {"n": list(range(100))})
    path = tmp_path / "tokens" / "doc.json"
    path.write_bytes(path.read_bytes()[:200])
    assert seen(store).lost


@pytest.mark.promise(name="files")
def test_a_link_or_a_directory_in_place_of_the_document_is_set_aside(
    store: FileStore, tmp_path: Path
) -> None:
    write(store, {})
    path = tmp_path / "tokens" / "doc.json"
    path.unlink()
    (tmp_path / "elsewhere").write_text("not ours")
    path.symlink_to(tmp_path / "elsewhere")
    assert seen(store).lost
    path.mkdir()
    assert seen(store).lost
    write(store, {"n": 1})
    assert seen(store).state == {"n": 1}
    assert (tmp_path / "elsewhere").read_text() == "not ours"


def test_a_document_that_vanished_beside_its_tokens_is_lost_not_new(store: FileStore, tmp_path: Path) -> None:
    write(store, {})
    (tmp_path / "tokens" / "doc.json").unlink()
    assert not seen(store).lost
    store.write_blob("doc", "name", b"sealed", 60)
    assert seen(store).lost


@pytest.mark.promise(name="files")
def test_a_link_in_place_of_a_token_is_neither_followed_nor_written_through(
    store: FileStore, tmp_path: Path
) -> None:
    write(store, {})
    (tmp_path / "elsewhere").write_bytes(b"not ours")
    path = tmp_path / "tokens" / "doc.name.token"
    path.symlink_to(tmp_path / "elsewhere")
    assert store.read_blob("doc", "name") is None
    store.write_blob("doc", "name", b"sealed", 60)
    assert store.read_blob("doc", "name") == b"sealed"
    assert (tmp_path / "elsewhere").read_bytes() == b"not ours"


@pytest.mark.parametrize("step_seconds", [7200.0, -7200.0, 86_400.0 * 365])
def test_stepping_the_clock_of_the_host_moves_nothing(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, step_seconds: float
) -> None:
    write(store, {})
    before = store.load("doc").now
    wall = time.time
    monkeypatch.setattr(f"{FILE}.time.time", lambda: wall() + step_seconds)
    assert store.load("doc").now == pytest.approx(before, abs=2)


@pytest.mark.parametrize(("wall_step", "expected_step"), [(500.0, 500.0), (-500.0, 0.0)])
def test_after_a_reboot_time_goes_on_and_never_back(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, wall_step: float, expected_step: float
) -> None:
    write(store, {})
    before = store.load("doc").now
    wall = time.time
    monkeypatch.setattr(f"{DOCUMENT_FORMAT}.boot_id", lambda: "another boot")
    monkeypatch.setattr(f"{DOCUMENT_FORMAT}.time.time", lambda: wall() + wall_step)
    assert store.load("doc").now == pytest.approx(before + expected_step, abs=2)


def test_many_writes_do_not_slow_the_clock(store: FileStore) -> None:
    write(store, {})
    before, store_began, after = time.monotonic(), store.load("doc").now, time.monotonic()
    for n in range(300):
        write(store, {"n": n})
    at_least = time.monotonic() - after
    passed = store.load("doc").now - store_began
    at_most = time.monotonic() - before
    assert at_least - 0.01 <= passed <= at_most + 0.01


def test_the_host_lock_is_seen_by_others_and_ends(store: FileStore, tmp_path: Path) -> None:
    other = FileStore(tmp_path / "tokens")
    with store.host_lock("doc", "app") as ours:
        assert ours is HostLock.OURS
        with other.host_lock("doc", "app") as theirs, other.host_lock("doc", "channel:1") as free:
            assert (theirs, free) == (HostLock.TAKEN, HostLock.OURS)
    with other.host_lock("doc", "app") as free:
        assert free is HostLock.OURS


def test_a_forked_child_does_not_keep_the_host_lock_of_its_parent_alive(
    store: FileStore, tmp_path: Path
) -> None:
    end, say_end = os.pipe()
    up, say_up = os.pipe()
    with store.host_lock("doc", "app"):
        pid = os.fork()
        if pid == 0:
            os.close(say_end)
            os.write(say_up, b"x")
            os.read(end, 1)
            os._exit(0)
        os.read(up, 1)
    with FileStore(tmp_path / "tokens").host_lock("doc", "app") as free:
        assert free is HostLock.OURS
    os.close(say_end)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_store_that_may_not_be_written_is_a_configuration_error_that_names_the_option(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*args: object, **kwargs: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"{FILE}.os.open", refused)
    with pytest.raises(
        ChannelConfigurationError, match=r"Option \[channel_talk\] store: .* can't be written"
    ):
        write(store, {})


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Only Linux has a folder that takes no others.")
def test_a_place_where_no_directory_can_be_made_is_a_configuration_error() -> None:
    with pytest.raises(
        ChannelConfigurationError,
        match=r"store: /proc/nothing/channel can't be made: .* \(ENOENT\)\. Name a local",
    ):
        write(FileStore("/proc/nothing/channel"), {})


def test_a_place_that_can_not_be_looked_into_is_not_an_empty_one(store: FileStore, tmp_path: Path) -> None:
    assert store.documents() == []
    (tmp_path / "tokens").write_text("a file")
    with pytest.raises(ChannelConfigurationError, match="can't be read"):
        store.documents()


def test_a_full_disk_is_a_trouble_that_may_pass_and_leaves_nothing_behind(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(store, {"n": 1})

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"{FILE}.os.fsync", full)
    with pytest.raises(ChannelNotSentError, match="No token request was sent"):
        write(store, {"n": 2})
    assert store.load("doc").state == {"n": 1}
    assert list((tmp_path / "tokens").glob("*.tmp")) == []


def test_a_lock_that_is_never_given_back_is_reported(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(f"{FILE}._LOCK_PATIENCE_SECONDS", 0.05)
    (tmp_path / "tokens").mkdir()
    with open(tmp_path / "tokens" / "doc.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ChannelNotSentError, match="locked by another process"):
            write(store, {})


def test_what_is_long_over_is_swept_away(store: FileStore, tmp_path: Path) -> None:
    store.write_blob(APP, OLD, b"sealed", 60)
    pace = shared_pace(store, "https://service.test", "key")._document
    with pytest.MonkeyPatch.context() as patched:
        # A process that is killed here leaves its file behind, and so does one whose file can't be removed.
        patched.setattr(f"{FILE}.os.replace", raising(OSError(errno.EIO, "killed")))
        patched.setattr(Path, "unlink", raising(OSError(errno.EIO, "killed")))
        for document in (APP, pace):
            with pytest.raises(ChannelNotSentError):
                write(store, {}, document)
        with pytest.raises(ChannelNotSentError):
            store.write_blob(APP, NEW, b"sealed", 60)
    write(store, {}, pace)
    store._document_path(pace).write_bytes(b"{")
    write(store, {}, pace)
    directory = tmp_path / "tokens"
    assert len(list(directory.glob("*.tmp"))) == 3
    assert len(list(directory.glob("*.unreadable"))) == 1
    age(directory, 8)
    store.write_blob(APP, NEW, b"sealed", 60)
    kept = [f"{APP}.{NEW}.token", f"{APP}.lock", f"{pace}.json", f"{pace}.lock"]
    assert sorted(path.name for path in directory.iterdir()) == kept


@pytest.mark.promise(name="files")
def test_the_files_of_others_in_its_directory_are_left_alone(store: FileStore, tmp_path: Path) -> None:
    directory = tmp_path / "tokens"
    directory.mkdir()
    theirs = ["notes.unreadable", "report-2026.tmp", "upload.json.1.tmp", "vault.token", f"{OLD}.tmp"]
    for name in theirs:
        (directory / name).write_bytes(b"theirs")
    age(directory, 9)
    store.write_blob(APP, NEW, b"sealed", 60)
    assert sorted(path.name for path in directory.iterdir()) == sorted([*theirs, f"{APP}.{NEW}.token"])


def test_each_token_is_kept_for_its_own_time_whatever_is_written_beside_it(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    another = app_key("https://service.test", "another", "secret")
    store.write_blob(another, OLD, b"sealed", 31_536_000)
    store.write_blob(APP, OLD, b"sealed", 1800)
    monkeypatch.setattr(f"{FILE}.time.time", lambda: now + 300 * 86_400)
    store.write_blob(APP, NEW, b"sealed", 1800)
    assert {path.name for path in (tmp_path / "tokens").iterdir()} == {
        f"{another}.{OLD}.token",
        f"{APP}.{NEW}.token",
    }


def test_the_document_is_plain_json_with_its_format_named(store: FileStore, tmp_path: Path) -> None:
    write(store, {"n": 1})
    envelope = json.loads((tmp_path / "tokens" / "doc.json").read_text())
    assert envelope["format"] == "airflow-channel-provider/1"
    assert set(envelope) == {"format", "nonce", "clock", "state"}


@pytest.mark.parametrize(
    "address",
    [
        "file://relative/dir",
        "file:///",
        "file:relative",
        "ftp://x/y",
        "",
        "/var/tokens",
        "redis",
        "file://[abc",
    ],
)
def test_an_address_that_is_none_is_refused_by_the_name_of_the_option(address: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"Option \[channel_talk\] store"):
        open_store(address)


def test_the_same_address_is_the_same_store_within_a_process(tmp_path: Path) -> None:
    assert open_store(f"file://{tmp_path}") is open_store(f"file://{tmp_path}")
    assert open_store("memory://") is open_store("memory://")
    assert isinstance(open_store("memory://"), MemoryStore)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(store: FileStore, tmp_path: Path) -> None:
    write(store, {})
    document, token = tmp_path / "tokens" / "doc.json", tmp_path / "tokens" / "doc.name.token"
    document.unlink()
    os.mkfifo(document)
    os.mkfifo(token)
    assert store.read_blob("doc", "name") is None
    assert seen(store).lost
    write(store, {"n": 1})
    assert seen(store).state == {"n": 1}


def test_a_directory_in_place_of_a_lock_is_set_aside(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "tokens" / "doc.lock").mkdir(parents=True)
    write(store, {"n": 1})
    assert seen(store).state == {"n": 1}


def test_a_directory_that_was_deleted_under_a_running_process_is_made_again(
    store: FileStore, tmp_path: Path
) -> None:
    write(store, {"n": 1})
    shutil.rmtree(tmp_path / "tokens")
    write(store, {"n": 2})
    assert seen(store).state == {"n": 2}


def test_a_directory_that_is_open_to_others_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared" / "something else").touch()
    store = FileStore(tmp_path / "shared")
    write(store, {})
    write(store, {})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "open to other users (mode 755)" in caplog.text


@pytest.mark.promise(name="files")
@pytest.mark.parametrize("mode", [0o700, 0o770])
def test_a_directory_of_another_user_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(mode)
    owner = os.geteuid()
    monkeypatch.setattr(f"{FILE}.os.geteuid", lambda: owner + 1)
    store = FileStore(tmp_path / "theirs")
    write(store, {})
    write(store, {})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"belongs to another user ({owner})" in caplog.text
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == mode


def test_what_is_set_aside_stays_for_a_week_and_its_place_is_lost_until_it_is_written(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, {}, APP)
    path = tmp_path / "tokens" / f"{APP}.json"
    path.write_bytes(b"{")
    long_ago = time.time() - 90 * 86_400
    os.utime(path, (long_ago, long_ago))
    assert (seen(store, APP).lost, seen(store, APP).lost) == (True, True)
    write(store, {"n": 1}, APP)
    now = time.time()
    for days, kept in ((6, 1), (8, 0)):
        monkeypatch.setattr(f"{FILE}.time.time", lambda days=days: now + days * 86_400)
        store.write_blob(APP, NEW, b"sealed", 60)
        assert len(list((tmp_path / "tokens").glob(f"{APP}.json.*.unreadable"))) == kept


def test_a_state_that_is_not_believed_is_set_aside_when_it_is_replaced(
    store: FileStore, tmp_path: Path
) -> None:
    write(store, {"n": 1})
    content = (tmp_path / "tokens" / "doc.json").read_bytes()
    write(store, Anew(n=2))
    write(store, {"n": 3})
    (aside,) = (tmp_path / "tokens").glob("*.unreadable")
    assert aside.read_bytes() == content


@pytest.mark.promise(name="dropped")
def test_a_token_is_dropped_and_may_be_gone_already(store: FileStore, tmp_path: Path) -> None:
    store.write_blob("doc", "name", b"sealed", 60)
    for _ in range(2):
        store.drop_blob("doc", "name")
        assert store.read_blob("doc", "name") is None
    (tmp_path / "tokens" / "doc.name.token").mkdir()
    store.drop_blob("doc", "name")


def test_a_child_that_was_forked_while_the_lock_was_being_opened_does_not_keep_it(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, say_end = os.pipe()
    pids: list[int] = []

    class Gap(set[int]):
        def add(self, fd: int) -> None:
            if not pids:
                pids.append(os.fork())
                if pids[0] == 0:
                    os.close(say_end)
                    os.read(end, 1)
                    os._exit(0)
            super().add(fd)

    monkeypatch.setattr(f"{FILE}._held_fds", Gap())
    monkeypatch.setattr(f"{FILE}._LOCK_PATIENCE_SECONDS", 0.5)
    write(store, {"n": 1})
    write(store, {"n": 2})
    os.close(say_end)
    assert os.waitpid(pids[0], 0)[1] == 0
