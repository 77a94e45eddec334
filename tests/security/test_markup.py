"""Markup in names is shown, never read: in charts, in exported pages, in the legend, in downloads."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt

from core.data.dataset import Dataset
from core.workspace import Workspace
from dashboard.charts.template import figure, inert
from dashboard.embedding_map import Attribute, Cloud, PlaceName
from dashboard.embedding_map.standalone import page_of
from dashboard.run_monitor import _legend
from dashboard.wording import as_text, plain

HOSTILE = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "</script><script>window.pwned=1</script>",
    "<a href='https://evil.example'>click</a>",
    "![](https://evil.example/x.png)",
    '" onmouseover="window.pwned=1',
    "<!-- <script> -->",
)


class Elements(HTMLParser):
    """Which elements a page has, and which attributes that run something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def elements(page: str) -> Elements:
    parser = Elements()
    parser.feed(page)
    return parser


@pytest.mark.parametrize("name", HOSTILE)
def test_an_exported_map_has_the_elements_that_it_always_has(
    workspace: Workspace, sample: Dataset, name: str
) -> None:
    def page(word: str) -> str:
        colours = {"label": Attribute(word, np.zeros(2, np.uint16), (word,))}
        places = [PlaceName(word, 0.0, 0.0)]
        cloud = Cloud(np.zeros((2, 2), np.float32), None, colours, "label", labels=places, title=word)
        return page_of(None, cloud, about=word, notes=[word])

    hostile, harmless = elements(page(name)), elements(page("Coat"))
    assert hostile.tags == harmless.tags
    assert hostile.handlers == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_legend_and_a_chart_show_the_name(name: str) -> None:
    assert set(elements(_legend({name: "#3f90da"})).tags) == {"div", "span"}
    fig = figure()
    fig.add_bar(x=[1], y=[name], name=name, hovertemplate="%{y}<extra></extra>")
    shown = inert(fig)
    bar = (shown if isinstance(shown, dict) else shown.to_plotly_json())["data"][0]
    assert "<" not in bar["y"][0] + bar["name"]
    assert bar["hovertemplate"] == "%{y}<extra></extra>"


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_leaves_a_name_as_it_is(name: str) -> None:
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(plain(name))
    assert set(elements(shown).tags) == {"p"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_sentence_with_a_name_in_it_stays_a_sentence(name: str) -> None:
    sentence = as_text(f"How good {name} is - 5 %.")
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(sentence)
    assert set(elements(shown).tags) == {"p"}
    assert as_text("200 train · -2.0 pt (8 x 8), first!") == "200 train · -2.0 pt (8 x 8), first!"
