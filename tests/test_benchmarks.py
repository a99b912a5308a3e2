"""The benchmarks: what they compute is right and what they write is whole. How fast anything is, no test says."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, docs, measured
from benchmarks.cli import main
from benchmarks.memory import allocated, resident, traced
from benchmarks.model import BYTES, OURS, Aim, Competitor, Result, Row, Timing, Verdict, is_ours, matching
from benchmarks.report import digits, missed, notes, quantity, table
from benchmarks.rows import GROUPS, PEERS, ROWS
from benchmarks.rows.depth import chain
from benchmarks.timing import Disagreement, agreement, farthest, measure, ratio, started

ROOT = Path(__file__).resolve().parents[1]
SLOW = ("deep chain", "import", "capture", "memory", "GPT")  # those about memory do the work of other rows


# -- the command -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of the command on one row, with next to no time."""
    folder = tmp_path_factory.mktemp("benchmarks")
    options = ["--only", "cross-entropy, 64", "--budget", "0.05", "--json", folder / "it.json"]
    command = [sys.executable, "-m", "benchmarks", *options, "--markdown", folder / "it.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads((folder / "it.json").read_text("utf-8")), (folder / "it.md").read_text("utf-8")


def test_json_has_machine_and_rows(run):
    _, made, _ = run
    machine, (row,) = made["machine"], made["rows"]
    assert {"cpu", "cores", "threads", "python", "numpy", "blas", "peers"} <= machine.keys()
    assert machine["threads"] == 1
    assert set(PEERS) == machine["peers"].keys()
    assert row["name"] == "softmax cross-entropy, 64 × 10" and row["error"] is None
    assert row["rounds"] >= 3


def test_json_has_ratios_to_the_baseline(run):
    _, made, _ = run
    (row,) = made["rows"]
    timings = {t["competitor"]: t for t in row["timings"]}
    assert timings[row["baseline"]]["ratio"] == 1.0 and timings[row["baseline"]]["ratios"] == [1.0, 1.0]
    assert timings[OURS]["ratio"] > 0
    for t in timings.values():
        if not t["absent"]:
            assert 0 < t["low"] <= t["median"] <= t["high"]
            assert t["ratios"][0] <= t["ratio"] <= t["ratios"][1]
        else:
            assert t["median"] is None and t["ratio"] is None
    assert row["difference"] < 1e-12


def test_results_survive_json(run):
    _, made, _ = run
    (row,) = made["rows"]
    assert json.loads(json.dumps(Result.from_dict(row).to_dict())) == row


def test_markdown_is_what_was_printed(run):
    printed, made, markdown = run
    head, rule, *lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert head.split("|")[1].strip() == "row" and set(rule) <= set("|-: ")
    assert len(lines) == len(made["rows"][0]["timings"])
    assert len({line.count("|") for line in (head, rule, *lines)}) == 1
    assert len({len(line) for line in (head, rule, *lines)}) == 1
    assert made["machine"]["numpy"] in markdown
    assert head in printed and lines[-1] in printed


def test_no_such_row(capsys):
    assert main(["--only", "no such row"]) == 2
    assert "scalar chain" in capsys.readouterr().err


def test_list_measures_nothing(capsys):
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ROWS)


@pytest.mark.parametrize("arguments", [["--budget", "0"], ["--budget", "nan"], ["--docs", "--only", "x"]])
def test_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert capsys.readouterr().err


# -- rows ------------------------------------------------------------------------------------------------------


def test_rows_name_their_competitors():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        names = [c.name for c in row.competitors]
        assert len(set(names)) == len(names)
        assert row.baseline in names
        assert any(is_ours(name) for name in names)
        for aim in row.aims:
            assert aim.who in names and (aim.against is None or aim.against in names)


def test_every_row_runs_without_a_peer():
    for row in ROWS:
        assert any(c.ours and c.needs in (None, OURS) for c in row.competitors), row.name


