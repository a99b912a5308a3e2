"""The programs in the README and in the referee's page run, and print what is said that they print.

`python -m tests.test_readme` writes their output into the pages.
"""

import contextlib
import io
import re
import runpy
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = {"README.md": 4, "docs/referee.md": 1}  # with how many programs
PROGRAM = re.compile(r"```python\n((?:(?!```).)*)```\n\n<!-- output -->\n```\n(.*?)```", re.DOTALL)


def run(program: str) -> str:
    """What a program prints, run as a file of its own."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(out):
        path = Path(folder) / "program.py"
        path.write_text(program, encoding="utf-8")
        runpy.run_path(str(path), run_name="__main__")
    return out.getvalue()


def words(text: str) -> list[str]:
    """What is compared: how many entries an oracle was believed for may differ by CPU."""
    lines = [line for line in text.splitlines() if not line.startswith("oracles:")]
    return re.findall(r"[^\s\[\];,]+", "\n".join(lines))


@pytest.mark.parametrize("page", PAGES)
def test_programs_print_what_the_page_says(page):
    programs = PROGRAM.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(programs) == PAGES[page]
    for program, output in programs:
        printed, said = words(run(program)), words(output)
        assert len(printed) == len(said)
        for a, b in zip(printed, said, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-3), (a, b)  # NumPy's exp differs by CPU


@pytest.mark.parametrize("page", PAGES)
def test_the_pictures_and_files_it_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in [*re.findall(r"\]\(([^)#]+)\)", text), *re.findall(r"`([\w/]+\.(?:ipynb|md|py))`", text)]:
        assert any((ROOT / root / path).exists() for root in ("", "tinygrad_ce", "docs")), path


if __name__ == "__main__":
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        fresh = PROGRAM.sub(lambda m: m[0][: m.start(2) - m.start(0)] + run(m[1]) + "```", text)
        (ROOT / page).write_text(fresh, encoding="utf-8")
