from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from core.runs.recipe import make_recipe
from core.training.optimizers import make_optimizer
from core.training.seeds import Purpose, derived_seed, seed_layers

TRAINS = """
import sys
import numpy as np
import core
from core.runs.recipe import make_recipe
from core.training.loop import fit
from core.training.parts import Parts
pixels = np.random.default_rng(0).integers(0, 256, (60, 12, 12, 1), dtype=np.uint8)
parts = Parts(*np.split(np.arange(60), [40, 50]))
changes = {"width": 4, "epochs": 1, "batch_size": 20, "gradient_clip": 1.0, "ema_decay": 0.9, "threads": 1}
fit(pixels, np.arange(60) % 3, parts, ("a", "b", "c"), make_recipe(changes))
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""


def test_a_training_does_not_import_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "theirs"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_the_steps_are_those_of_torch(name: str, theirs: type[torch.optim.Optimizer]) -> None:
    recipe = make_recipe({"optimizer": name, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1})
    torch.manual_seed(0)
    ours, reference = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
    reference.load_state_dict(ours.state_dict())
    groups = [
        {"params": [reference.weight], "weight_decay": 0.1},
        {"params": [reference.bias], "weight_decay": 0.0},
    ]
    more = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    pairs = [
        (ours, make_optimizer(ours, recipe)),
        (reference, theirs(groups, lr=0.05, fused=True, **more)),
    ]
    for step in range(4):
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        for model, optimizer in pairs:
            optimizer.zero_grad(set_to_none=True)
            model(inputs).square().sum().backward()
            optimizer.step()
            assert all(parameter.grad is not None for parameter in model.parameters())
    for mine, its in zip(ours.parameters(), reference.parameters(), strict=True):
        assert torch.equal(mine, its)
        assert mine.requires_grad


def test_layers_draw_as_after_manual_seed() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    seed_layers(device, 1, Purpose.DROPOUT, 2, 3)
    found = torch.rand(5, device=device)
    torch.manual_seed(derived_seed(1, Purpose.DROPOUT, 2, 3))
    assert torch.equal(found, torch.rand(5, device=device))
