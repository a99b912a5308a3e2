"""benchmarks.referee: cases judged in other processes, counted and written whole. How fast, no test says."""

import json
from dataclasses import asdict

import pytest

from benchmarks import measured
from benchmarks.referee.checkers import CHECKERS, OURS, Judgement, judged
from benchmarks.referee.cli import PAGE, START, known, main
from benchmarks.referee.cost import Cost
from benchmarks.referee.tables import misjudged, tables
from benchmarks.referee.workers import judged_apart

from .referee import ARGUED, Case, acceptable, all_cases

MINE = next(c for c in CHECKERS if c.name == OURS)
WRONG, RIGHT = "b: softmax: treated as elementwise", "a: relu at 0, slope 0"


def test_the_command(capsys, tmp_path):
    options = ["--only", "treated as elementwise", "--checker", OURS, "--no-cost", "--json", str(tmp_path / "it.json")]
    assert main(options) == 0
    made = json.loads((tmp_path / "it.json").read_text("utf-8"))
    assert made[OURS][WRONG]["accepted"] is False and made[OURS][WRONG]["diagnosis"] == "elementwise"
    printed = capsys.readouterr().out
    assert "**Suite A**" in printed and "**Suite B**" in printed and "judges every case as its author does" in printed


def test_the_others_judgements_can_be_those_of_an_earlier_run(tmp_path):
    earlier = {name: {k: asdict(Judgement(True, 1.0)) for k in all_cases()} for name in (OURS, "torch.gradcheck")}
    (tmp_path / "it.json").write_text(json.dumps(earlier), encoding="utf-8")
    assert set(known(tmp_path / "it.json")) == {"torch.gradcheck"}
    assert known(tmp_path / "it.json")["torch.gradcheck"][WRONG] == Judgement(True, 1.0)


@pytest.mark.parametrize("options", [["--only", "no such case"], ["--checker", "no such checker"]])
def test_nothing_to_do(options, capsys):
    assert main(options) == 2
    assert "no case's name contains" in capsys.readouterr().err


def test_doc_is_for_the_whole_table():
    with pytest.raises(SystemExit):
        main(["--doc", "--only", "softmax"])


def test_a_case_that_takes_too_long_has_no_answer_and_the_next_one_is_judged():
    found = dict(judged_apart(MINE, [WRONG], 1e-3, 1))
    assert found[WRONG].accepted is None and "no answer" in found[WRONG].said
    found = dict(judged_apart(MINE, [WRONG, RIGHT], 120.0, 2))
    assert [found[k].accepted for k in (WRONG, RIGHT)] == [False, True]


@pytest.mark.parametrize("checker", [c for c in CHECKERS if c.installed], ids=lambda c: c.name)
def test_checkers_tell_right_from_wrong(checker):
    cases = all_cases()
    assert judged(checker, cases["b: softmax: treated as elementwise"])["accepted"] is False
    assert judged(checker, cases["b: embedding: repeated rows"])["accepted"] is True


def test_counts():
    cases = all_cases()
    right = {k: Judgement(acceptable(c), 1.0, flagged=c.kind == "alias") for k, c in cases.items()}
    table = tables({"perfect": right, "asleep": {k: Judgement(None, 1.0) for k in cases}})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    counts = {kind: sum(c.kind == kind for k, c in cases.items() if k[0] == "b") for kind in ("wrong", "right")}
    assert [f"wrong, caught, of {counts['wrong']}", str(counts["wrong"]), "0"] in rows
    assert [f"right, failed, of {counts['right']}", "0", "0"] in rows
    assert ["no answer (time, memory)", "0", "256"] in rows


def test_misjudged_cases_are_listed_with_their_reason():
    cases = all_cases()
    found = {k: Judgement(True, 1.0, flagged=True, said="fine") for k in cases}
    listed = misjudged(found)
    argued = next(k for k, c in cases.items() if c.name in ARGUED and not acceptable(c))
    assert f"- {argued} ({cases[argued].kind}), accepted; on purpose: {ARGUED[cases[argued].name]}" in listed
    assert f"- {WRONG} (wrong), accepted; **not on purpose**: fine" in listed
    assert RIGHT not in listed


def test_costs_say_whether_the_aim_is_met():
    assert "is met" in str(Cost("it", 1.0, 3.0, "PASS.")) and "**missed**" in str(Cost("it", 4.0, 3.0, "PASS."))


def test_the_page_has_a_place_for_the_table():
    assert measured.rewrite(PAGE.read_text("utf-8"), "new", START)


def test_a_case_needs_a_kind_and_a_diagnosis():
    with pytest.raises(AssertionError):
        Case("it", "wrong", abs, abs, (), "no diagnosis")
