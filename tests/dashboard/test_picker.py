"""The picker: the address names the data set, and a bad address or a damaged set breaks nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.catalog import open_dataset
from core.data.writer import write_array_dataset
from core.workspace import Workspace
from dashboard.wording import plain

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


@pytest.fixture
def app(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    """The app on a machine that has the sample only."""
    monkeypatch.setenv("TIDYSET_FASHION_MNIST", str(tmp_path / "nowhere"))
    monkeypatch.setattr("core.data.fashion_mnist.SYSTEM_FOLDERS", ())
    return AppTest.from_file(HOME, default_timeout=60)


def copy_of_the_sample(workspace: Workspace, name: str, title: str = "") -> None:
    """Another data set of other images."""
    sample = open_dataset(workspace, "fashion-mnist-sample")
    write_array_dataset(
        workspace,
        name,
        title=title or f"The {name}",
        task=sample.task,
        classes=sample.classes,
        item_ids=np.asarray(sample.item_ids[:100]),
        split=np.asarray(sample.split[:100]),
        labels=np.asarray(sample.labels[:100]),
        images=np.asarray(sample.images.pixels[:100]),  # type: ignore[attr-defined]
    )


def titles(app: AppTest) -> list[str]:
    return [title.value for title in app.title]


def test_the_sample_opens_first_and_the_address_stays_bare(app: AppTest) -> None:
    app.run()
    assert titles(app) == ["Fashion-MNIST sample"]
    assert "data" not in app.query_params


def test_the_address_names_the_data_set(app: AppTest, workspace: Workspace) -> None:
    copy_of_the_sample(workspace, "other")
    app.query_params["data"] = "other"
    app.run()
    assert titles(app) == ["The other"]
    app.sidebar.selectbox[0].set_value("fashion-mnist-sample").run()
    assert titles(app) == ["Fashion-MNIST sample"]
    assert app.query_params["data"] == "fashion-mnist-sample"
    app.query_params["data"] = "other"
    app.run()
    assert titles(app) == ["The other"], "a new address wins over the old choice"


@pytest.mark.parametrize("asked", ["nope", "", "../../etc", "**bold**"])
def test_an_unknown_name_in_the_address_opens_another_and_says_so(app: AppTest, asked: str) -> None:
    app.query_params["data"] = asked
    app.run()
    assert titles(app) == ["Fashion-MNIST sample"]
    assert not app.exception
    assert not app.error
    said = [f"There is no data set {plain(asked)}; this is {plain('Fashion-MNIST sample')}."] if asked else []
    assert [info.value for info in app.info][: len(said)] == said
    app.run()
    assert len(app.info) >= len(said), "it stays while the page is open"


def test_a_damaged_data_set_is_listed_with_its_reason(app: AppTest, workspace: Workspace) -> None:
    folder = workspace.datasets / "broken"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text("{half")
    app.run()
    assert titles(app) == ["Fashion-MNIST sample"]
    assert "broken" not in app.sidebar.selectbox[0].options
    assert any("cannot be read" in caption.value for caption in app.sidebar.caption)


def test_a_data_set_with_a_missing_array_says_what_to_do(app: AppTest, workspace: Workspace) -> None:
    copy_of_the_sample(workspace, "other")
    (workspace.datasets / "other" / "labels.npy").unlink()
    app.query_params["data"] = "other"
    app.run()
    assert not app.exception
    assert "labels.npy cannot be read" in app.error[0].value
    app.sidebar.selectbox[0].set_value("fashion-mnist-sample").run()
    assert not app.error


def test_the_full_set_is_offered_where_it_is_not_there(app: AppTest) -> None:
    app.run()
    assert "Get Fashion-MNIST (30 MB)" in [button.label for button in app.sidebar.button]


def test_two_data_sets_of_one_title_are_told_apart(app: AppTest, workspace: Workspace) -> None:
    for name in ("first", "second"):
        copy_of_the_sample(workspace, name, "Clothes")
    app.query_params["data"] = "second"
    app.run()
    assert app.sidebar.selectbox[0].options[-2:] == ["Clothes (first)", "Clothes (second)"]
    app.run()  # with what the page's controls say, as after a press
    assert app.session_state["data"] == "second"
    assert app.query_params["data"] == "second"
