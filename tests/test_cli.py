"""The command line, on the toy plugin as an installed distribution: what it prints and how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from kparity import Evaluation, read_run

TOY = ("run", "toy/*", "--backend", "toy", "--no-timing", "--seed", "5")
GOOD = (*TOY, "--implementation", "toy:good")
SCALE = "def scale(x, factor):\n    return x * x.dtype.type(factor)\n"


@pytest.fixture(autouse=True)
def toy(install, pids):
    """The toy plugin, installed."""
    return install("toy-accelerator", toy="toy_plugin")


@pytest.fixture
def kernel(tmp_path):
    """Writes a source file of one's own."""

    def write(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_list_shows_tasks_cases_dtypes_and_implementations(cli):
    everything = cli("list")
    assert everything.status == 0
    assert {"toy/scale", "matmul/matmul", "jax:xla", "triton"} <= set(everything.out.split())
    (row,) = json.loads(cli("list", "toy/sc*", "--json").out)
    assert row == {
        "task": "toy/scale",
        "owner": "toy-accelerator",
        "signature": "scale(x, factor=2.0) -> y",
        "dtypes": ["float32", "float16"],
        "cases": {"edge": 4, "typical": 2, "perf": 2},
        "implementations": ["cpu_ref:numpy", "toy:good", "toy:slow", "toy:fails_on_seven"],
    }


def test_show_prints_the_contract_every_case_and_every_source(cli):
    shown = cli("show", "toy/scale", "--backend", "toy")
    assert shown.status == 0
    for expected in (
        "toy/scale  scale(x, factor=2.0) -> y",
        "Every element times `factor`: y[i] = factor * x[i].",
        "dtype T: float32, float16",
        "n=128,T=float16",
        "x float32[7] -> y float32[7]",
        "toy:good  toy_kernels:good, from toy-accelerator",
        "return x * x.dtype.type(factor)",
    ):
        assert expected in shown.out, expected
    assert "x.dtype.type(factor)" not in cli("show", "toy/scale", "-b", "toy", "--no-source").out
    everywhere = cli("show", "matmul/matmul")
    assert "triton.language" in everywhere.out
    assert "__global__" in everywhere.out
    assert "numerics: sums carried in float32" in everywhere.out


@pytest.mark.slow
def test_doctor_reports_devices_versions_and_faults(cli, install):
    install("strange-accelerator", strange="not_there_at_all")
    data = json.loads(cli("doctor", "--backend", "toy", "--json").out)
    assert [(one["backend"], one["name"], one["kind"]) for one in data["devices"]] == [("toy", "Toy", "cpu")]
    assert data["unavailable"] == {}
    assert data["plugins"]["toy-accelerator"] == "1.2.3"
    assert [fault["plugin"] for fault in data["faults"]] == ["strange-accelerator"]
    table = cli("doctor", "-b", "toy")
    assert table.status == 0
    assert "toy 1.0" in table.out
    assert "strange-accelerator" in table.out
    assert "strange-accelerator" in table.err


def test_doctor_says_why_a_backend_is_missing_and_what_to_install(cli, install):
    source = "from toy import MissingBackend, hookimpl\n@hookimpl\ndef register_backends(): return [MissingBackend()]\n"
    install("missing-accelerator", missing="missing_plugin", sources={"missing_plugin": source})
    table = cli("doctor", "-b", "missing")
    assert table.status == 2
    assert "nolib is not installed" in table.out
    assert "pip install nolib" in table.out
    data = json.loads(cli("doctor", "-b", "missing", "-b", "toy", "--json").out)
    assert data["unavailable"] == {"missing": {"reason": "nolib is not installed", "remedy": "pip install nolib"}}


def test_run_prints_the_matrix_and_exits_0_when_all_passed(cli):
    done = cli(*GOOD)
    assert done.status == 0, done.err
    assert "toy/scale" in done.out
    assert "6/6" in done.out
    assert "2/2" in done.out
    assert "8 passed" in done.out
    assert "seed 5" in done.out


def test_run_exits_1_when_something_failed_and_shows_the_worst_element(cli):
    done = cli(*TOY, "-i", "toy:fails_on_seven", "-i", "toy:good")
    assert done.status == 1
    assert "4/6" in done.out
    assert "7 of 7 elements of 'y' are off; worst at [" in done.out
    assert "seven is printed" in done.out
    assert "failed: toy:fails_on_seven toy/scale n=7,T=float32" in done.err


def test_repeats_say_how_often_what_passed_runs_again(cli):
    for given, wanted in ((("--repeats", "3"), {4}), (("--repeats", "0"), set()), ((), {3})):
        document = json.loads(cli(*GOOD, "--role", "typical", "--inline", "--json", *given).out)
        checks = [check for one in document["evaluations"] for check in one["verdict"]["checks"]]
        found = {check["details"]["executions"] for check in checks if check["name"] == "determinism"}
        assert found == wanted


def test_json_holds_every_record_and_nothing_else_is_printed_with_it(cli):
    done = cli(*TOY, "-i", "toy:fails_on_seven", "--json")
    assert done.status == 1
    document = json.loads(done.out)
    assert document["summary"] == {"passed": 4, "failed": 2, "error": 0, "unsupported": 0, "inconclusive": 0}
    assert document["run"]["seed"] == 5
    assert len(document["evaluations"]) == 6
    assert {one["isolation"] for one in document["evaluations"]} == {"process"}
    inline = json.loads(cli(*GOOD, "--json", "--inline").out)
    assert {one["isolation"] for one in inline["evaluations"]} == {"inline"}


def test_run_narrows_to_what_the_options_name(cli):
    def keys(*options):
        document = json.loads(cli(*GOOD, "--json", "--inline", *options).out)
        return sorted({one["case"]["key"] for one in document["evaluations"] if one["task"] == "toy/scale"})

    assert keys("--dtype", "float16", "--role", "edge") == ["n=1,T=float16", "n=7,T=float16"]
    assert keys("--case", "n=64,*") == ["n=64,T=float16", "n=64,T=float32"]
    assert keys("--role", "perf") == ["n=128,T=float16", "n=128,T=float32"]
    assert keys("--coverage", "quick") == ["n=1,T=float32", "n=64,T=float32", "n=7,T=float16"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "toy/scael"), "unknown task 'toy/scael'. Did you mean 'toy/scale'"),
        (("run", "-b", "tirton"), "unknown backend 'tirton'. Did you mean 'triton'"),
        (("run", "toy/*", "-d", "bfloat61"), "unknown dtype 'bfloat61'. Did you mean 'bfloat16'"),
        (("run", "toy/*", "-r", "typcial"), "unknown role 'typcial'. Did you mean 'typical'"),
        (("run", "-i", "toy:godo"), "unknown implementation 'toy:godo'. Did you mean 'toy:good'"),
        (("run", "--coverage", "most"), "unknown coverage 'most'"),
        (("run", "--timeout", "0"), "--timeout is 0"),
        (("run", "--jobs", "-1"), "--jobs is -1"),
        (("run", "--repeats", "-1"), "--repeats is -1"),
        (("run", "toy/*", "-b", "toy", "-c", "n=4711,*"), "nothing to evaluate"),
        (("run", "toy/scale", "-b", "toy", "-d", "int8"), "nothing to evaluate"),
        (("run", "toy/split", "-b", "triton"), "nothing to evaluate"),
        (("run", "--no-such-option"), "No such option"),
        (("runn",), "No such command"),
        (("list", "normalisation/*"), "unknown task 'normalisation/*'. Did you mean 'normalization/"),
        (("show", "softmax"), "unknown task 'softmax'. Did you mean 'activation/softmax'"),
        (("show", "toy/scale", "-b", "tyo"), "unknown backend 'tyo'. Did you mean 'toy'"),
        (("doctor", "-b", "jaxx"), "unknown backend 'jaxx'. Did you mean 'jax'"),
        (("verify", "nowhere.py", "-t", "toy/scale", "-b", "toy"), "'nowhere.py' cannot be read"),
        (("verify", __file__, "-t", "toy/scales", "-b", "toy"), "unknown task 'toy/scales'. Did you mean 'toy/scale'"),
        (("verify", __file__, "-t", "toy/scale", "-b", "tyo"), "unknown backend 'tyo'. Did you mean 'toy'"),
        (("verify", __file__, "-b", "toy"), "Missing option"),
        (("report", "nowhere"), "'nowhere' is no run folder"),
    ],
)
def test_bad_usage_exits_2_and_names_what_was_meant(cli, arguments, message):
    done = cli(*arguments)
    assert done.status == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert done.out == ""
    assert "Traceback" not in done.err


