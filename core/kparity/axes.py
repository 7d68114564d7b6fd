"""Axis expressions: the small arithmetic in which shapes, attributes and costs are written.

Integers, names, `+ - * / // % **`, unary minus, `min`, `max`, `ceil` and `log2`. Parsed once with `ast`, never `eval`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kparity.errors import SpecError

Number = int | float

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "ceil": math.ceil, "log2": math.log2}


@dataclass(frozen=True)
class Expression:
    """One parsed axis expression.

    Attributes:
        text: as written.
        names: the axes and attributes that it refers to.
    """

    text: str
    names: frozenset[str] = field(init=False)
    _tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
        except SyntaxError as error:
            raise SpecError(f"axis expression {self.text!r} cannot be parsed: {error.msg}") from error
        names: set[str] = set()
        _check(tree, self.text, names)
        object.__setattr__(self, "names", frozenset(names))
        object.__setattr__(self, "_tree", tree)

    @property
    def is_name(self) -> bool:
        """True where the expression is a single axis name, which a case binds."""
        return isinstance(self._tree, ast.Name)

    def evaluate(self, values: Mapping[str, Any]) -> Number:
        """The expression's value under `values`.

        Raises:
            SpecError: a name is unbound, or the arithmetic fails (division by zero).
        """
        try:
            value: Number = _evaluate(self._tree, values)
            return value
        except KeyError as error:
            raise SpecError(
                f"axis expression {self.text!r} needs {error.args[0]!r}, which is not bound; bound: {sorted(values)}"
            ) from error
        except (ArithmeticError, TypeError, ValueError) as error:
            raise SpecError(f"axis expression {self.text!r} cannot be evaluated: {error}") from error

    def extent(self, values: Mapping[str, Any]) -> int:
        """The value as the length of an axis: an integer that is not negative.

        Raises:
            SpecError: as `evaluate`, or the value is not a length.
        """
        value = self.evaluate(values)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise SpecError(f"axis expression {self.text!r} gives {value!r}; expected an integer >= 0")
        return value


def split_axes(text: str) -> tuple[Expression, ...]:
    """Parse a shape: axes separated by spaces, or by commas where an expression holds spaces.

    `"rows cols"`, `"batch (h - kh)//stride+1"` (parentheses protect spaces), `"batch, (h - kh) // stride + 1"`, and the
    empty string for a scalar.
    """
    separator = "," if "," in _outside_parentheses(text) else " "
    parts: list[str] = []
    depth = 0
    current = ""
    for character in text.strip():
        depth += (character == "(") - (character == ")")
        if depth == 0 and (character == separator or (separator == " " and character.isspace())):
            parts.append(current)
            current = ""
        else:
            current += character
    parts.append(current)
    return tuple(Expression(part.strip()) for part in parts if part.strip())


def _outside_parentheses(text: str) -> str:
    depth = 0
    kept = []
    for character in text:
        depth += character == "("
        if depth == 0:
            kept.append(character)
        depth -= character == ")"
    return "".join(kept)


def _check(node: ast.expr, text: str, names: set[str]) -> None:
    match node:
        case ast.Constant(value=int() | float()):
            pass
        case ast.Name(id=name):
            names.add(name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, text, names)
            _check(right, text, names)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check(operand, text, names)
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if function in _FUNCTIONS:
            for argument in arguments:
                _check(argument, text, names)
        case _:
            allowed = "integers, names, + - * / // % **, min, max, ceil and log2"
            raise SpecError(f"axis expression {text!r} uses {ast.unparse(node)!r}; allowed are {allowed}")


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.UnaryOp(operand=operand):
            return -_evaluate(operand, values)
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _FUNCTIONS[function](*(_evaluate(argument, values) for argument in arguments))
    raise AssertionError(ast.dump(node))  # _check admits nothing else
