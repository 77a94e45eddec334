"""tidyset doctor: a sound workspace is called sound, each thing that is broken is found and has a mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.doctor import Finding, Health, examine
from core.embeddings.clip_models import ClipModel, remember
from core.runs.store import create_run
from core.workspace import Workspace


def by_area(findings: list[Finding], area: str) -> list[Finding]:
    return [finding for finding in findings if finding.area == area and finding.health is not Health.OK]


def test_a_sound_workspace_has_no_fault_and_says_so_in_json(workspace: Workspace, sample: Dataset) -> None:
    answer = CliRunner().invoke(app, ["doctor", "--json"])
    about = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert about["faults"] == 0
    areas = {finding["area"] for finding in about["findings"]}
    assert areas == {
        "Python",
        "packages",
        "machine",
        "workspace",
        "database",
        "data sets",
        "runs",
        "weights",
    }


def test_every_broken_part_is_named_with_its_mend_and_hides_no_other(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    run = create_run(workspace, sample, None, kind="import", name="cut-off")
    run.events.append("started")
    broken = create_run(workspace, sample, None, kind="import")
    (broken.folder / "run.json").write_text('{"name": ')
    copied = create_run(workspace, sample, None, kind="import", name="copied")
    copied.recipe_file.write_text("x = " + "[" * 100_000)
    copied.events.append("finished")
    (workspace.root / "labels.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    (workspace.datasets / sample.name / "images.npy").write_bytes(b"\x93NUMPY")
    remember(workspace, ClipModel("mine", "ViT-B-32", checkpoint=str(tmp_path / "gone.safetensors")))
    findings = examine(workspace)
    wrong = {area: by_area(findings, area) for area in ("database", "data sets", "runs", "weights")}
    assert "labels.db" in wrong["database"][0].found
    assert sample.name in wrong["data sets"][0].found
    assert {finding.what for finding in wrong["runs"]} == {"cut-off", broken.id, "copied"}
    assert "gone.safetensors" in wrong["weights"][0].found
    assert all(finding.mend for found in wrong.values() for finding in found)
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1


def test_a_password_in_the_address_is_not_shown(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql+psycopg://anna:sesame@127.0.0.1:9/labels"
    monkeypatch.setenv("TIDYSET_DATABASE_URL", url)
    found = by_area(examine(workspace), "database")
    assert found[0].health is Health.FAULT
    assert not [finding for finding in found if "sesame" in finding.found + finding.mend]


def test_a_workspace_that_cannot_be_made_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(tmp_path / "file" / "workspace"))
    found = by_area(examine(Workspace(tmp_path / "file" / "workspace")), "workspace")
    assert found[0].health is Health.FAULT
    assert str(tmp_path) in found[0].found
    assert found[0].mend
