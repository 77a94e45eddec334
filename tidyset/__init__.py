"""Tidyset from Python: look at image-classification data, train, find label errors, fix them, prove it.

Everything here is what the app and the command line do, over the same workspace. Importing it is quick:
nothing heavy is loaded before it is used.

Example:
    >>> import tidyset
    >>> data = tidyset.load("fashion-mnist-sample")
    >>> len(data), data.classes[:2]
    (6000, ('T-shirt/top', 'Trouser'))
    >>> data.where(split="test", label="Trouser")
    <tidyset.Dataset 'fashion-mnist-sample': 100 of 6,000 images, 10 classes>
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.errors import BadInput, NotFound, TidysetError
    from tidyset.data import Dataset, Item, datasets, import_data, load, use_workspace
    from tidyset.jobs import Map, Proof, Run, app, compare, embed, prove, runs, train
    from tidyset.label_issues import LabelIssues, find_label_issues
    from tidyset.labels import edit, undo
    from tidyset.scoring import metrics

_HOMES = {
    "tidyset.data": ("Dataset", "Item", "datasets", "import_data", "load", "use_workspace"),
    "tidyset.jobs": ("Map", "Proof", "Run", "app", "compare", "embed", "prove", "runs", "train"),
    "tidyset.labels": ("edit", "undo"),
    "tidyset.label_issues": ("LabelIssues", "find_label_issues"),
    "tidyset.scoring": ("metrics",),
    "core.errors": ("BadInput", "NotFound", "TidysetError"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BadInput",
    "Dataset",
    "Item",
    "LabelIssues",
    "Map",
    "NotFound",
    "Proof",
    "Run",
    "TidysetError",
    "app",
    "compare",
    "datasets",
    "edit",
    "embed",
    "find_label_issues",
    "import_data",
    "load",
    "metrics",
    "prove",
    "runs",
    "train",
    "undo",
    "use_workspace",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tidyset' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
