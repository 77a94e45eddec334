"""The ``tidyset`` command: everything a page can do, without a page.

One module a group of commands. They import what is heavy inside the commands, so that ``tidyset --help``
and ``tidyset data list`` answer at once.
"""

from core.cli import data, evaluate, labels, serve, training  # noqa: F401  (each module adds its commands to app)
from core.cli.app import app

__all__ = ["app"]
