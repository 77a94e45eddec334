"""Tags on the sample: given, counted once, in the order of the alphabet, taken off."""

from __future__ import annotations

import pytest

from core.data.dataset import Dataset
from core.data.tags import LONGEST, add_tag, remove_tag, tags_of, tags_version
from core.errors import BadInput, NotFound
from core.workspace import Workspace


def test_a_tag_keeps_its_images_in_order_and_each_once(workspace: Workspace, sample: Dataset) -> None:
    ids = [str(one) for one in sample.item_ids[:4]]
    assert tags_of(workspace, sample) == {}
    before = tags_version(workspace, sample)
    assert add_tag(workspace, sample, "look  at again ", ids[:3]) == 3
    assert add_tag(workspace, sample, "look at again", ids[1:]) == 1
    assert add_tag(workspace, sample, "a mess: ../..", ids[:1]) == 1
    assert list(tags_of(workspace, sample).items()) == [
        ("a mess: ../..", tuple(ids[:1])),
        ("look at again", tuple(ids)),
    ]
    assert tags_version(workspace, sample) != before


def test_a_tag_is_taken_off(workspace: Workspace, sample: Dataset) -> None:
    add_tag(workspace, sample, "odd", [str(sample.item_ids[0])])
    remove_tag(workspace, sample, "odd")
    assert tags_of(workspace, sample) == {}
    with pytest.raises(NotFound, match="odd"):
        remove_tag(workspace, sample, "odd")


@pytest.mark.parametrize("name", ["", "  ", "x" * (LONGEST + 1)])
def test_names_that_are_none_are_refused(workspace: Workspace, sample: Dataset, name: str) -> None:
    with pytest.raises(BadInput, match="cannot be a tag"):
        add_tag(workspace, sample, name, ["00000"])
