"""The card of a Value in a notebook."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_ce as tg


def told(v: tg.Value) -> str:
    """The card's text; that it is well-formed is tested on the way."""
    return " ".join("".join(ET.fromstring(v._repr_html_()).itertext()).split())


def test_a_leaf_before_and_after() -> None:
    x = tg.Value([1.0, 2.5], label="x")
    assert told(x) == "x shape (2,) · float64 · leaf12.5gradient not computed"
    np.sum(x * 3).backward()
    assert told(x).endswith("gradient33")


def test_what_an_op_made_and_a_constant() -> None:
    x = tg.Value(2.0)
    assert told(x.exp()) == "a number · float64 · made by exp7.389"
    assert "constant" in told(tg.Value(1.0, requires_grad=False))
    assert "gradient not computed" in told(x.exp().retain_grad())


def test_a_large_array_has_a_map() -> None:
    x = tg.Value(np.arange(24.0).reshape(4, 6).astype(np.float32))
    page = x._repr_html_()
    assert page.count("background:#") == 24
    assert "shape (4, 6) · float32" in told(x)
    assert "min0mean11.5max23" in told(x)


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", "a & b", '"><td>', "😀" * 5000, "a\nb\nc\nd\ne"])
def test_labels_are_escaped(label: str) -> None:
    page = tg.Value(1.0, label=label)._repr_html_()
    assert "<script" not in page
    assert len(page) < 2000
    ET.fromstring(page)


@pytest.mark.parametrize("data", [np.zeros((0, 3)), np.full((5, 5), np.nan), np.ones((3, 3, 3)), 1 + 2j, np.inf])
def test_rarer_data(data: object) -> None:
    assert told(tg.Value(data))
