"""The documentation agrees with the program: public names, hooks, links, commands, code, tables and layers."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

import kparity
from kparity import hookspecs
from kparity.cli import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md")])
CORE = ROOT / "core" / "kparity"


def commands() -> dict[str, Any]:
    """Every command by its full name: `run`, `history import`."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        within = getattr(command, "commands", None)
        found.update({f"{name} {inner}": one for inner, one in within.items()} if within else {name: command})
    return found


COMMANDS = commands()


def public_members() -> Iterator[tuple[str, object]]:
    """The public names that have docstrings of their own: classes, functions, and what kparity's classes define."""
    for name in kparity.__all__:
        value = getattr(kparity, name)
        if not inspect.isclass(value) and not inspect.isroutine(value):
            continue
        yield name, value
        if inspect.isclass(value) and value.__module__.startswith("kparity."):
            for member, defined in vars(value).items():
                if not member.startswith("_") and (inspect.isroutine(defined) or isinstance(defined, property)):
                    yield f"{name}.{member}", getattr(value, member)


MEMBERS = dict(public_members())


@pytest.mark.parametrize("name", MEMBERS)
def test_every_public_name_has_a_docstring(name):
    text = inspect.getdoc(MEMBERS[name]) or ""
    assert text.strip(), f"{name} has no docstring"
    assert not text.startswith(f"{name}("), f"{name} has only the docstring that dataclasses generate"


@pytest.mark.parametrize("name", kparity.__all__)
def test_every_public_name_exists(name):
    assert hasattr(kparity, name)


HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "kparity_spec")]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook):
    page = (DOCS / "backends.md").read_text()
    parameters = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"| `{hook}({parameters})` |" in page
    assert re.search(rf"@hookimpl\ndef {hook}\({parameters}\):", page), f"no example implements {hook}"


def contract() -> list[str]:
    """Every public member of `Backend`, methods with their parameters."""
    members = ["name"]
    for name, value in vars(kparity.Backend).items():
        if inspect.isfunction(value):
            parameters = list(inspect.signature(value).parameters.values())[1:]
            shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
            members.append(f"{name}({', '.join(shown)})")
        elif not name.startswith("_"):
            members.append(name)
    return members


@pytest.mark.parametrize("member", contract())
def test_the_backends_contract_is_documented(member):
    assert f"\n| `{member}` |" in sections(page_of("backends"))["The contract, method by method"]


@pytest.mark.parametrize(
    ("page", "kind"), [("backends", kparity.DeviceInfo), ("tasks", kparity.Numerics)], ids=["DeviceInfo", "Numerics"]
)
def test_every_field_is_documented(page, kind):
    rows = " ".join(line.split("|")[1] for line in page_of(page).splitlines() if line.startswith("|"))
    missing = [name for name in inspect.signature(kind).parameters if f"`{name}`" not in rows]
    assert not missing


def test_every_distribution_is_documented_with_its_parameters():
    page = page_of("tasks")
    for name in kparity.__all__:
        kind = getattr(kparity, name)
        if inspect.isclass(kind) and issubclass(kind, kparity.Distribution) and kind is not kparity.Distribution:
            shown = [f"{p.name}={p.default!r}" for p in inspect.signature(kind).parameters.values()]
            assert f"| `{name}({', '.join(shown)})` |" in page


def test_no_hook_is_documented_that_does_not_exist():
    named = set(
        re.findall(r"^\| `(\w+)\(\w*\)` \|.*(?:session is made|each evaluation) \|$", page_of("backends"), re.M)
    )
    assert named == set(HOOKS)


def page_of(name: str) -> str:
    """The text of a page of docs/."""
    return (DOCS / f"{name}.md").read_text()


def prose(page: str) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_resolves(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked.read_text()), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_exists(path):
    roots = "backends|benchmarks|core|docs|examples|tasks|tests"
    for name in re.findall(rf"`((?:{roots})/[\w./-]+)`", prose(path.read_text())):
        assert (ROOT / name).exists(), f"{path.name} names {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_compile(path):
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE), 1):
        compile(block, f"{path.name}, Python block {number}", "exec")


