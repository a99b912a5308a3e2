"""What the page is told, and the file that it is: without a browser."""

import base64
import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.draw.page.html import embedded


def classifier():
    z = tg.Value([[2.0, 1.0, 0.1], [40.0, 0.0, 0.0]], label="z")
    return z, tg.cross_entropy(tg.softmax(z), [0, 0])


def layer(explored, title):
    return next(sweep for sweep in explored.data["sweeps"] if sweep["title"] == title)


def values(explored, index):
    return np.array(explored.data["summaries"][index]["values"])


# -- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("derivation", ["autodiff", "analytic", "stable", "jacobian"])
def test_gradients_are_those_of_backward(derivation):
    z, loss = classifier()
    explored = tg.explore(loss)
    loss.backward(derivation=derivation)
    found = values(explored, layer(explored, derivation)["adjoints"]["n0"])
    np.testing.assert_array_equal(found.reshape(z.shape), z.grad)


def test_no_gradient_is_touched():
    z, loss = classifier()
    tg.explore(loss)
    assert z.grad is None


def test_contributions_add_up_everywhere():
    rng = np.random.default_rng(0)
    a, b = tg.Value(rng.normal(size=3)), tg.Value(rng.normal(size=3))
    c = a * b
    out = np.sum(np.exp(c) * c + tg.softmax(c) * a)
    explored = tg.explore(out)
    for sweep in explored.data["sweeps"]:
        total = {}
        for key, index in sweep["cotangents"].items():
            source = key.partition(">")[0]
            top = "." in key.partition(">")[2]
            if not top:  # what is inside of an op adds up to what the op itself sends
                total[source] = total.get(source, 0) + values(explored, index)
        for id, index in sweep["adjoints"].items():
            if id in total and "." not in id:
                np.testing.assert_allclose(total[id], values(explored, index), rtol=1e-12)


def test_inside_an_op_autodiff_sends_what_the_op_sends():
    explored = tg.explore(np.sum(tg.softmax(tg.Value([1.0, 2.0, 3.0])) ** 2))
    sweep = layer(explored, "autodiff")
    whole = values(explored, sweep["cotangents"]["n0>n1#z"])
    parts = [values(explored, i) for key, i in sweep["cotangents"].items() if re.match(r"n0>n1\.", key)]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-12, atol=1e-17)


def test_digits_of_agreement():
    _, loss = classifier()
    explored = tg.explore(loss)
    stable = layer(explored, "stable")
    assert stable["reference"] == "autodiff"
    row = stable["agreement"]["n0"]
    assert row["digits"] == 0.0 and row["verdict"] == "PASS" and "13 digits lost" in row["note"]
    assert stable["agreement"]["n5"] == {"digits": 16.0, "relative": 0.0}


def test_a_wrong_rule_is_seen():
    @tg.op
    def cube(x):
        return x * x * x

    cube.derivation("hand")(lambda g, out, x: 2 * g * x * x)
    x = tg.Value(2.0, label="x")
    row = layer(tg.explore(cube(x)), "hand")["agreement"]["n0"]
    assert row["verdict"] == "FAIL" and row["digits"] < 1 and (row["x"], row["y"]) == ("8.0", "12.0")


def test_of_a_large_graph_the_difference_is_told_without_a_verdict():
    @tg.op
    def slightly(x):
        return x * x

    slightly.derivation("hand")(lambda g, out, x: 2.0002 * g * x)
    x = tg.Value(np.array([0.5, 0.0]), label="x")
    out = np.sum(slightly(x))
    for _ in range(400):
        out = out + 1.0
    row = layer(tg.explore(out, derivations=["hand", "autodiff"]), "hand")["agreement"]["n0"]
    assert row["digits"] == pytest.approx(4.0, abs=0.01) and row["at"] == [0] and "verdict" not in row
    assert float(row["y"]) == 1.0


def test_what_does_not_hold_is_left_out_and_said():
    z = tg.Value([[1.0, 2.0]])
    explored = tg.explore(tg.softmax_cross_entropy(z, [0], weight=np.array([3.0, 1.0])))
    assert "analytic" not in [sweep["title"] for sweep in explored.data["sweeps"]]
    assert any(note.startswith("analytic is left out: ") for note in explored.data["notes"])


