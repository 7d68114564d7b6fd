"""Plugins and the catalogue: whatever is wrong with one is named with its owner, and everything else goes on."""

from __future__ import annotations

import numpy as np
import pytest
from toy import (
    MissingBackend,
    PickyBackend,
    Plugin,
    ReferenceBackend,
    ToyBackend,
    implementation,
    scale,
    split,
    toy_plugin,
)

from kparity import (
    Check,
    Implementation,
    NothingEvaluatedError,
    Options,
    PluginError,
    Reporter,
    Session,
    Unavailable,
    UnknownNameError,
    edge,
    hookimpl,
    kernel_spec,
    kernels_in,
)
from kparity.loading import source_file
from kparity.sandbox.engine import Engine, ImplementationFailure

INLINE = Options(seed=1, isolation="inline", timing=None)


def catalogue(*plugins):
    return Session(extra=plugins, discover=False).catalogue


def faults(*plugins):
    return [(fault.plugin, fault.fault) for fault in catalogue(*plugins).faults]


def test_without_plugins_there_is_nothing_and_it_says_so():
    empty = catalogue()
    assert (empty.tasks, empty.backends, empty.faults) == ({}, {}, ())
    with pytest.raises(UnknownNameError, match="No task is registered: see 'kparity doctor'"):
        empty.task("toy/scale")


def test_what_a_plugin_registers_is_found_with_its_owner():
    found = catalogue(toy_plugin("good", "slow", backends=[ToyBackend(), ReferenceBackend()]))
    assert found.faults == ()
    assert found.task("toy/scale") is scale
    assert isinstance(found.backend("toy"), ToyBackend)
    assert found.owner("task", "toy/split") == "toy-plugin"
    assert [one.label for one in found.implementations("toy/scale", "toy")] == ["toy:good", "toy:slow"]
    assert [one.owner for one in found.implementations("toy/scale", "toy")] == ["toy-plugin"] * 2
    assert [one.name for one in found.implementations("toy/split", "refs")] == ["numpy"]
    assert [spec.name for spec in found.select_tasks(["*/sc*"])] == ["toy/scale"]
    assert found.select_backends() == ["toy", "refs"]


@pytest.mark.parametrize(
    ("look_up", "message"),
    [
        (lambda c: c.task("toy/scael"), "unknown task 'toy/scael'. Did you mean 'toy/scale' or 'toy/split'?"),
        (lambda c: c.backend("tyo"), "unknown backend 'tyo'. Did you mean 'toy'?"),
        (lambda c: c.select_tasks(["toi/*"]), "unknown task 'toi/*'"),
        (lambda c: c.select_backends(["toys"]), "unknown backend 'toys'. Did you mean 'toy'?"),
        (lambda c: c.task("zzz"), "unknown task 'zzz'. Known: toy/scale, toy/split."),
    ],
)
def test_an_unknown_name_suggests_the_nearest(look_up, message):
    with pytest.raises(UnknownNameError) as error:
        look_up(catalogue(toy_plugin()))
    assert str(error.value).startswith(message)


class Named(Check):
    name = "named"

    def examine(self, evidence):
        return self.passed()


class Brief(Reporter):
    name = "brief"

    def render(self, info, evaluations):
        return str(len(evaluations))


@pytest.mark.parametrize(
    ("part", "item", "what"),
    [
        ("tasks", scale, "task 'toy/scale'"),
        ("backends", ToyBackend(), "backend 'toy'"),
        ("implementations", implementation("good"), "implementation 'toy/scale, toy, good'"),
        ("checks", Named(), "check 'named'"),
        ("reporters", Brief(), "reporter 'brief'"),
    ],
)
def test_a_duplicate_names_both_owners_and_the_first_stays(part, item, what):
    basis = Plugin("basis", tasks=[split], backends=[PickyBackend()])
    if part == "implementations":
        basis = toy_plugin()
    found = catalogue(basis, Plugin("first", **{part: [item]}), Plugin("second", **{part: [item]}))
    assert [(fault.plugin, fault.fault) for fault in found.faults] == [
        ("second", f"{what} is already registered by 'first'; this one is ignored")
    ]
    if part == "implementations":
        assert [one.owner for one in found.implementations("toy/scale", "toy")] == ["first"]
    else:
        kind = part.removesuffix("s")
        assert found.owner(kind, what.split("'")[1]) == "first"


def test_one_plugin_that_registers_twice_and_two_of_the_same_name_are_faults_not_crashes():
    assert faults(Plugin("doubled", tasks=[scale, scale])) == [
        ("doubled", "task 'toy/scale' is already registered by 'doubled'; this one is ignored")
    ]
    owners = [owner for owner, _ in faults(Plugin("twin", tasks=[scale]), Plugin("twin", tasks=[scale]))]
    assert owners == ["twin#2"]


