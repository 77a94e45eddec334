"""The Team page, and a shared list on Relabel."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.team.lists import kept_for, lists_of, take
from core.workspace import PROJECT_ROOT, Workspace


@pytest.fixture
def app(workspace: Workspace) -> AppTest:
    return AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=60)


def test_a_list_is_shared_from_relabel_worked_on_and_closed(
    app: AppTest, workspace: Workspace, sample: Dataset
) -> None:
    app.run().switch_page("../pages/team.py").run()
    assert "Nothing is shared yet" in app.markdown[-1].value
    app.switch_page("../pages/relabel.py").run()
    app.text_input(key="share_name").input("First *pass*").run()
    app.number_input(key="share_at_once").set_value(5)
    app.button(key="share").click().run()
    assert not app.exception
    assert not app.error
    (shared,) = lists_of(workspace, sample.name)
    assert (shared.name, shared.at_once, shared.overlap) == ("First *pass*", 5, 1)

    app.session_state["list"] = shared.name
    app.run()
    assert any("You get 5 at a time" in one.value for one in app.caption)
    (person,) = [one for one in ("root", shared.who) if kept_for(workspace, shared, one)][:1]
    assert len(kept_for(workspace, shared, person)) == 5
    assert "first" not in take(workspace, sample, shared, "bob")
    done = kept_for(workspace, shared, person)[0]
    LabelJournal(workspace).append(sample, [NewEdit(done, EditKind.LABEL, "Bag", who=person)])

    app.switch_page("../pages/team.py").run()
    assert not app.exception
    assert any("First \\*pass\\*" in one.value for one in app.markdown)
    assert any(f"{person} 1 (+4 taken)" in one.value for one in app.caption)
    app.selectbox(key="team_person").select("bob").run()
    app.button(key="team_release").click().run()
    assert kept_for(workspace, shared, "bob") == []
    app.button(key="team_close").click().run()
    assert lists_of(workspace, sample.name) == []
