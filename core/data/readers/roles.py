"""What the columns of a table are: by what a person said, by their names, else by what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.data.readers.base import SPLIT_NAMES, Choice, Hints, Question, natural, split_folders, split_of
from core.data.readers.layout import named_splits
from core.data.readers.tables import Table, separator_of
from core.errors import BadInput

FILE_NAMES = frozenset(
    """
    file filename file_name filepath file_path id image imageid image_id image_name imagename image_path
    imagepath img img_path path name item_id uri url image_url photo picture
    """.split()  # noqa: SIM905
)
_LABELS = frozenset(
    """
    label class category target class_name classname class_label classlabel label_name labelname
    ground_truth groundtruth gt current y
    """.split()  # noqa: SIM905
)
_LISTS = frozenset({"labels", "tags", "classes", "categories"})
_CAPTIONS = frozenset({"caption", "captions", "text", "description"})
_SPLITS = frozenset(
    {
        "split",
        "splits",
        "subset",
        "set",
        "fold",
        "partition",
        "usage",
        "phase",
        "data_split",
        "dataset_split",
        "dataset",
    }
)
_GROUPS = re.compile(
    r"(group|patient|subject|lesion|person|study|session|site|camera|animal|video|scene)s?(_?(id|no|nr|name))?"
)
_IDS = re.compile(r"(.*_)?(id|uuid|guid|key|index|idx)|unnamed: ?0|")
_OF_SPLIT = re.compile(r"(?:is|in)_?(.+)")
_OWN = "label "
"""What the columns of our own tables of several labels begin with."""
YES_NO = {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
NO_ANSWER = frozenset({"", "na", "nan", "n/a", "null", "none", "?", "unknown"})
_TRUE, _FALSE = frozenset({"true", "1", "yes", "1.0", "t"}), frozenset({"false", "0", "no", "0.0", "f", ""})
YES_NO_SHARE = 0.9
_LOOKED_AT = 20_000


@dataclass(slots=True)
class Roles:
    """What each column of a table is.

    Attributes:
        labels: Columns with labels: one, or one for each class.
        names: The classes of several label columns.
        separator: Between the labels of a cell; None where a cell has one label.
        minus_is_no: Whether -1 means no, since the columns hold 1 and -1 only.
        splits: Cell of the split column to split.
    """

    image: int
    labels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    separator: str | None = None
    minus_is_no: bool = False
    split: int | None = None
    splits: Mapping[str, str | None] = field(default_factory=dict)
    group: int | None = None
    caption: int | None = None
    id: int | None = None
    unused: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    @property
    def several(self) -> bool:
        """Whether an image has several labels."""
        return len(self.labels) > 1 or self.separator is not None

    def columns(self, table: Table) -> dict[str, str]:
        """What the plan says of the columns."""
        roles = {table.header[self.image]: "image", **{table.header[i]: "label" for i in self.labels}}
        for role in ("split", "caption", "id"):
            index = getattr(self, role)
            if index is not None and index != self.image:
                roles[table.header[index]] = role
        if self.group is not None:
            roles[table.header[self.group]] = "group (not kept yet)"
        return roles


def understand(table: Table, image: int, hints: Hints) -> Roles:
    """Return what the columns of ``table`` are, ``image`` being the one that names the image files.

    Raises:
        BadInput: A column that was named is not there.
    """
    roles = Roles(image)
    lower = [name.strip().lower() for name in table.header]
    roles.id = told_column(table, hints.id, "--id")
    if roles.id is None and "item_id" in lower:
        roles.id = lower.index("item_id")
    roles.group = told_column(table, hints.group, "--group")
    roles.caption = told_column(table, hints.caption, "--caption")
    if roles.caption is None:
        roles.caption = next((i for i, name in enumerate(lower) if name in _CAPTIONS and i != image), None)
    _find_split(roles, table, lower, hints)
    _find_labels(roles, table, lower, hints)
    taken = {image, roles.id, roles.group, roles.caption, roles.split, *roles.labels}
    if roles.group is None:
        groups = [i for i, name in enumerate(lower) if i not in taken and _GROUPS.fullmatch(name)]
        roles.group = groups[0] if groups else None
    taken.add(roles.group)
    for i, name in enumerate(table.header):
        if i not in taken:
            roles.unused.setdefault(name or f"column {i + 1}", "columns are not kept yet")
    if roles.group is not None:
        roles.unused.setdefault(table.header[roles.group], "groups are not kept yet")
    return roles


def told_column(table: Table, name: str, option: str) -> int | None:
    """The column that a person named. Raises BadInput when there is none."""
    if not name:
        return None
    exact = [i for i, column in enumerate(table.header) if column == name]
    fit = exact or [
        i for i, column in enumerate(table.header) if column.strip().lower() == name.strip().lower()
    ]
    if not fit and not table.has_header and name.isdecimal() and 0 < int(name) <= len(table.header):
        fit = [int(name) - 1]
    if not fit:
        known = ", ".join(column or "(no name)" for column in table.header[:20])
        raise BadInput(f"{table.name} has no column {name!r} (its columns: {known}).", f"Correct {option}.")
    return fit[0]


# ------------------------------------------------------------------- splits


def _find_split(roles: Roles, table: Table, lower: Sequence[str], hints: Hints) -> None:
    told = hints.split or (hints.splits_from.partition(":")[0] if ":" in hints.splits_from else "")
    if (
        not told
        and hints.splits_from
        and hints.splits_from not in ("folders", "none")
        and "=" not in hints.splits_from
    ):
        told = hints.splits_from
    column = told_column(table, told, "--splits-from" if not hints.split else "--split")
    if column is None and hints.splits_from in ("folders", "none"):
        return
    pairs = named_splits(hints.splits_from)
    candidates = range(len(lower)) if column is None else [column]
    for i in candidates:
        if i in (roles.image, roles.id, roles.caption):
            continue
        values = _distinct(table, i)
        if pairs and (column is not None or (lower[i] in _SPLITS and values & pairs.keys())):
            roles.split, roles.splits = i, {value: pairs.get(value, "train") for value in values if value}
            return
        found = _splits_of(lower[i], values)
        if found is not None and (column is not None or _says_split(lower[i], values, table)):
            roles.split, roles.splits = i, found
            return
        if column is not None:
            raise BadInput(
                f"The column {table.header[i]!r} names no splits (it has {', '.join(sorted(values)[:6])}).",
                f'Say which they are: --splits-from "{table.header[i]}:{sorted(values)[0]}=train,...".',
            )
        if (
            lower[i] in _SPLITS
            and lower[i] != "fold"
            and values
            and all(v.isdecimal() for v in values)
            and len(values) < 6
        ):
            _ask_split(roles, table, i, sorted(values, key=natural))
            return
        if lower[i] in _SPLITS and len(values) > 1:
            roles.unused[table.header[i]] = "its values name no splits (--splits-from says which they are)"


def _distinct(table: Table, column: int) -> set[str]:
    found: set[str] = set()
    for cell in table.column(column):
        found.add(cell)
        if len(found) > 50:
            break
    return found


def _splits_of(name: str, values: set[str]) -> dict[str, str | None] | None:
    """The split of each value, where enough of them say one."""
    lower = {value: value.lower() for value in values}
    match = _OF_SPLIT.fullmatch(name)
    own = SPLIT_NAMES.get(match[1]) if match else None
    if own is not None and all(text in _TRUE | _FALSE for text in lower.values()):
        rest = "test" if own == "train" else "train"
        return {value: own if text in _TRUE else rest if text else None for value, text in lower.items()}
    if len(values) > 50:
        return None
    found = {value: _split_of_cell(value) for value in values}
    known = sum(split is not None for split in found.values())
    enough = 1 if name in _SPLITS else max(1, len([v for v in values if v]) / 2)
    return {v: s for v, s in found.items() if s or not v} if known >= enough else None


def _split_of_cell(cell: str) -> str | None:
    """The split that a cell names and nothing else: "train", "TRAIN", "PublicTest"."""
    if not re.fullmatch(r"[\w .-]+", cell):
        return None
    return (split_folders([cell]) or {}).get(cell) or (split_of(cell) if len(cell.split()) == 1 else None)


def _says_split(name: str, values: set[str], table: Table) -> bool:
    """Whether a column is one of splits though nobody said so: by its name, or since it has nothing else."""
    match = _OF_SPLIT.fullmatch(name)
    if name in _SPLITS or (match and match[1] in SPLIT_NAMES):
        return True
    words = {value.lower() for value in values if value}
    return len(words) > 1 and words <= SPLIT_NAMES.keys() and name not in _LABELS


def _ask_split(roles: Roles, table: Table, column: int, values: Sequence[str]) -> None:
    name = table.header[column]
    orders = [("train", "val", "test"), ("train", "test", "val"), ("test", "train", "val")][
        : 3 if len(values) > 1 else 1
    ]
    choices = []
    for order in orders:
        pairs = ",".join(f"{value}={order[min(k, 2)]}" for k, value in enumerate(values))
        text = f"{name}:{pairs}"
        choices.append(Choice(pairs.replace("=", " is "), {"splits_from": text}, f'--splits-from "{text}"'))
    choices.append(Choice("it says no split", {"splits_from": "none"}, "--splits-from none"))
    roles.questions.append(
        Question(
            f"The column {name!r} of {table.name} has {', '.join(values)}. Which splits are they?",
            tuple(choices),
        )
    )
    roles.split = column
    roles.splits = {value: orders[0][min(k, 2)] for k, value in enumerate(values)}


# ------------------------------------------------------------------- labels


def _find_labels(roles: Roles, table: Table, lower: Sequence[str], hints: Hints) -> None:
    told = [
        name
        for name in hints.label
        if name not in ("folders", "top-folder", "last-folder", "none") or name in lower
    ]
    if told:
        columns = [told_column(table, name, "--label") for name in told]
        _take_labels(roles, table, tuple(i for i in columns if i is not None), hints)
        return
    if hints.label:
        return
    taken = {roles.image, roles.id, roles.group, roles.caption, roles.split}
    rest = [i for i in range(len(lower)) if i not in taken]
    own = [i for i in rest if lower[i].startswith(_OWN)]
    named = [i for i in rest if lower[i] in _LABELS | _LISTS]
    if own and not named:
        _take_labels(roles, table, tuple(own), hints)
        return
    if "current" in lower and "given" in lower:
        named = [lower.index("current")]
        roles.unused["given"] = "the column current has the corrected labels"
    chosen = _named(roles, table, named)
    if chosen is not None:
        _take_labels(roles, table, (chosen,), hints)
        return
    _by_evidence(roles, table, rest, hints)


def _named(roles: Roles, table: Table, named: Sequence[int]) -> int | None:
    """The one of several columns called as labels are: where they say the same, the one with names."""
    if len(named) < 2:
        return named[0] if named else None
    filled = [i for i in named if any(table.column(i))] or list(named)
    first = filled[0]
    for other in filled[1:]:
        pairs = set(zip(table.column(first), table.column(other), strict=True))
        if len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}):
            numbers = all(a.isdecimal() for a, _ in pairs if a)
            roles.unused[table.header[first if numbers else other]] = (
                f"it says the same as {table.header[other if numbers else first]}"
            )
            first = other if numbers else first
        else:
            _ask_label(roles, table, filled)
            break
    return first


def _ask_label(roles: Roles, table: Table, columns: Sequence[int], together: Sequence[int] = ()) -> None:
    """Ask which column is the label; the first one is shown meanwhile."""
    choices = []
    if together:
        names = tuple(table.header[i] for i in together)
        option = f'--label "{",".join(names)}"'
        choices.append(Choice(f"a class for each of {', '.join(names[:6])}", {"label": names}, option))
    for i in columns:
        values = sorted({value for value in table.column(i)[:_LOOKED_AT] if value}, key=natural)
        some = ", ".join(values[:4]) + (" ..." if len(values) > 4 else "")
        name = table.header[i] or str(i + 1)
        choices.append(Choice(f"{name}: {some}", {"label": (name,)}, f'--label "{name}"'))
    choices.append(Choice("none of them: the images have no labels", {"label": ("none",)}, "--label none"))
    roles.questions.append(Question(f"Which column of {table.name} is the label?", tuple(choices)))


def _by_evidence(roles: Roles, table: Table, rest: Sequence[int], hints: Hints) -> None:
    """The label column where none is called so."""
    rest = [i for i in rest if not _is_row_number(table, i)]
    yes_no = [i for i in rest if is_yes_no(table, i)]
    if len(yes_no) < len(rest) and not any(len(set(table.column(i)) - {""}) > 1 for i in yes_no):
        yes_no = []
    if roles.caption is None:
        texts = [i for i in rest if i not in yes_no and _is_text(table, i)]
        if len(texts) == 1 and len(rest) > 1:
            roles.caption = texts[0]
            rest = [i for i in rest if i != texts[0]]
    likely = [i for i in rest if i not in yes_no and _may_be_label(table, i)]
    if len(yes_no) > 1:
        if likely:
            _ask_label(roles, table, likely, yes_no)
        _take_labels(roles, table, tuple(yes_no), hints)
        return
    candidates = [i for i in rest if i in likely or i in yes_no]
    if not candidates:
        candidates = [
            i for i in rest if any(table.column(i)) and not _IDS.fullmatch(table.header[i].strip().lower())
        ]
        if len(candidates) > 1:
            _ask_label(roles, table, candidates)
    elif len(candidates) > 1:
        _ask_label(roles, table, candidates)
    if candidates:
        _take_labels(roles, table, (candidates[0],), hints)


def _is_row_number(table: Table, column: int) -> bool:
    """Whether a column only counts the rows."""
    cells = table.column(column)
    if len(cells) < 2 or not all(cell.isdecimal() for cell in cells):
        return False
    start = int(cells[0])
    return all(int(cell) == start + k for k, cell in enumerate(cells))


def _is_text(table: Table, column: int) -> bool:
    cells = [cell for cell in table.column(column)[:200] if cell]
    return bool(cells) and sum(len(cell.split()) for cell in cells) > 4 * len(cells)


def _may_be_label(table: Table, column: int) -> bool:
    """Whether values repeat as those of classes do, and are neither measurements nor names of items."""
    if _GROUPS.fullmatch(table.header[column].strip().lower()) or _IDS.fullmatch(
        table.header[column].strip().lower()
    ):
        return False
    cells = [cell for cell in table.column(column) if cell]
    values = set(cells)
    if len(values) < 2 or len(values) > max(2, len(cells) / 2):
        return False
    fractions = sum(bool(re.fullmatch(r"-?\d*\.\d*[1-9]\d*", value)) for value in values)
    dates = sum(bool(re.match(r"\d{4}-\d\d-\d\d|\d+[./]\d+[./]\d+|https?://", value)) for value in values)
    return fractions + dates < len(values) / 2


def is_yes_no(table: Table, column: int) -> bool:
    """Whether a column says yes and no; a slip in one cell must not make it one of another kind."""
    values = [value.lower() for value in table.column(column)[:_LOOKED_AT]]
    said = [value for value in values if value not in NO_ANSWER]
    known = sum(value in YES_NO or value == "-1" for value in said)
    return bool(said) and known >= YES_NO_SHARE * len(said)


def _take_labels(roles: Roles, table: Table, columns: tuple[int, ...], hints: Hints) -> None:
    roles.labels = columns
    if len(columns) > 1:
        names = [table.header[i].strip() for i in columns]
        own = all(name.lower().startswith(_OWN) for name in names)
        roles.names = tuple(name[len(_OWN) :] if own else name for name in names)
        _read_minus(roles, table)
        return
    if table.header[columns[0]].lower().startswith(_OWN):
        roles.names = (table.header[columns[0]][len(_OWN) :],)
    if hints.separator is not None:
        roles.separator = {"none": None, "": None, "space": " ", "blank": " ", "tab": "\t"}.get(
            hints.separator, hints.separator
        )
        return
    cells = table.column(columns[0])
    as_list = table.header[columns[0]].strip().lower() in _LISTS
    roles.separator, unsure = separator_of(cells, named_as_list=as_list)
    if unsure:
        _ask_separator(roles, table, columns[0], cells)


def _read_minus(roles: Roles, table: Table) -> None:
    values = {cell for i in roles.labels for cell in table.column(i)}
    if not values & {"-1", "-1.0"}:
        return
    roles.minus_is_no = not values & {"0", "0.0", "no", "false"}
    if not roles.minus_is_no:
        roles.warnings.append("-1 beside 0 and 1 is read as unknown, since 0 is no.")


def _ask_separator(roles: Roles, table: Table, column: int, cells: Sequence[str]) -> None:
    mark = roles.separator or " "
    example = next(cell for cell in cells if mark in cell)
    name = {" ": "space"}.get(mark, mark)
    listed: dict[str, Any] = {"separator": name}
    one: dict[str, Any] = {"separator": "none"}
    choices = (
        Choice(
            f"a list of {len([p for p in example.split(mark) if p.strip()])} labels",
            listed,
            f'--labels-separated-by "{name}"',
        ),
        Choice("one label", one, "--labels-separated-by none"),
    )
    question = f"Is {example!r} in the column {table.header[column]!r} of {table.name} a list or one label?"
    roles.questions.append(Question(question, choices))
    roles.separator = mark