def test_a_reference_realization_cannot_be_taken_over():
    basis = toy_plugin(backends=[ReferenceBackend()])
    thief = Plugin("thief", implementations=[Implementation("toy/scale", "refs", "toy_kernels:off_by_a_lot", "numpy")])
    found = catalogue(basis, thief)
    targets = [one.target for one in found.implementations("toy/scale", "refs") if one.name == "numpy"]
    assert targets == ["toy:scale"]
    (fault,) = found.faults
    assert fault.plugin == "thief"
    assert "'toy/scale, refs, numpy' is already registered by 'toy-plugin'" in fault.fault


@pytest.mark.parametrize(
    ("part", "item", "hook", "expected"),
    [
        ("tasks", "toy/scale", "register_tasks", "KernelSpec"),
        ("tasks", scale.reference, "register_tasks", "KernelSpec"),
        ("backends", ToyBackend, "register_backends", "Backend"),
        ("implementations", ("toy/scale", "toy"), "register_implementations", "Implementation"),
        ("checks", len, "register_checks", "Check"),
        ("reporters", None, "register_reporters", "Reporter"),
    ],
)
def test_the_wrong_type_is_a_fault_that_names_hook_and_type(part, item, hook, expected):
    found = catalogue(Plugin("confused", **{part: [item]}), toy_plugin("good"))
    ((owner, fault),) = [(fault.plugin, fault.fault) for fault in found.faults]
    assert owner == "confused"
    assert fault == f"{hook} gave {item!r}, which is no {expected}"
    assert found.implementations("toy/scale", "toy")


def test_a_hook_that_raises_or_gives_no_iterable_is_a_fault():
    class Raising:
        @hookimpl
        def register_tasks(self):
            yield scale
            raise LookupError("no table")

        @hookimpl
        def register_backends(self):
            return ToyBackend()

        @hookimpl
        def register_checks(self):
            return None

    found = catalogue(Raising(), Plugin("healthy", backends=[PickyBackend()]))
    assert list(found.tasks) == ["toy/scale"]
    assert list(found.backends) == ["picky"]
    messages = [str(fault) for fault in found.faults]
    assert len(messages) == 2
    assert "plugin 'Raising': register_tasks raised LookupError: no table" in messages
    assert any(message.startswith("plugin 'Raising': register_backends raised TypeError") for message in messages)


def test_a_mistyped_hook_names_the_one_that_was_meant():
    class Mistyped:
        @hookimpl
        def register_task(self):
            return [scale]

    class Misshaped:
        @hookimpl
        def register_tasks(self, session):
            return [scale]

    (typo,) = faults(Mistyped())
    assert typo == ("Mistyped", "implements unknown hook 'register_task'; did you mean 'register_tasks'?")
    ((owner, misfit), *rest) = faults(Misshaped(), toy_plugin())
    assert owner == "Misshaped"
    assert "register_tasks" in misfit
    assert "session" in misfit
    assert rest == []


def test_an_implementation_of_what_nobody_registered_names_the_nearest():
    found = catalogue(
        toy_plugin("good"),
        Plugin(
            "hopeful",
            implementations=[
                implementation("good", task="toy/scael"),
                implementation("good", backend="tony", name="x"),
            ],
        ),
    )
    assert [(fault.plugin, fault.fault) for fault in found.faults] == [
        ("hopeful", "implements unknown task 'toy/scael'. Did you mean 'toy/scale' or 'toy/split'?"),
        ("hopeful", "implements unknown backend 'tony'. Did you mean 'toy'?"),
    ]
    assert len(found.implementations("toy/scale", "toy")) == 1


def test_a_fault_does_not_keep_the_healthy_plugins_from_running():
    class Broken:
        @hookimpl
        def register_tasks(self):
            raise RuntimeError("broken")

    session = Session(extra=[Broken(), toy_plugin("good")], discover=False)
    outcome = session.evaluate("toy/scale", "toy", options=INLINE)
    assert outcome.status == "passed"
    assert len(outcome.evaluations) == 6
    assert [str(fault) for fault in session.catalogue.faults] == [
        "plugin 'Broken': register_tasks raised RuntimeError: broken"
    ]


def test_observers_see_every_record_and_one_that_raises_is_a_fault():
    seen = []

    def complain(evaluation):
        raise OSError("disk full")

    session = Session(
        extra=[Plugin("observer", finished=seen.append), Plugin("grumpy", finished=complain), toy_plugin("good")],
        discover=False,
    )
    records = list(session.run(options=INLINE))
    assert seen == records
    assert [str(fault) for fault in session.catalogue.faults] == [
        "plugin 'grumpy': evaluation_finished raised OSError: disk full"
    ]