@pytest.mark.parametrize("row", [r for r in ROWS if not any(s in r.name for s in SLOW)], ids=lambda row: row.name)
def test_everybody_computes_the_same(row):
    assert agreement(row, [c for c in row.present if c.needs in (None, OURS)]) < 1e-12


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("row", [r for r in ROWS if not any(s in r.name for s in SLOW)], ids=lambda row: row.name)
def test_peers_compute_the_same(row, peer, full):
    pytest.importorskip(peer, reason=f"{peer} is not installed")
    if peer == "numba" and not full and "MLP 2-16-16-1" not in row.name:
        pytest.skip("compiles for many seconds; see --full")
    peers = [c for c in row.competitors if c.needs == peer and not c.slow]
    if not peers:
        pytest.skip(f"{peer} is not in this row")
    _, answers, absent = started(replace(row, competitors=(row.competitors[0], *peers)))
    if all(c.name in absent for c in peers):
        pytest.skip(next(iter(absent.values())))
    assert farthest(row, answers) < 1e-12


def test_rows_are_found_by_part_of_their_name():
    assert [row.name for row in matching(ROWS, "TRAINING step, batch 32")] == ["training step, batch 32"]
    assert len(matching(ROWS, "")) == len(ROWS)


# -- measuring -------------------------------------------------------------------------------------------------


def competitor(name, answer, needs=None):
    return Competitor(name, lambda: lambda: answer, needs)


def row_of(*competitors, **options):
    return Row("a row", "It does nothing.", "call", "theirs", competitors, **options)


def test_what_disagrees_is_not_timed():
    with pytest.raises(Disagreement, match="tinygrad_ce and theirs differ by"):
        measure(row_of(competitor(OURS, (1.0, 2.0)), competitor("theirs", (1.0, 1.0))), 0.0)
    with pytest.raises(Disagreement):
        measure(row_of(competitor(OURS, 1.0), competitor("theirs", float("nan"))), 0.0)
    with pytest.raises(Disagreement):
        measure(row_of(competitor(OURS, np.zeros(3)), competitor("theirs", np.zeros((3, 1)))), 0.0)


def test_a_small_gradient_beside_a_large_loss_is_held_to_its_own_digits():
    right, wrong = (11.0, np.full(3, 1e-9)), (11.0, np.full(3, 1.001e-9))
    with pytest.raises(Disagreement):
        measure(row_of(competitor(OURS, wrong), competitor("theirs", right)), 0.0)


def test_a_peer_whose_answer_is_wrong_stops_the_row():
    rows = matching(ROWS, "cross-entropy, 64")
    (row,) = rows
    wrong = Competitor("a peer", lambda: lambda: (1.0, np.zeros((64, 10))))
    with pytest.raises(Disagreement, match="a peer and NumPy by hand differ"):
        measure(replace(row, competitors=(*row.competitors[:1], row.competitors[-1], wrong)), 0.0)


def test_what_is_not_installed_is_named_and_not_judged():
    aims = (Aim("theirs", 0.5), Aim(None, 100.0))
    row = row_of(competitor(OURS, 1.0), competitor("theirs", 1.0, needs="no_such_module"), aim=aims)
    result = measure(row, 0.0)
    ours, theirs = result.timings
    assert ours.median and ours.ratio is None
    assert theirs.median is None and theirs.absent == "not installed"
    assert [v.met for v in result.verdicts] == [None, True]
    assert "not installed" in table([result]) and "≤ 0.5 × theirs: not judged; ≤ 100 s: met" in table([result])
    assert missed([measure(replace(row, aim=aims[0]), 0.0)]).startswith("No aim was judged")


def test_a_peer_that_does_not_start_is_left_out_and_we_are_not():
    def broken():
        raise RuntimeError("no C compiler | here\nand more")

    ours, theirs = competitor(OURS, 1.0), competitor("theirs", 1.0)
    result = measure(row_of(ours, theirs, Competitor("a peer", broken, needs="json")), 0.0)
    assert result.timings[2].absent == "did not start: RuntimeError: no C compiler / here"
    with pytest.raises(RuntimeError):
        measure(row_of(Competitor(OURS, broken), theirs), 0.0)


