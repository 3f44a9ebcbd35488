"""Files: whole or not at all, one writer at a time, errors that say what to do, digests, versions.

What the package writes on this machine, it writes by these functions.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import logging
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import keras

from keras_elastor.version import __version__

PathLike: TypeAlias = str | os.PathLike[str]

_REASONS = {
    errno.ENOSPC: "the disk is full. Free some space and try again",
    errno.EDQUOT: "the quota of the disk is used up. Free some space and try again",
    errno.EFBIG: "the file would be larger than allowed. Raise the limit and try again",
    errno.EROFS: "the disk is read-only. Choose another folder",
    errno.EACCES: "there is no permission to write there. Choose another folder",
    errno.EPERM: "there is no permission to write there. Choose another folder",
    errno.ENOENT: "there is no such folder. Make it, or choose another one",
    errno.ENOTDIR: "a folder above it is a file. Choose another folder",
    errno.EEXIST: "there is a file of that name. Choose another one",
    errno.EISDIR: "there is a folder of that name. Choose another one",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
}
# HDF5 and Polars tell the number of an error in its text alone.
_NUMBER_IN_TEXT = re.compile(r"\b(?:errno =|os error) (\d+)")
_PART = ".part_"
_PIECE_BYTES = 1 << 22
# Those that results of a run depend on.
_RUN_PACKAGES = ("keras", "numpy", "tensorflow", "jax", "torch", "polars", "scikit-learn")

_logger = logging.getLogger(__name__)


class DiskError(OSError):
    """The disk refuses to be written; one line says where, why and what to do.

    Args:
        path: What cannot be written.
        reason: Why, and what to do.
        number: The system's number of the reason, such as `errno.ENOSPC`; `errno` of the error.
    """

    def __init__(self, path: PathLike, reason: str, number: int | None) -> None:
        super().__init__(f"Cannot write {os.fspath(path)}: {reason}")
        self.reason = reason
        self.errno = number


@contextlib.contextmanager
def disk_errors(path: PathLike) -> Iterator[None]:
    """Inside this context, what the disk refuses is a `DiskError` about that path.

    One about another path, which tells more, stays as it is.
    """
    try:
        yield
    except DiskError:
        raise
    except (OSError, RuntimeError) as error:
        number = _error_number(error)
        # Other errors are not those of a disk, though h5py has some that are no OSError.
        if number is None:
            raise
        text = " ".join(str(error).split())
        raise DiskError(path, _REASONS.get(number, text), number) from error


def _error_number(error: OSError | RuntimeError) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER_IN_TEXT.search(str(error))
    return int(found[1]) if found else None


def make_folder(path: PathLike) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        DiskError: If the disk refuses.
    """
    with disk_errors(path):
        Path(path).mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """The path of a file to write, which takes the place of `path` when it is on the disk as whole.

    An error inside of the context passes as it is, and `path` stays what it was.

    Args:
        path: File to write, in a folder that is there. Where it is a link, what it leads to.

    Raises:
        DiskError: If the disk refuses.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not (target.is_file() or target.is_dir()):
        # A pipe or a device, which is written and not replaced.
        yield target
        return
    # Keras looks at how a name ends.
    temporary = target.with_name(_PART + target.name)
    try:
        yield temporary
        with disk_errors(path):
            _sync(temporary)
            temporary.replace(target)
            _sync(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def atomic_path(path: PathLike, num_bytes: int = 0) -> Iterator[Path]:
    """As `replacing`, for what does nothing but write.

    Args:
        path: As for `replacing`.
        num_bytes: What the file will take at most. The disk is asked for it before the context
            begins, for writers that do not bear a refusal: HDF5 ends the process where a disk is
            full. Default: 0, the disk is not asked.

    Raises:
        DiskError: If the disk refuses, before, inside of, or at the end of the context.
    """
    with disk_errors(path), replacing(path) as temporary:
        if num_bytes:
            _require_space(temporary, num_bytes)
        yield temporary


def _require_space(path: Path, num_bytes: int) -> None:
    """Take so many bytes of the disk and give them back."""
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
    path.unlink()


@contextlib.contextmanager
def atomic_file(path: PathLike) -> Iterator[BinaryIO]:
    """An open file whose content takes the place of `path` when all of it is on the disk.

    Raises:
        DiskError: If the disk refuses. What `path` was before is still there.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        yield file


