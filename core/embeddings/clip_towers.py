"""Loading a CLIP model, and running its two towers. Needs torch and open_clip: for workers, not for pages.

Weights are loaded as weights only; a file that holds code is refused.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.bounded import read_tensors
from core.data.dataset import Dataset
from core.embeddings.clip_models import ClipModel, check_config
from core.embeddings.clip_pixels import Preprocessing, batches
from core.errors import BadInput, DamagedFile, Offline

Floats = NDArray[np.float32]
Progress = Callable[[float, str], None]
BATCH, BATCH_GPU = 64, 512
_SAME = 1e-3
"""How far the frozen tower may be from the plain one before it is not used."""


class ClipTowers:
    """A loaded model.

    Attributes:
        model: Which one.
        preprocessing: What its image tower is fed.
        logit_scale: What cosines are multiplied with before the softmax.
        context_length: Tokens that a text may have, its two ends included.
        dim: Length of the vectors.
    """

    def __init__(self, model: ClipModel, report: Progress | None = None) -> None:
        """Load it; published weights are fetched on first use.

        Raises:
            NotFound, BadInput, DamagedFile: No such model or file; not this model's weights; code in it.
            Offline: The published weights are not here and cannot be fetched.
        """
        import open_clip
        import torch

        self.model = model
        self._network = _loaded(model, report or (lambda share, text: None))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network.eval().requires_grad_(False).to(self._device)
        visual = self._network.visual
        self.preprocessing = preprocessing_of(model, visual)
        self._transform = _geometry(visual, self.preprocessing)
        self.context_length = int(self._network.context_length)
        self._tokenizer = open_clip.get_tokenizer(model.architecture, context_length=self.context_length)
        self.logit_scale = float(self._network.logit_scale.exp())
        visual.to(memory_format=torch.channels_last)
        self._image_tower = self._fast(visual)
        self.dim = int(self.encode_pixels(np.zeros((1, *self._sides, 3), np.uint8)).shape[1])

    @property
    def _sides(self) -> tuple[int, int]:
        return self.preprocessing.height, self.preprocessing.width

    def _fast(self, visual: Any) -> Callable[[Any], Any]:
        """The image tower with constants folded; as it is where tracing changes what it says."""
        import torch

        if self._device.type == "cuda":
            return self._in_half(visual)
        probe = torch.rand(3, 3, *self._sides).to(memory_format=torch.channels_last)
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")
            try:
                frozen = torch.jit.freeze(
                    torch.jit.trace(  # type: ignore[no-untyped-call]
                        visual, probe[:2], check_trace=False
                    )
                )
                frozen = torch.jit.optimize_for_inference(frozen)
                away = (frozen(probe) - visual(probe)).abs().max() / visual(probe).abs().max()
                return frozen if float(away) < _SAME else visual
            except Exception:  # tracing is a speed-up: any failure of it leaves the plain tower
                return visual  # type: ignore[no-any-return]

    def _in_half(self, visual: Any) -> Callable[[Any], Any]:
        import torch

        def run(images: Any) -> Any:
            with torch.autocast("cuda", torch.bfloat16):
                return visual(images)

        return run

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> Floats:
        """Images (n, height, width, 3) uint8, scaled already, as unit vectors (n, D) float32."""
        import torch

        mean = torch.tensor(self.preprocessing.mean, device=self._device)[:, None, None] * 255
        std = torch.tensor(self.preprocessing.std, device=self._device)[:, None, None] * 255
        with torch.inference_mode():
            images = (
                torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
                .to(self._device)
                .permute(0, 3, 1, 2)
            )
            images = images.to(torch.float32, memory_format=torch.channels_last, copy=True)
            values = self._image_tower(images.sub_(mean).div_(std))
            return torch.nn.functional.normalize(values.float(), dim=-1).cpu().numpy()

    def encode_images(self, dataset: Dataset, positions: NDArray[np.int64]) -> Iterator[Floats]:
        """Unit vectors of the given images of a data set, batch by batch. Raises DamagedFile."""
        size = BATCH_GPU if self._device.type == "cuda" else BATCH
        for pixels in batches(dataset, positions, self.preprocessing, self._transform, size):
            yield self.encode_pixels(pixels)

    def encode_picture(self, pixels: NDArray[np.uint8]) -> Floats:
        """One image (H, W, C) of any size as a unit vector (D,)."""
        from core.embeddings.clip_pixels import through

        return np.asarray(self.encode_pixels(through(self._transform, pixels)[None])[0])

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Texts as unit vectors (T, D) float32. Raises BadInput for one with too many tokens."""
        import torch

        self.check_texts(texts)
        parts = [np.empty((0, self.dim), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(texts), 256):
                tokens = self._tokenizer(list(texts[start : start + 256])).to(self._device)
                values = self._network.encode_text(tokens, normalize=True)
                parts.append(values.float().cpu().numpy())
        return np.concatenate(parts)

    def check_texts(self, texts: Sequence[str]) -> None:
        """Raises BadInput naming the first text that is empty or longer than the model reads."""
        for text in texts:
            if not text.strip():
                raise BadInput("A prompt is empty.", "Write what to look for.")
            n = n_tokens(self._tokenizer, text)
            if n > self.context_length:
                raise BadInput(
                    f"{_short(text)!r} has {n} tokens; {self.model.key} reads {self.context_length}, "
                    "its beginning and end included.",
                    "Shorten it.",
                )


def n_tokens(tokenizer: Any, text: str) -> int:
    """How many tokens a text has, beginning and end included."""
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(text)) + 2
    return len(tokenizer.tokenizer(text)["input_ids"])


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def preprocessing_of(model: ClipModel, visual: Any) -> Preprocessing:
    """What the image tower is fed.

    As given; else as the configuration says; else, where a configuration says nothing and the image tower is
    one of timm's, with the pixel statistics that timm knows it by, squashed so that nothing is cut off.
    """
    from open_clip.transform import PreprocessCfg

    said = dict(visual.preprocess_cfg)
    config = check_config(Path(model.config)) if model.config else {}
    origin = "open_clip"
    tower = str(config.get("vision_cfg", {}).get("timm_model_name", ""))
    if "preprocess_cfg" in config:
        said, origin = {**said, **config["preprocess_cfg"]}, "configuration"
    elif tower and said.get("mean") == PreprocessCfg().mean:
        import timm

        known = timm.get_pretrained_cfg(tower)
        if known is not None:
            said |= {"mean": known.mean, "std": known.std, "resize_mode": "squash"}
            origin = "image tower"
    given = {"mean": model.mean, "std": model.std, "resize_mode": model.resize}
    given = {name: value for name, value in given.items() if value is not None}
    size = said["size"]
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    said |= given
    return Preprocessing(
        height,
        width,
        tuple(said["mean"]),
        tuple(said["std"]),
        said["resize_mode"],
        said["interpolation"],
        "given" if given else origin,
    )