def test_python_blocks_of_the_task_page_run(monkeypatch):
    module = ModuleType("tasks_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    for block in re.findall(r"^```python\n(.*?)^```", page_of("tasks"), re.DOTALL | re.MULTILINE):
        exec(compile(block, "tasks.md", "exec"), module.__dict__)
    assert module.embedding.cases()[0].bytes == 2 * 257 * 127 * 4 + 4 * 257


def sections(page: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.*)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_its_section():
    assert set(COMMANDS) <= set(sections(page_of("cli")))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented_and_every_documented_option_exists(command):
    section = sections(page_of("cli"))[command]
    options = {
        name
        for parameter in COMMANDS[command].params
        if parameter.name != "help"
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")
    }
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(-[\w-]+)`", " ".join(rows))) == options
    assert re.search(rf"^\$ (?:COLUMNS=\d+ )?kparity {command}", section, re.M)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_shown_exist(path):
    for line in re.findall(r"(?:^\$ |^\$ COLUMNS=\d+ |`)kparity ([a-z-][^\n`#]*)", path.read_text(), re.M):
        command, *arguments = line.split()
        if command == "--help" or line in {name.partition(" ")[0] for name in COMMANDS if " " in name}:
            continue
        if arguments and f"{command} {arguments[0]}" in COMMANDS:
            command = f"{command} {arguments.pop(0)}"
        assert command in COMMANDS, f"{path.name}: kparity {line}"
        known = {name for one in COMMANDS[command].params for name in (*one.opts, *one.secondary_opts)}
        given = {argument for argument in arguments if re.fullmatch(r"--?[a-z][\w-]*", argument)}
        assert given <= known, f"{path.name}: kparity {line}"


def load(path: Path) -> ModuleType:
    """Import a script of docs/."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_run(folder: Path) -> None:
    """A small run folder."""
    options = kparity.Options(seed=1, timing=None)
    for _ in kparity.run(["broadcast/add_bias"], backends=["cpu_ref"], roles=["edge"], options=options, out=folder):
        pass


def cli_examples() -> list[tuple[str, str]]:
    """Examples of docs/cli.md whose output is the same on every machine."""
    script = load(DOCS / "make_cli_examples.py")
    return [
        (command, output)
        for command, output in script.examples(page_of("cli"))
        if command.startswith(("list ", "show ")) or "exit status 2" in output
    ]


@pytest.mark.parametrize(("command", "output"), cli_examples(), ids=lambda text: text.partition("\n")[0][:40])
def test_examples_print_what_the_page_says(command, output, tmp_path):
    script = load(DOCS / "make_cli_examples.py")
    if "RUN" in command:
        write_run(tmp_path / "run")
    assert script.run(command, str(tmp_path / "run")) == output, "run 'python docs/make_cli_examples.py'"


def test_the_table_of_tasks_is_the_catalogues():
    script = load(DOCS / "make_task_table.py")
    assert script.inserted(page_of("tasks")) == page_of("tasks"), "run 'python docs/make_task_table.py'"


def test_the_table_of_promises_is_the_suites():
    script = load(DOCS / "make_promises.py")
    assert script.inserted(page_of("conformance")) == page_of("conformance"), "run 'python docs/make_promises.py'"


def test_the_picture_is_drawn_from_a_run(tmp_path):
    script = load(DOCS / "images" / "make_matrix.py")
    write_run(tmp_path / "run")
    svg = script.draw(tmp_path / "run")
    assert "broadcast/add_bias" in svg
    assert "url(" not in re.sub(r"url\(#", "", svg), "the picture loads something"


def test_every_extra_that_is_named_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {name for path in PAGES for name in re.findall(r"'(?:\.|kparity)\[(\w+)\]'", path.read_text())}
    assert "all" in named
    assert named <= set(extras)


def layers() -> list[set[str]]:
    """The modules of docs/architecture.md's table, row by row."""
    table = page_of("architecture").partition("<!-- layers:begin -->")[2].partition("<!-- layers:end -->")[0]
    return [set(re.findall(r"`([\w.]+)`", line)) for line in table.splitlines() if line.startswith("|")][2:]


def module_name(path: Path) -> str:
    """The dotted name below `kparity`."""
    return ".".join(path.relative_to(CORE).with_suffix("").parts)


MODULES = {module_name(path): path for path in sorted(CORE.rglob("*.py")) if path.name != "__init__.py"}


def test_the_table_of_layers_names_every_module_once():
    named = [name for layer in layers() for name in layer]
    assert sorted(named) == sorted(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_downwards_only(module):
    seen: set[str] = set()
    for layer in layers():
        seen |= layer
        if module in layer:
            break
    above = imported(ast.parse(MODULES[module].read_text())) & set(MODULES) - seen
    assert not above, f"{module} imports {sorted(above)}, which stand in later rows of docs/architecture.md"


def imported(tree: ast.AST) -> set[str]:
    """Modules of the core that are imported while the program runs, in functions too, `if TYPE_CHECKING` left out."""
    found: set[str] = set()
    waiting = list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "kparity":
            package = node.module.removeprefix("kparity").removeprefix(".")
            found |= {package, *(f"{package}.{alias.name}".removeprefix(".") for alias in node.names)}
        waiting.extend(ast.iter_child_nodes(node))
    return found


def test_no_line_of_the_documentation_is_too_long():
    for path in PAGES:
        for number, line in enumerate(prose(path.read_text()).splitlines(), 1):
            assert len(line) <= 120 or line.startswith("|"), f"{path.name}, line {number} (code blocks left out)"
