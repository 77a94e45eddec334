"""Which CLIP models there are: a curated list, any name of open_clip, and checkpoints on this machine.

A model is known by its key. Local checkpoints are remembered in the workspace by the name they were given, so
that later commands and pages need no paths. Nothing here loads a model: ``core.embeddings.clip_towers`` does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from core.errors import BadInput, DamagedFile, NotFound
from core.files import Json, digest, read_json, write_json
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace, check_name

Resize = Literal["shortest", "squash", "longest"]
RESIZES: tuple[str, ...] = get_args(Resize)
_FILE = "clip-models.json"


@dataclass(frozen=True)
class ClipModel:
    """A model, and all that decides what it says of an image.

    Attributes:
        key: What it is called in the workspace, in addresses and on the command line.
        architecture: open_clip's name of the configuration; for a local one the stem of its file.
        pretrained: open_clip's tag of published weights; "" for a checkpoint.
        checkpoint: Absolute path of a checkpoint on this machine; "" for published weights.
        config: Absolute path of its configuration; "" for one that open_clip knows.
        mean, std: Of the pixels, 0 to 1, by channel; None as the configuration says.
        resize: How images become squares: "shortest" (side, then the middle), "squash" or "longest" (side,
            then borders); None as the configuration says.
    """

    key: str
    architecture: str
    pretrained: str = ""
    checkpoint: str = ""
    config: str = ""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    resize: Resize | None = None

    @property
    def cache_key(self) -> str:
        """What a result of it depends on. Raises NotFound where its files are gone."""
        return model_digest(self)

    @property
    def is_local(self) -> bool:
        """Whether its weights are a file that a person gave."""
        return bool(self.checkpoint)

    def to_json(self) -> Json:
        """For run.json and the list in the workspace."""
        return asdict(self)


@dataclass(frozen=True)
class Curated:
    """One line of the list of published models.

    Attributes:
        millions: Parameters of both towers.
        megabytes: To download.
        speed: What to expect of it, for people.
    """

    model: ClipModel
    title: str
    millions: int
    megabytes: int
    licence: str
    speed: str


CURATED: tuple[Curated, ...] = (
    Curated(
        ClipModel("openai-vit-b-32", "ViT-B-32", "openai"),
        "OpenAI ViT-B/32",
        151,
        605,
        "MIT",
        "4.4 GFLOPs an image at 224 px: the usual yardstick",
    ),
    Curated(
        ClipModel("laion-vit-b-32", "ViT-B-32", "laion2b_s34b_b79k"),
        "LAION ViT-B/32",
        151,
        605,
        "MIT",
        "as fast as OpenAI's, better at rare things",
    ),
    Curated(
        ClipModel("mobileclip2-s0", "MobileCLIP2-S0", "dfndr2b"),
        "MobileCLIP2-S0",
        75,
        300,
        "Apple AMLR (research only)",
        "the fastest here without a GPU",
    ),
    Curated(
        ClipModel("mobileclip2-s2", "MobileCLIP2-S2", "dfndr2b"),
        "MobileCLIP2-S2",
        99,
        400,
        "Apple AMLR (research only)",
        "slower than S0 and better",
    ),
    Curated(
        ClipModel("siglip2-vit-b-32", "ViT-B-32-SigLIP2-256", "webli"),
        "SigLIP2 ViT-B/32",
        377,
        1508,
        "Apache-2.0",
        "256 px; a large text tower, many languages",
    ),
)
"""Published models worth trying first; the figures are their authors'."""


def list_models(workspace: Workspace) -> list[ClipModel]:
    """The models that need no more than their key: those remembered, then the curated ones."""
    return [*_remembered(workspace).values(), *(one.model for one in CURATED)]