def _geometry(visual: Any, preprocessing: Preprocessing) -> Callable[[Any], Any]:
    """open_clip's own transform up to where pixels become numbers, from and to Pillow images."""
    from open_clip import image_transform
    from torchvision.transforms import Compose

    whole = image_transform(
        (preprocessing.height, preprocessing.width),
        is_train=False,
        mean=preprocessing.mean,
        std=preprocessing.std,
        resize_mode=preprocessing.resize,
        interpolation=preprocessing.interpolation,
    )
    steps = [step for step in whole.transforms if type(step).__name__ in _GEOMETRIC]
    return Compose(steps)  # type: ignore[no-any-return]


_GEOMETRIC = {"Resize", "CenterCrop", "ResizeKeepRatio", "ResizeLongest", "CenterCropOrPad"}


def _loaded(model: ClipModel, report: Progress) -> Any:
    import open_clip

    if model.config:
        check_config(Path(model.config))
        open_clip.add_model_config(Path(model.config))
    if model.architecture not in open_clip.list_models():
        raise BadInput(
            f"open_clip knows no model {model.architecture!r}{_like(model.architecture)}.",
            "Give its configuration file too, or another name.",
        )
    if model.is_local:
        return _from_checkpoint(model, Path(model.checkpoint), report)
    tags = open_clip.list_pretrained_tags_by_model(model.architecture)
    if model.pretrained not in tags:
        raise BadInput(
            f"{model.architecture} has no published weights {model.pretrained!r}.",
            f"Choose one of {', '.join(tags) or 'none: give a checkpoint'}.",
        )
    return _from_checkpoint(model, published_weights(model, report), report)


def _like(name: str) -> str:
    import open_clip

    close = difflib.get_close_matches(name, open_clip.list_models(), 3)
    return f" (but {', '.join(close)})" if close else ""


