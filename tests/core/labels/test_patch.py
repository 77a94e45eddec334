"""Patch files: what goes in, what they look like, what is wrong with a line, merging two."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.content import content_hashes
from core.data.dataset import Dataset, Task
from core.errors import BadInput, ImportRejected, NotFound
from core.labels.journal import EditFilter, EditKind, LabelJournal, NewEdit
from core.labels.patch import (
    Patch,
    PatchLine,
    export_patch,
    merge_patches,
    read_patch,
    row_of,
    text_of,
    write_patch,
)
from core.workspace import Workspace

CLASSES = ("Coat", "Shirt", "Bag")


def edit(dataset: Dataset, position: int, kind: EditKind, new: str | None = None, **more: Any) -> NewEdit:
    return NewEdit(str(dataset.item_ids[position]), kind, new, **more)


def given_name(dataset: Dataset, position: int) -> str:
    return dataset.classes[int(dataset.labels[position])]


def others(dataset: Dataset, position: int) -> list[str]:
    return [name for name in dataset.classes if name != given_name(dataset, position)]


def line(n: int = 1, **more: Any) -> PatchLine:
    about: dict[str, Any] = {
        "image": f"{n:032x}",
        "item": f"item-{n}",
        "kind": EditKind.LABEL,
        "class_name": None,
        "old": "Coat",
        "new": "Shirt",
        "who": "ann",
        "when": 1_700_000_000.0,
    }
    return PatchLine(**{**about, **more})


def patch(*lines: PatchLine, task: Task = Task.SINGLE_LABEL) -> Patch:
    return Patch("photos", "f" * 32, task, CLASSES, lines)


def test_a_patch_sums_up_what_each_image_went_through(workspace: Workspace, sample: Dataset) -> None:
    first, second = others(sample, 3)[:2]
    LabelJournal(workspace).append(
        sample,
        [
            edit(sample, 3, EditKind.LABEL, first, who="ann"),
            edit(sample, 3, EditKind.LABEL, second, who="bob", why="pockets", evidence={"run": "r1"}),
            edit(sample, 4, EditKind.CONFIRM),
            edit(sample, 5, EditKind.EXCLUDE),
            edit(sample, 6, EditKind.EXCLUDE),
            edit(sample, 6, EditKind.INCLUDE),
            edit(sample, 7, EditKind.LABEL, others(sample, 7)[0]),
            edit(sample, 8, EditKind.LOOK, "Bag"),
            NewEdit("", EditKind.UNDO, undoes=7),
        ],
    )
    lines = export_patch(workspace, sample).lines
    hashes = content_hashes(sample, [3, 4, 5]).tolist()
    assert [one.image for one in lines] == hashes
    assert [(one.kind, one.old, one.new) for one in lines] == [
        (EditKind.LABEL, given_name(sample, 3), second),
        (EditKind.CONFIRM, given_name(sample, 4), given_name(sample, 4)),
        (EditKind.EXCLUDE, None, None),
    ]
    assert (lines[0].who, lines[0].why, lines[0].evidence) == ("bob", "pockets", {"run": "r1"})


def test_a_person_a_time_or_a_range_of_versions_can_be_chosen(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    first, second = others(sample, 3)[:2]
    journal.append(sample, [edit(sample, 3, EditKind.LABEL, first, who="ann")])
    (bobs,) = journal.append(sample, [edit(sample, 3, EditKind.LABEL, second, who="bob")])
    (annas,) = export_patch(workspace, sample, EditFilter(who="ann")).lines
    assert (annas.old, annas.new) == (given_name(sample, 3), first)
    for chosen in (EditFilter(who="bob"), EditFilter(since=bobs.at), EditFilter(first=2)):
        (line,) = export_patch(workspace, sample, chosen).lines
        assert (line.old, line.new) == (first, second)
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=2, who="ann")])
    assert export_patch(workspace, sample, EditFilter(who="bob")).lines == ()
    (then,) = export_patch(workspace, sample, EditFilter(last=2)).lines
    assert (then.old, then.new) == (given_name(sample, 3), second)
    (back,) = export_patch(workspace, sample, EditFilter(first=3)).lines  # an undo of what is not in it
    assert (back.old, back.new) == (second, first)


def test_an_undo_beyond_the_range_brings_an_image_back(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    journal.append(sample, [edit(sample, 3, EditKind.EXCLUDE), NewEdit("", EditKind.UNDO, undoes=1)])
    assert export_patch(workspace, sample).lines == ()
    (back,) = export_patch(workspace, sample, EditFilter(first=2)).lines
    assert back.kind is EditKind.INCLUDE


def test_edits_of_replaced_images_stay_behind(workspace: Workspace, sample: Dataset) -> None:
    LabelJournal(workspace).append(sample, [edit(sample, 3, EditKind.LABEL, others(sample, 3)[0])])
    hashes = np.array(sample.content_hashes)
    hashes[3] ^= 1
    assert export_patch(workspace, replace(sample, content_hashes=hashes)).lines == ()
    assert export_patch(workspace, sample).lines != ()


def test_no_journal_is_an_empty_patch(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    write_patch(export_patch(workspace, sample), path)
    assert read_patch(path).lines == ()


names = st.text(min_size=1, max_size=8)
lines = st.builds(
    PatchLine,
    image=st.text("0123456789abcdef", min_size=32, max_size=32),
    item=names,
    kind=st.sampled_from([EditKind.LABEL, EditKind.CONFIRM, EditKind.SETTLE]),
    class_name=st.none(),
    old=st.sampled_from([None, *CLASSES]),
    new=st.sampled_from(CLASSES),
    who=names,
    when=st.integers(0, 4_000_000_000_000_000).map(lambda n: round(n / 1_000_000, 6)),
    why=st.text(max_size=8),
    evidence=st.dictionaries(names, st.none() | st.booleans() | st.integers() | st.text(max_size=5)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(lines, max_size=6, unique_by=lambda line: line.target))
def test_a_patch_is_read_as_it_was_written(tmp_path_factory: Any, found: list[PatchLine]) -> None:
    path = tmp_path_factory.mktemp("patch") / "edits.jsonl"
    wanted = patch(*found)
    write_patch(wanted, path)
    again = read_patch(path)
    assert again == wanted
    assert again.id == patch(*found[::-1]).id


@settings(max_examples=150, deadline=None)
@given(
    st.lists(lines, max_size=6, unique_by=lambda line: line.target),
    st.lists(lines, max_size=6, unique_by=lambda line: line.target),
)
def test_a_union_holds_each_line_and_swapping_sides_changes_no_decision(
    ours: list[PatchLine], theirs: list[PatchLine]
) -> None:
    merged = merge_patches(patch(*ours), patch(*theirs), "newest")
    assert {one.target for one in merged.patch.lines} == {one.target for one in [*ours, *theirs]}
    assert merge_patches(merged.patch, merged.patch).patch.id == merged.patch.id
    other = merge_patches(patch(*theirs), patch(*ours), "newest")
    assert len(other.conflicts) == len(merged.conflicts)


def write(path: Path, *rows: Any) -> Path:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text(text + "\n")
    return path


HEADER = {
    "tidyset_patch": 1,
    "dataset": "photos",
    "fingerprint": "f" * 32,
    "task": "single-label",
    "classes": list(CLASSES),
}


def test_all_bad_lines_are_listed_with_their_number_and_mend(tmp_path: Path) -> None:
    good = row_of(line(1))
    path = write(
        tmp_path / "edits.jsonl",
        HEADER,
        good,
        json.dumps(good)[:50],
        {**row_of(line(2)), "image": "abc"},
        {**row_of(line(3)), "kind": "rename"},
        "",
        {**row_of(line(4)), "new": "Hat"},
        {**row_of(line(5)), "old": "Hat"},
        {**row_of(line(6)), "class": "Coat"},
        {**row_of(line(7)), "when": "yesterday"},
        {key: value for key, value in row_of(line(8)).items() if key != "who"},
        {**row_of(line(1)), "new": "Bag"},
        {**row_of(line(9)), "surprise": 1},
        json.dumps({**row_of(line(10)), "evidence": {"x": 0}}).replace("0}", "NaN}"),
        [1],
    )
    with pytest.raises(ImportRejected) as caught:
        read_patch(path)
    problems = caught.value.problems
    assert [problem.row for problem in problems] == [3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    assert all(problem.file == "edits.jsonl" and problem.mend for problem in problems)
    text = str(caught.value)
    for said in ("cut short", "image", "'rename'", "'Hat'", "who", "same as line 2", "surprise", "NaN"):
        assert said in text


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("item_id,label", "is no patch"),
        ("", "is no patch"),
        ("[]", "is no patch"),
        ("[" * 100_000, "is no patch"),
        ({**HEADER, "tidyset_patch": 7}, "format 7"),
        ({**HEADER, "task": "dance"}, "line 1: task"),
    ],
)
def test_what_is_no_patch_is_refused(tmp_path: Path, first: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_patch(write(tmp_path / "x.jsonl", first, row_of(line())))


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        read_patch(tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match="cannot be read"):
        read_patch(tmp_path)


def test_answers_of_several_labels_are_checked(tmp_path: Path) -> None:
    header = {**HEADER, "task": "multi-label"}
    good = line(1, class_name="Bag", old="unknown", new="yes")
    confirm = line(2, kind=EditKind.CONFIRM, old=None, new=None)
    path = write(tmp_path / "a.jsonl", header, row_of(good), row_of(confirm))
    assert read_patch(path).lines == (good, confirm)
    bad = (replace(good, class_name="Hat"), replace(good, image="0" * 32, new="maybe"))
    path = write(tmp_path / "b.jsonl", header, *map(row_of, bad))
    with pytest.raises(ImportRejected, match="no answer"):
        read_patch(path)


def test_merging_keeps_what_agrees_and_lists_what_does_not() -> None:
    a = patch(line(1), line(2), line(3, new="Bag"))
    later = {"who": "bob", "when": 1_700_000_100.0}
    b = patch(line(2, **later), line(3, **later), line(4, **later))
    merged = merge_patches(a, b)
    assert [one.item for one in merged.patch.lines] == ["item-1", "item-2", "item-4"]
    assert merged.patch.lines[1].who == "bob"
    ((mine, theirs),) = [(conflict.a, conflict.b) for conflict in merged.conflicts]
    assert (mine.new, theirs.new) == ("Bag", "Shirt")

    def settled(prefer: Any) -> str | None:
        return next(one.new for one in merge_patches(a, b, prefer).patch.lines if one.item == "item-3")

    assert (settled("a"), settled("b"), settled("newest")) == ("Bag", "Shirt", "Shirt")


def test_a_later_line_goes_on_from_an_earlier_one() -> None:
    a, b = line(1), line(1, old="Shirt", new="Bag", when=1_700_000_100.0, who="bob")
    for pair in ((a, b), (b, a)):
        (only,) = merge_patches(patch(pair[0]), patch(pair[1])).patch.lines
        assert (only.old, only.new, only.who) == ("Coat", "Bag", "bob")
    back = replace(b, new="Coat")  # one says Shirt, the other takes it back: a person must decide
    assert len(merge_patches(patch(a), patch(back)).conflicts) == 1


def test_leaving_out_and_labelling_do_not_meet() -> None:
    out = line(1, kind=EditKind.EXCLUDE, old=None, new=None)
    merged = merge_patches(patch(line(1)), patch(out))
    assert len(merged.patch.lines) == 2
    assert not merged.conflicts
    back = replace(out, kind=EditKind.INCLUDE)
    assert len(merge_patches(patch(out), patch(back)).conflicts) == 1


def test_patches_of_two_tasks_are_not_merged() -> None:
    with pytest.raises(BadInput, match="multi-label"):
        merge_patches(patch(), patch(task=Task.MULTI_LABEL))


def test_classes_of_both_are_known_after_a_merge() -> None:
    more = replace(patch(line(2, new="Hat")), classes=("Hat", "Coat"))
    assert merge_patches(patch(line(1)), more).patch.classes == ("Coat", "Shirt", "Bag", "Hat")


def test_a_line_in_words() -> None:
    assert text_of(line(1)) == "item-1  Coat -> Shirt  by ann"
    assert "left out" in text_of(line(1, kind=EditKind.EXCLUDE, old=None, new=None))
    assert "Coat confirmed" in text_of(line(1, kind=EditKind.CONFIRM, new="Coat"))
