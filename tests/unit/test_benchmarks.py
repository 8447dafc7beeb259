"""The benchmarks' tables, their page and their questions, without Spark and without a clock."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
cases, measure, run = (importlib.import_module(name) for name in ("cases", "measure", "run"))

PAGE = (ROOT / "docs" / "performance.md").read_text("utf-8")
MACHINE = "2 cores. Measured on 2026-01-01."
EMPTY = "\n".join(f"<!-- generated: {name} -->\n<!-- end -->" for name in ("machine", "warm", "first", "questions"))

each_case = pytest.mark.parametrize("case", cases.CASES.values(), ids=cases.CASES)


def answer(question: str = "gbr", rows: int = 1000, ours: float = 1.0, machine: str = MACHINE, firsts: int = 3) -> Any:
    """What three rounds might have given; ``spark_udf`` takes 2, 4 and 3 times as long."""
    first = {"PREDICT": [4.0, 5.0, 6.0][:firsts], "spark_udf": [8.0, 5.0, 18.0][:firsts]}
    warm = {"PREDICT": [ours] * 3, "spark_udf": [2.0 * ours, 4.0 * ours, 3.0 * ours], "scan": [0.5, 0.25, 9.0]}
    plan = measure.Plan(question, rows, "local[2]", 3, firsts)
    return measure.Answer(plan, first, warm, {"PREDICT": None, "spark_udf": 1234}, machine)


def test_row_of_later_queries() -> None:
    """A line has medians, and the median of the ratios of the pairs with its range."""
    to_scan = "2.00 (0.11 to 4.00)"
    expected = ("`gbr`", "1,000", "2", "1.00 s", "3.00 s", "3.00 (2.00 to 4.00)", "3", "0.50 s", to_scan, "", "", "")

    assert run.warm_rows([answer()]) == [expected]
    assert len(expected) == len(run.WARM)


def test_compiled() -> None:
    """Where trees were compiled as well, a line has the ratio of spark_udf to that."""
    compiled = answer()
    compiled.warm["compiled"] = [0.5, 0.5, 0.5]

    assert run.warm_rows([compiled])[0][-2:] == ("0.50 s", "6.00 (4.00 to 8.00)")


def test_ratio_is_of_pairs() -> None:
    """The ratio is the median of the pairs' ratios, which is not the ratio of the medians."""
    assert run.ratio([1.0, 10.0, 4.0], [2.0, 10.0, 12.0]) == "2.00 (1.00 to 3.00)"


def test_row_of_first_queries() -> None:
    """A line has the workers' memory, and says where there was no worker."""
    expected = ("`gbr`", "1,000", "2", "5.00 s", "8.00 s", "2.00 (1.00 to 3.00)", "3", "no worker", "1,234 MB")

    assert run.first_rows([answer()]) == [expected]
    assert len(expected) == len(run.FIRST)


def test_no_first_queries() -> None:
    """A question without first queries has no line among them."""
    assert run.first_rows([answer(firsts=0)]) == []


@pytest.mark.parametrize(
    ("master", "cores"), [("local[1]", "1"), ("local[*]", "*"), ("spark://host:7077", "spark://host:7077")]
)
def test_cores(master: str, cores: str) -> None:
    """The cores are those of the master."""
    assert run.key(measure.Plan("gbr", 1, master, 1, 1))[2] == cores


def test_markdown_can_be_read_again() -> None:
    """The lines of a table are those that it was made of."""
    rows = run.warm_rows([answer(), answer("linear_10", 2_000_000)])

    assert run.rows_of(run.markdown(run.WARM, rows)) == rows


def test_lines_in_the_order_of_the_questions() -> None:
    """Lines are sorted by question, then by number of rows; a new line replaces the old one."""
    old = run.warm_rows([answer("gbr", 16_000), answer("gbr", 4_000), answer("spark_ml")])
    new = run.warm_rows([answer("gbr", 4_000, ours=7.0)])

    merged = run.merged(old, new)

    assert [row[:2] for row in merged] == [("`spark_ml`", "1,000"), ("`gbr`", "4,000"), ("`gbr`", "16,000")]
    assert merged[1] == new[0]


def test_blocks_are_replaced() -> None:
    """Only what stands between a block's markers changes."""
    page = "# Title\n\n<!-- generated: warm -->\nold\n<!-- end -->\nafter\n"

    assert run.with_block(page, "warm", "new\nlines") == page.replace("old", "new\nlines")