def test_verify_judges_a_file_of_ones_own(cli, kernel):
    passed = cli("verify", kernel(SCALE), "--task", "toy/scale", "--backend", "toy", "--no-timing", "--no-hunt")
    assert passed.status == 0, passed.err
    assert "candidate" in passed.out
    assert "6 passed" in passed.out
    hunted = cli(
        "verify", kernel(SCALE), "--task", "toy/scale", "--backend", "toy", "--no-timing", "--seed", "1", "--json"
    )
    keys = [one["case"]["key"] for one in json.loads(hunted.out)["evaluations"]]
    assert hunted.status == 0, hunted.err
    assert len(keys) > 20
    assert {key.rpartition("@")[2] for key in keys if "@" in key} >= {"fresh", "spike", "large", "ties"}
    renamed = kernel(SCALE.replace("def scale", "def mine"))
    assert cli("verify", renamed, "-t", "toy/scale", "-b", "toy", "--entry-point", "mine", "--no-timing").status == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SCALE.replace("return x *", "return x +"), "elements of 'y' are off"),
        (SCALE + "\ndef broken(:\n", "line 4: syntax error"),
        ("def scales(x, factor):\n    return x\n", "defines no function 'scale'; it defines ['scales']"),
        (SCALE.replace("return x", "return x, x"), "returned 2 outputs, 1 are declared"),
        (SCALE.replace("return x", "return [][0] * x"), "IndexError: list index out of range"),
        (SCALE.replace("    return", "    import os; os.abort()\n    return"), "the worker died: SIGABRT"),
    ],
)
def test_verify_exits_1_with_the_reason(cli, kernel, source, message):
    done = cli("verify", kernel(source), "-t", "toy/scale", "-b", "toy", "-d", "float32", "-c", "n=7,*", "--no-timing")
    assert done.status == 1
    assert message in " ".join(done.out.split())
    assert "Traceback" not in done.err


