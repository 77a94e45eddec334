"""A map as one web page in a file, to send to a colleague: script, points and thumbnails are all in it.

It needs no server and no network: arrays and sheets stand in it as ``data:`` addresses.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import Any

from core.data import thumbnails
from core.data.dataset import Dataset
from core.errors import TidysetError
from core.json_text import json_text
from dashboard import links
from dashboard.embedding_map import Cloud, script, spec_of, styles, thumbnails_of
from dashboard.embedding_map.published import SHELF

MOST_PICTURE_BYTES = 48 * 2**20
"""Of all thumbnail sheets together; later ones are left out and their points have no picture."""
HEIGHT = 640

_START = """
{
  const spec = JSON.parse(document.getElementById("spec").textContent);
  const parent = document.getElementById("map");
  const colour = document.getElementById("colour");
  for (const [name, attribute] of Object.entries(spec.attributes)) {
    colour.add(new Option(attribute.title, name, false, name === spec.colour));
  }
  const draw = () => embeddingMap({
    data: { json: JSON.stringify({ ...spec, colour: colour.value }) },
    parentElement: parent,
    setStateValue: () => {},
    setTriggerValue: () => {},
  });
  colour.addEventListener("change", draw);
  draw();
}
"""

_LOOK = """
:root {
  color-scheme: light dark;
  --st-font: system-ui, sans-serif;
  --st-text-color: #1b2733; --st-background-color: #ffffff; --st-secondary-background-color: #f1f4f7;
  --st-border-color: #d5dce3; --st-primary-color: #0f6b99; --st-base-radius: 8px;
}
@media (prefers-color-scheme: dark) {
  :root {
    --st-text-color: #e8edf2; --st-background-color: #0e1117; --st-secondary-background-color: #1a2029;
    --st-border-color: #333d49; --st-primary-color: #5cb3e6;
  }
}
body {
  margin: 0 auto; max-width: 1240px; padding: 24px 16px;
  font-family: var(--st-font); color: var(--st-text-color); background: var(--st-background-color);
}
h1 { margin: 0 0 4px; font-size: 22px; }
p { margin: 0 0 12px; }
ul { max-width: 90ch; padding-left: 20px; line-height: 1.5; }
label { display: inline-block; margin-bottom: 12px; }
select { font: inherit; }
"""


def page_of(dataset: Dataset | None, cloud: Cloud, about: str = "", notes: Sequence[str] = ()) -> str:
    """The map as an HTML document.

    Args:
        dataset: Whose thumbnails go with it; None for none.
        cloud: The map, with the colouring it opens with.
        about: A line above the map.
        notes: A list below it.
    """
    spec = _with_content({**spec_of(None, cloud), "height": HEIGHT, "clear": 0})
    if dataset is not None:
        spec["thumbnails"] = thumbnails_of(dataset, _sheets(dataset))
    title, text = html.escape(cloud.title), html.escape(about)
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    inside = json_text(spec).replace("</", "<\\/")  # so that no name in it can end the script element
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_LOOK}{styles()}</style>\n</head>\n'
        f"<body>\n<h1>{title}</h1>\n<p>{text}</p>\n"
        '<label>Colour by <select id="colour"></select></label>\n<div id="map"></div>\n'
        f"<ul>{items}</ul>\n"
        f'<script type="application/json" id="spec">{inside}</script>\n'
        f'<script type="module">\n{script()}\n{_START}</script>\n</body>\n</html>\n'
    )


def _with_content(value: Any) -> Any:
    """The same with every address of an array replaced by the array."""
    if isinstance(value, dict):
        return {key: _with_content(part) for key, part in value.items()}
    if isinstance(value, str) and value.startswith(links.points("")[: -len(".bin")]):
        return _data_url("application/octet-stream", SHELF.get(value.rsplit("/", 1)[1].removesuffix(".bin")))
    return value


def _sheets(dataset: Dataset) -> dict[int, str]:
    """The thumbnail sheets by number, until there are too many bytes of them."""
    found: dict[int, str] = {}
    n_bytes = 0
    for number in range(thumbnails.n_sheets(dataset)):
        try:
            sheet = thumbnails.sheet_bytes(dataset, number)
        except TidysetError:
            continue  # its points have no picture
        n_bytes += len(sheet)
        if n_bytes > MOST_PICTURE_BYTES:
            break
        found[number] = _data_url("image/webp", sheet)
    return found


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
