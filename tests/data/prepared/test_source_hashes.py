import hashlib  # noqa: TID251
import threading
from concurrent.futures import CancelledError

import pytest

from keras_elastor.data.prepared.source_hashes import SourceHashes
from keras_elastor.utils import files

pytestmark = pytest.mark.backend_free


def test_hashes_are_those_of_the_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PIECE_BYTES", 10)
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(path.name.encode() * 33)
    with SourceHashes(paths) as hashes:
        for path in paths:
            assert hashes.of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_leaving_stops_it(tmp_path, monkeypatch):
    # A file without end.
    begun = threading.Event()

    class Endless:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, size):
            begun.set()
            return b"x"

    monkeypatch.setattr(files, "open", lambda *_: Endless(), raising=False)
    with SourceHashes([tmp_path / "a"]) as hashes:
        assert begun.wait(60)
    with pytest.raises(CancelledError):
        hashes.of(tmp_path / "a")
