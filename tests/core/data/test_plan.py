"""What people bring is read rightly, or a question is asked: folders, tables, values, splits and formats."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset, Task
from core.data.importer import ImportOptions, import_source, understand
from core.data.plan import Plan
from core.data.readers.base import Hints, split_folders
from core.errors import BadInput, ImportRejected, Unclear
from core.workspace import Workspace

ALL_TRAIN = ImportOptions(test_share=0)


def picture(path: Path) -> None:
    """A picture of noise that no other name makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes("/".join(path.parts[-3:]).encode()[-8:])
    noise = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(noise).save(path, "PNG")


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def source(root: Path, names: Sequence[str], tables: Mapping[str, str | bytes] | None = None) -> Path:
    """A folder with these pictures and tables."""
    for name in names:
        picture(root / name)
    for name, content in (tables or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def numbered(folder: str, n: int, ending: str = "png") -> list[str]:
    return [f"{folder}{i}.{ending}" for i in range(n)]


def rows(header: str, cells: Sequence[str]) -> str:
    return "\n".join([header, *cells]) + "\n"


def plan_of(where: Path | list[Path], **hints: object) -> Plan:
    return understand(where, ImportOptions(Hints(**hints), test_share=0))  # type: ignore[arg-type]


def totals(plan: Plan) -> dict[str, int]:
    return {name: sum(counts.values()) for name, counts in plan.classes.items()}


def no_question(plan: Plan) -> Plan:
    assert not plan.questions, [str(question) for question in plan.questions]
    return plan


def item(dataset: Dataset, name: str) -> np.ndarray:
    return dataset.images.read(int(dataset.positions([name])[0]))


# ------------------------------------------------------------------- formats


@pytest.mark.parametrize("n", [4, 9, 16, 25])
@pytest.mark.parametrize("ending", ["", ".png"])
@pytest.mark.parametrize("form", ["{}", "{}.0"])
def test_a_one_hot_table_is_no_table_of_pixels(tmp_path: Path, n: int, ending: str, form: str) -> None:
    cells = [
        f"T_{i}{ending}," + ",".join(form.format(int(k == i % n)) for k in range(n)) for i in range(2 * n)
    ]
    names = [f"c{k}" for k in range(n)]
    table = rows("image_id," + ",".join(names), cells)
    root = source(tmp_path / "d", numbered("images/T_", 2 * n), {"train.csv": table})
    for where in (root, root / "train.csv"):
        plan = no_question(plan_of(where))
        assert (plan.task, totals(plan)) == (Task.MULTI_LABEL, dict.fromkeys(names, 2))


@pytest.mark.parametrize("stray", ["classes.csv", "labels.csv", "README.csv", "sample_submission.csv"])
def test_a_small_table_does_not_take_over_class_folders(tmp_path: Path, stray: str) -> None:
    names = [*numbered("cat/", 4), *(f"dog/{i}.png" for i in range(4, 8))]
    root = source(
        tmp_path / "d", names, {stray: "id,name\n0,cat\n1,dog\n", ".DS_Store": b"\0", "LICENSE": "x"}
    )
    assert totals(no_question(plan_of(root))) == {"cat": 4, "dog": 4}


def test_a_stray_picture_is_passed_over_and_told(workspace: Workspace, tmp_path: Path) -> None:
    root = source(tmp_path / "d", ["logo.png", *numbered("cat/", 4), *numbered("dog/", 4)])
    result = import_source(workspace, root, "a", ALL_TRAIN)
    assert result.dataset.classes == ("cat", "dog")
    assert [problem.file for problem in result.problems] == ["logo.png"]


def test_placeholders_are_no_labels(tmp_path: Path) -> None:
    tables = {
        "train.csv": rows("id,label", [f"t{i}.png,{'ab'[i % 2]}" for i in range(8)]),
        "sample_submission.csv": rows("id,label", [f"x{i}.png,a" for i in range(4)]),
    }
    root = source(tmp_path / "d", [*numbered("train_images/t", 8), *numbered("test_images/x", 4)], tables)
    plan = no_question(plan_of(root))
    assert (plan.n_items, totals(plan)) == (8, {"a": 4, "b": 4})
    assert any("4 images have no row" in text for text in plan.warnings)


def test_arrays_as_many_as_images_are_a_question(tmp_path: Path) -> None:
    root = source(tmp_path / "d", [*numbered("cat/", 2), *numbered("dog/", 2)])
    np.save(root / "features.npy", np.zeros((4, 64), np.float32))
    with pytest.raises(Unclear, match="--read-as images"):
        import_source(Workspace(tmp_path / "w"), root, "a")
    assert totals(no_question(plan_of(root, read_as="images"))) == {"cat": 2, "dog": 2}


# --------------------------------------------------------------------- files


def test_a_path_means_that_path(workspace: Workspace, tmp_path: Path) -> None:
    names = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(4)]
    table = rows("path,label", [f"data/{name},{name[:3]}" for name in names])
    root = source(tmp_path / "d", names, {"labels.csv": table})
    dataset = import_source(workspace, root, "a", ALL_TRAIN).dataset
    for name in names:
        np.testing.assert_array_equal(item(dataset, f"data/{name}"), pixels_of(root / name))


