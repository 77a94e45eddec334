"""Files that give names to numbered classes: classes.txt, label_names.csv, labels.json and the like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from core.data.readers.base import tidy_name
from core.data.readers.tables import names_image, read_table
from core.errors import TidysetError
from core.files import read_limited

_NAMES = re.compile(
    r"(class|label|categor(y|ie)|target|synset)(e?s)?([_-]?(names?|map|list|index|indices|words|mapping|dict|info|id|ids))?"
    r"|(obj|coco|voc|imagenet|data)?[._-]?names|cat_to_name|id2label|label2id",
    re.IGNORECASE,
)
_SUFFIXES = frozenset({".txt", ".csv", ".tsv", ".json", ".names"})
_LARGEST = 4 << 20


def is_called_like_class_names(name: str) -> bool:
    """Whether a file's name says that it holds names of classes."""
    path = Path(name)
    return path.suffix.lower() in _SUFFIXES and bool(_NAMES.fullmatch(path.stem.strip("_")))


def class_names(path: Path) -> dict[str, str]:
    """The names in such a file by their numbers or codes; empty where it holds something else."""
    try:
        if path.suffix.lower() == ".json":
            return _of_json(json.loads(read_limited(path, _LARGEST)))
        if path.suffix.lower() in (".csv", ".tsv"):
            return _of_table(path)
        return _of_lines(read_limited(path, _LARGEST).decode("utf-8-sig").splitlines())
    except (TidysetError, ValueError, RecursionError):
        return {}


def _of_json(value: object) -> dict[str, str]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {str(k): tidy_name(name) for k, name in enumerate(value)}
    if not isinstance(value, dict):
        return {}
    if value and all(isinstance(one, int) for one in value.values()):
        return {str(number): tidy_name(str(name)) for name, number in value.items()}
    if value and all(isinstance(one, str) for one in value.values()):
        return {str(number): tidy_name(name) for number, name in value.items()}
    return {}


def _of_table(path: Path) -> dict[str, str]:
    table = read_table(path)
    if table is None or not 1 <= len(table.header) <= 3:
        return {}
    rows = [cells for _, cells in table.rows if len(cells) == len(table.header)]
    if len(table.header) == 1:
        return {str(k): tidy_name(cells[0]) for k, cells in enumerate(rows)}
    lower = [name.lower() for name in table.header]
    name = next(
        (i for i, word in enumerate(lower) if "name" in word or word in ("label", "class", "category")), 1
    )
    key = next((i for i in range(len(lower)) if i != name), 0)
    if not _are_numbers(cells[key] for cells in rows) and _are_numbers(cells[name] for cells in rows):
        key, name = name, key
    if any(names_image(cells[key]) or names_image(cells[name]) for cells in rows):
        return {}
    return {cells[key].strip(): tidy_name(cells[name]) for cells in rows}


def _of_lines(lines: Iterable[str]) -> dict[str, str]:
    lines = [line.strip() for line in lines if line.strip()]
    pairs = [re.match(r"(\S+?)[\s,:=\t]+(\S.*)$", line) for line in lines]
    if pairs and all(pair and pair[1].isdecimal() for pair in pairs):
        return {pair[1]: tidy_name(pair[2]) for pair in pairs if pair}
    if pairs and all(pair and re.fullmatch(r"n\d{8}", pair[1]) for pair in pairs):
        return {pair[1]: tidy_name(pair[2]) for pair in pairs if pair}
    return {str(k): tidy_name(line) for k, line in enumerate(lines)}


def _are_numbers(cells: Iterable[str]) -> bool:
    return all(cell.strip().isdecimal() for cell in cells)


def names_for(labels: Iterable[str], names: Mapping[str, str]) -> dict[str, str] | None:
    """The name of each numbered label; None where the names do not belong to them.

    Numbers from 1 to K fit K names that are listed without numbers, too.
    """
    wanted = set(labels)
    if not wanted or not names or wanted <= set(names.values()):
        return None
    if wanted <= names.keys():
        return {label: names[label] for label in wanted}
    plain = {str(int(label)): label for label in wanted if label.isdecimal()}
    if len(plain) != len(wanted):
        return None
    if plain.keys() <= names.keys():
        return {label: names[number] for number, label in plain.items()}
    if (
        set(names) == {str(k) for k in range(len(names))}
        and max(map(int, plain)) == len(names)
        and "0" not in plain
    ):
        return {label: names[str(int(number) - 1)] for number, label in plain.items()}
    return None