def test_what_is_slow_to_start_is_asked_for():
    row = row_of(competitor(OURS, 1.0), competitor("theirs", 1.0), replace(competitor("late", 1.0), slow=True))
    assert measure(row, 0.0).timings[2].absent == "with --slow only"
    assert measure(row, 0.0, slow=True).timings[2].median is not None


def test_a_gauge_is_asked_instead_of_a_clock():
    sizes = {OURS: 300.0, "theirs": 200.0}
    row = row_of(*(competitor(name, 1.0) for name in sizes), gauge=lambda c: sizes[c.name], measures=BYTES)
    result = measure(replace(row, aim=(Aim("theirs", 1.2), Aim(None, 400.0))), 60.0)
    assert result.rounds == row.fewest and [t.median for t in result.timings] == [300.0, 200.0]
    assert [(v.found, v.met) for v in result.verdicts] == [(1.5, False), (300.0, True)]
    assert "300 B" in table([result]) and "≤ 1.2 × theirs: **missed** (1.50 ×)" in table([result])


def test_an_aim_at_a_fact():
    row = row_of(competitor(OURS, 1.0), competitor("theirs", 1.0), facts=lambda timings: {"nodes": 7.0})
    result = measure(replace(row, aim=Aim(None, 5.0, fact="nodes")), 0.0)
    assert [(v.found, v.met) for v in result.verdicts] == [(7.0, False)]
    assert "≤ 5 nodes: **missed** (7.00)" in table([result])


def test_ratios_are_taken_within_rounds():
    rounds = [{"a": 1.0, "b": 2.0}, {"a": 30.0, "b": 10.0}, {"a": 4.0, "b": 2.0}]
    assert ratio(rounds, "a", "b") == 2.0
    assert ratio(rounds, "a", "a") == 1.0
    assert ratio(rounds, "a", "c") is None


# -- memory ----------------------------------------------------------------------------------------------------


def test_arrays_are_counted_those_kept_and_those_in_between():
    def make():
        kept = np.zeros(100_000)

        def run():
            more = kept + 1.0
            return more * 2.0  # two more, at the same time

        return run

    assert allocated(Competitor("NumPy", make)) == pytest.approx(2_400_000, rel=0.01)


def test_bytes_a_node():
    assert 50 < traced(Competitor(OURS, lambda: chain(2_000))) / 2_000 < 2_000


def test_a_process_of_its_own_grows():
    (row,) = matching(ROWS, "beside others, memory")
    grown = resident(row.name)(row.competitors[0])
    assert 1_000_000 < grown < 1_000_000_000


# -- the page --------------------------------------------------------------------------------------------------


def result(ratio_to_peer, **options):
    ours = Timing(OURS, 2e-6, 1e-6, 3e-6, 2.0, (1.9, 2.1))
    timings = (ours, Timing("theirs", 1e-6, 1e-6, 1e-6, 1.0, (1.0, 1.0)))
    verdicts = (Verdict(OURS, "theirs", None, 1.6, ratio_to_peer),)
    return Result("a row", "It does nothing.", "call", "theirs", 3, timings, verdicts, **options)


def test_aims_met_and_missed():
    good, bad = result(1.6), result(2.0)
    assert "≤ 1.6 × theirs: met (1.60 ×)" in table([good])
    assert "≤ 1.6 × theirs: **missed** (2.00 ×)" in table([bad])
    assert missed([good]) == "Every aim is met: 1 of the 1 that could be judged."
    assert "Missed, 1 of 2 aims" in missed([good, bad])
    assert "a row: tinygrad_ce 2.00 ×, where ≤ 1.6 × theirs is the aim" in missed([good, bad])