def test_another_folders_image_of_the_same_name_is_none(workspace: Workspace, tmp_path: Path) -> None:
    names = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(4)]
    table = rows("path,label", [f"{name},{name[:3]}" for name in names])
    root = source(tmp_path / "d", [name for name in names if name != "dog/2.png"], {"labels.csv": table})
    with pytest.raises(ImportRejected, match=r"There is no image 'dog/2\.png'"):
        import_source(workspace, root, "a")
    only = source(
        tmp_path / "e", numbered("cat/", 3), {"l.csv": rows("path,label", ["dog/0.png,a", "dog/1.png,b"])}
    )
    with pytest.raises(ImportRejected, match=r"There is no image 'dog/0\.png'"):
        import_source(workspace, only / "l.csv", "b")


def test_masks_are_never_taken(workspace: Workspace, tmp_path: Path) -> None:
    table = rows("id,label", [f"{i},{'ab'[i % 2]}" for i in range(4)])
    root = source(
        tmp_path / "d", [*numbered("images/", 4), *numbered("annotations/", 4)], {"labels.csv": table}
    )
    dataset = import_source(workspace, root, "a", ALL_TRAIN).dataset
    np.testing.assert_array_equal(item(dataset, "2"), pixels_of(root / "images/2.png"))


def test_a_table_called_train_means_the_images_in_train(workspace: Workspace, tmp_path: Path) -> None:
    table = rows("file,label", [f"{i}.png,{'ab'[i % 2]}" for i in range(6)])
    root = source(tmp_path / "d", [*numbered("train/", 6), *numbered("test/", 6)], {"train.csv": table})
    dataset = import_source(workspace, root / "train.csv", "a", ALL_TRAIN).dataset
    np.testing.assert_array_equal(item(dataset, "3.png"), pixels_of(root / "train/3.png"))
    (root / "train/3.png").unlink()
    with pytest.raises(ImportRejected, match=r"no image '3\.png'"):
        import_source(workspace, root / "train.csv", "b")


def test_two_candidates_are_a_question(workspace: Workspace, tmp_path: Path) -> None:
    table = rows("file,label", [f"{i}.png,{'ab'[i % 2]}" for i in range(6)])
    root = source(tmp_path / "d", [*numbered("left/", 6), *numbered("right/", 6)], {"labels.csv": table})
    with pytest.raises(Unclear, match=r"--images .*left"):
        import_source(workspace, root, "a")
    told = ImportOptions(Hints(image_folder=root / "left"), test_share=0)
    dataset = import_source(workspace, root, "a", told).dataset
    np.testing.assert_array_equal(item(dataset, "5.png"), pixels_of(root / "left/5.png"))


def test_absolute_paths_and_urls(tmp_path: Path) -> None:
    root = source(tmp_path / "d", numbered("x/", 4))
    table = rows("path,label", [f"{root}/x/{i}.png,{'ab'[i % 2]}" for i in range(4)])
    (root / "list.csv").write_text(table)
    assert totals(plan_of(root / "list.csv")) == {"a": 2, "b": 2}
    elsewhere = source(tmp_path / "e", [], {"list.csv": table}) / "list.csv"
    assert "--images" in plan_of(elsewhere).left_out[0]
    assert totals(plan_of(elsewhere, image_folder=root / "x")) == {"a": 2, "b": 2}
    cloud = rows("image,label", [f"s3://bucket/pics/{i}.png,{'ab'[i % 2]}" for i in range(4)])
    assert totals(plan_of(source(tmp_path / "f", numbered("", 4), {"l.csv": cloud}))) == {"a": 2, "b": 2}


