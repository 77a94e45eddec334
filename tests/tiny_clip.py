"""A CLIP model of open_clip with two tiny towers and random weights, as files; and the shared real one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = SHARED / "clip_lite0_coco"
PHOTOGRAPHS = SHARED / "comp5329_a2"
needs_real_clip = pytest.mark.skipif(
    not (REAL.is_dir() and PHOTOGRAPHS.is_dir()), reason="needs ../shared/data (clip_lite0_coco, comp5329_a2)"
)

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def write_tiny_clip(folder: Path, name: str = "tiny", seed: int = 0, **changes: object) -> tuple[Path, Path]:
    """(checkpoint, config) of a new random model called ``name``."""
    import open_clip
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    config = folder / f"{name}.json"
    config.write_text(json.dumps({**CONFIG, **changes}))
    open_clip.add_model_config(config)
    torch.manual_seed(seed)
    model = open_clip.create_model(name, pretrained=None, load_weights=False)
    checkpoint = folder / f"{name}.pt"
    torch.save(model.state_dict(), checkpoint)
    return checkpoint, config
