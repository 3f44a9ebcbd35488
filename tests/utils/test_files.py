import contextlib
import errno
import hashlib  # noqa: TID251
import logging
import os
import sys

import pytest

from keras_elastor.utils import files
from keras_elastor.version import __version__
from tests.disks import failing_write, largest_file

pytestmark = pytest.mark.backend_free


def content(folder):
    """All files below a folder, by name."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class TestDiskErrors:
    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (OSError(errno.ENOSPC, "x"), "the disk is full. Free some space and try again"),
            (OSError(errno.EROFS, "x"), "the disk is read-only. Choose another folder"),
            (OSError(errno.EIO, "Input/output error"), "[Errno 5] Input/output error"),
            # As h5py, when it closes a file, and Polars.
            (RuntimeError("Can't\nwrite, errno = 28, x"), "the disk is full. Free some space"),
            (OSError("No space left on device (os error 28)"), "the disk is full. Free some"),
        ],
    )
    def test_one_line_says_where_why_and_what_to_do(self, error, words):
        with pytest.raises(files.DiskError) as caught, files.disk_errors("some/file"):
            raise error
        assert str(caught.value).startswith(f"Cannot write some/file: {words}")
        assert "\n" not in str(caught.value)
        assert caught.value.errno in (errno.ENOSPC, errno.EROFS, errno.EIO)
        assert caught.value.__cause__ is error

    def test_the_innermost_path_is_named(self):
        with (
            pytest.raises(files.DiskError) as caught,
            files.disk_errors("outer"),
            files.disk_errors("inner"),
        ):
            raise OSError(errno.ENOSPC, "x")
        assert str(caught.value).startswith("Cannot write inner: ")

    @pytest.mark.parametrize(
        "error", [RuntimeError("No such layer"), OSError("no HDF5 file"), ValueError("errno = 28")]
    )
    def test_what_no_disk_says_passes(self, error):
        with pytest.raises(type(error)) as caught, files.disk_errors("file"):
            raise error
        assert caught.value is error


class TestFile:
    def test_the_folders_above_are_made(self, tmp_path):
        files.write_text(tmp_path / "a" / "b" / "c.txt", "ä")
        assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "ä".encode()

    @pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
    def test_a_write_that_fails_leaves_what_was_there(self, tmp_path, monkeypatch, error):
        path = tmp_path / "a.txt"
        path.write_text("before")
        expected = KeyboardInterrupt if error else files.DiskError
        with failing_write(monkeypatch, 1, error), pytest.raises(expected):
            files.write_text(path, "after")
        assert content(tmp_path) == {"a.txt": "before"}

    def test_an_interrupted_write_leaves_what_was_there(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("before")

        def write_half():
            with files.atomic_file(path) as file:
                file.write(b"half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_half()
        assert content(tmp_path) == {"a.txt": "before"}

    def test_a_disk_that_refuses_large_files(self, tmp_path):
        with largest_file(100), pytest.raises(OSError, match="larger than allowed") as caught:
            files.write_bytes(tmp_path / "a", bytes(101))
        assert caught.value.errno == errno.EFBIG
        assert content(tmp_path) == {}

    def test_a_link_stays_one(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
        files.write_text(tmp_path / "link.txt", "new")
        assert (tmp_path / "link.txt").is_symlink()
        assert (tmp_path / "real" / "a.txt").read_text() == "new"

    def test_a_pipe_is_written_itself(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        files.write_text(tmp_path / "pipe", "new")
        assert os.read(reader, 10) == b"new"
        os.close(reader)
        assert (tmp_path / "pipe").is_fifo()

    def test_what_stands_in_the_way_is_named(self, tmp_path):
        (tmp_path / "file").write_text("")
        (tmp_path / "folder").mkdir()
        with pytest.raises(OSError, match=r"folder: there is a folder of that name"):
            files.write_text(tmp_path / "folder", "")
        with pytest.raises(OSError, match=r"file: there is a file of that name"):
            files.write_text(tmp_path / "file" / "a", "")
        with pytest.raises(OSError, match=r"b: a folder above it is a file"):
            files.write_text(tmp_path / "file" / "b" / "a", "")
        words = r"a: there is no such folder. Make it"
        with pytest.raises(OSError, match=words), files.atomic_file(tmp_path / "none" / "a"):
            pass
        with pytest.raises(OSError, match="the name is too long"):
            files.write_text(tmp_path / ("x" * 300), "")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
    def test_a_folder_without_permission(self, tmp_path):
        (tmp_path / "folder").mkdir(mode=0o500)
        with pytest.raises(OSError, match="no permission to write there"):
            files.write_text(tmp_path / "folder" / "a", "")


class TestFolder:
    def write(self, path, text="new"):
        with files.atomic_folder(path, "mark") as folder:
            (folder / "inner").mkdir()
            (folder / "inner" / "a").write_text(text)
            (folder / "mark").write_text("")

    def test_the_folder_is_named_for_what_is_in_it(self, tmp_path):
        def write():
            with files.atomic_folder(tmp_path / "saved", "mark") as folder:
                files.write_bytes(folder / "a", bytes(1000))

        words = r"Cannot write \S*saved: the file would be larger"
        with largest_file(100), pytest.raises(OSError, match=words) as error:
            write()
        assert error.value.errno == errno.EFBIG
        assert content(tmp_path) == {}

    def test_it_replaces_an_earlier_one(self, tmp_path):
        self.write(tmp_path / "x" / "saved", "old")
        self.write(tmp_path / "x" / "saved")
        assert content(tmp_path) == {"x/saved/inner/a": "new", "x/saved/mark": ""}
        assert os.stat(tmp_path / "x" / "saved").st_mode == os.stat(tmp_path / "x").st_mode

    @pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
    def test_a_write_that_fails_leaves_the_old_or_the_new_one(self, tmp_path, monkeypatch, error):
        self.write(tmp_path / "saved", "old")
        found = []
        for number in (1, 2, 3):
            refuse = failing_write(monkeypatch, number, error)
            with refuse, contextlib.suppress(files.DiskError, KeyboardInterrupt):
                self.write(tmp_path / "saved")
            saved = content(tmp_path)
            assert set(saved) == {"saved/inner/a", "saved/mark"}
            found.append(saved["saved/inner/a"])
        assert found == ["old", "old", "new"]

    @pytest.mark.parametrize("call", [1, 2, 3])
    def test_a_rename_that_fails_leaves_the_old_one(self, tmp_path, monkeypatch, call):
        self.write(tmp_path / "saved", "old")
        rename, calls = type(tmp_path).rename, []

        def fail(self, target):
            calls.append(target)
            # The third brings the old one back.
            if len(calls) in (call, 2):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            return rename(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(type(tmp_path), "rename", fail)
            with pytest.raises(OSError, match="Cannot write"):
                self.write(tmp_path / "saved")
        texts = [text for name, text in content(tmp_path).items() if name.endswith("inner/a")]
        assert "old" in texts
        if call < 3:
            assert content(tmp_path) == {"saved/inner/a": "old", "saved/mark": ""}

    def test_something_else_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("")
        (tmp_path / "file").write_text("")
        for path in (tmp_path, tmp_path / "file"):
            with pytest.raises(FileExistsError, match=r"with a mark.*something else"):
                self.write(path)
        with pytest.raises(OSError, match=r"Cannot write .*file"):
            self.write(tmp_path / "file" / "saved")
        assert content(tmp_path) == {"thesis.tex": "", "file": ""}

    def test_a_link_leads_to_the_new_one(self, tmp_path):
        self.write(tmp_path / "real", "old")
        (tmp_path / "link").symlink_to("real")
        self.write(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "inner" / "a").read_text() == "new"


class TestLock:
    def test_another_process_waits_outside(self, tmp_path):
        pytest.importorskip("fcntl")

        folder = tmp_path / "folder"
        words = "folder: another process is writing in this folder. Wait"
        # A lock is one of an open file, and so of a process as of a second opening of the file.
        with files.locked(folder), pytest.raises(RuntimeError, match=words), files.locked(folder):
            pass
        with files.locked(folder):
            pass

    def test_a_disk_without_locks_is_told(self, tmp_path, monkeypatch, caplog):
        fcntl = pytest.importorskip("fcntl")

        def refuse(*arguments):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(fcntl, "flock", refuse)
        with caplog.at_level(logging.WARNING), files.locked(tmp_path):
            pass
        assert "this disk knows no locks" in caplog.text

    def test_a_folder_that_nobody_can_write(self, tmp_path, monkeypatch):
        pytest.importorskip("fcntl")
        system_open = os.open

        def refuse(path, flags, *arguments):
            if flags & os.O_CREAT:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return system_open(path, flags, *arguments)

        monkeypatch.setattr(os, "open", refuse)
        words = "another process is writing in this folder"
        with (
            files.locked(tmp_path),
            pytest.raises(RuntimeError, match=words),
            files.locked(tmp_path),
        ):
            pass

    def test_a_file_in_the_way_is_named(self, tmp_path):
        (tmp_path / "file").write_text("")
        words = r"Cannot write .*file: there is a file of that name"
        with pytest.raises(OSError, match=words), files.locked(tmp_path / "file"):
            pass


def test_digests(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc" * (1 << 22))
    assert files.hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert files.hash_file(path, "md5") == hashlib.md5(path.read_bytes()).hexdigest()
    assert files.hash_text("abc")[:16] == "ba7816bf8f01cfea"


def test_versions():
    found = files.package_versions(["pytest", "no-such-package"])
    assert found == {"keras-elastor": __version__, "pytest": pytest.__version__}
    described = files.describe_versions()
    assert described["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
