"""How the models of this room are compiled."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _traced_only(traced_only):
    """What is measured does not depend on how a step is compiled."""