def test_a_row_that_failed_is_in_the_table():
    failed = Result("a row", error="Disagreement: by far")
    assert "failed: Disagreement" in table([failed, result(1.0)])
    assert "failed: Disagreement" in notes([failed])


def test_notes_name_rounds_and_facts():
    note = notes([result(1.0, difference=2e-16, facts={"nodes": 65614.0})])
    assert note == "- **a row**: It does nothing. 3 rounds. Answers agree to 2e-16. nodes: 65,614."


@pytest.mark.parametrize(
    ("time", "text"),
    [(1.5e-9, "1.50 ns"), (9.996e-7, "1.00 µs"), (1.234e-5, "12.3 µs"), (0.1, "100 ms"), (61.2, "61.2 s")],
)
def test_seconds(time, text):
    assert quantity(time) == text


@pytest.mark.parametrize(("size", "text"), [(0.0, "0.00 B"), (999.9, "1.00 kB"), (12_345_678, "12.3 MB")])
def test_bytes(size, text):
    assert quantity(size, BYTES) == text


@pytest.mark.parametrize(("x", "text"), [(0.0, "0.00"), (0.5, "0.50"), (99.96, "100"), (1e6, "1,000,000")])
def test_digits(x, text):
    assert digits(x) == text


def test_the_measured_part_of_a_page_is_replaced():
    page = f"before\n{measured.START}\nold\n{measured.END}\nafter\n"
    made = measured.rewrite(page, "new\n")
    assert made == f"before\n{measured.START}\n\nnew\n\n{measured.END}\nafter\n"
    assert measured.rewrite(made, "new") == made


def test_a_page_may_have_an_opening_of_its_own():
    page = f"before\n{accuracy.START}\nold\n{measured.END}\n"
    assert measured.rewrite(page, "new", accuracy.START) == f"before\n{accuracy.START}\n\nnew\n\n{measured.END}\n"


@pytest.mark.parametrize(
    "page", ["", measured.START, measured.END + measured.START, 2 * (measured.START + measured.END)]
)
def test_a_page_without_its_two_comments_is_refused(page):
    with pytest.raises(ValueError, match="needs one line"):
        measured.rewrite(page, "new")


def test_a_page_has_every_row_under_its_group():
    results = [Result(row.name, row.what, row.unit, row.baseline, error="not measured") for row in ROWS]
    page = docs.page({"cpu": "a", "cores": 1, "system": "b", "load": None, "threads": 1, "python": "3", "numpy": "2",
                      "blas": "c", "peers": {}}, results)  # fmt: skip
    assert [f"### {title}" for title in GROUPS] == [line for line in page.splitlines() if line.startswith("#")]
    cells = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("|")]
    assert [cells.count(row.name) for row in ROWS] == [1] * len(ROWS)


def test_the_page_in_the_repository_has_what_its_json_has():
    page = (docs.DOCS / docs.PAGE).read_text("utf-8")
    assert measured.rewrite(page, "new") and docs.IMAGE in page and (docs.DOCS / docs.IMAGE).exists()
    made = json.loads((docs.DOCS / docs.JSON).read_text("utf-8"))
    results = [Result.from_dict(row) for row in made["rows"]]
    assert docs.page(made["machine"], results) in page


# -- the picture -----------------------------------------------------------------------------------------------


def test_the_picture_has_rows_whose_baseline_is_not_ours(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks import plot

    names = ["training step, batch 32", "compiled loss, 64 × 10", "deep chains", "import"]
    results = [replace(result(2.0), name=name) for name in names]
    results[2] = replace(results[2], baseline=f"{OURS}, 1,000 nodes")
    results[3] = replace(results[3], error="it failed")
    assert [plot.plotted(r) for r in results] == [True, True, False, False]
    assert [t.competitor for t in plot.bars(results[0])] == [OURS]
    plot.drawn(results, tmp_path / "it.png")
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")
    plot.drawn([], tmp_path / "nothing.png")
