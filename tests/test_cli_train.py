"""train, eval, predict, generate from outside: real processes, real files, real signals."""

import csv
import json
import os
import signal
import subprocess

import numpy as np
import pytest

from tests.test_cli import complaint, environment, run
from tinygrad_ce.checkpoint import load, previous
from tinygrad_ce.data import digits, iris, two_moons
from tinygrad_ce.programs.kept import load_model
from tinygrad_ce.train import predict


def tinygrad(*arguments, cwd, **changes):
    command, *rest = arguments
    return run(*rest, cwd=cwd, command=command, **changes)


def trained(folder, *arguments, code=0):
    result = tinygrad("train", *arguments, cwd=folder)
    assert result.code == code, result.err + result.out
    return result


def write_csv(path, data, named=True, labels=True):
    names = data.feature_names or tuple(f"f{i}" for i in range(data.inputs.shape[1]))
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        if named:
            out.writerow([*names, *["class"] * labels])
        for x, y in zip(data.inputs, data.targets, strict=True):
            out.writerow([*map(repr, map(float, x)), *[data.class_names[y]] * labels])


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flowers")
    write_csv(folder / "flowers.csv", iris())
    options = ("--data", "flowers.csv", "--epochs", 30, "--hidden", "16", "--dropout", 0, "--out", "m.safetensors")
    result = trained(folder, *options)
    return folder, result


# -- a table -------------------------------------------------------------------------------------------------------


def test_train_says_how_it_goes_and_saves(flowers):
    folder, result = flowers
    assert result.out.startswith("mlp on flowers: 120 rows to learn from, 30 held out\n131 parameters\nepoch  1/30  ")
    assert "saved: m.safetensors, and m.best.safetensors with the best validation accuracy" in result.out
    assert not result.err
    kept = load_model(folder / "m.safetensors")
    assert kept.facts.class_names == ("setosa", "versicolor", "virginica")
    assert kept.config.hidden == (16,)
    assert not kept.model.training


def test_eval_needs_only_the_file(flowers):
    folder, result = flowers
    judged = tinygrad("eval", "m.safetensors", "--json", "r.json", cwd=folder)
    assert judged.code == 0
    told = json.loads((folder / "r.json").read_text())
    assert told["rows"] == 30
    last = next(line for line in result.out.splitlines() if line.startswith("epoch 30/30"))
    assert f"validation: loss {told['loss']:.4f}  accuracy {100 * told['accuracy']:.2f} %" in last
    assert sum(map(sum, told["confusion"])) == 30
    assert "true \\ given" in judged.out
    everything = tinygrad("eval", "m.safetensors", "--data", "flowers.csv", cwd=folder)
    assert everything.out.splitlines()[0].split() == ["rows", "150"]


def test_predict(flowers):
    folder, _ = flowers
    kept, data = load_model(folder / "m.safetensors"), iris()
    scores = predict(kept.model, kept.facts.scaled(data.inputs))
    for labels in (True, False):
        write_csv(folder / "rows.csv", data, labels=labels)
        result = tinygrad("predict", "m.safetensors", "rows.csv", "--probabilities", cwd=folder)
        rows = list(csv.DictReader(result.out.splitlines()))
        assert [row["class"] for row in rows] == [data.class_names[i] for i in scores.argmax(axis=1)]
        assert all(abs(sum(float(v) for k, v in row.items() if k.startswith("p(")) - 1) < 1e-5 for row in rows)
    write_csv(folder / "bare.csv", data, named=False, labels=False)
    bare = tinygrad("predict", "m.safetensors", "bare.csv", "--out", "answers.csv", cwd=folder)
    assert bare.out == "written: answers.csv, 150 rows\n"
    written = csv.DictReader((folder / "answers.csv").read_text().splitlines())
    assert [row["class"] for row in written] == [row["class"] for row in rows]


