"""Agreement: how far people agree with themselves and each other, seen blind, and what they settle on."""

from core.labels.versions import newest_version
from dashboard import agreement_panels, agreement_view, picker
from dashboard.frame import end_page, header
from dashboard.open_item import open_item
from dashboard.review import controls

workspace, dataset = picker.workspace(), picker.dataset()
header(
    "Agreement",
    f"How sure the labels of {dataset.title} are: look again without seeing what was said, and compare.",
    action=controls.annotator,
)
version = newest_version(workspace, dataset)
looks, who = agreement_view.looks_of(workspace, dataset, version), controls.name()
if agreement_panels.looking(workspace, dataset, looks, who):
    end_page()
if not looks.decided and not looks.agreement.conflicts:
    agreement_panels.nothing_decided()
    end_page()

agreement_panels.test_fixes(workspace, dataset, looks, who)
agreement_panels.figures(looks.agreement)
opened = agreement_panels.conflicts(workspace, dataset, looks.agreement, who)
agreement_panels.second_looks(workspace, looks, who)
if opened is not None:
    open_item(dataset, opened)