# ------------------------------------------------------------------- folders


def test_split_folders_without_classes(tmp_path: Path) -> None:
    plan = no_question(plan_of(source(tmp_path / "d", [*numbered("train/", 6), *numbered("test/", 3)])))
    assert (plan.classes, plan.splits, plan.n_unlabelled) == ({}, {"train": 6, "test": 3}, 9)


@pytest.mark.parametrize("form", ["metadata.csv", "metadata.jsonl", "_classes.csv"])
def test_a_table_in_each_split_folder(tmp_path: Path, form: str) -> None:
    names, tables = [], {}
    for split, n in (("train", 6), ("valid", 4), ("test", 4)):
        own = numbered("", n)
        names += [f"{split}/{name}" for name in own]
        labels = ["cat" if i % 2 else "dog" for i in range(n)]
        tables[f"{split}/{form}"] = {
            "metadata.csv": rows("file_name,label", [f"{a},{b}" for a, b in zip(own, labels, strict=True)]),
            "metadata.jsonl": "\n".join(
                json.dumps({"file_name": a, "label": b}) for a, b in zip(own, labels, strict=True)
            ),
            "_classes.csv": rows(
                "filename, cat, dog",
                [f"{a}, {int(b == 'cat')}, {int(b == 'dog')}" for a, b in zip(own, labels, strict=True)],
            ),
        }[form]
    plan = no_question(plan_of(source(tmp_path / "d", names, tables)))
    assert (totals(plan), plan.splits) == ({"cat": 7, "dog": 7}, {"train": 6, "val": 4, "test": 4})


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("training_set", "test_set"), ("train", "test")),
        (("seg_train/seg_train", "seg_test/seg_test"), ("train", "test")),
        (("images/train2017", "images/val2017"), ("train", "val")),
        (("data/Training", "data/Validate"), ("train", "val")),
        (("a/b/train/images", "a/b/eval/images"), ("train", "val")),
    ],
)
def test_splits_by_other_names_below_other_folders(
    tmp_path: Path, folders: tuple[str, str], splits: tuple[str, str]
) -> None:
    names = [name for folder in folders for c in ("cat", "dog") for name in numbered(f"{folder}/{c}/", 3)]
    plan = no_question(plan_of(source(tmp_path / "d", names, {"README.md": "x"})))
    assert (totals(plan), plan.splits) == ({"cat": 6, "dog": 6}, dict.fromkeys(splits, 6))


def test_splits_below_classes_and_folds(tmp_path: Path) -> None:
    names = [n for c in ("cat", "dog") for s in ("train", "test") for n in numbered(f"{c}/{s}/", 2)]
    plan = no_question(plan_of(source(tmp_path / "d", names)))
    assert (totals(plan), plan.splits) == ({"cat": 4, "dog": 4}, {"train": 4, "test": 4})
    names = [n for k in (1, 2, 3) for c in ("cat", "dog") for n in numbered(f"fold{k}/{c}/", 2)]
    root = source(tmp_path / "e", names)
    plan = no_question(plan_of(root))
    assert totals(plan) == {"cat": 6, "dog": 6}
    assert any("folds" in text for text in plan.warnings)
    assert plan_of(root, splits_from="fold3=test").splits == {"train": 8, "test": 4}


def test_words_that_only_begin_like_splits_are_classes() -> None:
    assert split_folders(["train station", "test tube"]) is None
    assert split_folders(["train", "car"]) is None
    assert split_folders(["seg_train", "seg_test", "seg_pred"]) == {
        "seg_train": "train",
        "seg_test": "test",
        "seg_pred": None,
    }