def test_a_plugins_check_takes_part_in_every_verdict():
    class Nonnegative(Check):
        name = "nonnegative"

        def examine(self, evidence):
            return self.passed() if (evidence.outputs[0] >= 0).all() else self.failed("went below zero")

    session = Session(extra=[Plugin("strict", checks=[Nonnegative()]), toy_plugin("good")], discover=False)
    outcome = session.evaluate("toy/scale", "toy", options=INLINE)
    assert outcome.status == "failed"
    assert "nonnegative: went below zero" in outcome.message
    assert {check.name for one in outcome.evaluations for check in one.verdict.checks} >= {"nonnegative", "bound"}


SECOND = "from toy_plugin import register_backends, register_tasks, register_implementations"


def test_an_installed_distribution_is_found_and_its_version_recorded(install):
    install("toy-accelerator", version="4.5.6", toy="toy_plugin")
    session = Session()
    assert session.catalogue.faults == ()
    assert session.catalogue.owner("backend", "toy") == "toy-accelerator"
    assert session.catalogue.plugins["toy-accelerator"] == "4.5.6"
    assert session.catalogue.plugins["kparity"]
    assert session.evaluate("toy/scale", "toy", name="good", options=INLINE).passed
    assert "toy" not in Session(discover=False).catalogue.backends


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        ("import not_a_module_of_this_world", "strange", "ModuleNotFoundError: No module named 'not_a_module"),
        ("def broken(:", "strange", "SyntaxError"),
        ("raise RuntimeError('half installed')", "strange", "RuntimeError: half installed"),
        ("", "strange:plugin", "AttributeError"),
        ("", "nowhere_to_be_found", "ModuleNotFoundError"),
        ("import sys; sys.exit('wrong machine')", "strange", "SystemExit: wrong machine"),
    ],
)
def test_a_distribution_that_cannot_be_imported_is_named_and_the_others_go_on(install, source, target, complaint):
    install("strange-accelerator", strange=target, sources={"strange": source})
    install("toy-accelerator", toy="toy_plugin")
    found = Session().catalogue
    (fault,) = found.faults
    assert fault.plugin == "strange-accelerator"
    assert f"entry point 'strange' ({target}) cannot be imported: " in fault.fault
    assert complaint in fault.fault
    assert {"toy", "jax", "cpu_ref"} <= set(found.backends)
    assert len(found.tasks) == 21 + 2


def test_two_distributions_that_collide_are_both_named(install):
    install("accelerator-one", one="toy_plugin")
    install("accelerator-two", two="second_toy", sources={"second_toy": SECOND})
    faults_ = {(fault.plugin, fault.fault) for fault in Session().catalogue.faults}
    assert (
        "accelerator-two",
        "backend 'toy' is already registered by 'accelerator-one'; this one is ignored",
    ) in faults_
    assert all(plugin == "accelerator-two" for plugin, _ in faults_)


def test_a_distribution_without_metadata_is_no_crash(install):
    site = install("toy-accelerator", toy="toy_plugin")
    nameless = site / "nameless-1.0.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_text("[kparity]\nnameless = module_that_is_not_there\n")
    found = Session().catalogue
    assert len(found.faults) == 1
    assert "module_that_is_not_there" in str(found.faults[0])
    assert "toy" in found.backends


def test_the_bundled_plugins_have_no_faults():
    assert [str(fault) for fault in Session().catalogue.faults] == []


def test_kernels_are_found_by_listing_files_not_by_importing(tmp_path):
    for path in ("matmul/matmul.py", "matmul/__init__.py", "matmul/_tiles.py", "loss/hinge.py", "_shared.py"):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise SystemExit('imported')")
    found = kernels_in("pack.kernels", str(tmp_path), "toy", "fast")
    assert [(one.task, one.backend, one.target, one.name) for one in found] == [
        ("loss/hinge", "toy", "pack.kernels.loss.hinge:hinge", "fast"),
        ("matmul/matmul", "toy", "pack.kernels.matmul.matmul:matmul", "fast"),
    ]


