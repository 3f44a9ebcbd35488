"""Imports of packages that only an extra installs."""

from __future__ import annotations

import importlib
from typing import Any


def import_optional(module: str, extra: str) -> Any:
    """Import a module that comes with an extra.

    Args:
        module: Name of the module, such as `"polars"`.
        extra: The extra of this package that installs it, such as `"data"`.

    Returns:
        The module.

    Raises:
        ImportError: If it is not installed. The message names the extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This needs the package '{module.partition('.')[0]}', which is not installed. "
            f'Install it with: pip install "keras-elastor[{extra}]"'
        ) from error