def test_a_folder_around_it_all_as_folder_and_as_zip(tmp_path: Path) -> None:
    names = [n for s in ("train", "val") for c in ("cat", "dog") for n in numbered(f"dataset/{s}/{c}/", 2)]
    root = source(tmp_path / "d", names, {"readme.txt": "hello"})
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name in [*names, "readme.txt"]:
            archive.write(root / name, name)
    for where in (root, tmp_path / "d.zip"):
        plan = no_question(plan_of(where))
        assert (totals(plan), plan.splits) == ({"cat": 4, "dog": 4}, {"train": 4, "val": 4})


def test_classes_in_classes_have_parents(workspace: Workspace, tmp_path: Path) -> None:
    root = source(
        tmp_path / "d", ["animal/dog/1.png", "animal/cat/2.png", "vehicle/car/3.png", "plant/4.png"]
    )
    result = import_source(workspace, root, "a", ALL_TRAIN)
    assert result.dataset.classes == ("animal/cat", "animal/dog", "plant", "vehicle/car")
    assert result.plan.parents["animal/dog"] == "animal"
    assert json.loads(result.dataset.info["class_parents"])["vehicle/car"] == "vehicle"


def test_folders_in_class_folders_that_may_be_something_else_are_a_question(tmp_path: Path) -> None:
    root = source(
        tmp_path / "d", [n for p in "ab" for c in ("sad", "glad") for n in numbered(f"{p}/{c}/", 2)]
    )
    assert len(plan_of(root).questions) == 1
    assert totals(no_question(plan_of(root, label=("last-folder",)))) == {"glad": 4, "sad": 4}
    assert totals(no_question(plan_of(root, label=("top-folder",)))) == {"a": 4, "b": 4}
    assert len(no_question(plan_of(root, label=("folders",))).classes) == 4


# ------------------------------------------------------------------- columns


KINDS = ["ape", "bat", "cow"]
TABLES = {
    "skin": ("lesion_id,image_id,dx,dx_type,age", "H{h},{i},{pair},histo,{age}", "mel nv"),
    "sizes": ("filename,width,height,class_name", "{i}.png,16,16,{pair}", "mel nv"),
    "pandas": (",file,breed", "{i},{i}.png,{kind}", "ape bat cow"),
    "label studio": ("id,annotator,choice,image,lead_time", "{age},1,{pair},/upload/{i}.png,1.5", "mel nv"),
}


