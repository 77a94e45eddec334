"""Several workers of one training: the same figures as one process, here as threads; what is refused."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.engines import EnginePlan
from core.engines.one_run import check_one_run
from core.errors import BadInput
from core.runs.recipe import PRESETS, Recipe
from core.training.augment import Draws, augment
from core.training.group import Group, SpreadGroup, check_shares
from core.training.inference import predict
from core.training.loop import fit
from core.training.whole_batch import Share, WholeDropout, to_whole_batch


class Threads(SpreadGroup):
    """A group whose members are threads of this process."""

    def __init__(self, rank: int, size: int, table: list[Any], barrier: threading.Barrier) -> None:
        super().__init__(rank, size, torch.device("cpu"))
        self.table, self.barrier = table, barrier

    def shown(self, own: Any) -> list[Any]:
        """What each has."""
        self.table[self.rank] = own
        self.barrier.wait(60)
        found = list(self.table)
        self.barrier.wait(60)
        return found

    def gathered(self, own: Tensor) -> Tensor:
        return torch.stack(self.shown(own.clone()))

    def added(self, own: Tensor) -> Tensor:
        own.copy_(torch.stack(self.shown(own.clone())).sum(dim=0))
        return own

    def first_says(self, message: bytes) -> bytes:
        return bytes(self.shown(message)[0])


def probs(shapes: Any, recipe: Recipe, group: Group | None = None) -> NDArray[np.float32]:
    result = fit(shapes.pixels, shapes.labels, shapes.parts, shapes.classes, recipe, group=group)
    return predict(result.model, result.card, shapes.pixels, shapes.parts.test, result.machine).pred_probs


def test_three_workers_train_what_one_trains(shapes: Any, recipe: Recipe) -> None:
    changes = {"precision": "fp32", "dropout": 0, "rotation_share": 0.5, "ema_decay": 0.9, "batch_size": 50}
    changes["device"] = "cpu"  # one thread is a GPU's for all backward passes: they would wait for each other
    recipe = recipe.with_changes({**changes, "gradient_clip": 1.0})
    table, barrier, found = [None] * 3, threading.Barrier(3), {}

    def member(rank: int) -> None:
        found[rank] = probs(shapes, recipe, Threads(rank, 3, table, barrier))

    threads = [threading.Thread(target=member, args=(rank,)) for rank in range(3)]
    for n_before, thread in enumerate(threads):
        while barrier.n_waiting < n_before:  # each makes its network alone: there is one stream of chance
            time.sleep(0.01)
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    np.testing.assert_allclose(found[0], probs(shapes, recipe), atol=1e-4)


@pytest.mark.parametrize("shape", [(16, 5, 7, 9), (16, 5)])
def test_batch_norm_of_the_whole_batch_is_torchs_where_one_has_all(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(5)
    nn.init.uniform_(norm.weight)
    whole = nn.Sequential((nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(5))
    whole[0].load_state_dict(norm.state_dict())
    to_whole_batch(whole, Share(Group()))
    inputs = [(torch.randn(shape) * 3 + 5).requires_grad_()]
    inputs.append(inputs[0].detach().clone().requires_grad_())
    outputs = [layer(one) for layer, one in zip((norm, whole), inputs, strict=True)]
    for one in outputs:
        (one * torch.arange(one.numel()).view(shape).cos()).sum().backward()
    torch.testing.assert_close(outputs[1], outputs[0])
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(whole[0].weight.grad, norm.weight.grad)
    torch.testing.assert_close(dict(whole[0].state_dict()), dict(norm.state_dict()))
    torch.testing.assert_close(whole.eval()(inputs[0]), norm.eval()(inputs[0]))


class Second(Group):
    """The second of two."""

    rank, size = 1, 2


def test_a_share_is_drawn_for_as_if_it_were_the_whole() -> None:
    group = Second()
    assert [group.rows(5), group.rows(4)] == [slice(3, 5), slice(2, 4)]
    share = Share(group)
    share.n = 5
    torch.manual_seed(3)
    own = WholeDropout(0.5, share)(torch.ones(2, 40))
    torch.manual_seed(3)
    assert torch.equal(own, F.dropout(torch.ones(5, 40), 0.5)[3:])

    recipe = PRESETS["best"].with_changes(
        {"rotation_share": 0.5, "crop_share": 0.5, "elastic_share": 0.5, "sharpness_share": 0.5}
    )
    images = torch.randint(0, 256, (5, 1, 12, 12), dtype=torch.uint8)
    whole = augment(images, recipe, torch.Generator().manual_seed(4))
    draws = Draws(torch.Generator().manual_seed(4), 5, group.rows(5))
    torch.testing.assert_close(augment(images[3:], recipe, draws), whole[3:], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"semi": "fixmatch"}, "unlabelled images"),
        ({"semi": "teacher-student", "members": 2}, "semi = teacher-student"),
        ({"inputs": "caption"}, "captions"),
        ({"model": "resnet18", "pretrained": True, "frozen": True}, "too little left"),
        ({"model": "efficientnet-b0"}, "Model efficientnet-b0 is not shared"),
        ({"batch_size": 3}, "2 workers cannot share a batch of 3 images. Choose at most 1"),
    ],
)
def test_what_cannot_be_shared_is_refused(changes: dict[str, Any], said: str) -> None:
    plan = EnginePlan("local", n_workers=2)
    check_one_run(PRESETS["fast"], plan)
    recipe = PRESETS["fast"].with_changes(changes)
    check_one_run(recipe, EnginePlan())
    with pytest.raises(BadInput, match=said):
        check_one_run(recipe, plan)


def test_layers_that_draw_in_a_way_of_their_own_are_refused() -> None:
    with pytest.raises(BadInput, match="Dropout2d cannot be trained by several workers"):
        to_whole_batch(nn.Sequential(nn.Dropout2d(0.5)), Share(Group()))
    with pytest.raises(BadInput, match="A batch of 2 images cannot be shared by 3 workers"):
        check_shares(2, Threads(0, 3, [], threading.Barrier(3)))