def test_verify_refuses_a_file_that_holds_no_text(cli, kernel, tmp_path):
    assert "is empty" in cli("verify", kernel("\n\n"), "-t", "toy/scale", "-b", "toy").err
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    done = cli("verify", tmp_path / "binary.py", "-t", "toy/scale", "-b", "toy")
    assert done.status == 2
    assert "cannot be read" in done.err


def test_out_writes_a_run_that_report_reads_and_a_second_run_does_not_overwrite(cli, tmp_path):
    out = tmp_path / "runs" / "first"
    assert cli(*TOY, "-i", "toy:good", "-i", "toy:fails_on_seven", "--out", out).status == 1
    assert len(read_run(out)[1]) == 14
    report = cli("report", out)
    assert report.status == 1
    assert "4/6" in report.out
    document = json.loads(cli("report", out, "--format", "json").out)
    assert document["summary"]["failed"] == 2
    assert "12 passed, 2 failed" in cli("report", out, "--format", "matrix").out
    assert "unknown reporter 'jsno'. Did you mean 'json'" in cli("report", out, "--format", "jsno").err
    again = cli(*GOOD, "--out", out)
    assert again.status == 2
    assert "already holds a run, and runs are never overwritten" in again.err
    assert len(read_run(out)[1]) == 14


def test_a_plugins_reporter_renders_a_run(cli, tmp_path, install):
    source = (
        "from kparity import Reporter, hookimpl\n"
        "class Count(Reporter):\n"
        "    name = 'count'\n"
        "    def render(self, info, evaluations): return f'seed {info.seed}: {len(evaluations)} records'\n"
        "@hookimpl\n"
        "def register_reporters(): return [Count()]\n"
    )
    install("counting", count="counting_plugin", sources={"counting_plugin": source})
    cli(*GOOD, "--out", tmp_path / "run")
    report = cli("report", tmp_path / "run", "--format", "count")
    assert (report.status, report.out) == (0, "seed 5: 8 records\n")


def test_a_broken_plugin_is_a_warning_and_the_run_goes_on(cli, install):
    install("strange-accelerator", strange="not_there_at_all")
    done = cli(*GOOD, "--json")
    assert done.status == 0
    assert (
        "warning: plugin 'strange-accelerator': entry point 'strange' (not_there_at_all) cannot be imported" in done.err
    )
    assert json.loads(done.out)["summary"]["passed"] == 8