def test_columns_are_found_by_name(flowers):
    folder, _ = flowers
    data = iris()
    turned = list(reversed(range(4)))
    with open(folder / "turned.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["note", *[data.feature_names[i] for i in turned]])
        out.writerows([["x", *[float(row[i]) for i in turned]] for row in data.inputs])
    write_csv(folder / "rows.csv", data)
    a = tinygrad("predict", "m.safetensors", "turned.csv", cwd=folder)
    b = tinygrad("predict", "m.safetensors", "rows.csv", cwd=folder)
    assert a.code == 0 and a.out == b.out
    with open(folder / "few.csv", "w") as file:
        file.write(f"{data.feature_names[0]},other\n1,2\n")
    assert "no column 'sepal_width'" in complaint(tinygrad("predict", "m.safetensors", "few.csv", cwd=folder)).replace(
        data.feature_names[1], "sepal_width"
    )


def test_a_toml_file_and_options(tmp_path):
    (tmp_path / "c.toml").write_text('preset = "mlp"\ndata = "moons"\nepochs = 2\nhidden = [8, 8]\nlr = 0.01\n')
    trained(tmp_path, "c.toml", "--epochs", 1, "--out", "m.npz")
    config = load(tmp_path / "m.npz").meta["config"]
    assert (config["data"], config["epochs"], config["hidden"], config["lr"]) == ("moons", 1, [8, 8], 0.01)


def test_quantities(tmp_path):
    trained(tmp_path, "--data", "sine", "--epochs", 40, "--hidden", "32", "--dropout", 0, "--lr", 0.02)
    judged = tinygrad("eval", "runs/mlp.npz", "--json", "r.json", cwd=tmp_path)
    assert judged.code == 0
    assert json.loads((tmp_path / "r.json").read_text())["loss"] < 0.1
    answers = tinygrad("predict", "runs/mlp.npz", "sine", cwd=tmp_path).out.splitlines()
    assert answers[0] == "prediction" and len(answers) == 401


# -- images, text --------------------------------------------------------------------------------------------------


def test_images_in_idx_files(tmp_path):
    data = digits()
    images = (255 * data.inputs).astype(np.uint8).reshape(-1, 8, 8)
    folder = tmp_path / "images"
    folder.mkdir()
    for part, rows in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        for kind, array in (("images-idx3", images[rows]), ("labels-idx1", data.targets[rows].astype(np.uint8))):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
    result = trained(tmp_path, "--preset", "cnn", "--data", "images", "--epochs", 1, "--channels", 4)
    assert "300 rows to learn from, 100 held out" in result.out
    judged = tinygrad("eval", "runs/cnn.npz", cwd=tmp_path)
    assert judged.out.splitlines()[0].split() == ["rows", "100"]
    assert tinygrad("predict", "runs/cnn.npz", "digits", cwd=tmp_path).out.count("\n") == 1798


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("writer")
    (folder / "words.txt").write_text("the cat sat on the mat.\n" * 300, encoding="utf-8")
    options = ("--preset", "gpt", "--data", "words.txt", "--layers", 1, "--width", 16, "--heads", 2, "--context", 16)
    trained(folder, *options, "--epochs", 8, "--lr", 0.02, "--out", "g.npz")
    return folder


def test_generate(writer):
    told = [tinygrad("generate", "g.npz", "--prompt", "the c", "--length", 60, *more, cwd=writer) for more in ([], [])]
    assert told[0].code == 0
    assert told[0].out == told[1].out
    assert told[0].out.startswith("the c")
    assert len(told[0].out) == 66
    sure = tinygrad("generate", "g.npz", "--prompt", "the c", "--length", 40, "--temperature", 0, cwd=writer).out
    assert sure == tinygrad("generate", "g.npz", "--prompt", "the c", "--length", 40, "--top-k", 1, cwd=writer).out
    assert "at sat on the mat.\nthe cat" in sure
    wild = ["--temperature", 3, "--length", 60]
    seeds = {tinygrad("generate", "g.npz", *wild, "--seed", s, cwd=writer).out for s in range(3)}
    assert len(seeds) == 3
    assert "'z' at position 2" in complaint(tinygrad("generate", "g.npz", "--prompt", "thz", cwd=writer))


def test_generate_begins_where_there_is_no_new_line(tmp_path):
    (tmp_path / "t.txt").write_text("abracadabra" * 60)
    options = ("--preset", "gpt", "--data", "t.txt", "--layers", 1, "--width", 8, "--heads", 2, "--context", 8)
    trained(tmp_path, *options, "--epochs", 1, "--out", "g.npz")
    told = tinygrad("generate", "g.npz", "--length", 20, cwd=tmp_path)
    assert told.code == 0 and len(told.out) == 22 and told.out[0] == "a"
    assert "an empty prompt" in complaint(tinygrad("generate", "g.npz", "--prompt", "", cwd=tmp_path))


def test_a_text_is_judged_by_perplexity(writer):
    result = tinygrad("eval", "g.npz", cwd=writer)
    assert [line.split()[0] for line in result.out.splitlines()] == ["rows", "loss", "accuracy", "perplexity"]
    (writer / "other.txt").write_text("the mat sat on the cat.\n" * 40)
    assert tinygrad("eval", "g.npz", "--data", "other.txt", cwd=writer).code == 0
    (writer / "foreign.txt").write_text("THE CAT\n" * 40)
    assert "not in the vocabulary" in complaint(tinygrad("eval", "g.npz", "--data", "foreign.txt", cwd=writer))
    assert "a gpt writes text" in complaint(tinygrad("predict", "g.npz", "digits", cwd=writer))


# -- stopping and going on -----------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_saves_and_resume_goes_on_to_the_bit(tmp_path):
    options = ["--data", "iris", "--epochs", "30", "--seed", "3", "--hidden", "16", "--batch", "6"]
    trained(tmp_path, *options, "--out", "whole.npz")
    command = [*["python", "-m", "tinygrad_ce", "train"], *options, "--out", "part.npz"]
    command[0] = __import__("sys").executable
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while not process.stdout.readline().startswith("epoch"):
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert not err
    assert "interrupted; saved: part.npz  (go on with: tinygrad_ce train --out part.npz --resume)" in out
    assert 0 < load(tmp_path / "part.npz").meta["step"] < 1600
    went_on = trained(tmp_path, "--out", "part.npz", "--resume")
    assert "epoch 30/30" in went_on.out
    whole, part = load(tmp_path / "whole.npz"), load(tmp_path / "part.npz")
    assert all(np.array_equal(array, part.part("model")[name]) for name, array in whole.part("model").items())
    assert previous(tmp_path / "part.npz").exists()
    refused = tinygrad("train", "--out", "part.npz", "--resume", "--lr", 0.5, cwd=tmp_path)
    assert "was begun with lr = 0.003: leave --lr out" in complaint(refused)
    more = trained(tmp_path, "--out", "part.npz", "--resume", "--epochs", 31)
    assert "epoch 31/31" in more.out


def test_the_network_is_checked_first(tmp_path):
    result = trained(tmp_path, "--data", "iris", "--epochs", 1, "--hidden", 8, "--check")
    assert "check of Sequential(): PASS" in result.out


# -- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "nothing"], "no data called nothing: there are digits, iris"),
        (["train", "--data", "nothing.csv"], "nothing.csv"),
        (["train", "--preset", "rnn"], "one of mlp, cnn, gpt"),
        (["train", "--epochs", "0"], "at least 1"),
        (["train", "--lr", "-1"], "a number above 0"),
        (["train", "--dropout", "1"], "below 1"),
        (["train", "--hidden", "a,b"], "such as 64,32"),
        (["train", "--optimiser", "magic"], "one of adam"),
        (["train", "--preset", "gpt", "--data", "digits"], "gpt learns from text"),
        (["train", "--preset", "gpt", "--width", "30"], "width 30 is not divisible by heads 4"),
        (["train", "--preset", "cnn", "--data", "moons"], "no square image"),
        (["train", "--preset", "cnn", "--channels", "4,4,4,4"], "cannot be halved 4 times"),
        (["train", "--out", "m.pt"], "ends in .npz or .safetensors"),
        (["train", "--data", "digits", "--target", "x"], "a target names a column"),
        (["train", "nothing.toml"], "cannot be read"),
        (["train", "bad.toml"], "is no TOML"),
        (["train", "unknown.toml"], "there is no option 'epoch'; did you mean 'epochs'?"),
        (["train", "wrong.toml"], "hidden is numbers from 1"),
        (["eval", "nothing.npz"], "nothing.npz"),
        (["eval", "bad.npz"], "is no file of saved parameters"),
        (["eval", "plain.npz"], "was it saved by tinygrad_ce train?"),
        (["predict", "m.npz", "nothing.csv"], "nothing.csv"),
        (["predict", "m.npz", "digits"], "rows of 64 features, where the model takes 2"),
        (["predict", "m.npz", "words.csv"], "'a' is no number"),
        (["generate", "m.npz"], "text comes from a gpt"),
        (["generate", "m.npz", "--temperature", "-1"], "a number from 0"),
        (["generate", "m.npz", "--top-k", "0"], "at least 1"),
        (["eval", "m.npz", "--data", "iris"], "rows of 4 features, where the model takes 2"),
    ],
)
def test_bad_input_is_one_line_and_code_2(mistakes, arguments, message):
    result = tinygrad(*arguments, cwd=mistakes)
    assert result.code == 2
    assert message in complaint(result)
    assert not (mistakes / "runs").exists()


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "bad.toml").write_text("epochs = = 3")
    (folder / "unknown.toml").write_text("epoch = 3")
    (folder / "wrong.toml").write_text('hidden = "wide"')
    (folder / "bad.npz").write_bytes(b"PK damaged")
    (folder / "words.csv").write_text("x,y\n1,2\n3,a\n")
    np.savez(folder / "plain.npz", w=np.ones(3))
    write_csv(folder / "moons.csv", two_moons(60))
    trained(folder, "--data", "moons.csv", "--epochs", 1, "--hidden", 4, "--out", "m.npz")
    return folder


def test_a_rate_of_ten_ends_in_a_sentence(tmp_path):
    options = ("--data", "iris", "--optimiser", "sgd", "--lr", 1e12, "--schedule", "constant", "--epochs", 3)
    result = tinygrad("train", *options, cwd=tmp_path)
    assert result.code == 1
    assert "training diverged: " in complaint(result) and "try a smaller learning rate" in result.err
    assert "warning: the loss was " in result.out


def test_answers_do_not_replace_what_is_read(mistakes):
    before = (mistakes / "moons.csv").read_bytes()
    result = tinygrad("predict", "m.npz", "moons.csv", "--out", "moons.csv", cwd=mistakes)
    assert result.code == 2 and "what is read" in complaint(result)
    assert (mistakes / "moons.csv").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_pipe_is_not_replaced_by_a_file(mistakes):
    os.mkfifo(mistakes / "pipe")
    result = tinygrad("predict", "m.npz", "moons.csv", "--out", "pipe", cwd=mistakes)
    assert result.code == 2 and "no ordinary file" in complaint(result)
    assert (mistakes / "pipe").is_fifo()
