"""The command line, from outside: real processes, real files, real signals."""

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_ce
from tinygrad_ce.data import Dataset, Standardiser, digits, iris, split, standardise
from tinygrad_ce.nn import MLP, load
from tinygrad_ce.train import accuracy

pytest.importorskip("rich")
pytest.importorskip("matplotlib")
pytest.importorskip("pygraphviz")

FILES = {"curves.png", "derivations.json", "graph.html", "graph.svg", "model.npz", "report.html"}
DERIVATIONS = ["chain", "jacobian", "analytic", "stable"]


def environment(**changes):
    kept = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"}}
    # The commands run elsewhere, on the package that is tested here.
    here = str(Path(tinygrad_ce.__file__).parents[1])
    return {**kept, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": here, **changes}


def run(*arguments, cwd, command="demo", **changes):
    process = subprocess.run(
        [sys.executable, "-m", "tinygrad_ce", *[command] * bool(command), *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return SimpleNamespace(code=process.returncode, out=process.stdout, err=process.stderr)


def complaint(result):
    """The one line on stderr; nothing else was said."""
    assert re.fullmatch(r"tinygrad_ce: [^\n]+\n", result.err), result.err
    return result.err


def network(checkpoint):
    model = MLP(checkpoint.meta["sizes"])
    model.load_state_dict(checkpoint.state)
    return model


# -- the whole demo ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    result = run(cwd=folder)
    assert (result.code, result.err) == (0, "")
    result.folder = folder / "runs" / "demo"
    return result


def test_it_says_where_it_wrote(demo):
    assert set(os.listdir(demo.folder)) == FILES
    for name in FILES:
        assert os.path.join("runs", "demo", name) in demo.out


def test_it_fits_a_hundred_columns_and_is_plain(demo):
    assert max(map(len, demo.out.splitlines())) <= 100
    assert "\x1b" not in demo.out


def test_it_tells_how_training_goes(demo):
    epochs = re.findall(
        r"^epoch +(\d+)  loss (\S+)  accuracy +(\S+) %   test: loss (\S+)  accuracy +(\S+) %$", demo.out, re.M
    )
    assert len(epochs) == 11
    assert epochs[0][0] == "1"
    assert float(epochs[-1][1]) < float(epochs[0][1]) / 10
    history = json.loads((demo.folder / "derivations.json").read_bytes())["history"]["reports"]
    assert len(history) == int(epochs[-1][0])
    assert f"{history[-1]['loss']:.4f}" == epochs[-1][1]


def test_the_accuracy_printed_is_that_of_the_model_saved(demo):
    percent, right, rows = re.search(r"^accuracy ([\d.]+) %: (\d+) of (\d+) right$", demo.out, re.M).groups()
    train, test = split(digits(), seed=0)
    assert abs(len(test) / (len(train) + len(test)) - 0.2) < 0.001
    checkpoint = load(demo.folder / "model.npz")
    assert accuracy(network(checkpoint), test) == int(right) / int(rows) == checkpoint.meta["test_accuracy"]
    assert f"{100 * int(right) / int(rows):.2f}" == percent
    assert float(percent) >= 97
    assert len(test) == int(rows)


def test_the_confusion_matrix_adds_up(demo):
    rows = re.findall(r"^ (\d) +((?:[\d.]+ +){10})$", demo.out, re.M)
    matrix = np.array([[0 if n == "." else int(n) for n in cells.split()] for _, cells in rows])
    right, total = re.search(r"(\d+) of (\d+) right", demo.out).groups()
    assert matrix.shape == (10, 10)
    assert (np.trace(matrix), matrix.sum()) == (int(right), int(total))


def test_every_parameter_is_compared(demo):
    report = json.loads((demo.folder / "derivations.json").read_bytes())
    rows = report["parameters"]["rows"]
    leaves = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert [(row["leaf"], row["derivation"]) for row in rows] == [(leaf, d) for leaf in leaves for d in DERIVATIONS]
    assert {(row["reference"], row["verdict"]) for row in rows} == {("autodiff", "PASS")}
    assert all(row["relative"] < 1e-6 for row in rows)
    for row in rows:
        assert re.search(rf" {row['derivation']} +{re.escape(format(row['relative'], '.1e'))} ", demo.out)
    assert all(leaf in demo.out for leaf in leaves)


def test_digits_are_lost_and_kept(demo):
    logits = json.loads((demo.folder / "derivations.json").read_bytes())["logits"]
    right = [line for line in logits["true_class"] if line["right"]]
    wrong = [line for line in logits["true_class"] if not line["right"]]
    assert right[-1]["gap"] == pytest.approx(45)
    assert right[-1]["analytic"] == 0.0
    assert -1e-18 < right[-1]["stable"] < -1e-20
    assert [line["digits"] for line in right] == sorted((line["digits"] for line in right), reverse=True)
    assert wrong[-1]["gap"] > 30
    assert wrong[-1]["analytic"] == wrong[-1]["stable"] == pytest.approx(-1)
    assert all(repr(line["stable"]) in demo.out for line in logits["true_class"])
    assert {row["leaf"] for row in logits["rows"]} >= {"logits"}
    (analytic,) = [row for row in logits["rows"] if row["derivation"] == "analytic"]
    assert analytic["verdict"] == "PASS"
    assert "digits lost by analytic (declared)" in analytic["note"]
    assert re.sub(r"\s+", " ", analytic["note"]) in re.sub(r"\s+", " ", demo.out)


def test_the_graph_is_drawn(demo):
    text = (demo.folder / "graph.svg").read_text(encoding="utf-8")
    ET.fromstring(text)
    for word in ("softmax_cross_entropy", "relu", "transpose", "layers.0.weight", "layers.1.bias", "logits", "loss"):
        assert word in text
    assert "not computed" not in text


def test_the_curves_are_a_picture(demo):
    content = (demo.folder / "curves.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    image = pytest.importorskip("matplotlib.image").imread(demo.folder / "curves.png")
    assert image.shape[1] > 1000
    assert np.unique(image.reshape(-1, image.shape[2]), axis=0).shape[0] > 10


def test_the_report_holds_everything_and_loads_nothing(demo):
    page = (demo.folder / "report.html").read_text(encoding="utf-8")
    for words in (
        "Training",
        "Which class is taken for which",
        "What each hidden unit looks for",
        "two random directions",
    ):
        assert words in page
    assert page.count("data:image/png;base64,") == 6
    assert page.count("data:image/svg+xml;base64,") == 1
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert not re.search(r"""(?:src|href)="(?!data:)|<script|@import|url\(""", page)
    for name in ("chain", "jacobian", "analytic", "stable"):
        assert name in page


def test_the_graph_can_be_walked_about_in(demo):
    page = (demo.folder / "graph.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "layers.0.weight" in page


def test_the_same_again_is_the_same(demo, tmp_path):
    again = run("--out", "again", cwd=tmp_path)
    strip = lambda text: text[: text.index("\n5  written")]
    assert strip(again.out) == strip(demo.out)
    assert (tmp_path / "again" / "model.npz").read_bytes() == (demo.folder / "model.npz").read_bytes()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_seeds_are_as_good(tmp_path, seed, demo):
    result = run("--seed", seed, "--out", ".", cwd=tmp_path)
    assert result.code == 0
    assert load(tmp_path / "model.npz").meta["test_accuracy"] >= 0.97
    assert (tmp_path / "model.npz").read_bytes() != (demo.folder / "model.npz").read_bytes()


# -- options, other data -------------------------------------------------------------------------------------------


def test_options(tmp_path):
    result = run("--epochs", 2, "--hidden", "16,8", "--batch", 64, "--lr", 0.02, "--out", "a/b", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    checkpoint = load(tmp_path / "a" / "b" / "model.npz")
    assert checkpoint.meta["sizes"] == [64, 16, 8, 10]
    assert checkpoint.meta["epochs"] == 2
    assert "64 → 16 → 8 → 10" in result.out
    assert "The gradient of the loss on 64 test rows" in result.out


def test_iris(tmp_path):
    result = run("--data", "iris", "--out", "o", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert set(os.listdir(tmp_path / "o")) == FILES
    assert "setosa" in result.out
    checkpoint = load(tmp_path / "o" / "model.npz")
    _, test = standardise(*split(iris(), seed=0))
    assert accuracy(network(checkpoint), test) == checkpoint.meta["test_accuracy"] >= 0.9


def table(path, header="size,kind,weight", rows=90):
    rng = np.random.default_rng(0)
    lines = [header] if header else []
    for i in range(rows):
        low = i % 3
        lines.append(f"{rng.normal(low * 50, 3):.3f},{['[red]pear', 'plum', 'fig'][low]},{rng.normal(-low, 0.1):.4f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_csv_file_and_its_target(tmp_path):
    table(tmp_path / "fruit.csv")
    result = run("--data", "fruit.csv", "--target", "kind", "--out", "o", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "[red]pear" in result.out
    checkpoint = load(tmp_path / "o" / "model.npz")
    assert checkpoint.meta["classes"] == ["[red]pear", "fig", "plum"]
    assert checkpoint.meta["test_accuracy"] == 1.0
    assert "No answer was wrong" in result.out
    scale = Standardiser(np.array(checkpoint.meta["mean"]), np.array(checkpoint.meta["std"]))
    fresh = Dataset([[100.0, -2.0], [0.0, 0.0]], [1, 0], tuple(checkpoint.meta["classes"]))
    assert accuracy(network(checkpoint), scale.apply(fresh)) == 1.0


def test_many_classes_are_listed_not_tabled(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.4f},{rng.normal():.4f},class number {i % 25}" for i in range(300)]
    (tmp_path / "many.csv").write_text("a,b,c\n" + "\n".join(rows))
    result = run("--data", "many.csv", "--epochs", 1, "--out", "o", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "taken for" in result.out
    assert max(map(len, result.out.splitlines())) <= 100


# -- bad input -----------------------------------------------------------------------------------------------------

BAD_TABLES = {
    "ragged": ("a,b,c\n1,2,x\n1,2\n", "line 3"),
    "text": ("a,b,c\n1,zz,x\n1,2,y\n", "'zz' is not a number"),
    "one_class": ("a,b,c\n1,2,x\n3,4,x\n", "every row has class 'x'"),
    "nan": ("a,b,c\n1,nan,x\n3,4,y\n", "'nan' is not a finite number"),
    "empty": ("", "empty"),
    "header": ("a,b,c\n", "no rows"),
    "few": ("a,b,c\n1,2,x\n3,4,y\n", "no row to test on"),
    "huge": ("a,c\n" + "1e308,x\n-1e308,y\n" * 5, "too large"),
    "binary": ("a,\0b\n1,2\n", "binary"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables(tmp_path, name):
    content, said = BAD_TABLES[name]
    (tmp_path / f"{name}.csv").write_text(content)
    result = run("--data", f"{name}.csv", "--out", "o", cwd=tmp_path)
    line = complaint(result)
    assert (result.code, result.out) == (2, "")
    assert said in line
    assert f"{name}.csv" in line
    assert os.listdir(tmp_path) == [f"{name}.csv"]


BAD_ARGUMENTS = {
    "missing file": (["--data", "nowhere.csv"], "nowhere.csv: no such file"),
    "no name": (["--data", ""], "--data"),
    "folder": (["--data", "."], "directory"),
    "target without a table": (["--target", "kind"], "--target"),
    "unknown target": (["--data", "fruit.csv", "--target", "price"], "no column 'price'"),
    "junk hidden": (["--hidden", "junk"], "--hidden: numbers from 1 to 10,000, such as 64,32, not 'junk'"),
    "no hidden": (["--hidden", "64,,32"], "--hidden"),
    "zero hidden": (["--hidden", "0"], "--hidden"),
    "endless hidden": (["--hidden", "1000000000"], "--hidden"),
    "zero epochs": (["--epochs", "0"], "--epochs: at least 1, not '0'"),
    "half epochs": (["--epochs", "1.5"], "--epochs: an integer"),
    "negative rate": (["--lr", "-0.1"], "--lr: a number above 0"),
    "nan rate": (["--lr", "nan"], "--lr"),
    "zero batch": (["--batch", "0"], "--batch"),
    "negative seed": (["--seed", "-1"], "--seed: at least 0"),
    "unknown option": (["--no-such"], "--no-such"),
    "out is a file": (["--out", "fruit.csv"], "fruit.csv is not a folder"),
    "out is in a file": (["--out", "fruit.csv/o"], "fruit.csv is not a folder"),
    "out cannot be": (["--out", "/dev/null/o"], "/dev/null"),
    "a file is a folder": (["--out", "taken"], "it is a folder"),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_bad_arguments(tmp_path, name):
    table(tmp_path / "fruit.csv")
    (tmp_path / "taken" / "model.npz").mkdir(parents=True)
    arguments, said = BAD_ARGUMENTS[name]
    result = run(*arguments, cwd=tmp_path)
    assert said in complaint(result)
    assert (result.code, result.out) == (2, "")
    assert sorted(os.listdir(tmp_path)) == ["fruit.csv", "taken"]
    assert os.listdir(tmp_path / "taken") == ["model.npz"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    result = run("--out", "o", cwd=tmp_path)
    tmp_path.chmod(0o700)
    assert "cannot write to o" in complaint(result)
    assert result.code == 2


def test_no_command_and_help(tmp_path):
    result = run(cwd=tmp_path, command=None)
    complaint(result)
    assert result.code == 2
    result = run("--help", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "--hidden" in result.out


def test_divergence_is_one_line_and_writes_nothing(tmp_path):
    result = run("--lr", "1e300", "--out", "o", cwd=tmp_path)
    assert result.code == 1
    assert "training diverged: the loss is nan in epoch 1, batch 2" in complaint(result)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(("package", "extra"), [("rich", "cli"), ("matplotlib", "plot"), ("pygraphviz", "render")])
def test_a_missing_package_is_named_with_its_extra(tmp_path, package, extra):
    hide = "import importlib.util as u, shutil, sys; find = u.find_spec"
    hide += f"; u.find_spec = lambda name, *rest: None if name == {package!r} else find(name, *rest)"
    hide += "; shutil.which = lambda *_, **__: None; sys.argv = ['tinygrad_ce', 'demo']"
    code = f"{hide}; from tinygrad_ce.cli import main; sys.exit(main())"
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert f"pip install 'tinygrad_ce[{extra}]'" in complaint(SimpleNamespace(err=process.stderr))
    assert os.listdir(tmp_path) == []


# -- Ctrl-C, and readers who leave ---------------------------------------------------------------------------------


def start(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "tinygrad_ce", "demo", *arguments],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def read_until(process, beginning):
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"no line begins with {beginning!r}; stderr: {process.stderr.read()}")


@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_keeps_what_was_learnt(tmp_path):
    process = start("--epochs", "100000", "--out", "o", cwd=tmp_path)
    read_until(process, "epoch      1")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    done = int(re.search(r"interrupted after (\d+) of 100000 epochs; what was learnt so far is kept", out)[1])
    assert set(os.listdir(tmp_path / "o")) == {"curves.png", "model.npz"}
    checkpoint = load(tmp_path / "o" / "model.npz")
    assert checkpoint.meta["epochs"] == done >= 1
    assert checkpoint.meta["interrupted"] is True
    _, test = split(digits(), seed=0)
    assert accuracy(network(checkpoint), test) == checkpoint.meta["test_accuracy"] > 0.5


@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_says_what_is_of_an_earlier_run(tmp_path, demo):
    (tmp_path / "graph.svg").write_text("old")
    process = start("--epochs", "100000", "--out", ".", cwd=tmp_path)
    read_until(process, "epoch      1")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "graph.svg there: of an earlier run" in out


@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_before_there_is_anything(tmp_path):
    process = start("--hidden", "3000,3000", "--out", "o", cwd=tmp_path)
    read_until(process, "1  training")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err in ("", "tinygrad_ce: interrupted\n")
    assert not (tmp_path / "o" / "graph.svg").exists()


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize("lines", [0, 1, 8])
def test_a_reader_who_leaves(tmp_path, lines):
    process = start("--out", "o", cwd=tmp_path)
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) in (0, 1)
    assert err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_a_disk_that_is_full(tmp_path):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "tinygrad_ce", "demo", "--epochs", "1"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    complaint(SimpleNamespace(err=process.stderr))
    assert process.returncode == 2


# -- terminals -----------------------------------------------------------------------------------------------------


def test_a_terminal_without_unicode(tmp_path):
    result = run("--epochs", 1, "--out", "o", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (result.code, result.err) == (0, "")
    assert result.out.isascii()


def test_a_narrow_terminal(tmp_path):
    result = run("--epochs", 1, "--out", "o", cwd=tmp_path, COLUMNS="50")
    assert (result.code, result.err) == (0, "")
    assert "taken for" in result.out


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_a_terminal_shows_a_progress_bar(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_ce", "demo", "--epochs", "3", "--out", "o"],
        cwd=tmp_path,
        env=environment(TERM="xterm-256color", COLUMNS="100"),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += (chunk := os.read(ours, 4096))
        except OSError:
            break
        if not chunk:
            break
    os.close(ours)
    assert (process.communicate()[1], process.returncode) == (b"", 0)
    text = seen.decode()
    assert "━" in text
    assert "3/3" in text
    assert "\x1b[" in text
