"""Runs as CSV, Parquet and markdown, and how `kparity report` chooses among its formats."""

from __future__ import annotations

import csv
import io
import sys

import pytest
from recorded import CASES, GPU, OTHER_GPU, info, record, write

from kparity import UsageError
from kparity.exports import COLUMNS, CsvReporter, MarkdownReporter, ParquetReporter


@pytest.fixture
def runs(tmp_path):
    """Two folders, from two devices; the second one holds a failure."""
    one = write(tmp_path / "one", record("torch:eager", seconds=4e-3), record(seconds=1e-3, fraction=0.25))
    other = write(
        tmp_path / "other",
        record("torch:eager", device=OTHER_GPU, seconds=6e-3),
        record(device=OTHER_GPU, seconds=2e-3),
        record(device=OTHER_GPU, case=CASES[1], status="failed", output="=cmd|' /C calc'!A0"),
    )
    return one, other


def test_csv_has_a_line_for_each_evaluation_with_its_speed(cli, runs, tmp_path):
    done = cli("report", *runs, "-o", tmp_path / "all.csv")
    assert (done.status, done.out) == (1, ""), "the exit status is the runs'"
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text(encoding="utf-8"))))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["device"], row["label"], row["speedup"][:5], row["against"]) for row in rows[:4]] == [
        ("Fast GPU", "torch:eager", "", ""),
        ("Fast GPU", "toy:good", "4.0", "torch:eager"),
        ("Slow GPU", "torch:eager", "", ""),
        ("Slow GPU", "toy:good", "3.000", "torch:eager"),
    ]
    assert float(rows[1]["median_s"]) == 1e-3
    assert rows[4]["status"] == "failed"
    assert rows[4]["output"].startswith("'="), "a spreadsheet must not take it for a formula"


def test_parquet_has_the_same_columns_with_types(cli, runs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    cli("report", *runs, "-o", tmp_path / "all.parquet")
    table = parquet.read_table(tmp_path / "all.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table.num_rows == 5
    assert table["speedup"].to_pylist() == [None, pytest.approx(4), None, pytest.approx(3), None]
    assert table["emulated"].to_pylist() == [False] * 5
    assert table["samples"].to_pylist() == [21, 21, 21, 21, 0]
    assert "parquet is no text" in cli("report", runs[0], "--format", "parquet").err
    with pytest.raises(UsageError, match="no text"):
        ParquetReporter().render(info(), [])


def test_an_empty_run_has_columns_and_no_rows():
    assert CsvReporter().render(info(), []) == ",".join(COLUMNS) + "\n"
    assert MarkdownReporter().render(info(), []) == "\n"


def test_markdown_has_a_table_for_verdicts_speed_and_limit(cli, runs):
    text = cli("report", *runs, "--format", "markdown").out
    assert "### Evaluations passed / run" in text
    assert r"| task | torch:eager, Fast GPU | toy:good, Fast GPU | torch:eager, Slow GPU | toy:good, Slow GPU |" in text
    assert "| ✓ 1/1 | ✓ 1/1 | ✓ 1/1 | ✗ 1/2 |" in text
    assert "| 4.00x (4.00 to 4.00) | 3.00x (3.00 to 3.00) |" in text
    assert "| 25% |" in text


def test_markup_of_a_strangers_name_does_not_reach_markdown():
    text = MarkdownReporter().render(info(), [record("toy:<b>|x", device=GPU, task="a/[x](y)\n| z")])
    assert "toy:&lt;b&gt;\\|x" in text
    assert "\\[x\\](y) \\| z" in text


def test_the_ending_says_the_format_and_format_wins(cli, runs, tmp_path):
    assert "no format is known by the ending of" in cli("report", runs[0], "-o", tmp_path / "x.pdf").err
    done = cli("report", runs[0], "-o", tmp_path / "x.pdf", "--format", "markdown")
    assert done.status == 0
    assert (tmp_path / "x.pdf").read_text(encoding="utf-8").startswith("### Evaluations")
    cli("report", runs[0], "-o", tmp_path / "x.txt")
    assert "1 passed" not in (tmp_path / "x.txt").read_text(encoding="utf-8")
    assert "2 passed" in (tmp_path / "x.txt").read_text(encoding="utf-8")
    missing = cli("report", runs[0], "-o", tmp_path / "no" / "x.csv")
    assert (missing.status, "cannot be written" in missing.err) == (2, True)


def test_several_runs_print_as_their_matrix_and_only_where_a_reporter_can(cli, runs):
    done = cli("report", *runs)
    assert done.status == 1
    assert "Speed over the baseline" in done.out
    assert "#2" in done.out
    assert "reporter 'json' renders one run; 2 were given" in cli("report", *runs, "--format", "json").err
    assert "4.00x" not in cli("report", *runs, "--baseline", "toy:good").out


def test_without_the_extra_the_remedy_is_named(cli, runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    done = cli("report", runs[0], "-o", tmp_path / "x.html")
    assert done.status == 2
    assert "pip install 'kparity[report]'" in done.err
    assert cli("report", runs[0], "--format", "csv").status == 0
