"""``tidyset doctor``: what is installed, reachable and sound, what is not, and how to mend each."""

from __future__ import annotations

import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit
from core.doctor import Finding, Health, examine
from core.workspace import current

_MARKS = {Health.OK: "ok     ", Health.NOTE: "-      ", Health.WARNING: "warning", Health.FAULT: "FAULT  "}


@app.command("doctor")
def doctor_command(*, as_json: JsonFlag = False) -> None:
    """Look at the installation, GPU, disk, database, data, runs and weights; say how to mend what is wrong.

    Exit status 1 when something that the app needs does not work.
    """
    findings = examine(current())
    faults = sum(finding.health is Health.FAULT for finding in findings)
    about = {"faults": faults, "findings": [finding.to_json() for finding in findings]}
    emit(about, as_text(findings), as_json=as_json)
    if faults:
        raise typer.Exit(1)


def as_text(findings: list[Finding]) -> str:
    """A line a finding, below its area; the mend below what needs one."""
    lines, area = [], ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            lines.append(f"\n{area}")
        lines.append(f"  {_MARKS[finding.health]}  {finding.what}: {finding.found}")
        if finding.mend:
            lines.append(f"           -> {finding.mend}")
    n_faults = sum(finding.health is Health.FAULT for finding in findings)
    n_warnings = sum(finding.health is Health.WARNING for finding in findings)
    counted = f"Faults: {n_faults}. Warnings: {n_warnings}." if n_faults or n_warnings else "All is well."
    return "\n".join([*lines, "", counted]).lstrip()