def test_kernels_of_another_language_are_files_that_load_takes(tmp_path, monkeypatch):
    for path in ("matmul/matmul.cl", "loss/hinge.cl", "loss/hinge.py", "loss/_shared.cl"):
        file = tmp_path / "pack_of_files" / "kernels" / path
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text("def hinge(x):\n    return x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "pack_of_files" / "kernels"
    found = kernels_in("pack_of_files.kernels", str(folder), "toy", "fast", ".cl")
    assert [(one.task, one.target) for one in found] == [
        ("loss/hinge", "pack_of_files.kernels:loss/hinge.cl"),
        ("matmul/matmul", "pack_of_files.kernels:matmul/matmul.cl"),
    ]
    assert source_file(found[0].target) == folder / "loss/hinge.cl"
    assert source_file("pack_of_files.kernels.loss.hinge:hinge") is None
    engine = Engine(ToyBackend())
    engine.load(target=found[0].target)
    for target, told in (
        (found[1].target, "'matmul'"),
        ("pack_of_files.kernels:loss/absent.cl", r"absent\.cl"),
        ("pack_of_air:loss/hinge.cl", "'pack_of_air' is no package"),
    ):
        with pytest.raises(ImplementationFailure, match=told):
            engine.load(target=target)


def test_absence_has_a_reason_and_a_remedy():
    session = Session(extra=[toy_plugin("good", backends=[ToyBackend(), MissingBackend()])], discover=False)
    devices = session.devices()
    assert devices["toy"].name == "Toy"
    missing = devices["missing"]
    assert isinstance(missing, Unavailable)
    assert (missing.reason, missing.remedy) == ("nolib is not installed", "pip install nolib")
    with pytest.raises(Unavailable, match="nolib is not installed: pip install nolib"):
        session.evaluate("toy/scale", "missing", "def scale(x, factor): return x", options=INLINE)


def test_a_run_goes_on_without_the_backends_that_are_missing():
    both = [implementation("good"), implementation("good", backend="missing")]
    plugin = Plugin(tasks=[scale], backends=[ToyBackend(), MissingBackend()], implementations=both)
    session = Session(extra=[plugin], discover=False)
    run = session.prepare(options=INLINE)
    assert run.info.unavailable == {"missing": "nolib is not installed: pip install nolib"}
    assert {one.implementation.backend for one in run} == {"toy"}
    only_missing = Plugin(tasks=[scale], backends=[MissingBackend()], implementations=both[1:])
    with pytest.raises((NothingEvaluatedError, Unavailable), match="nolib is not installed"):
        Session(extra=[only_missing], discover=False).prepare(options=INLINE)


def test_a_task_of_a_stranger_is_judged_like_any_other():
    def drop(x):
        """Everything but the first element."""
        return x[1:]

    spec = kernel_spec(
        "stranger/drop", inputs={"x": "n : float32"}, outputs={"y": "n-1 : float32"}, cases=[edge(n=1), edge(n=9)]
    )(drop)
    session = Session(extra=[Plugin(tasks=[spec], backends=[ToyBackend()])], discover=False)
    right = session.evaluate("stranger/drop", "toy", "def drop(x): return x[1:].copy()", hunt=False, options=INLINE)
    assert right.status == "passed"
    assert [one.case.outputs[0].shape for one in right.evaluations] == [(0,), (8,)]
    wrong = session.evaluate("stranger/drop", "toy", "def drop(x): return x[:-1].copy()", hunt=False, options=INLINE)
    assert [one.status for one in wrong.evaluations] == ["passed", "failed"]
    assert isinstance(session.catalogue.faults, tuple)
    assert np.isfinite(wrong.evaluations[1].verdict.checks[-1].details["got"])


def test_a_fault_is_an_error_that_names_the_plugin():
    error = PluginError("strange", "does not fit")
    assert (str(error), error.plugin, error.fault) == ("plugin 'strange': does not fit", "strange", "does not fit")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("1.0", ""),
        ("", ""),
        ("2.0", "was written for backend API 2.0, kparity 0.1.0 has 1.4; update kparity: pip install -U kparity"),
        ("1.7", "was written for backend API 1.7, kparity 0.1.0 has 1.4; update kparity: pip install -U kparity"),
        (
            "0.9",
            "was written for backend API 0.9, kparity 0.1.0 has 1.4; update the plugin, or install an older kparity",
        ),
        ("one", "requires_api is 'one'; expected two numbers as text, like '1.4'"),
        (1.0, "requires_api is 1.0; expected two numbers as text, like '1.4'"),
    ],
)
def test_a_plugin_for_another_api_is_left_out_and_says_why(wanted, told, install):
    text = f"from toy_plugin import *\nrequires_api = {wanted!r}\n"
    install("old-accelerator", version="0.3", sources={"old_plugin": text}, old="old_plugin")
    catalogue = Session().catalogue
    faults = [str(fault) for fault in catalogue.faults]
    assert faults == ([f"plugin 'old-accelerator 0.3': {told}"] if told else [])
    assert ("toy" in catalogue.backends) == (not told)


def test_a_backend_for_another_api_is_left_out_and_says_why():
    class Newer(ToyBackend):
        name = "newer"
        requires_api = "9.1"

    catalogue = Session(extra=[Plugin("p", backends=[Newer(), ToyBackend()])], discover=False).catalogue
    assert list(catalogue.backends) == ["toy"]
    (fault,) = catalogue.faults
    assert str(fault).startswith("plugin 'p': backend 'newer' was written for backend API 9.1, kparity ")