def find_model(
    workspace: Workspace,
    name: str,
    *,
    pretrained: str = "",
    checkpoint: str | Path = "",
    config: str | Path = "",
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    resize: str = "",
) -> ClipModel:
    """The model that is meant; a checkpoint is remembered under ``name``.

    Args:
        name: A key; open_clip's name of an architecture, with ``pretrained`` or as ``NAME:TAG``; or, with
            ``checkpoint``, what to call that.
        config: Of the checkpoint, where open_clip does not know ``name``.

    Raises:
        NotFound: No such model or file.
        BadInput: A parameter that cannot be used.
    """
    if resize and resize not in RESIZES:
        raise BadInput(f"--resize is {resize!r}.", f"Choose one of {', '.join(RESIZES)}.")
    changes: dict[str, Any] = {"mean": mean, "std": std, "resize": resize or None}
    changes = {field: value for field, value in changes.items() if value is not None}
    if checkpoint:
        return remember(workspace, replace(_local(name, Path(checkpoint), config), **changes))
    if config:
        raise BadInput("A configuration was given without a checkpoint.", "Give --checkpoint too.")
    if pretrained:
        return replace(ClipModel(f"{name}:{pretrained}", name, pretrained), **changes)
    known = {
        model.key: model for model in [*(one.model for one in CURATED), *_remembered(workspace).values()]
    }
    if name in known:
        return replace(known[name], **changes)
    architecture, _, tag = name.partition(":")
    if tag:
        return replace(ClipModel(name, architecture, tag), **changes)
    raise NotFound(
        f"There is no CLIP model {name!r}.",
        f"Choose one of {', '.join(known)}; give open_clip's name with --pretrained TAG; or a local "
        "--checkpoint with its --config.",
    )


def _local(name: str, checkpoint: Path, config: str | Path) -> ClipModel:
    check_name(name, "CLIP model")
    path = checkpoint.expanduser().resolve()
    if not path.is_file():
        raise NotFound(f"There is no checkpoint {checkpoint}.", "Check the path.")
    if not config:
        return ClipModel(name, name, checkpoint=str(path))
    described = Path(config).expanduser().resolve()
    check_config(described)
    return ClipModel(name, described.stem, checkpoint=str(path), config=str(described))


def check_config(path: Path) -> Json:
    """A configuration of open_clip. Raises NotFound or BadInput when it is none."""
    if not path.is_file():
        raise NotFound(f"There is no configuration {path}.", "Check the path.")
    try:
        value = read_json(path)
    except DamagedFile as error:
        raise BadInput(
            f"{path} is no JSON: {error.problem}", "Give open_clip's model_config JSON."
        ) from error
    inner = value.get("model_cfg", value)
    value = inner if isinstance(inner, dict) else {}
    missing = [name for name in ("embed_dim", "vision_cfg", "text_cfg") if name not in value]
    if missing:
        raise BadInput(f"{path} lacks {', '.join(missing)}.", "Give open_clip's model_config JSON.")
    return value


def remember(workspace: Workspace, model: ClipModel) -> ClipModel:
    """Keep a local model's paths under its key, so that the key is enough later. Raises StorageFailed."""
    models = _remembered(workspace)
    if models.get(model.key) != model:
        allow(workspace, Right.RUN)
        models[model.key] = model
        write_json(workspace.root / _FILE, {"models": [one.to_json() for one in models.values()]})
    return model


def model_of(value: Json) -> ClipModel:
    """What ``to_json`` made. Raises DamagedFile."""
    try:
        fields = dict(value)
        for name in ("mean", "std"):
            fields[name] = tuple(fields[name]) if fields.get(name) else None
        return ClipModel(**fields)
    except (TypeError, ValueError) as error:
        raise DamagedFile(
            f"{value!r} describes no CLIP model ({error}).", "Choose the model again."
        ) from error


def _remembered(workspace: Workspace) -> dict[str, ClipModel]:
    path = workspace.root / _FILE
    if not path.exists():
        return {}
    try:
        return {model.key: model for model in map(model_of, read_json(path)["models"])}
    except (DamagedFile, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(
            f"{path} does not say which local models there are ({error}).",
            "Delete it, and choose the models by their files again.",
        ) from error


def model_digest(model: ClipModel) -> str:
    """What names all that decides the model's answers: the key of everything cached. Raises NotFound."""
    parts = {
        name: value for name, value in model.to_json().items() if name not in ("key", "checkpoint", "config")
    }
    if not model.is_local:
        return digest(parts)
    return digest(parts, _file_digest(model.checkpoint), _file_digest(model.config) if model.config else "")


def _file_digest(name: str) -> str:
    try:
        facts = Path(name).stat()
    except OSError as error:
        raise NotFound(f"{name} is gone.", "Put it back, or give its new path.") from error
    return _digest_once(name, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=32)
def _digest_once(name: str, written_ns: int, size: int) -> str:
    import hashlib

    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