def published_weights(model: ClipModel, report: Progress) -> Path:
    """The file of published weights, fetched on first use; a broken download goes on where it was.

    Raises:
        Offline: They are not here and cannot be fetched.
    """
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    about = get_pretrained_cfg(model.architecture, model.pretrained)
    report(0.0, f"weights of {model.architecture} ({model.pretrained})")
    try:
        with _reporting_downloads(report):
            return Path(download_pretrained(about))
    except Exception as error:  # the hub's client raises whatever its transports raise
        raise Offline(
            f"The weights of {model.architecture} ({model.pretrained}) are not on this machine and could not "
            f"be fetched: {type(error).__name__}.",
            "Connect once and try again; or fetch open_clip_model.safetensors elsewhere and give it as a "
            "local checkpoint.",
        ) from error


@contextlib.contextmanager
def _reporting_downloads(report: Progress) -> Iterator[None]:
    """Within the block, downloads by huggingface_hub tell how far they are."""
    from functools import partial

    import open_clip.pretrained as hub
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Told(tqdm):  # type: ignore[misc]
        def update(self, n: float | None = 1) -> bool | None:
            done = super().update(n)
            if self.total:
                text = f"fetching weights, {self.n / 1e6:,.0f} of {self.total / 1e6:,.0f} MB"
                report(min(1.0, self.n / self.total), text)
            return done  # type: ignore[no-any-return]

    before = hub.hf_hub_download
    hub.hf_hub_download = partial(before, tqdm_class=Told)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        hub.hf_hub_download = before


def _from_checkpoint(model: ClipModel, path: Path, report: Progress) -> Any:
    """The architecture with the weights of a file, all of them checked."""
    import open_clip
    from open_clip.factory import load_checkpoint

    report(0.0, f"loading {model.key}")
    state = read_state(path)
    with _quiet():
        network = open_clip.create_model(
            model.architecture,
            pretrained=None if model.is_local else model.pretrained,
            load_weights=False,
            pretrained_text=False,
        )
    try:
        load_checkpoint(network, str(path), strict=True, weights_only=True)
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise _other_model(model, path, network.state_dict(), state) from error
    return network


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's remark that the weights are random: they are loaded next, and checked."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def read_state(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint, by name.

    Raises:
        BadInput: It holds code (a pickle of more than tensors, or a TorchScript archive), or no tensors.
        DamagedFile: It is cut short or no checkpoint.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            state: Any = read_tensors(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of TorchScript, which is refused below
                state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if re.search("unsupported (global|class)", str(error), re.IGNORECASE):
            raise _code(path) from error
        raise _damaged(path, error) from error
    except RuntimeError as error:
        raise (_code(path) if "TorchScript" in str(error) else _damaged(path, error)) from error
    except Exception as error:  # safetensors and zip have errors of their own
        raise _damaged(path, error) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not any(hasattr(value, "shape") for value in state.values()):
        raise BadInput(f"{path.name} holds no weights.", "Give a checkpoint of a CLIP model.")
    return state


def _code(path: Path) -> BadInput:
    return BadInput(
        f"{path.name} holds pickled code or a TorchScript archive and was not loaded: such a file can run "
        "anything on this machine.",
        "Give the weights alone, best as .safetensors.",
    )


def _damaged(path: Path, error: Exception) -> DamagedFile:
    why = (str(error).splitlines() or [""])[0][:200]
    return DamagedFile(f"{path} cannot be read as a checkpoint ({why}).", "Fetch or copy it again.")


def _other_model(model: ClipModel, path: Path, ours: dict[str, Any], theirs: dict[str, Any]) -> BadInput:
    """Which keys say that a checkpoint is not of this model."""
    missing = [name for name in ours if name not in theirs]
    unknown = [name for name in theirs if name not in ours]
    other = [
        f"{name} {tuple(theirs[name].shape)} instead of {tuple(ours[name].shape)}"
        for name in ours
        if name in theirs and theirs[name].shape != ours[name].shape
    ]
    parts = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for names, what in ((missing, "keys missing"), (unknown, "unknown"), (other, "of another shape"))
        if names
    ]
    return BadInput(
        f"{path.name} is no checkpoint of {model.architecture}: {'; '.join(parts) or 'it does not load'}.",
        "Give the configuration that belongs to it.",
    )
