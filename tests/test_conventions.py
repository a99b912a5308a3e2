"""Every row of docs/conventions.md is so."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinygrad_ce as tg

TEXT = (Path(__file__).parent.parent / "docs" / "conventions.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| (.+) \|$", TEXT, re.MULTILINE)
NAMES = {"np": np, "tg": tg, "F": tg.nn.functional, "inf": np.inf, "nan": np.nan}


def test_the_table_is_read():
    assert len(ROWS) > 40 and len(ROWS) == TEXT.count("\n| `")


@pytest.mark.parametrize(("function", "at", "slope", "_"), ROWS, ids=[f"{f} at {x}" for f, x, *_ in ROWS])
def test_the_slope_is(function, at, slope, _):
    point, expected = eval(at, NAMES), eval(slope, NAMES)
    for data in [point, np.asarray(point)] if type(point) is float else [point]:
        x = tg.Value(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = eval(function, {**NAMES, "x": x})
            out.backward(np.ones(out.shape) if out.shape else None)
        assert np.array_equal(x.grad, expected, equal_nan=True)
        assert np.shape(x.grad) == np.shape(expected)
