"""The ``tidyset`` command: everything a page can do, without a page.

One module a group of commands. They import what is heavy inside the commands, so that ``tidyset --help``
and ``tidyset data list`` answer at once.
"""

from core.cli import (  # noqa: F401  (each adds its commands)
    active,
    cache,
    captions,
    crossval,
    data,
    db,
    doctor,
    embeddings,
    evaluate,
    fill,
    images,
    issues,
    label_files,
    labels,
    people,
    prove,
    runs,
    serve,
    sweep,
    team,
    training,
    tune,
    unknown,
    zero_shot,
)
from core.cli.app import app

__all__ = ["app"]
