"""Image files in folders: classes and splits are told by the folders, by tables beside them, or by nothing.

First the whole tree is looked at (core.data.readers.tree), then what its folders mean (layout), then each
table: whether it names images of the tree (paths), and what its columns are (roles).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Task
from core.data.problems import ProblemLog
from core.data.readers import class_names, layout, pixel_csv, roles
from core.data.readers.base import (
    Choice,
    Hints,
    Label,
    Question,
    Recognised,
    Record,
    is_image,
    natural,
    reader,
    split_of,
    tidy_name,
)
from core.data.readers.layout import Layout
from core.data.readers.paths import Found, ImageFinder
from core.data.readers.roles import FILE_NAMES, NO_ANSWER, YES_NO, Roles
from core.data.readers.tables import SUFFIXES, Table, as_list, names_image, read_table
from core.data.readers.tree import Tree, endings, folder_of, is_mask_folder, scan
from core.errors import BadInput

_MOST_TABLES, _DEEPEST = 60, 4
_PLACEHOLDER = re.compile(r".*submi(ssion|t).*|sample(_?sub)?|.*_sub", re.IGNORECASE)
_ABOUT = re.compile(
    r"(readme|license|licence|citation|changelog|about|notes?|requirements)\b.*", re.IGNORECASE
)
_SHOWN = 8
_NAMES_NONE = "it names no image that is here"
_FOLDER_LABELS = frozenset({"folders", "top-folder", "last-folder"})


@dataclass(slots=True)
class _LabelTable:
    """A table that names images of the tree."""

    table: Table
    roles: Roles
    found: Found
    split: str | None
    questions: list[Question] = field(default_factory=list)

    @property
    def several(self) -> bool:
        return self.roles.several

    @property
    def form(self) -> tuple[str, ...]:
        """What two tables of one kind have alike: the names of the columns with labels."""
        names = self.roles.names or tuple(self.table.header[i] for i in self.roles.labels)
        return tuple(tidy_name(name).lower() for name in names)


@dataclass(slots=True)
class _Source:
    """All that was found out about a tree of images."""

    tree: Tree
    layout: Layout
    hints: Hints
    tables: list[_LabelTable] = field(default_factory=list)
    read_beside: set[str] = field(default_factory=set)
    beside: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    from_folders: bool = False
    single: bool = False
    beside_columns: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    no_label: frozenset[str] = frozenset()
    whole_numbers: bool = False
    unused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


@reader("images", "a folder per class, a folder of images with a table of labels or without labels", rank=60)
def recognise(source: Path, hints: Hints) -> Recognised | None:
    """Images in folders, with tables or without; one table; one image."""
    if source.is_file():
        return _of_file(source, hints)
    tree = scan(hints.image_folder or source)
    others = tree.others if hints.image_folder is None else scan(source).others
    paths = {name: source / name for name in _candidates(others, hints)}
    return _understood(source, tree, paths, hints, others)


def _of_file(source: Path, hints: Hints) -> Recognised | None:
    if is_image(source):
        record = Record(source.name, None, source, source.name)
        return Recognised("one image", lambda log: iter([record]), n_items=1, weight=1)
    if source.suffix.lower() not in SUFFIXES:
        return None
    table = read_table(source)
    if table is None or not _image_columns(table, hints):
        return None
    tree = scan(hints.image_folder or source.parent)
    return _understood(source, tree, {source.name: source}, hints, [])


def lacks_images(source: Path) -> bool:
    """Whether a source is a table (or a folder with one) that has no image file around it."""
    folder = source if source.is_dir() else source.parent
    tree = scan(folder)
    if tree.images:
        return False
    paths = [source] if source.is_file() else [source / name for name in _candidates(tree.others, Hints())]
    tables = (read_table(path) for path in paths if path.suffix.lower() in SUFFIXES)
    return any(table is not None and _image_columns(table, Hints()) for table in tables)


def _candidates(others: Sequence[str], hints: Hints) -> list[str]:
    """Files that may be tables of labels."""
    if hints.table:
        missing = [name for name in hints.table if name not in others]
        if missing:
            raise BadInput(f"There is no table {missing[0]!r} in the folder.", "Correct --table.")
        return list(hints.table)
    fit = [name for name in others if Path(name).suffix.lower() in SUFFIXES and name.count("/") < _DEEPEST]
    crowds = Counter(folder_of(name) for name in fit)
    return [
        name for name in fit if crowds[folder_of(name)] <= _MOST_TABLES
    ]  # else a file an image, of another tool


# ------------------------------------------------------------------ understanding


def _understood(
    source: Path, tree: Tree, paths: Mapping[str, Path], hints: Hints, others: Sequence[str]
) -> Recognised | None:
    counts = tree.folders()
    found = _Source(tree, layout.understand(counts, hints), hints, single=source.is_file())
    names = _names_of_classes(paths, tree, others, source)
    tables = _tables(found, paths, single=source.is_file())
    found.tables = _chosen(found, tables)
    if not found.tables and not tree.images:
        return None
    if not found.tables and (source.is_file() or not found.layout.labels):
        return None
    _decide_labels(found)
    _understand_labels(found, names)
    _note_the_rest(found, others, paths)
    _ask_about_unread_tables(found, paths)
    return _recognised(found)


def _names_of_classes(
    paths: Mapping[str, Path], tree: Tree, others: Sequence[str], source: Path
) -> dict[str, dict[str, str]]:
    """The files that name numbered classes, and what they say."""
    folder = source if source.is_dir() else source.parent
    beside = [*others, *(p.name for p in folder.iterdir() if source.is_file() and p.is_file())]
    called = [
        name for name in dict.fromkeys(beside) if class_names.is_called_like_class_names(Path(name).name)
    ]
    return {
        name: said
        for name in called[:20]
        if folder / name != source and (said := class_names.class_names(folder / name))
    }


def _tables(found: _Source, paths: Mapping[str, Path], *, single: bool) -> list[_LabelTable]:
    """The tables that name images of the tree."""
    finder = ImageFinder(found.tree)
    tables = []
    for name, path in paths.items():
        told = single or name in found.hints.table
        if not told and path.suffix.lower() == ".txt" and _ABOUT.fullmatch(path.stem):
            continue
        if not told and _PLACEHOLDER.fullmatch(path.stem):
            found.unused.append(f"{name}: it is called like a sample of answers, which are no labels")
            continue
        table = _read(found, path, name, told=told)
        if table is not None:
            made = _label_table(found, table, finder, told=told)
            if made is not None:
                tables.append(made)
    return tables


def _read(found: _Source, path: Path, name: str, *, told: bool) -> Table | None:
    if not told and pixel_csv.layout_of(path, found.hints) is not None:
        return None
    try:
        return read_table(path, name)
    except BadInput as error:
        if told or not found.layout.classes:
            raise
        found.unused.append(f"{name}: {error.problem}")
        return None


def _label_table(found: _Source, table: Table, finder: ImageFinder, *, told: bool) -> _LabelTable | None:
    hints, base = found.hints, folder_of(table.name)
    columns = _image_columns(table, hints)
    questions: list[Question] = []
    image, where = _image_column(table, columns, finder, base, questions)
    if where is None:
        if not columns or not table.rows:
            return None
        image = columns[0]
        where = finder.find(table.column(image), table.name, base)
    n_rows, n_images = len(table.rows), len(found.tree.images)
    n_named = where.n_found + (n_rows if where.rivals else 0)
    if not told:
        known = n_named >= n_rows / 2 or (where.explicit and (n_named > 0 or not n_images))
        few = len(found.layout.classes) > 1 and not where.explicit and where.n_found < n_images / 2
        if not known or few:
            return None
    made = _LabelTable(
        table, roles.understand(table, image, hints), where, _split_of_table(table, hints), questions
    )
    if where.rivals:
        made.questions.append(_which_folder(found.tree, table, where))
    return made


def _split_of_table(table: Table, hints: Hints) -> str | None:
    if hints.splits_from in ("none", "folders"):
        return None
    return split_of(table.path.name)


def _image_columns(table: Table, hints: Hints) -> list[int]:
    """Columns that may name image files, the likeliest first."""
    if hints.image:
        column = roles.told_column(table, hints.image, "--image")
        return [] if column is None else [column]
    cells = {i: [c for c in table.column(i)[:500] if c] for i in range(len(table.header))}
    masks = [
        i for i, name in enumerate(table.header) if re.search(r"mask|annot|segm|depth|thumb", name.lower())
    ]
    fits = [i for i, some in cells.items() if some and sum(map(names_image, some)) > len(some) / 2]
    fits = [i for i in fits if i not in masks] or fits
    named = [
        i for i, name in enumerate(table.header) if name.strip().lower() in FILE_NAMES and i not in masks
    ]
    return fits or named


def _image_column(
    table: Table,
    columns: Sequence[int],
    finder: ImageFinder,
    base: tuple[str, ...],
    questions: list[Question],
) -> tuple[int, Found | None]:
    """The column whose cells are found best; a question where two name different images as well."""
    tried = list(columns) or [
        i
        for i in range(len(table.header))
        if (some := [c for c in table.column(i)[:200] if c])
        and not all(re.fullmatch(r"[\d.+-]+", c) for c in some)
    ]
    found = {i: finder.find(table.column(i), table.name, base) for i in tried}
    if not columns:
        found = {i: one for i, one in found.items() if one.n_found >= 0.9 * len(table.rows)}
    if not found:
        return 0, None
    best = max(found, key=lambda i: found[i].n_found + (len(table.rows) if found[i].rivals else 0))
    rivals = [
        i
        for i, one in found.items()
        if one.n_found == found[best].n_found and one.images != found[best].images
    ]
    if rivals and found[best].n_found:
        choices = [
            Choice(
                f"{table.header[i]}: {table.column(i)[0]}",
                {"image": table.header[i]},
                f'--image "{table.header[i]}"',
            )
            for i in sorted([best, *rivals])
        ]
        questions.append(Question(f"Which column of {table.name} names the image?", tuple(choices)))
    return best, found[best]


def _which_folder(tree: Tree, table: Table, where: Found) -> Question:
    example = next(
        (cell for cell, image in zip(table.column(0), where.images, strict=True) if image is None), ""
    )
    choices = tuple(
        Choice(
            f"those in {folder or 'the top folder'}",
            {"image_folder": tree.root / folder},
            f'--images "{tree.root / folder}"',
        )
        for folder in where.rivals
    )
    return Question(
        f"{table.name} names images that are in several folders (row {example!r}, for one). Which are meant?",
        choices,
    )


def _chosen(found: _Source, tables: list[_LabelTable]) -> list[_LabelTable]:
    """The tables to read, of one form; those without labels add captions and splits to the images."""
    _as_its_twin(tables)
    labelled = [one for one in tables if one.roles.labels]
    if not labelled:
        return _without_repeats(found, tables)
    forms = list(dict.fromkeys(one.form for one in labelled))
    if len(forms) > 1:
        main = max(forms, key=lambda form: sum(one.found.n_found for one in labelled if one.form == form))
        groups = [
            [one for one in labelled if one.form == form] for form in sorted(forms, key=lambda f: f != main)
        ]
        choices = []
        for group in groups:
            names = tuple(one.table.name for one in group)
            option = " ".join(f'--table "{name}"' for name in names)
            choices.append(
                Choice(
                    f"{', '.join(names)} with the labels {', '.join(group[0].form[:6])}",
                    {"table": names},
                    option,
                )
            )
        found.questions.append(
            Question("Several tables have labels, in different columns. Which are meant?", tuple(choices))
        )
        found.unused += [f"{one.table.name}: other labels" for one in labelled if one.form != main]
        labelled = groups[0]
    separators = [one.roles.separator for one in labelled if one.roles.separator is not None]
    for one in labelled if separators and len(labelled[0].roles.labels) == 1 else ():
        one.roles.separator = separators[0]
    of_images = {image for one in labelled for image in one.found.images if image is not None}
    chosen = list(labelled)
    for one in tables:
        if one.roles.labels:
            continue
        if any(image in of_images for image in one.found.images):
            _add_beside(found, one)
        else:
            chosen.append(one)
    return chosen


def _as_its_twin(tables: list[_LabelTable]) -> None:
    """Read a table that is too short to tell its labels like the largest one of the same columns."""
    for one in tables:
        twins = [other for other in tables if other.roles.labels and other.table.header == one.table.header]
        if one.roles.labels or not twins:
            continue
        twin = max(twins, key=lambda other: len(other.table.rows)).roles
        one.roles.labels, one.roles.separator = twin.labels, twin.separator
        for i in twin.labels:
            one.roles.unused.pop(one.table.header[i], None)


def _without_repeats(found: _Source, tables: list[_LabelTable]) -> list[_LabelTable]:
    chosen: list[_LabelTable] = []
    seen: set[str | None] = set()
    for one in sorted(tables, key=lambda one: -one.found.n_found):
        images = {image for image in one.found.images if image is not None}
        if images & seen:
            _add_beside(found, one)
        else:
            chosen.append(one)
            seen |= images
    return chosen


def _add_beside(found: _Source, one: _LabelTable) -> None:
    """Take the captions and splits of a table that has no labels."""
    table = one.table
    for image, (_, cells) in zip(one.found.images, table.rows, strict=True):
        if image is None or len(cells) != len(table.header):
            continue
        caption = cells[one.roles.caption].strip() if one.roles.caption is not None else ""
        split = one.roles.splits.get(cells[one.roles.split].strip()) if one.roles.split is not None else None
        old = found.beside.get(image, ("", None))
        found.beside[image] = caption or old[0], split or old[1]
    found.questions += [*one.questions, *one.roles.questions]
    used = [role for role in ("caption", "split") if getattr(one.roles, role) is not None]
    found.beside_columns |= {f"{table.name}: {table.header[getattr(one.roles, role)]}": role for role in used}
    found.read_beside.add(table.name)
    if not used:
        found.unused.append(f"{table.name}: it says nothing of the images that is kept")


def _decide_labels(found: _Source) -> None:
    """Whether the folders or the tables say the labels; a question where they say different things."""
    hints, tables, folders = found.hints, found.tables, found.layout
    found.from_folders = not tables or not any(one.roles.labels for one in tables)
    if hints.label and hints.label[0] in _FOLDER_LABELS:
        found.from_folders = True
        for one in tables:
            one.roles.labels, one.roles.separator = (), None
        return
    if hints.label == ("none",):
        folders.labels = dict.fromkeys(folders.labels)
        folders.parents.clear()
        return
    if found.from_folders or hints.label or len(folders.classes) < 2 or any(t.found.rivals for t in tables):
        return
    images = [image for one in tables for image in one.found.images if image is not None]
    agree = _agreement(found)
    if agree is not None and agree >= 0.8:
        return
    if len(images) < 0.1 * len(found.tree.images):
        found.from_folders = True
        for one in tables:
            found.unused.append(
                f"{one.table.name}: it names {len(images):,} of {len(found.tree.images):,} images only"
            )
        found.tables = []
        return
    one = next(one for one in tables if one.roles.labels)
    column = ",".join(one.table.header[i] or str(i + 1) for i in one.roles.labels)
    some = ", ".join(sorted(folders.classes, key=natural)[:6])
    found.questions.append(
        Question(
            f"The labels of {one.table.name} are others than the folders of the images. Which are meant?",
            (
                Choice(f"the column {column}", {"label": tuple(column.split(","))}, f'--label "{column}"'),
                Choice(f"the folders: {some}", {"label": ("folders",)}, "--label folders"),
            ),
        )
    )


def _agreement(found: _Source) -> float | None:
    """The share of rows whose label is the folder of their image; None where that cannot be compared."""
    n = same = 0
    for one in found.tables:
        if one.several or not one.roles.labels:
            continue
        cells = one.table.column(one.roles.labels[0])
        for image, cell in zip(one.found.images, cells, strict=True):
            folder = found.layout.labels.get(folder_of(image)) if image is not None else None
            if folder is not None and cell:
                n += 1
                same += _plain(folder) == _plain(cell)
    return same / n if n else None


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", tidy_name(name).lower())


def _understand_labels(found: _Source, names: Mapping[str, Mapping[str, str]]) -> None:
    """The classes: what words mean no label, and which names the numbers have."""
    single = [one for one in found.tables if one.roles.labels and not one.several]
    if any(one.several for one in found.tables):
        found.classes = _several_classes(found)
        return
    counts: Counter[str] = Counter()
    for one in single:
        counts.update(tidy_name(cell) for cell in one.table.column(one.roles.labels[0]))
    del counts[""]
    if found.from_folders or not single:
        _rename(found, sorted(found.layout.classes), names)
        return
    found.whole_numbers = bool(counts) and all(re.fullmatch(r"\d+\.0+", label) for label in counts)
    _find_no_labels(found, counts, single[0])
    labels = {
        _as_number(label) if found.whole_numbers else label
        for label in counts
        if label.lower() not in found.no_label
    }
    _rename(found, sorted(labels), names)


def _as_number(label: str) -> str:
    return label.partition(".")[0]


def _find_no_labels(found: _Source, counts: Counter[str], one: _LabelTable) -> None:
    """Which words mean that there is no label: those that were named; else none, but among numbers."""
    told, column = found.hints.unknown, one.table.header[one.roles.labels[0]]
    if told is not None:
        found.no_label = frozenset(word.lower() for word in told)
        return
    doubtful = [label for label in counts if label.lower() in NO_ANSWER and label not in found.hints.classes]
    rest = [label for label in counts if label not in doubtful]
    numbers = [label for label in rest if re.fullmatch(r"-?\d+(\.0+)?", label)]
    below = [label for label in numbers if label.startswith("-")]
    if (
        below
        and len(rest) > len(below)
        and set(rest) not in ({"-1", "1"}, {"-1.0", "1.0"})
        and set(below) <= {"-1", "-1.0"}
    ):
        found.no_label = frozenset(below)
        n = sum(counts[label] for label in below)
        found.warnings.append(f"{n:,} rows have the label -1, which is read as no label.")
    if not doubtful:
        return
    n = sum(counts[label] for label in doubtful)
    listed = ", ".join(doubtful)
    if (rest and len(numbers) == len(rest)) or one.roles.names:
        found.no_label |= {label.lower() for label in doubtful}
        found.questions.append(
            Question(
                f"The column {column!r} has numbers and {n:,} times {listed}. What does that mean?",
                (
                    Choice("no label", {"unknown": tuple(doubtful)}, f'--unknown "{listed}"'),
                    Choice("a class of its own", {"unknown": ()}, '--unknown ""'),
                ),
            )
        )
        return
    found.warnings.append(
        f"{listed} in the column {column!r} ({n:,} rows) is read as a class; "
        f'if it means no label, say --unknown "{listed}".'
    )


def _rename(found: _Source, labels: Sequence[str], names: Mapping[str, Mapping[str, str]]) -> None:
    """Give numbered classes the names that a file beside them has for them."""
    if found.hints.classes:
        return
    read = {one.table.name for one in found.tables}
    for file, said in names.items():
        if file in read or not all(label.isdecimal() or label in said for label in labels):
            continue
        renamed = class_names.names_for(labels, said)
        if renamed is not None and len(set(renamed.values())) == len(renamed):
            found.renamed = renamed
            order = {name: k for k, name in enumerate(said.values())}
            found.classes = tuple(sorted(set(renamed.values()), key=lambda name: order[name]))
            found.warnings.append(f"The classes have their names from {file}.")
            return


def _several_classes(found: _Source) -> tuple[str, ...]:
    hints = found.hints
    first = next(one for one in found.tables if one.several)
    if len(first.roles.labels) == 1:
        listed = {
            part
            for one in found.tables
            if one.roles.labels
            for cell in one.table.column(one.roles.labels[0])
            for part in as_list(cell, first.roles.separator or "")
        }
        no_label = {word.lower() for word in hints.unknown or ()}
        return hints.classes or tuple(
            sorted((name for name in listed if name.lower() not in no_label), key=natural)
        )
    names = tuple(tidy_name(name) for name in first.roles.names)
    if hints.classes and len(hints.classes) != len(names):
        raise BadInput(
            f"{len(hints.classes)} class names were given for {len(names)} label columns.",
            "Give one name a column.",
        )
    return hints.classes or names


def _note_the_rest(found: _Source, others: Sequence[str], paths: Mapping[str, Path]) -> None:
    """Say what is there and not used."""
    read = {one.table.name for one in found.tables} | found.read_beside
    said = {text.partition(":")[0] for text in found.unused}
    for name in paths:
        stem = Path(name).stem
        if (
            name not in read | said
            and not _ABOUT.fullmatch(stem)
            and not class_names.is_called_like_class_names(name.rpartition("/")[2])
        ):
            found.unused.append(f"{name}: {_NAMES_NONE}")
    for one in found.tables:
        where = f"{one.table.name}: " if len(found.tables) > 1 else ""
        found.unused += [f"{where}{column}: {why}" for column, why in one.roles.unused.items()]
        found.warnings += one.roles.warnings
        found.questions += [*one.questions, *one.roles.questions]
        missing = sum(image is None for image in one.found.images) if not one.found.rivals else 0
        if missing:
            found.warnings.append(f"{missing:,} rows of {one.table.name} name no image that is there.")
    for folder, why in found.layout.left_out.items():
        found.unused.append(f"{'/'.join(folder)}/: {why}")
    if found.from_folders or len(found.layout.classes) > 1:
        found.warnings += found.layout.warnings
    if not found.tables or found.from_folders:
        found.questions += found.layout.questions
    else:
        found.questions += [q for q in found.layout.questions if "splits" in q.text]
    for link in found.tree.links_in:
        found.warnings.append(f"{link} is a link to a folder inside of the source and is not followed.")
    strange = [name for name in others if not _is_known(name) and name not in read]
    for ending, n in list(endings(strange))[:_SHOWN]:
        found.unused.append(f"{n:,} files ({ending}): no images by their names")
    if found.tables and not _fills_up(found):
        rowless = _without_row(found)
        if rowless:
            some = ", ".join(rowless[:_SHOWN]) + (", ..." if len(rowless) > _SHOWN else "")
            found.warnings.append(f"{len(rowless):,} images have no row in a table and are left out: {some}")


def _ask_about_unread_tables(found: _Source, paths: Mapping[str, Path]) -> None:
    """Ask where images would be without labels though a table lies beside them."""
    if found.tables or found.layout.classes or found.hints.label:
        return
    passed_over = {text.partition(":")[0] for text in found.unused if _NAMES_NONE not in text}
    unread = [
        name
        for name, path in paths.items()
        if path.suffix.lower() in (".csv", ".tsv")
        and name not in passed_over
        and not _ABOUT.fullmatch(path.stem)
    ]
    if unread:
        question = f"{', '.join(unread[:_SHOWN])} names no image that is here. Have the images no labels?"
        found.questions.append(
            Question(question, (Choice("they have none", {"label": ("none",)}, "--label none"),))
        )


def _is_known(name: str) -> bool:
    path = Path(name)
    return (
        path.suffix.lower() in SUFFIXES
        or bool(_ABOUT.fullmatch(path.stem))
        or path.suffix.lower() in (".md", ".zip", ".html", ".pdf")
    )


def _fills_up(found: _Source) -> bool:
    """Whether images without a row are read too, with the label that their folder says."""
    if found.single:
        return False
    return found.from_folders or (len(found.layout.classes) > 1 and (_agreement(found) or 0) >= 0.8)


def _without_row(found: _Source) -> list[str]:
    named = {image for one in found.tables for image in one.found.images}
    hidden = set(found.layout.left_out)
    return [
        n
        for n in found.tree.images
        if n not in named and folder_of(n) not in hidden and not any(map(is_mask_folder, folder_of(n)))
    ]


# ------------------------------------------------------------------------ reading


def _recognised(found: _Source) -> Recognised:
    tables, single = found.tables, not any(one.several for one in found.tables)
    n_rows = sum(len(one.table.rows) for one in tables)
    n_more = len(_without_row(found)) if tables and _fills_up(found) else 0
    n_images = (
        n_rows + n_more if tables else sum(folder_of(n) in found.layout.labels for n in found.tree.images)
    )
    columns: dict[str, str] = {}
    for one in tables:
        columns |= one.roles.columns(one.table)
    columns |= found.beside_columns
    columns |= {
        k: v
        for k, v in found.layout.roles.items()
        if v != "label" or (found.from_folders and found.layout.classes)
    }
    has_captions = any(one.roles.caption is not None for one in tables)
    by_table = tables and not found.from_folders
    if by_table or has_captions:
        words = f"images with a table of labels{' with captions' if has_captions else ''}"
    elif found.layout.classes:
        words = "a folder per class"
    else:
        words = "images without labels"
    classes = found.hints.classes or found.classes
    if not classes and found.from_folders and single:
        classes = tuple(sorted(found.layout.classes, key=natural))
    parents = found.layout.parents if found.from_folders else {}
    return Recognised(
        format=words,
        records=lambda log: _records(found, classes, log),
        task=Task.SINGLE_LABEL if single else Task.MULTI_LABEL,
        classes=classes,
        n_items=n_images,
        columns=columns,
        unused=tuple(dict.fromkeys(found.unused)),
        warnings=tuple(dict.fromkeys(found.warnings)),
        questions=tuple(dict.fromkeys(found.questions)),
        parents=dict(parents),
        weight=n_images if found.tree.images else 0,
    )


def _records(found: _Source, classes: tuple[str, ...], log: ProblemLog) -> Iterator[Record]:
    for link in found.tree.links_out if not found.tables else ():
        log.add(link, None, "It is a link out of the folder.", "Put the file itself there.")
    if not found.tables:
        yield from _folder_records(found, found.tree.images, set(classes), log)
        _note_empty_folders(found, log)
        return
    by_name = _names_are_unique(found)
    for one in found.tables:
        yield from _table_records(found, one, classes, by_name, log)
    if _fills_up(found):
        yield from _folder_records(found, _without_row(found), set(classes), log)


def _folder_records(
    found: _Source, images: Sequence[str], classes: set[str], log: ProblemLog
) -> Iterator[Record]:
    known, own = found.layout.labels, found.layout.classes
    refused: set[str] = set()
    loose = [name for name in images if folder_of(name) in found.layout.loose]
    few = len(loose) <= max(layout.MOST_STRAYS, layout.STRAY_SHARE * len(images))
    for name in loose:
        (log.note if few else log.add)(
            name, None, "The image lies in no class folder.", "Move it into one, or delete it."
        )
    for name in images:
        folder = folder_of(name)
        if folder not in known or folder in found.layout.loose:
            continue
        label = known[folder]
        if label is not None and found.renamed:
            label = found.renamed.get(label, label)
        if label is not None and label not in classes and own:
            if label not in refused:
                refused.add(label)
                said = f"The class {label!r} is none of: {', '.join(sorted(classes, key=natural)[:10])}."
                log.add(label, None, said, "Rename the folder, or name the class too.")
            continue
        split = found.beside.get(name, ("", None))[1] or found.layout.splits.get(folder)
        caption = found.beside.get(name, ("", None))[0] or None
        yield Record(name, label, found.tree.root / name, name, None, split, caption)


def _note_empty_folders(found: _Source, log: ProblemLog) -> None:
    """A folder beside class folders that holds no image at all."""
    if not found.layout.classes:
        return
    places = {folder[:-1] for folder, label in found.layout.labels.items() if label is not None}
    for place in sorted(places):
        folder = found.tree.root.joinpath(*place)
        for path in sorted(folder.iterdir()):
            name = "/".join((*place, path.name))
            below = any(f[: len(place) + 1] == (*place, path.name) for f in found.tree.folders())
            hidden = path.name.startswith(".") or path.name == "__MACOSX"
            if (
                path.is_dir()
                and not path.is_symlink()
                and not below
                and not hidden
                and path.name not in found.hints.classes
            ):
                log.add(name, None, "The class folder holds no image.", "Put images into it, or delete it.")


def _names_are_unique(found: _Source) -> bool:
    """Whether the cells that name images can name items: not where two tables use one name for two images."""
    seen: set[str] = set()
    for one in found.tables:
        if "/" in one.table.name:
            return False
        names = set(one.table.column(one.roles.image))
        if seen & names:
            return False
        seen |= names
    return True


def _table_records(
    found: _Source, one: _LabelTable, classes: tuple[str, ...], by_name: bool, log: ProblemLog
) -> Iterator[Record]:
    table, columns, index = one.table, one.roles, {name: k for k, name in enumerate(classes)}
    for i, (row, cells) in enumerate(table.rows):
        if len(cells) != len(table.header):
            said = f"It has {len(cells)} columns; {len(table.header)} were expected."
            log.add(table.name, row, said, "Complete the row, or put text with commas into quotes.")
            continue
        name, image = cells[columns.image].strip(), one.found.images[i]
        if image is None:
            _note_missing(one, i, name, row, log)
        label = _label(found, one, cells, image, index, row, log)
        split = _split(found, one, cells, image, row, log)
        if image is None or isinstance(label, _Bad) or isinstance(split, _Bad):
            continue
        caption = cells[columns.caption].strip() if columns.caption is not None else None
        item = name if by_name else image
        if columns.id is not None and cells[columns.id].strip():
            item = cells[columns.id].strip()
        beside = found.beside.get(image)
        yield Record(
            item,
            label,
            found.tree.root / image,
            table.name,
            row,
            split,
            caption or (beside[0] if beside else caption),
        )


class _Bad:
    """Marks a cell about which a problem was noted."""


def _note_missing(one: _LabelTable, i: int, name: str, row: int, log: ProblemLog) -> None:
    if i in one.found.outside:
        log.add(
            one.table.name,
            row,
            f"{name!r} leads out of the folder.",
            "Use paths inside it, or name the folder (--images).",
        )
    elif one.found.rivals and name:
        log.add(
            one.table.name,
            row,
            f"There is no image {name!r} of which it is clear where.",
            "Write its folder, too.",
        )
    else:
        absolute = name.startswith("/") or name[1:2] == ":" or "://" in name
        mend = "Say which folder it is in (--images)." if absolute else "Add the file, or leave the row out."
        log.add(one.table.name, row, f"There is no image {name!r}.", mend)


def _label(
    found: _Source,
    one: _LabelTable,
    cells: Sequence[str],
    image: str | None,
    index: Mapping[str, int],
    row: int,
    log: ProblemLog,
) -> Label | _Bad:
    columns = one.roles
    if not columns.labels:
        name = found.layout.labels.get(folder_of(image)) if found.from_folders and image else None
        return found.renamed.get(name, name) if name is not None else None
    if len(columns.labels) > 1:
        return _answers(one, [cells[i].strip().lower() for i in columns.labels], row, log)
    cell = tidy_name(cells[columns.labels[0]])
    if columns.separator is not None:
        return _marked(found, one, as_list(cell, columns.separator), index, row, log)
    if not cell or cell.lower() in found.no_label:
        return None
    if found.whole_numbers:
        cell = _as_number(cell)
    return found.renamed.get(cell, cell)


def _answers(
    one: _LabelTable, values: Sequence[str], row: int, log: ProblemLog
) -> NDArray[np.float32] | _Bad:
    minus = {"-1": 0.0, "-1.0": 0.0} if one.roles.minus_is_no else {"-1": np.nan, "-1.0": np.nan}
    known = {**YES_NO, **minus}
    wrong = [value for value in values if value not in known and value not in NO_ANSWER]
    if wrong:
        log.add(one.table.name, row, f"{wrong[0]!r} is neither 1, 0 nor NA.", "Correct the cell.")
        return _Bad()
    return np.array([known.get(value, np.nan) for value in values], np.float32)


def _marked(
    found: _Source,
    one: _LabelTable,
    names: Sequence[str],
    index: Mapping[str, int],
    row: int,
    log: ProblemLog,
) -> NDArray[np.float32] | _Bad | None:
    marked = np.zeros(len(index), np.float32)
    unknown = {word.lower() for word in found.hints.unknown or ()}
    if names and all(name.lower() in unknown for name in names):
        return None
    for name in names:
        if name not in index:
            known = ", ".join(list(index)[:20])
            log.add(one.table.name, row, f"The class {name!r} is none of: {known}.", "Correct the list.")
            return _Bad()
        marked[index[name]] = 1
    return marked


def _split(
    found: _Source, one: _LabelTable, cells: Sequence[str], image: str | None, row: int, log: ProblemLog
) -> str | _Bad | None:
    columns = one.roles
    if columns.split is not None:
        cell = cells[columns.split].strip()
        if cell and cell not in columns.splits:
            log.add(one.table.name, row, f"The split is {cell.lower()!r}.", "Write train, val or test.")
            return _Bad()
        return columns.splits.get(cell)
    if image is None:
        return None
    beside = found.beside.get(image, ("", None))[1]
    return beside or one.split or found.layout.splits.get(folder_of(image))
