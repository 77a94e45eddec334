"""Labels from Label Studio, COCO, CVAT and tables, matched to the items of a data set."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.content import content_hashes
from core.data.dataset import Dataset, Task
from core.errors import BadInput, ImportRejected, NotFound
from core.labels.export import export_labels
from core.labels.foreign import Source, import_labels, read_answers
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


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_our_own_table_comes_back(workspace: Workspace, sample: Dataset, tmp_path: Path, ending: str) -> None:
    ids = sample.item_ids.tolist()
    edits = [
        NewEdit(ids[0], EditKind.LABEL, other(sample, 0)),
        NewEdit(ids[1], EditKind.CONFIRM),
        NewEdit(ids[2], EditKind.EXCLUDE),
    ]
    LabelJournal(workspace).append(sample, edits)
    table = tmp_path / f"labels.{ending}"
    export_labels(sample, labels_at(workspace, sample), table)
    copy = replace(sample, name="copy")
    done = import_labels(workspace, copy, table, who="carl")
    assert (done.source, done.n_answers) == (Source.TABLE, 3)
    assert [(edit.item_id, edit.kind, edit.new) for edit in done.edits] == [
        (ids[0], EditKind.LABEL, other(sample, 0)),
        (ids[1], EditKind.CONFIRM, given(sample, 1)),
        (ids[2], EditKind.EXCLUDE, given(sample, 2)),
    ]
    again = import_labels(workspace, copy, table, who="carl")
    assert (again.n_same, again.edits) == (3, ())


def test_a_table_that_somebody_wrote(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    ids = sample.item_ids.tolist()
    new = [other(sample, k) for k in range(3)]
    rows = [f'"{ids[0]}";{new[0]};bo', f"{ids[1]}.png;{new[1]};", f"{ids[3]};;bo", f"none;{new[2]};"]
    text = "\ufeff" + "\r\n".join(["File;Label;Who", *rows]) + "\r\n"
    done = import_labels(workspace, sample, write(tmp_path / "fixes.csv", text), who="carl")
    assert [(edit.item_id, edit.new, edit.who) for edit in done.edits] == [
        (ids[0], new[0], "bo"),
        (ids[1], new[1], "carl"),
    ]
    assert (done.n_answers, done.unmatched) == (3, ("none",))


def test_a_table_with_a_column_for_each_class(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    tags = tagged(workspace, sample)
    first, second, third = (str(one) for one in tags.item_ids[:3])
    state = labels_at(workspace, tags)
    was = [label_text(tags, state.labels, 0, name) for name in tags.classes]
    turned = ["no" if one == "yes" else "yes" for one in was]
    header = ",".join(["item_id", *(f"label {name}" for name in tags.classes[:2]), "state"])
    rows = [f"{first},{turned[0]},,edited", f"{second},,,given", f"{third},1,unknown,confirmed"]
    table = write(tmp_path / "fixes.csv", "\n".join([header, *rows]))
    done = import_labels(workspace, tags, table, who="carl")
    assert done.n_answers == 2
    made = [(edit.item_id, edit.class_name, edit.new) for edit in done.edits]
    assert made[0] == (first, tags.classes[0], turned[0])
    assert made[-1] == (third, None, None)
    assert labels_at(workspace, tags).confirmed.tolist()[:3] == [False, False, True]
    export_labels(tags, labels_at(workspace, tags), tmp_path / "all.csv")
    assert not import_labels(workspace, tags, tmp_path / "all.csv", who="carl").edits

    lists = write(tmp_path / "lists.csv", f'image,tags\n{second},"{tags.classes[1]}|{tags.classes[2]}"\n')
    import_labels(workspace, tags, lists, who="carl")
    assert labels_at(workspace, tags).labels[1].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("rows", "row", "message"),
    [
        (["ITEM,Hat"], 2, "'Hat' is no class"),
        (["", "ITEM,Coat", "ITEM,Bag"], 3, "has 2 answers"),
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


def test_an_answer_that_is_none_is_named(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    tags = tagged(workspace, sample)
    text = f"item_id,label {tags.classes[0]}\n{tags.item_ids[0]},perhaps\n"
    with pytest.raises(ImportRejected, match="'perhaps' is no answer"):
        import_labels(workspace, tags, write(tmp_path / "fixes.csv", text), who="carl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"item_id,guess\na,b\n", "lacks a column for the image or one for its label"),
        (b"item_id,label\na,b,c\n", "row 2, has 3 cells; the header has 2"),
        (b'item_id,label\na,"b\n', "row 2: unexpected end of data"),
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