@pytest.mark.parametrize("form", TABLES)
def test_the_label_is_the_column_that_can_be_one(tmp_path: Path, form: str) -> None:
    header, row, classes = TABLES[form]
    cells = [
        row.format(i=i, h=i // 2, pair="mel" if i % 2 else "nv", kind=KINDS[i % 3], age=40 + i)
        for i in range(8)
    ]
    plan = no_question(plan_of(source(tmp_path / "d", numbered("", 8), {"l.csv": rows(header, cells)})))
    assert list(plan.classes) == classes.split()
    assert any("not kept yet" in text for text in plan.unused) or form == "pandas"


def test_several_columns_that_can_be_labels_are_a_question(workspace: Workspace, tmp_path: Path) -> None:
    cells = [f"{i}.png,{KINDS[i % 3]},{i % 2}" for i in range(8)]
    root = source(tmp_path / "d", numbered("", 8), {"l.csv": rows("file,species,is_male", cells)})
    with pytest.raises(Unclear) as asked:
        import_source(workspace, root, "a")
    assert [option for _, option in asked.value.questions[0][1]][:2] == [
        '--label "species"',
        '--label "is_male"',
    ]
    assert list(no_question(plan_of(root, label=("species",))).classes) == KINDS
    with pytest.raises(BadInput, match="no column 'race'"):
        plan_of(root, label=("race",))


def test_a_short_table_is_read_like_a_longer_one_of_the_same_columns(tmp_path: Path) -> None:
    tables = {
        "train.txt": rows("im/0.png 0", [f"im/{i}.png {i % 2}" for i in range(1, 6)]),
        "test.txt": rows("im/6.png 0", ["im/7.png 1"]),
    }
    plan = plan_of(source(tmp_path, numbered("im/", 8), tables))
    assert plan.classes == {"0": {"train": 3, "test": 1}, "1": {"train": 3, "test": 1}}
    assert not plan.unused


def test_a_table_without_header_has_splits_and_labels(tmp_path: Path) -> None:
    splits = ["TRAIN"] * 5 + ["VALIDATION"] * 2 + ["TEST"]
    cells = [f"{split},gs://bucket/{i}.png,{'cat' if i % 2 else 'dog'}" for i, split in enumerate(splits)]
    plan = no_question(plan_of(source(tmp_path / "d", numbered("", 8), {"l.csv": "\n".join(cells)})))
    assert (totals(plan), plan.splits) == ({"cat": 4, "dog": 4}, {"train": 5, "val": 2, "test": 1})


@pytest.mark.parametrize("form", ["last named", "last", "sorted", "sizes"])
def test_pixels_in_any_order_of_columns(workspace: Workspace, tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (12, 144)), np.arange(12) % 3
    names = [f"pixel{i}" for i in range(144)]
    if form == "sizes":
        names = [f"{r + 1}x{c + 1}" for r in range(12) for c in range(12)]
    order = sorted(range(144), key=names.__getitem__) if form in ("sorted", "sizes") else range(144)
    lines = [",".join(map(str, x[i][list(order)])) for i in range(12)]
    if form in ("last named", "last"):
        lines = [f"{line},{label}" for line, label in zip(lines, y, strict=True)]
        header = [",".join([*names, "digit"])] if form == "last named" else []
    else:
        lines = [f"{label},{line}" for line, label in zip(lines, y, strict=True)]
        header = [",".join(["label", *(names[i] for i in order)])]
    (tmp_path / "a.csv").write_text("\n".join([*header, *lines]))
    dataset = import_source(workspace, tmp_path / "a.csv", "a", ALL_TRAIN).dataset
    assert dataset.classes == ("0", "1", "2")
    assert dataset.labels.tolist() == y.tolist()
    np.testing.assert_array_equal(dataset.images.read(7)[:, :, 0].ravel(), x[7])


def test_parquet_labels_of_another_name_with_the_names_of_each_file(
    workspace: Workspace, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    picture(tmp_path / "1.png")
    content = {"bytes": (tmp_path / "1.png").read_bytes(), "path": None}
    (tmp_path / "d").mkdir()
    for split, names in (("train", ["cat", "dog"]), ("test", ["dog", "cat"])):
        table = pa.table({"image": [content] * 2, "number": [5, 6], "animal": [0, 1]})
        about = {"info": {"features": {"animal": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        pq.write_table(table, tmp_path / "d" / f"{split}.parquet")
    dataset = import_source(workspace, tmp_path / "d", "a").dataset
    said = {str(i): dataset.classes[k] for i, k in zip(dataset.item_ids, dataset.labels, strict=True)}
    assert said == {"train-00000": "cat", "train-00001": "dog", "test-00000": "dog", "test-00001": "cat"}
    assert understand(tmp_path / "d").classes == {
        "cat": {"train": 1, "test": 1},
        "dog": {"train": 1, "test": 1},
    }


# -------------------------------------------------------------------- values


def labelled(root: Path, labels: Sequence[str], column: str = "label") -> Path:
    cells = [f'{i}.png,"{label}"' for i, label in enumerate(labels)]
    return source(root, numbered("images/", len(labels)), {"labels.csv": rows(f"file,{column}", cells)})


def test_words_keep_their_text(tmp_path: Path) -> None:
    words = ["none", "NA", "nan", "unknown", "null", "True", "007", "7", "1e5", "hole"]
    root = labelled(tmp_path / "d", words * 2)
    plan = no_question(plan_of(root))
    assert totals(plan) == dict.fromkeys(plan.classes, 2)
    assert set(plan.classes) == set(words)
    assert any("none, NA, nan, unknown, null" in text for text in plan.warnings)
    plan = plan_of(root, unknown=("none", "NA"))
    assert (len(plan.classes), plan.n_unlabelled) == (8, 4)
    assert set(plan_of(root, classes=tuple(words)).classes) == set(words)


def test_a_missing_value_among_numbers_is_a_question(tmp_path: Path) -> None:
    root = labelled(tmp_path / "d", ["0", "1", "NA", "0", "1", "NA"])
    assert [choice.option for choice in plan_of(root).questions[0].choices] == [
        '--unknown "NA"',
        '--unknown ""',
    ]
    assert totals(no_question(plan_of(root, unknown=()))) == {"0": 2, "1": 2, "NA": 2}
    assert no_question(plan_of(root, unknown=("NA",))).n_unlabelled == 2


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["traffic light|car", "car", "traffic light", "hot dog|person"], "car,hot dog,person,traffic light"),
        (["['traffic light', 'car']", "['car']"], "car,traffic light"),
        (["beagle", "golden retriever", "great dane"], "beagle,golden retriever,great dane"),
        (["1 2", "2", "10 1"], "1,2,10"),
    ],
)
def test_lists_of_labels(tmp_path: Path, labels: list[str], classes: str) -> None:
    assert ",".join(no_question(plan_of(labelled(tmp_path / "d", labels * 3, "labels"))).classes) == classes


def test_blanks_that_may_separate_are_a_question(tmp_path: Path) -> None:
    root = labelled(tmp_path / "d", ["haze primary", "clear primary", "haze water"], "tags")
    assert len(plan_of(root).questions) == 1
    assert list(no_question(plan_of(root, separator="space")).classes) == [
        "clear",
        "haze",
        "primary",
        "water",
    ]
    assert no_question(plan_of(root, separator="none")).task is Task.SINGLE_LABEL


def test_minus_one_is_no_where_there_is_no_zero(workspace: Workspace, tmp_path: Path) -> None:
    table = rows("image_id,Smiling,Young", ["0.png,1,-1", "1.png,-1,1", "2.png,1,1"])
    dataset = import_source(workspace, source(tmp_path / "d", numbered("", 3), {"l.csv": table}), "a").dataset
    np.testing.assert_array_equal(dataset.labels, [[1, 0], [0, 1], [1, 1]])
    table = rows("image_id,Smiling,Young", ["0.png,1,-1", "1.png,0,1", "2.png,1,0"])
    dataset = import_source(workspace, source(tmp_path / "e", numbered("", 3), {"l.csv": table}), "b").dataset
    np.testing.assert_array_equal(dataset.labels, [[1, np.nan], [0, 1], [1, 0]])


def test_numbers_get_the_names_that_lie_beside_them(tmp_path: Path) -> None:
    root = labelled(tmp_path / "d", ["0", "1", "2"] * 2)
    (root / "classes.txt").write_text("ape\nbat\ncow\n")
    assert totals(plan_of(root)) == dict.fromkeys(KINDS, 2)
    cells = [f"{i}.png,{i % 3},{KINDS[i % 3]}" for i in range(6)]
    root = source(tmp_path / "e", numbered("", 6), {"l.csv": rows("file,label,label_name", cells)})
    assert totals(no_question(plan_of(root))) == dict.fromkeys(KINDS, 2)


def test_blanks_and_forms_of_unicode_make_no_second_class(tmp_path: Path) -> None:
    assert totals(plan_of(labelled(tmp_path / "d", [" cat", "cat ", "cat"]))) == {"cat": 3}
    root = source(tmp_path / "e", ["cafe\u0301/1.png", "caf\u00e9/2.png", "dog/3.png"])
    assert totals(plan_of(root)) == {"caf\u00e9": 2, "dog": 1}
    plan = plan_of(labelled(tmp_path / "f", ["Cat", "cat", "train", "x.png"]))
    for words in ("differ by case", "like splits", "like files"):
        assert any(words in text for text in plan.warnings)


# -------------------------------------------------------------------- splits


def test_split_columns(tmp_path: Path) -> None:
    cells = [f"{i}.png,{'ab'[i % 2]},{i > 5},{i % 3}" for i in range(8)]
    root = source(tmp_path / "d", numbered("", 8), {"l.csv": rows("name,label,is_valid,part", cells)})
    assert no_question(plan_of(root)).splits == {"train": 6, "val": 2}
    told = plan_of(root, splits_from="part:0=train,1=val,2=test")
    assert told.splits == {"train": 3, "val": 3, "test": 2}
    root = source(tmp_path / "e", numbered("", 8), {"l.csv": rows("name,label,is_valid,split", cells)})
    assert plan_of(root, splits_from="none").splits == {"train": 8}


def test_numbers_of_splits_are_a_question(tmp_path: Path) -> None:
    cells = [f"{i}.png,{'ab'[i % 2]},{i % 3}" for i in range(9)]
    root = source(tmp_path / "d", numbered("", 9), {"l.csv": rows("name,label,split", cells)})
    plan = plan_of(root)
    assert plan.questions[0].choices[0].option == '--splits-from "split:0=train,1=val,2=test"'
    answered = plan_of(root, **plan.questions[0].choices[1].hints)
    assert (answered.questions, answered.splits) == ((), {"train": 3, "val": 3, "test": 3})


def test_a_share_that_was_asked_for_is_drawn_from_a_table_called_train(tmp_path: Path) -> None:
    table = rows("name,label", [f"{i}.png,{'ab'[i % 2]}" for i in range(8)])
    root = source(tmp_path / "d", numbered("", 8), {"train.csv": table})
    assert understand(root).splits == {"train": 8}
    assert understand(root, ImportOptions(test_share=0.25)).splits == {"train": 6, "test": 2}


# -------------------------------------------------- what was refused, encodings


def test_few_labels_lists_of_paths_and_several_sources(tmp_path: Path) -> None:
    plan = no_question(plan_of(labelled(tmp_path / "d", ["a", "b", *[""] * 298])))
    assert (totals(plan), plan.n_unlabelled) == ({"a": 1, "b": 1}, 298)
    root = source(
        tmp_path / "e",
        numbered("my photos/", 5),
        {"list.txt": "".join(f"my photos/{i}.png\n" for i in range(4))},
    )
    assert plan_of(root / "list.txt").n_items == 4
    assert plan_of(root / "my photos").n_unlabelled == 5
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for i in range(4):
            archive.write(root / f"my photos/{i}.png", f"images/{i}.png")
    (tmp_path / "train.csv").write_text(rows("id,label", [f"{i},{'ab'[i % 2]}" for i in range(4)]))
    plan = no_question(plan_of([tmp_path / "images.zip", tmp_path / "train.csv"]))
    assert totals(plan) == {"a": 2, "b": 2}


def test_tables_of_spreadsheets(tmp_path: Path) -> None:
    text = "sep=;\r\nfile;label\r\n" + "".join(f"Cat\\{i}.jpg;caf\u00e9\r\n" for i in range(3))
    for name, content in (("utf8", text.encode("utf-8-sig")), ("windows", text.encode("cp1252"))):
        root = source(tmp_path / name, numbered("Cat/", 3, "JPG"), {"labels.csv": content})
        assert totals(plan_of(root, label=("label",))) == {"caf\u00e9": 3}


def test_a_table_that_names_no_image_is_a_question(tmp_path: Path) -> None:
    root = source(tmp_path / "d", numbered("", 3), {"train.csv": "who,label\nx,a\ny,b\n"})
    assert "names no image" in plan_of(root).questions[0].text
    assert no_question(plan_of(root, label=("none",))).n_unlabelled == 3


def test_the_plan_shows_examples_copies_and_sizes(tmp_path: Path) -> None:
    root = source(tmp_path / "d", [*numbered("cat/", 3), *numbered("dog/", 3)])
    (root / "dog/copy.png").write_bytes((root / "cat/1.png").read_bytes())
    Image.new("RGB", (20, 30)).save(root / "dog/large.png")
    plan = plan_of(root)
    assert {example.label for example in plan.examples} == {"cat", "dog"}
    assert any("1 images are exact copies" in text for text in plan.warnings)
    assert any("from 12 x 12 to 30 x 20" in text for text in plan.warnings)
    assert {
        "format",
        "n_items",
        "classes",
        "columns",
        "unused",
        "warnings",
        "questions",
    } <= plan.as_json().keys()


def test_a_text_in_the_label_column_makes_no_class(workspace: Workspace, tmp_path: Path) -> None:
    where = source(
        tmp_path, numbered("", 2), {"l.csv": rows("file,label", ["0.png,cat", f"1.png,{'x' * 9_000}"])}
    )
    with pytest.raises(BadInput, match="has 9,000 characters"):
        import_source(workspace, where, "long", ALL_TRAIN)
