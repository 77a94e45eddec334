"""Uses every control of a page: what Streamlit's widgets are, how each is used and put back, when it is done.

Knows no page. It finds widgets by Streamlit's test ids, uses each once, and goes on into whatever appears.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page
from playwright.sync_api import TimeoutError as TookTooLong

SCRIPT = Path(__file__).with_suffix(".js")
UNWORDED = re.compile(r"Something went wrong|Traceback|\b\w+(Error|Exception)\b|object at 0x|^\W*$")
"""An error box that says nothing to a person."""
NO_SUCH = "zzqx"
SOON = 6_000  # milliseconds
MOST_CHOICES = 6
LAST = ("Expander", "Button", "Tab")


@dataclass(frozen=True)
class Control:
    """A widget that stands on the page: what it is, its words, its key if it has one."""

    id: str
    kind: str
    name: str
    key: str
    off: bool

    def matches(self, patterns: Iterable[str]) -> list[str]:
        """Those of the patterns that are its kind and its name, or its kind and its key."""
        names = [f"{self.kind} {self.key or self.name}", *([f"{self.kind} {self.name}"] * bool(self.name))]
        return [one for one in patterns if any(re.fullmatch(one, name) for name in names)]


@dataclass(frozen=True)
class Rules:
    """Patterns of controls, each matched by ``Control.matches``, and how the crawler deals with them.

    Attributes:
        left_alone: Not used.
        presses: Buttons that change only what the page shows: they are pressed.
        leads: Of those, buttons that lead to another page: those that are there when the page opens are
            pressed at the end.
        opens: Buttons that open a dialog: they are pressed, and what is in there is used.
        selects: Tables in which a row can be chosen.
        one_of: They stand in rows; the first of them stands for all.
        once: Controls of a form that several pages have; used on the first of them.
        alike: What in the keys of controls does not make another control of it; one regular expression.
    """

    left_alone: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    presses: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    selects: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    alike: str = "(?!)"

    def patterns(self) -> set[str]:
        """All of them that name controls."""
        return {*self.left_alone, *self.presses, *self.opens, *self.selects, *self.one_of, *self.once}


@dataclass
class Crawler:
    """One page of a browser, whose controls are all used.

    Args:
        page: The browser's page; crawler.js is added to it, so make the crawler before the page is loaded.
        rules: How to deal with what cannot just be used.

    Attributes:
        matched: Patterns of the rules that some control has matched so far.
    """

    page: Page
    rules: Rules
    matched: set[str] = field(default_factory=set)
    _address: str = ""
    _faults: list[str] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)
    _rows: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _seen: dict[str, Control] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.page.add_init_script(path=SCRIPT)

    def crawl(self) -> list[str]:
        """Use every control of the page that is open, and say what went wrong, in words."""
        self._faults, self._used, self._seen = [], set(), {}
        self._address = self.page.url
        self._rest()
        self._look("opened")
        self._crawl(None)
        self._look("at rest again")
        self.matched.update(*(one.matches(self.rules.patterns()) for one in self._seen.values()))
        left = [one for id_, one in self._seen.items() if id_ not in self._used and not one.off]
        missed = [one.id for one in left if not one.matches([*self.rules.left_alone, *self.rules.one_of])]
        self._follow()
        return [
            *self._faults,
            *(f"{name} was seen and not used: gone too soon" for name in missed),
        ]

    def controls(self) -> list[Control]:
        """All that can be used now."""
        found = self.page.evaluate("(alike) => crawl.controls(alike)", self.rules.alike)
        self._seen.update({one["id"]: Control(**one) for one in found})
        return [Control(**one) for one in found]

    def _crawl(self, only: Collection[str] | None) -> None:
        """Use what was not used yet; ``only`` those, if given."""
        while control := self._next(only):
            self._used.add(control.id)
            rows = control.matches(self.rules.one_of)
            if self._rows.intersection(rows):
                continue
            self._rows.update(rows)
            if control.id in self._known and control.matches(self.rules.once):
                continue
            self._known.add(control.id)
            if control.matches(self.rules.left_alone):
                continue
            try:
                self._use(control)
            except Error as error:
                self._faults.append(f"{control.id}: {error.message.splitlines()[0]}")
                self.page.keyboard.press("Escape")

    def _next(self, only: Collection[str] | None) -> Control | None:
        """What is not used yet, in the order of the page; last what may hide the rest."""
        rest = [one for one in self.controls() if only is None or one.id in only]
        rest = [one for one in rest if one.id not in self._used]
        rest = [one for one in rest if not one.off or one.matches(self.rules.left_alone)]
        return min(rest, key=lambda one: LAST.index(one.kind) if one.kind in LAST else -1, default=None)

    def _use(self, control: Control) -> None:
        use: Callable[[Control], None] = getattr(self, f"_use_{_snake(control.kind)}", self._use_unknown)
        use(control)
        self._look(control.id)

    def _follow(self) -> None:
        """Press what leads to another page, each time from the page as it opens, and look there."""
        pressed: set[str] = set()
        while True:
            self.page.goto(self._address)
            self._rest()
            rest = [one for one in self.controls() if not one.off and one.id not in pressed]
            control = next((one for one in rest if one.matches(self.rules.leads)), None)
            if control is None:
                return
            pressed.add(control.id)
            before = self.page.evaluate("location.pathname")
            self._at(control).locator("button").first.click()
            try:
                self.page.wait_for_function("(before) => location.pathname !== before", arg=before)
            except TookTooLong:
                self._faults.append(f"{control.id} leads nowhere")
                continue
            self._rest()
            self._look(f"where {control.id} leads")

    def _use_unknown(self, control: Control) -> None:
        self._faults.append(f"{control.id} ({control.name}) is neither used nor left alone by a rule")

    def _at(self, control: Control) -> Locator:
        """The control as it stands now: what was drawn anew has lost its mark."""
        self.page.evaluate("(alike) => crawl.controls(alike)", self.rules.alike)
        return self.page.locator(f'[data-crawled="{control.id}"]').first

    def _asking(self, act: Callable[[], Any]) -> None:
        """Do what must reach the server, and wait until all is answered and drawn."""
        before = self.page.evaluate("crawl.asked()")
        act()
        self._rest(before)

    def _rest(self, before: int = 0) -> None:
        self.page.wait_for_function("(before) => crawl.atRest(before)", arg=before)

    def _changed(self, control: Control, act: Callable[[], Any]) -> None:
        """Do ``act``, look, and go on into what it made appear."""
        known = {one.id for one in self.controls() if not one.off}
        self._asking(act)
        self._look(f"{control.id} changed")
        new = {one.id for one in self.controls() if not one.off} - known
        if new:
            self._crawl(new)

    def _look(self, when: str) -> None:
        found = self.page.evaluate("crawl.wrong()")
        self._faults += [f"{when}: exception: {text}" for text in found["exceptions"]]
        self._faults += [f"{when}: traceback"] * bool(found["traces"])
        self._faults += [f"{when}: error: {text}" for text in found["errors"] if UNWORDED.search(text)]

    # How each kind is used, and put back.

    def _use_button(self, control: Control) -> None:
        if control.matches(self.rules.presses):
            self._changed(control, self._at(control).locator("button").first.click)
            return
        if not control.matches(self.rules.opens):
            self._use_unknown(control)
            return
        self._asking(self._at(control).locator("button").first.click)
        self.page.get_by_role("dialog").wait_for()
        self._look(control.id)
        self._crawl({one.id for one in self.controls()})
        self._crawl(None)  # the topmost is the dialog: what appeared in it
        self.page.keyboard.press("Escape")
        self.page.get_by_role("dialog").wait_for(state="detached")
        self._rest()

    def _use_download_button(self, control: Control) -> None:
        with self.page.expect_download() as download:
            self._at(control).locator("button").first.click()
        if not download.value.path().stat().st_size:
            self._faults.append(f"{control.id}: the file is empty")
        self._rest()

    def _use_page_link(self, control: Control) -> None:
        if not self._at(control).locator("a").first.get_attribute("href"):
            self._faults.append(f"{control.id} leads nowhere")

    def _use_selectbox(self, control: Control) -> None:
        field = self._at(control).get_by_role("combobox")
        value = field.input_value()
        names = self._options(control)
        other = next((name for name in names if name != value), None)
        if other is None:
            self.page.keyboard.press("Escape")
            return
        self._changed(control, lambda: self._choose(control, other))
        if value:
            self._options(control)
            self._asking(lambda: self._choose(control, value))

    def _options(self, control: Control) -> list[str]:
        """Open the list of choices and read it; a page that still scrolls closes it again."""
        options = self.page.get_by_role("option")
        for _ in range(5):
            button = self._at(control).get_by_role("button", name="Open")
            button.scroll_into_view_if_needed()
            button.click()
            try:
                options.first.wait_for(timeout=SOON)
                break
            except TookTooLong:
                continue
        return [name.strip() for name in options.all_inner_texts()]

    def _choose(self, control: Control, name: str) -> None:
        """Take one of the choices that are open; opened again where something closed them meanwhile."""
        option = self.page.get_by_role("option", name=name, exact=True).first
        try:
            option.click(timeout=SOON)
        except TookTooLong:
            self._options(control)
            option.click()

    def _use_multi_select(self, control: Control) -> None:
        """One away and back; where none is chosen, one in and away again."""

        def more() -> None:
            self._choose(control, self._options(control)[-1])

        def less() -> None:
            self.page.keyboard.press("Escape")
            self._at(control).locator("[data-tag] button").first.click()

        is_empty = self._at(control).locator("[data-tag]").count() == 0
        first, second = (more, less) if is_empty else (less, more)
        self._changed(control, first)
        self._asking(second)
        self.page.keyboard.press("Escape")

    def _use_button_group(self, control: Control) -> None:
        """Each choice (of many: some), then as it was."""

        def press(k: int) -> None:
            self._at(control).locator("[data-variant]").nth(k).click()

        was = self._chosen(control)
        for k in [k for k, on in enumerate(was) if not on][:MOST_CHOICES]:
            self._changed(control, partial(press, k))
        now = self._chosen(control)
        is_one_of = self._at(control).get_by_role("radiogroup").count() > 0 and any(was)
        for k in [k for k, on in enumerate(now) if on != was[k] and not (on and is_one_of)]:
            self._asking(partial(press, k))

    def _chosen(self, control: Control) -> list[bool]:
        choices = self._at(control).locator("[data-variant]").all()
        return [one.get_attribute("data-selected") == "true" for one in choices]

    def _use_radio(self, control: Control) -> None:
        choices = self._at(control).locator("label:has(input[type=radio])")
        states = [choices.nth(k).locator("input").is_checked() for k in range(choices.count())]
        for k in [*(k for k, on in enumerate(states) if not on), *(k for k, on in enumerate(states) if on)]:
            act = self._at(control).locator("label:has(input[type=radio])").nth(k).click
            self._changed(control, act)

    def _use_checkbox(self, control: Control) -> None:
        self._changed(control, lambda: self._at(control).locator("label").first.click())
        self._asking(lambda: self._at(control).locator("label").first.click())

    def _use_slider(self, control: Control) -> None:
        def press(key: str) -> None:
            self._at(control).locator("[role=slider], input[type=range]").first.press(key)

        thumb = self._at(control).locator("[role=slider], input[type=range]").first
        keys = ["ArrowRight", "ArrowLeft"]
        if thumb.get_attribute("aria-valuenow") == thumb.get_attribute("aria-valuemax"):
            keys.reverse()
        for key in keys:
            self._asking(partial(press, key))
            self._look(f"{control.id} {key}")

    def _use_number_input(self, control: Control) -> None:
        """One step up, or down where it is at its end; a narrow one has no buttons, but keys."""
        steps = self._at(control).locator("[data-testid^=stNumberInputStep]:not([disabled])")
        if steps.count():
            self._changed(control, steps.last.click)
        else:
            self._changed(control, lambda: self._step_by_key(control))

    def _step_by_key(self, control: Control) -> None:
        for key in ("ArrowUp", "Enter"):
            self._at(control).locator("input").press(key)

    def _use_text_input(self, control: Control) -> None:
        self._typed(control, "input", "Enter")

    def _use_text_area(self, control: Control) -> None:
        self._typed(control, "textarea", "Control+Enter")

    def _typed(self, control: Control, tag: str, key: str) -> None:
        was = self._at(control).locator(tag).input_value()

        def write(words: str) -> None:
            self._at(control).locator(tag).fill(words)
            self._at(control).locator(tag).press(key)

        self._changed(control, lambda: write(NO_SUCH))
        self._asking(lambda: write(was))

    def _use_date_input(self, control: Control) -> None:
        self._at(control).locator("input").first.click()
        self.page.keyboard.press("Escape")

    def _use_pagination(self, control: Control) -> None:
        for place in ("stPaginationNext", "stPaginationPrev"):
            self._changed(control, self._at(control).get_by_test_id(place).click)

    def _use_expander(self, control: Control) -> None:
        """Opened, and left so: what is in it is used next."""
        details = self._at(control).locator("details").first
        if details.get_attribute("open") is None:
            self._at(control).locator("summary").first.click()
            self.page.wait_for_function("(node) => node.open", arg=details.element_handle())
        self._rest()

    def _use_tab(self, control: Control) -> None:
        self._at(control).click()
        self._rest()

    def _use_popover(self, control: Control) -> None:
        """Opened, all in it used (opened again where that closed it), and closed."""
        body = self.page.get_by_test_id("stPopoverBody")
        for _ in range(20):
            if not body.count():
                self._at(control).get_by_test_id("stPopoverButton").filter(visible=True).first.click()
                body.first.wait_for()
                self._rest()
                self._look(control.id)
            inside = [one.id for one in self.controls()]
            if all(one in self._used for one in inside):
                break
            self._crawl({next(one for one in inside if one not in self._used)})
        if body.count():
            self.page.keyboard.press("Escape")
            body.first.wait_for(state="hidden")

    def _use_table(self, control: Control) -> None:
        """A row chosen where rows can be; else a press on a cell, which must do no harm."""
        grid = self._at(control).locator(".dvn-scroller").first
        grid.scroll_into_view_if_needed()
        row = {"x": 16 if control.matches(self.rules.selects) else 60, "y": 52}

        def press() -> None:
            self._at(control).locator(".dvn-scroller").first.click(position=row, force=True)

        if control.matches(self.rules.selects):
            self._changed(control, press)
        else:
            press()


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
