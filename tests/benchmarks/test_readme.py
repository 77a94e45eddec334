"""README's figures are those that the benchmarks printed."""

from __future__ import annotations

from benchmarks.readme import BEGIN, END, ROOT, with_numbers


def test_readme_says_what_the_benchmarks_printed() -> None:
    readme = (ROOT / "README.md").read_text()
    assert with_numbers(readme) == readme, "run benchmarks/readme.py"


def test_a_typed_in_number_is_found() -> None:
    readme = (ROOT / "README.md").read_text()
    changed = readme.replace(END, f"| Speed | 100 times faster | |\n{END}")
    assert with_numbers(changed) != changed
    assert with_numbers(f"a{BEGIN}{END}b").startswith(f"a{BEGIN}\n")
