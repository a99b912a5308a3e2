"""The README's programs run, and print what it says they print.

`python -m tests.test_readme` writes their output into the README.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
PROGRAM = re.compile(r"```python\n(.*?)```\n\n<!-- output -->\n```\n(.*?)```", re.DOTALL)


def run(program: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "README.md", "exec"), {"__name__": "readme"})
    return out.getvalue()


def test_programs_print_what_the_readme_says():
    programs = PROGRAM.findall(README.read_text(encoding="utf-8"))
    assert len(programs) == 2
    for program, output in programs:
        printed, said = (re.findall(r"[^\s\[\];,]+", text) for text in (run(program), output))
        assert len(printed) == len(said)
        for a, b in zip(printed, said, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-3), (a, b)  # NumPy's exp differs by CPU


def test_the_pictures_and_files_it_names_exist():
    text = README.read_text(encoding="utf-8")
    for path in [*re.findall(r"\]\(([^)#]+)\)", text), *re.findall(r"`([\w/]+\.(?:ipynb|md|py))`", text)]:
        root = README.parent
        assert (root / path).exists() or (root / "tinygrad_ce" / path).exists(), path


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    fresh = PROGRAM.sub(lambda m: m[0][: m.start(2) - m.start(0)] + run(m[1]) + "```", text)
    README.write_text(fresh, encoding="utf-8")