def test_derivations_asked_for():
    _, loss = classifier()
    assert [s["title"] for s in tg.explore(loss, derivations=["stable", "autodiff"]).data["sweeps"]] == [
        "stable",
        "autodiff",
    ]
    with pytest.raises(ValueError, match="no node of this graph has a derivation 'stabel'"):
        tg.explore(loss, derivations=["stabel"])


def test_a_cotangent_given_and_none():
    x = tg.Value([1.0, 2.0])
    y = x * 3
    assert tg.explore(y).data["sweeps"] == []
    explored = tg.explore(y, gradient=np.array([1.0, 10.0]))
    np.testing.assert_array_equal(values(explored, explored.data["sweeps"][0]["adjoints"]["n0"]), [3, 30])


def test_places_are_told_under_trace():
    with tg.trace():
        y = tg.Value(2.0) * 3
    assert any(node.get("place", "").startswith(__file__) for node in tg.explore(y).data["nodes"])


def test_equal_summaries_are_told_once():
    x = tg.Value(np.ones(4), label="x")
    data = tg.explore(np.sum(x + 0)).data
    texts = [json.dumps(summary) for summary in data["summaries"]]
    assert len(set(texts)) == len(texts)


# -- the file -------------------------------------------------------------------------------------------------------


def test_the_policy_lets_this_script_and_style_run_and_nothing_else():
    page = tg.explore(classifier()[1]).html
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for kind, pattern in (("script", r"<script>(.*?)</script>"), ("style", r"<style>(.*?)</style>")):
        (found,) = re.findall(pattern, page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"""(?:src|href)=|@import|url\(|\son\w+=|\sstyle=|innerHTML|\beval\b""", page)


def test_data_come_back_whatever_is_in_them():
    wild = {"a": "</script><!-- <script> & \u2028 \ud800 🎉 $script $data", "b": [1e308, "nan"], "c": "x" * 10_000}
    text = embedded(wild)
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == wild


def test_dollars_in_labels_are_no_template(tmp_path):
    x = tg.Value(1.0, label="$script $title")
    page = tg.explore(x * 2, title="$data & <b>").html
    assert "<title>$data &amp; &lt;b&gt;</title>" in page
    assert page.count("<script>") == 1


def test_it_is_written_whole_or_not_at_all(tmp_path):
    explored = tg.explore(tg.Value(1.0) * 2, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text("utf-8") == explored.html
    with pytest.raises(ValueError, match=r"saved as \.html"):
        explored.save(tmp_path / "a.svg")
    with pytest.raises(FileNotFoundError):
        explored.save(tmp_path / "no" / "a.html")


def test_the_same_graph_is_the_same_page():
    assert tg.explore(classifier()[1]).html == tg.explore(classifier()[1]).html


def test_in_a_notebook_it_is_a_frame_of_its_own():
    shown = tg.explore(tg.Value(1.0) * 2)._repr_html_()
    assert shown.startswith('<iframe sandbox="allow-scripts" srcdoc="&lt;!doctype html&gt;')


def test_the_page_comes_with_the_package():
    import tomllib
    from pathlib import Path

    root = Path(__file__).parents[3]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["tinygrad_ce"]
    shipped = {path for pattern in patterns for path in (root / "tinygrad_ce").glob(pattern)}
    assert shipped >= {p for p in (root / "tinygrad_ce/draw/page").iterdir() if p.suffix in (".js", ".css", ".html")}


def test_it_needs_numpy_alone():
    program = """
import sys, tinygrad_ce as tg
tg.explore(tg.softmax(tg.Value([1.0, 2.0])).sum(), sys.argv[1])
print(sorted({m.partition('.')[0] for m in sys.modules} & {"graphviz", "matplotlib", "pygraphviz", "rich", "mpmath"}))
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", program, f"{folder}/a.html"], capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == "[]"


# -- limits ---------------------------------------------------------------------------------------------------------


def test_what_is_no_value_and_what_is_too_large():
    with pytest.raises(TypeError, match="takes a Value"):
        tg.explore(3.0)
    x = tg.Value(1.0)
    for _ in range(60):
        x = x * 1.01
    with pytest.raises(ValueError, match="limit"):
        tg.explore(x, limit=100)
    assert len(tg.explore(x, limit=200).data["nodes"]) > 100


def test_a_deep_chain_does_not_recurse():
    x = tg.Value(1.0)
    for _ in range(1500):
        x = -x
    assert len(tg.explore(x).data["nodes"]) == 3001
