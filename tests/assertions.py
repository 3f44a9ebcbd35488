"""What several tests check in the same way."""

import contextlib
import re

import pytest


@contextlib.contextmanager
def raises_value_error(*words):
    """The block raises a ValueError whose message holds every one of the words."""
    in_any_order = "".join(f"(?=.*{re.escape(str(word))})" for word in words)
    with pytest.raises(ValueError, match=f"(?s){in_any_order}") as error:
        yield error
