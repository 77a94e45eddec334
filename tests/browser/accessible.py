"""What axe-core finds wrong with a page, without the faults inside Streamlit's own widgets."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

STREAMLITS_OWN = {
    "list": "[data-testid=stSidebarNav]",  # the <ul> of sections holds <div>s
    "listitem": "[data-testid=stSidebarNav]",  # the same list, seen from its entries
    "svg-img-alt": "[data-testid=stMetric]",  # Vega draws the small charts, their marks have no titles
}
"""Rules of axe that are broken inside a widget of Streamlit's, and where; anywhere else they hold."""

_IS_INSIDE = """([target, selector]) => {
  let node = document;
  for (const step of [target].flat(2)) node = (node.shadowRoot || node).querySelector(step);
  return Boolean(node.closest(selector));
}"""


def axe(page: Page, *rules: str) -> list[str]:
    """Serious and critical faults of the page as it stands; of ``rules`` only, where there are some."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"axe {one['id']}: {node['target']} {node['html'][:200]} {_why(node)}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
        if not _is_streamlits(page, one["id"], node["target"])
    ]


def _is_streamlits(page: Page, rule: str, target: list[Any]) -> bool:
    """Whether a rule is broken where Streamlit breaks it; ``target`` is a path through shadow roots."""
    place = STREAMLITS_OWN.get(rule)
    return place is not None and bool(page.evaluate(_IS_INSIDE, [target, place]))


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])[:200]
