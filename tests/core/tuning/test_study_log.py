"""A search that is kept in the team's database: nothing is lost or doubled, and it waits for it."""

from __future__ import annotations

import math
import threading
import time

import optuna
import pytest
from sqlalchemy import Engine

from core.database.engine import connect
from core.database.migrate import prepare
from core.tuning.study_log import append_entries, read_entries
from core.worker.study_storage import DatabaseBackend
from core.workspace import Workspace
from tests.cable import Cable


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Engine:
    if request.param == "postgresql":
        monkeypatch.setenv("TIDYSET_DATABASE_URL", request.getfixturevalue("postgres"))
    return prepare(connect(workspace))


def test_entries_come_back_in_order_and_once(engine: Engine) -> None:
    append_entries(engine, "a", "first", [{"n": 0}, {"n": math.inf}])
    append_entries(engine, "a", "first", [{"n": 0}, {"n": math.inf}])  # its answer was lost
    append_entries(engine, "b", "other", [{"n": 7}])
    append_entries(engine, "a", "second", [{"n": 2}])
    assert read_entries(engine, "a") == [{"n": 0}, {"n": math.inf}, {"n": 2}]
    assert read_entries(engine, "a", 2) == [{"n": 2}]
    assert read_entries(engine, "nothing") == []


def ask_and_tell(engine: Engine, n: int) -> None:
    storage = optuna.storages.JournalStorage(DatabaseBackend(engine, "a"))
    study = optuna.create_study(storage=storage, study_name="a", load_if_exists=True)
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", 0, 1))


def test_several_work_on_one_study(engine: Engine) -> None:
    workers = [threading.Thread(target=ask_and_tell, args=(engine, 5)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study = optuna.load_study(
        study_name="a", storage=optuna.storages.JournalStorage(DatabaseBackend(engine, "a"))
    )
    assert sorted(trial.number for trial in study.trials) == list(range(15))
    assert all(trial.value == trial.params["x"] for trial in study.trials)


def test_a_search_waits_for_a_database_that_is_away(
    postgres: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cable(postgres) as cable:
        monkeypatch.setenv("TIDYSET_DATABASE_URL", cable.url)
        engine = prepare(connect(workspace))
        worker = threading.Thread(target=ask_and_tell, args=(engine, 20))
        worker.start()
        for _ in range(3):
            time.sleep(0.1)
            cable.cut()
            time.sleep(0.1)
            cable.mend()
        worker.join()
        storage = optuna.storages.JournalStorage(DatabaseBackend(engine, "a"))
        assert len(optuna.load_study(study_name="a", storage=storage).trials) == 20
