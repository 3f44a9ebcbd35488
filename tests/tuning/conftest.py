"""How the models of this room are compiled."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _traced_only(traced_only):
    """Searches are about what happens around the steps."""
