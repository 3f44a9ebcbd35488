import math

import pytest

from keras_elastor.utils.optional import import_optional

pytestmark = pytest.mark.backend_free


def test_returns_an_installed_module():
    assert import_optional("math", extra="data") is math


def test_names_the_package_and_the_extra_to_install():
    with pytest.raises(ImportError, match=r"'no_such'.*pip install \"keras-elastor\[data\]\""):
        import_optional("no_such.module", extra="data")