def test_missing_block() -> None:
    """A page without a block's markers is an error that names the block."""
    with pytest.raises(ValueError, match="no place for warm"):
        run.block("# Title\n", "warm")


def test_same_machine_keeps_other_lines() -> None:
    """What was measured on the same machine and day stays; the page is the same when written again."""
    once = run.updated(EMPTY, [answer("gbr")])
    twice = run.updated(once, [answer("linear_10")])

    assert [row[0] for row in run.rows_of(run.block(twice, "warm"))] == ["`linear_10`", "`gbr`"]
    assert run.updated(twice, [answer("linear_10")]) == twice


def test_other_machine_begins_anew() -> None:
    """Figures of two machines, or of two days, never stand in one table."""
    once = run.updated(EMPTY, [answer("gbr")])
    other = run.updated(once, [answer("linear_10", machine="8 cores.")])

    assert [row[0] for row in run.rows_of(run.block(other, "warm"))] == ["`linear_10`"]
    assert run.block(other, "machine") == "8 cores.\n"


def test_page() -> None:
    """The page has every block, its list of questions is that of the code, and each of its lines is one of them."""
    assert run.block(PAGE, "questions").strip() == run.questions()
    for name, head in (("warm", run.WARM), ("first", run.FIRST)):
        rows = run.rows_of(run.block(PAGE, name))

        assert {row[0] for row in rows} <= {f"`{question}`" for question in cases.CASES}
        assert {len(row) for row in rows} <= {len(head)}


@each_case
def test_case_is_complete(case: Any) -> None:
    """Each question has a query with PREDICT on its own model, its peer and the scan."""
    assert f"PREDICT('{case.name}', 1, " in case.predict
    assert cases.TABLE in case.predict
    assert list(case.contenders())[:3] == ["PREDICT", "spark_udf", "scan"]
    assert case.question
    assert case.rows >= 100_000
    assert 0 < case.rtol <= 1e-6


def test_all_questions_by_default() -> None:
    """Without a name all questions are asked, each at its own size."""
    plans = run.plans(run.parser().parse_args([]))

    assert [(plan.question, plan.rows) for plan in plans] == [(case.name, case.rows) for case in cases.CASES.values()]


def test_quick() -> None:
    """``--quick`` takes a tenth of the rows."""
    plans = run.plans(run.parser().parse_args(["gbr", "--quick", "--master", "local[1]"]))

    assert plans == [measure.Plan("gbr", cases.CASES["gbr"].rows // 10, "local[1]", 5, 3)]


@pytest.mark.parametrize("text", ["0", "-1", "4"])
def test_rounds_are_odd(text: str) -> None:
    """An even number of rounds has no median of its own."""
    with pytest.raises(argparse.ArgumentTypeError, match="odd number"):
        run.odd(text)


def test_unknown_question(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no question is an error that shows it."""
    with pytest.raises(SystemExit):
        run.main(["gbr", "gbt"])

    assert "no such question: gbt" in capsys.readouterr().err


def test_memory_of_workers() -> None:
    """A worker counts with the processes that it started; the daemon, and another driver's workers, do not."""
    processes = {
        10: measure.Process(1, False, 900_000),
        11: measure.Process(10, False, 900_000),
        12: measure.Process(11, True, 50_000),
        13: measure.Process(12, True, 100 * 1024),
        14: measure.Process(12, True, 200 * 1024),
        15: measure.Process(14, False, 300 * 1024),
        20: measure.Process(1, False, 900_000),
        21: measure.Process(20, True, 50_000),
        22: measure.Process(21, True, 400 * 1024),
    }

    assert measure.worker_peaks(processes, 10) == [100, 500]


def test_processes_are_read(tmp_path: Path) -> None:
    """Parent, command and peak memory come from /proc; a process that has ended in between is left out."""
    ended, kernel, worker = (tmp_path / name for name in ("7", "8", "9"))
    for folder in (ended, kernel, worker):
        folder.mkdir()
    kernel.joinpath("status").write_text("Name:\tkthread\nPPid:\t2\n")
    kernel.joinpath("cmdline").write_bytes(b"")
    worker.joinpath("status").write_text("Name:\tpython\nPPid:\t5\nVmHWM:\t  2048 kB\n")
    worker.joinpath("cmdline").write_bytes(b"python\0-m\0pyspark.daemon\0")

    assert measure.read_processes(tmp_path) == {8: measure.Process(2, False, 0), 9: measure.Process(5, True, 2048)}
