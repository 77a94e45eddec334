"""Labels from Label Studio, COCO, CVAT and tables, matched to the items of a data set."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.content import content_hashes
from core.data.dataset import Dataset, Task
from core.errors import BadInput, ImportRejected, NotFound
from core.labels.answers import Source, read_answers
from core.labels.export import export_labels
from core.labels.foreign import import_labels
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.patch import label_text
from core.labels.versions import labels_at
from core.workspace import Workspace
from tests.tagged import tagged


def other(dataset: Dataset, position: int) -> str:
    return dataset.classes[(int(dataset.labels[position]) + 1) % len(dataset.classes)]


def given(dataset: Dataset, position: int) -> str:
    return dataset.classes[int(dataset.labels[position])]


def task(data: dict[str, Any], *choices: str, **annotation: Any) -> dict[str, Any]:
    result = [{"from_name": "x", "to_name": "y", "type": "choices", "value": {"choices": list(choices)}}]
    return {"data": data, "annotations": [{"result": result, **annotation}]}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_our_own_export_comes_back(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    ids = sample.item_ids.tolist()
    edits = [NewEdit(ids[0], EditKind.LABEL, other(sample, 0)), NewEdit(ids[1], EditKind.CONFIRM)]
    LabelJournal(workspace).append(sample, edits)
    export_labels(sample, labels_at(workspace, sample), tmp_path / "tasks.json")
    order = np.arange(len(sample))[::-1]
    target = replace(
        sample,
        name="copy",
        item_ids=np.array([f"renamed-{k}" for k in range(len(sample))]),
        labels=np.asarray(sample.labels[order]),
        split=sample.split[order],
        content_hashes=sample.content_hashes[order],
    )
    done = import_labels(workspace, target, tmp_path / "tasks.json", who="carl")
    assert (done.source, done.n_answers, len(done.edits)) == (Source.LABEL_STUDIO, 2, 2)
    state = labels_at(workspace, target)
    assert target.classes[state.labels[-1]] == other(sample, 0)
    assert np.flatnonzero(state.confirmed).tolist() == [len(sample) - 2]
    again = import_labels(workspace, target, tmp_path / "tasks.json", who="carl")
    assert (again.n_same, again.edits) == (2, ())


def test_label_studio_names_files_in_many_ways(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    ids = sample.item_ids.tolist()
    new = [other(sample, k) for k in range(5)]
    tasks = [
        task({"image": f"/data/local-files/?d=pictures/{ids[0]}.png"}, new[0], completed_by=7),
        task({"image": f"/data/upload/1/0a1b2c3d-{ids[1]}.png"}, new[1], completed_by={"email": "bo@x.org"}),
        task({"photo": f"s3://bucket/deep/{ids[2]}.jpg"}, new[2]),
        {**task({"image": "x"}, new[3]), "file_upload": f"0a1b2c3d-{ids[3]}.png"},
        task({"image": "https://example.org/a%20b/unheard-of.png"}, new[4]),
        task({"image": f"{ids[4]}.png"}, new[4], was_cancelled=True),
        {"data": {"image": f"{ids[4]}.png"}, "predictions": [{"result": []}]},
    ]
    done = import_labels(workspace, sample, write(tmp_path / "x.json", tasks), who="carl")
    assert [(edit.item_id, edit.new) for edit in done.edits] == list(zip(ids[:4], new[:4], strict=True))
    assert [edit.who for edit in done.edits] == ["label-studio-7", "bo@x.org", "carl", "carl"]
    assert done.unmatched == ("/a b/unheard-of.png",)
    assert done.edits[0].evidence == {"source": "label-studio", "file": "x.json"}


def test_the_newest_annotation_counts(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    item = str(sample.item_ids[0])
    old = task({"item_id": item}, "Bag", updated_at="2026-01-01T00:00:00Z")["annotations"]
    new = task({"item_id": item}, "Coat", updated_at="2026-02-01T00:00:00Z")["annotations"]
    both = [{"data": {"item_id": item}, "annotations": [*new, *old]}]
    done = import_labels(workspace, sample, write(tmp_path / "x.json", both), who="carl", dry_run=True)
    assert [edit.new for edit in done.new] == ["Coat"]
    assert done.edits == ()
    assert not (workspace.root / "labels.db").exists()


def test_several_labels_become_yes_and_no(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    labels = np.full((len(sample), 10), np.nan, np.float32)
    labels[0, 0] = 1
    tags = replace(sample, name="tags", task=Task.MULTI_LABEL, labels=labels)
    classes = sample.classes
    tasks = [task({"item_id": str(tags.item_ids[0])}, classes[0], classes[2])]
    done = import_labels(workspace, tags, write(tmp_path / "x.json", tasks), who="carl")
    assert len(done.edits) == 10  # nine classes and the confirmation; the first was yes already
    state = labels_at(workspace, tags)
    assert state.labels[0].tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert state.confirmed[0]
    again = import_labels(workspace, tags, tmp_path / "x.json", who="carl")
    assert (again.n_same, again.edits) == (1, ())


def test_coco(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    ids = sample.item_ids.tolist()
    coco = {
        "images": [{"id": k, "file_name": f"images/{ids[k]}.png"} for k in range(3)],
        "categories": [{"id": 10 + k, "name": name} for k, name in enumerate(sample.classes)],
        "annotations": [
            {"image_id": 0, "category_id": 10 + sample.classes.index(other(sample, 0)), "bbox": [0, 0, 1, 1]},
            {"image_id": 1, "category_id": 10 + int(sample.labels[1])},
            {"image_id": 1, "category_id": 10 + int(sample.labels[1])},
        ],
    }
    done = import_labels(workspace, sample, write(tmp_path / "coco.json", coco), who="carl")
    assert done.source is Source.COCO
    assert [(edit.kind, edit.new) for edit in done.edits] == [
        (EditKind.LABEL, other(sample, 0)),
        (EditKind.CONFIRM, given(sample, 1)),
    ]


def test_cvat(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    ids = sample.item_ids.tolist()
    text = f"""<?xml version="1.0" encoding="utf-8"?>
    <annotations><version>1.1</version><meta><dumped>2026-11-01 10:00:00+00:00</dumped></meta>
      <image id="0" name="{ids[0]}.png" width="28" height="28">
        <tag label="{other(sample, 0)}" source="manual"></tag></image>
      <image id="1" name="{ids[1]}.png" width="28" height="28"></image>
    </annotations>"""
    done = import_labels(workspace, sample, write(tmp_path / "annotations.xml", text), who="carl")
    assert done.source is Source.CVAT
    assert [(edit.item_id, edit.new) for edit in done.edits] == [(ids[0], other(sample, 0))]
    assert done.edits[0].evidence["decided"].startswith("2026-11-01")


def changed(table: Path, rows: dict[str, dict[str, str]]) -> Path:
    """A CSV table with some cells of some items changed, as in a spreadsheet."""
    with table.open(newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        row.update(rows.get(row["item_id"], {}))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    return table


def test_our_own_table_says_what_was_changed_in_it(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    ids = sample.item_ids.tolist()
    journal = LabelJournal(workspace)
    journal.append(sample, [NewEdit(ids[k], EditKind.LABEL, other(sample, k)) for k in (0, 1, 2, 5)])
    export_labels(sample, labels_at(workspace, sample), tmp_path / "labels.csv")
    export_labels(sample, labels_at(workspace, sample), tmp_path / "labels.parquet")
    assert read_answers(tmp_path / "labels.csv")[1] == []
    assert read_answers(tmp_path / "labels.parquet")[1] == []

    third = next(name for name in sample.classes if name not in (given(sample, 5), other(sample, 5)))
    later = [NewEdit(ids[1], EditKind.LABEL, "Bag"), NewEdit(ids[5], EditKind.LABEL, third)]
    journal.append(sample, later)  # after the export: one is not touched in the table, one is
    cells = {
        ids[0]: {"current": given(sample, 0)},  # back to the given label
        ids[3]: {"current": other(sample, 3)},
        ids[4]: {"current": ""},
        ids[5]: {"current": given(sample, 5)},
    }
    done = import_labels(workspace, sample, changed(tmp_path / "labels.csv", cells), who="carl")
    assert (done.source, done.n_answers, done.conflicts) == (Source.TABLE, 3, (ids[5],))
    assert [(edit.item_id, edit.kind, edit.new) for edit in done.edits] == [
        (ids[0], EditKind.CONFIRM, given(sample, 0)),
        (ids[3], EditKind.LABEL, other(sample, 3)),
    ]
    assert done.changes == done.new
    again = import_labels(workspace, sample, tmp_path / "labels.csv", who="carl")
    assert (again.n_same, again.edits) == (2, ())


def test_a_table_that_somebody_wrote(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    ids = sample.item_ids.tolist()
    new = [other(sample, k) for k in range(3)]
    rows = [f'"{ids[0]}";{new[0]};bo', f"{ids[1]}.png;{new[1]};", f"{ids[3]};;bo", f"none;{new[2]};"]
    rows.append(f"{ids[4]};{given(sample, 4)};bo")  # as it is: nobody says to have looked at it
    lines = ["File;Label;Who", *rows]
    done = import_labels(
        workspace, sample, write(tmp_path / "fixes.csv", "\ufeff" + "\r\n".join(lines)), who="carl"
    )
    assert [(edit.item_id, edit.new, edit.who) for edit in done.edits] == [
        (ids[0], new[0], "bo"),
        (ids[1], new[1], "carl"),
    ]
    assert (done.n_answers, done.n_same, done.unmatched) == (4, 1, ("none",))


@pytest.mark.parametrize(
    "content",
    [
        "item_id,label\nID,Bag\n".encode("utf-16"),
        b"sep=;\r\nitem_id;label\r\nID;Bag\r\n",
        b"\n\nitem_id\tlabel\nID\tBag\n",
        b"item_id,label\rID,Bag\r",
        b'item_id,"note; a; b; c; d",label\nID,"two\nlines",Bag\n',
    ],
)
def test_tables_as_spreadsheets_write_them(sample: Dataset, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fixes.csv").write_bytes(content)
    _, (answer,) = read_answers(tmp_path / "fixes.csv", classes=sample.classes)
    assert (answer.names, answer.classes) == (("ID",), ("Bag",))


def test_lists_of_parquet_and_classes_with_a_comma(tmp_path: Path) -> None:
    table = pa.table(
        {"file": ["a.png", "b.png"], "tags": [["Boot, left", "hat"], None], "pixels": [b"x", b"y"]}
    )
    pq.write_table(table, tmp_path / "tags.parquet")
    _, (answer,) = read_answers(tmp_path / "tags.parquet", classes=("Boot, left", "hat"))
    assert answer.classes == ("Boot, left", "hat")
    (tmp_path / "tags.csv").write_text('file,classes\na.png,"Boot, left"\n')
    assert read_answers(tmp_path / "tags.csv", classes=("Boot, left",))[1][0].classes == ("Boot, left",)


def test_a_parquet_table_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(
        pa.table({"item_id": ["a"] * 1_000, "label": ["b" * 2_000] * 1_000}), tmp_path / "big.parquet"
    )
    assert (tmp_path / "big.parquet").stat().st_size < 50_000  # of two megabytes
    monkeypatch.setattr("core.labels.label_table.MOST_CHARACTERS", 1_000)
    with pytest.raises(BadInput, match="a cell of 2,000 characters"):
        read_answers(tmp_path / "big.parquet")
    monkeypatch.setattr("core.labels.label_table.MOST_ROWS", 999)
    with pytest.raises(BadInput, match="has 1,000 rows"):
        read_answers(tmp_path / "big.parquet")


def test_the_surest_name_counts_and_folders_tell_apart(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    ids = np.array([f"train/{k:04}.png" for k in range(len(sample))])
    photos = replace(sample, name="photos", item_ids=ids)
    rows = [
        f"1,{ids[5]},{other(sample, 5)}",
        f"2,test/0007.png,{other(sample, 7)}",
        f"3,0008.png,{other(sample, 8)}",
    ]
    table = write(tmp_path / "fixes.csv", "\n".join(["id,file,label", *rows]))
    done = import_labels(workspace, photos, table, who="carl", dry_run=True)
    assert [edit.item_id for edit in done.new] == [ids[5], ids[8]]
    assert done.unmatched == ("test/0007.png",)


def test_an_image_of_other_pixels_is_another_image(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    table = f"item_id,content_hash,label\n{sample.item_ids[0]},{'ab' * 16},Bag\n"
    done = import_labels(workspace, sample, write(tmp_path / "fixes.csv", table), who="carl")
    assert (done.edits, done.unmatched) == ((), (str(sample.item_ids[0]),))


def test_a_table_with_a_column_for_each_class(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    tags = tagged(workspace, sample)
    first, second, third = (str(one) for one in tags.item_ids[:3])
    export_labels(tags, labels_at(workspace, tags), tmp_path / "labels.csv")
    yes_no = {name: label_text(tags, tags.labels, 1, name) for name in tags.classes}
    column = f"label {tags.classes[1]}"
    cells = {second: {column: "1" if yes_no[tags.classes[1]] == "no" else "0"}, third: {column: ""}}
    done = import_labels(workspace, tags, changed(tmp_path / "labels.csv", cells), who="carl")
    assert [(edit.item_id, edit.class_name, edit.new) for edit in done.edits] == [
        (second, tags.classes[1], "yes" if yes_no[tags.classes[1]] == "no" else "no"),
        (third, tags.classes[1], "unknown"),
    ]
    LabelJournal(workspace).append(
        tags, [NewEdit(second, EditKind.LABEL, "unknown", class_name=tags.classes[1])]
    )
    again = import_labels(workspace, tags, tmp_path / "labels.csv", who="carl")
    assert (again.edits, again.conflicts) == ((), (second,))

    lists = write(tmp_path / "lists.csv", f'image,tags\n{first},"{tags.classes[1]}|{tags.classes[2]}"\n')
    import_labels(workspace, tags, lists, who="carl")
    state = labels_at(workspace, tags)
    assert state.labels[0].tolist() == [0, 1, 1]
    assert not state.confirmed.any()


@pytest.mark.parametrize(
    ("rows", "row", "message"),
    [
        (["ITEM,Hat"], 2, "'Hat' is no class"),
        (["", "ITEM,Coat", "ITEM,Bag"], 3, "has 2 answers"),
        (['"a\nb",Bag', "ITEM,Hat"], 4, "'Hat' is no class"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    workspace: Workspace, sample: Dataset, tmp_path: Path, rows: list[str], row: int, message: str
) -> None:
    text = "\n".join(["item_id,label", *rows]).replace("ITEM", str(sample.item_ids[0]))
    with pytest.raises(ImportRejected, match=message) as caught:
        import_labels(workspace, sample, write(tmp_path / "fixes.csv", text), who="carl")
    assert (caught.value.problems[0].file, caught.value.problems[0].row) == ("fixes.csv", row)
    assert not (workspace.root / "labels.db").exists()


@pytest.mark.parametrize("who", ["x" * 101, "a\x00b", "model:me"])
def test_a_name_that_is_none_is_refused(
    workspace: Workspace, sample: Dataset, tmp_path: Path, who: str
) -> None:
    text = f"item_id,label,who\n{sample.item_ids[0]},Bag,{who}\n"
    with pytest.raises(ImportRejected, match=r"is no name|name of a model"):
        import_labels(workspace, sample, write(tmp_path / "fixes.csv", text), who="carl")


def test_an_answer_that_is_none_is_named(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    tags = tagged(workspace, sample)
    text = f"item_id,label {tags.classes[0]}\n{tags.item_ids[0]},perhaps\n"
    with pytest.raises(ImportRejected, match="'perhaps' is no answer"):
        import_labels(workspace, tags, write(tmp_path / "fixes.csv", text), who="carl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"item_id,guess\na,b\n", "lacks a column for the image or one for its label"),
        (b"item_id,label\na,b,c\n", "line 2, has 3 cells; the header has 2"),
        (b'item_id,label\na,"b\n', "line 2: unexpected end of data"),
        (b"item_id,label,label\na,b,c\n", "two columns 'label'"),
        (b"x" * 200_000, "no table with a column"),
        (b"item_id,label\na,\xff\n", "not UTF-8: line 2 has the byte 0xff"),
        (b"PAR1 and nothing else", "no Parquet table"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "fixes.csv").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_answers(tmp_path / "fixes.csv")


def test_all_that_cannot_be_used_is_listed(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    ids = sample.item_ids.tolist()
    tasks = [
        task({"item_id": ids[0]}, "Hat"),
        task({"item_id": ids[1]}, "Bag", "Coat"),
        task({"item_id": ids[2]}),
        task({"item_id": ids[3]}, "Bag"),
        task({"item_id": ids[3]}, "Coat"),
    ]
    with pytest.raises(ImportRejected) as caught:
        import_labels(workspace, sample, write(tmp_path / "x.json", tasks), who="carl")
    assert [problem.row for problem in caught.value.problems] == [1, 2, 3, 4, 5]
    assert "'Hat'" in str(caught.value)
    assert not (workspace.root / "labels.db").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "neither JSON nor XML"),
        ("{}", "neither Label Studio"),
        ("[3]", "not as Label Studio"),
        ('[{"data": {}, "annotations": [{}]}]', "KeyError"),
        ('{"annotations": [], "categories": [], "imags": []}', "KeyError"),
        ("<html></html>", "begins with <html>"),
        ("<annotations>", "no XML"),
        ("<\0a\0", "not UTF-8"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations/>', "entities"),
    ],
)
def test_what_is_of_no_such_tool(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_answers(write(tmp_path / "x", content))
    with pytest.raises(NotFound):
        read_answers(tmp_path / "none")


def test_an_image_is_told_by_its_content_before_its_name(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    (image,) = content_hashes(sample, [5]).tolist()
    tasks = [task({"item_id": str(sample.item_ids[0]), "content_hash": image}, other(sample, 5))]
    done = import_labels(workspace, sample, write(tmp_path / "x.json", tasks), who="carl")
    assert [edit.item_id for edit in done.edits] == [str(sample.item_ids[5])]


def of_ids(sample: Dataset, *ids: str) -> Dataset:
    """A data set of as many items of the sample, called so."""
    positions = np.arange(len(ids))
    names = np.array(ids)
    return replace(
        sample,
        name="named",
        item_ids=names,
        labels=np.asarray(sample.labels[positions]),
        split=sample.split[positions],
        images=replace(sample.images, pixels=sample.images.read(0)[None].repeat(len(ids), axis=0)),
        content_hashes=sample.content_hashes[positions],
    )


def coco_of(*names: str) -> str:
    return json.dumps(
        {
            "images": [{"id": k, "file_name": name} for k, name in enumerate(names)],
            "categories": [{"id": 1, "name": "Bag"}],
            "annotations": [{"image_id": k, "category_id": 1} for k in range(len(names))],
        }
    )


def cvat_of(*names: str) -> str:
    images = "".join(f'<image name="{name}"><tag label="Bag"/></image>' for name in names)
    return f"<annotations>{images}</annotations>"


def studio_of(*names: str) -> str:
    return json.dumps([task({"image": f"/data/local-files/?d={name}"}, "Bag") for name in names])


def table_of(*names: str) -> str:
    return "\n".join(["file,label", *(f'"{name}",Bag' for name in names)])


FOLDERS = ("cat/0.png", "cat/1.png", "cat/3.png", "dog/0.png", "dog/1.png", "only.png", "dog/cafe\u0301.png")
SPLITS = ("train/cat/0.png", "test/cat/0.png", "train/cat/1.png")
FLAT = ("0.png", "1", "2.JPG", "3.png", "3.bmp")
WRITERS = (coco_of, cvat_of, studio_of, table_of)


@pytest.mark.parametrize("write_names", WRITERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    ("ids", "name", "means"),
    [
        (FOLDERS, "dog/1.png", "dog/1.png"),
        (FOLDERS, "dog/3.png", None),  # another folder's image is another image
        (FOLDERS, "upload/dog/1.png", "dog/1.png"),
        (FOLDERS, "/home/a/dog/1.png", "dog/1.png"),
        (FOLDERS, "./dog\\1.png", "dog/1.png"),
        (FOLDERS, "hotdog/1.png", None),  # whole names of folders, not their ends
        (FOLDERS, "dog/only.png", None),  # it lies at the top, where others lie in folders
        (FOLDERS, "dog/caf\u00e9.png", "dog/cafe\u0301.png"),
        (FOLDERS, "3.png", "cat/3.png"),  # no folder is named, and there is one such file
        (FOLDERS, "1.png", ["cat/1.png", "dog/1.png"]),
        (FOLDERS, "dog/1", "dog/1.png"),
        (FOLDERS, "dog/1.jpg", None),  # a file of another kind
        (SPLITS, "cat/1.png", "train/cat/1.png"),
        (SPLITS, "cat/0.png", ["train/cat/0.png", "test/cat/0.png"]),
        (SPLITS, "set/test/cat/0.png", "test/cat/0.png"),
        (SPLITS, "val/cat/1.png", None),
        (FLAT, "images/0.png", "0.png"),
        (FLAT, "images/1.png", "1"),
        (FLAT, "2.jpg", "2.JPG"),
        (FLAT, "3", ["3.png", "3.bmp"]),
    ],
)
def test_a_path_means_that_path_or_no_image(
    workspace: Workspace,
    sample: Dataset,
    tmp_path: Path,
    write_names: Any,
    ids: tuple[str, ...],
    name: str,
    means: str | list[str] | None,
) -> None:
    if write_names is cvat_of and "." not in name:
        pytest.skip("CVAT names files")
    source = write(tmp_path / "x", write_names(name))
    done = import_labels(workspace, of_ids(sample, *ids), source, who="carl", dry_run=True)
    assert [edit.item_id for edit in done.new] == ([means] if isinstance(means, str) else [])
    assert done.unmatched == ((name,) if means is None else ())
    assert done.ambiguous == (((name, tuple(means)),) if isinstance(means, list) else ())


@pytest.mark.parametrize(
    ("ids", "address", "means"),
    [
        (("cat/3.png", "0.png"), "/data/upload/7/0a1b2c3d-3.png", "cat/3.png"),  # its folder is the tool's
        (("cat/3.png", "0.png"), "upload/0a1b2c3d-3.png", "cat/3.png"),
        (("cat/3.png", "0.png"), "s3://bucket/pics/dog/3.png", None),
        (("cat/3.png", "0.png"), "https://[host/dog/3.png", None),
        (("dog/3#a 100%25.png", "0.png"), "dog/3#a 100%25.png", "dog/3#a 100%25.png"),
        (("dog/3 a.png", "0.png"), "https://host/dog/3%20a.png?token=1", "dog/3 a.png"),
    ],
)
def test_label_studio_names_an_image_by_its_address_and_no_text_beside_it(
    workspace: Workspace,
    sample: Dataset,
    tmp_path: Path,
    ids: tuple[str, ...],
    address: str,
    means: str | None,
) -> None:
    tasks = [task({"image": address, "text": "0"}, "Bag")]
    source = write(tmp_path / "x.json", tasks)
    done = import_labels(workspace, of_ids(sample, *ids), source, who="carl", dry_run=True)
    assert [edit.item_id for edit in done.new] == ([means] if means else [])
    assert len(done.unmatched) == (means is None)
