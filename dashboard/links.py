"""Addresses: of pages, thumbnail sheets and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from core.data.dataset import Dataset

ROOT = "tidyset"

OVERVIEW = "../pages/overview.py"
EXPLORE = "../pages/explore.py"
TRAIN = "../pages/train.py"
EVALUATE = "../pages/evaluate.py"
ISSUES = "../pages/issues.py"
RELABEL = "../pages/relabel.py"
LABEL_NEXT = "../pages/label_next.py"
FILL = "../pages/fill.py"
AGREEMENT = "../pages/agreement.py"
EMBEDDINGS = "../pages/embeddings.py"
ZERO_SHOT = "../pages/zero_shot.py"
PROVE = "../pages/prove.py"


def sheets(dataset: Dataset) -> str:
    """Where the sheets of a data set are, relative to any page: add ``<number>.webp``.

    Relative, so that it also holds behind a proxy or under server.baseUrlPath. The fingerprint makes each
    address mean one content for ever.
    """
    return f"{ROOT}/sheets/{quote(dataset.name)}/{dataset.fingerprint}/"


def picture(dataset: Dataset, position: int) -> str:
    """One whole image as PNG, relative to any page."""
    return f"{ROOT}/image/{quote(dataset.name)}/{dataset.fingerprint}/{position}.png"


def company(dataset: Dataset) -> str:
    """What to hold an image against, relative to any page: add ``<position>.json``."""
    return f"{ROOT}/company/{quote(dataset.name)}/{dataset.fingerprint}/"


def points(digest: str) -> str:
    """An array of a map, by its content, relative to any page."""
    return f"{ROOT}/points/{digest}.bin"