def write_bytes(path: PathLike, content: bytes) -> None:
    """Write a file, all of it or nothing, with the folders above it.

    Raises:
        DiskError: If the disk refuses. What `path` was before is still there.
    """
    make_folder(Path(path).parent)
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: PathLike, text: str) -> None:
    """Write a text in UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def atomic_folder(path: PathLike, mark: str) -> Iterator[Path]:
    """A new folder to write into, which becomes `path` when all of it is on the disk.

    Args:
        path: Where the folder shall be; those above it are made. One that holds the file `mark`,
            hence an earlier one of the kind, is replaced.
        mark: Name of a file that every such folder holds.

    Raises:
        FileExistsError: If there is something else at `path`, which is left as it is.
        DiskError: If the disk refuses. What `path` was before is still there.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not (target / mark).is_file() and not _is_empty(target):
        raise FileExistsError(
            f"{path}: expected a new or empty folder, or one with a {mark}, which is replaced. "
            "There is something else. Choose another name"
        )
    make_folder(target.parent)
    with disk_errors(path):
        place = Path(tempfile.mkdtemp(dir=target.parent, prefix=_PART))
        # Not `place` itself: it is for its owner only.
        new, old = place / "new", place / "old"
        try:
            new.mkdir()
            yield new
            for written in (*new.rglob("*"), new):
                _sync(written)
            _exchange(target, new, old)
        except DiskError as error:
            # Nobody knows the names inside of the new folder.
            raise DiskError(path, error.reason, error.errno) from error
        finally:
            # Should the earlier folder not have found back, it is kept.
            if target.exists() or not old.exists():
                shutil.rmtree(place, ignore_errors=True)


def _exchange(target: Path, new: Path, old: Path) -> None:
    try:
        if target.exists():
            target.rename(old)
        new.rename(target)
        _sync(target.parent)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power cut."""
    if path.is_dir():
        with contextlib.suppress(OSError):  # Not every system can open a folder.
            _sync_descriptor(os.open(path, os.O_RDONLY))
    else:
        _sync_descriptor(os.open(path, os.O_RDWR))


def _sync_descriptor(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: PathLike) -> Iterator[None]:
    """Make a folder; inside this context no other process is. A lock ends with its process.

    Raises:
        RuntimeError: If another process is.
        DiskError: If the disk refuses.
    """
    make_folder(folder)
    try:
        import fcntl
    except ImportError:  # Windows has no such locks.
        yield
        return
    descriptor = _open_lock(Path(folder))
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"{folder}: another process is writing in this folder. Wait until it has ended, or "
                "choose another folder"
            ) from error
        except OSError as error:
            _logger.warning(
                "%s: this disk knows no locks (%s). See to it that no other process writes there",
                folder,
                error,
            )
        yield
    finally:
        os.close(descriptor)


def _open_lock(folder: Path) -> int:
    with disk_errors(folder):
        try:
            # Over a network, only a file that is open for writing keeps other machines out.
            return os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            # What is finished may lie where nobody can write, and need not be written.
            return os.open(folder, os.O_RDONLY)


def hash_file(
    path: PathLike, algorithm: str = "sha256", check: Callable[[], None] = lambda: None
) -> str:
    """The digest of a file, as hexadecimal digits.

    Args:
        path: The file.
        algorithm: One of `hashlib`. Default: "sha256".
        check: Is called between pieces of the file, and may raise.
    """
    digest = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            check()
            digest.update(piece)
    return digest.hexdigest()


def hash_bytes(content: bytes) -> str:
    """SHA-256 of bytes, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def hash_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, as hexadecimal digits."""
    return hash_bytes(text.encode())


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of this package and of those of `packages` that are installed."""
    versions = {"keras-elastor": __version__}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def describe_versions() -> dict[str, Any]:
    """Backend, machine, and versions of Python and of the packages that results depend on."""
    return {
        "backend": keras.backend.backend(),
        "machine": platform.platform(),
        "versions": {"python": platform.python_version(), **package_versions(_RUN_PACKAGES)},
    }