def test_nothing_but_unsupported_cases_is_no_success(cli, install):
    source = (
        "from toy import PickyBackend, hookimpl, implementation\n"
        "@hookimpl\n"
        "def register_backends(): return [PickyBackend()]\n"
        "@hookimpl\n"
        "def register_implementations(): return [implementation('good', backend='picky')]\n"
    )
    install("picky-accelerator", picky="picky_plugin", sources={"picky_plugin": source})
    done = cli("run", "toy/scale", "-b", "picky", "-d", "float16", "--no-timing")
    assert done.status == 2
    assert "nothing was evaluated: no device supports any of the selected cases" in done.err
    assert "Picky has no float16" in done.out


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("verify", "--help"), ("report", "--help")])
def test_help_is_help(cli, arguments):
    done = cli(*arguments)
    assert done.status == 0
    assert "Usage: kparity" in done.out


def interrupted(command, environment, is_time):
    """Start a command line, press Ctrl-C as soon as it is time, and wait for the end: (status, out, err).

    Tests that run in a shell's background ignore SIGINT, and so would everything that they start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "kparity", *map(str, command)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 60
        while not is_time():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err
    finally:
        process.kill()


def test_ctrl_c_keeps_what_was_finished_ends_the_workers_and_exits_130(environment, tmp_path, pids):
    out = tmp_path / "run"
    lines = out / "evaluations.jsonl"
    status, printed, errors = interrupted(
        (*TOY, "-i", "toy:slow", "--json", "--out", out),
        environment(TOY_PIDS=str(pids.path)),
        lambda: lines.exists() and lines.stat().st_size,
    )
    assert status == 130, errors
    info, kept = read_run(out)
    assert 1 <= len(kept) < 6
    assert all(isinstance(one, Evaluation) and one.status == "passed" for one in kept)
    assert len(json.loads(printed)["evaluations"]) == len(kept)
    assert f"interrupted: {len(kept)} of 6 evaluations were finished and are kept" in errors
    assert info.seed == 5
    assert "Traceback" not in errors
    assert pids.read()
    assert not pids.alive_after(5)


def test_ctrl_c_while_a_device_is_being_opened_leaves_no_worker_behind(environment, install, pids):
    source = (
        "from toy import HangingBackend, hookimpl, implementation\n"
        "@hookimpl\n"
        "def register_backends(): return [HangingBackend()]\n"
        "@hookimpl\n"
        "def register_implementations(): return [implementation('good', backend='hanging')]\n"
    )
    install("hanging-accelerator", hanging="hanging_plugin", sources={"hanging_plugin": source})
    status, _, errors = interrupted(
        ("run", "toy/scale", "-b", "hanging"), environment(TOY_PIDS=str(pids.path)), lambda: pids.read()
    )
    assert status == 130, errors
    assert "Traceback" not in errors
    assert not pids.alive_after(2)


def test_the_console_script_and_the_module_are_the_same_program(python, install):
    from importlib.metadata import distribution

    by_module = python("-m", "kparity", "list", "toy/*", "--json")
    (script,) = [point for point in distribution("kparity").entry_points if point.group == "console_scripts"]
    assert (script.name, script.value) == ("kparity", "kparity.cli:main")
    by_script = python("-c", "import sys; from kparity.cli import main; main()", "list", "toy/*", "--json")
    assert by_module.returncode == by_script.returncode == 0, by_module.stderr
    assert json.loads(by_module.stdout) == json.loads(by_script.stdout)


@pytest.mark.parametrize("command", ["show matmul/matmul", "schema evaluation", "list --json"])
def test_output_that_nobody_reads_any_more_ends_quietly(command, environment):
    program = f"{sys.executable} -m kparity {command} | head -n 1"
    done = subprocess.run(["sh", "-c", program], env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


DEAF = """
import fcntl
import os

def scale(x, factor=2.0):
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        try:
            reads = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
            if descriptor > 2 and reads and os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:"):
                os.close(descriptor)
        except OSError:
            pass
    return x * factor
"""


@pytest.mark.slow
def test_a_worker_that_stops_listening_does_not_take_the_command_along(python, tmp_path):
    source = tmp_path / "deaf.py"
    source.write_text(DEAF)
    command = ("verify", str(source), "-t", "toy/scale", "-b", "toy", "-d", "float32", "-r", "edge", "--json")
    done = python("-m", "kparity", *command)
    assert done.returncode == 1, done.stderr
    assert "error" in {one["verdict"]["status"] for one in json.loads(done.stdout)["evaluations"]}
