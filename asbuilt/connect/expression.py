"""A small, safe expression: which part of a message is which field of a fact.

    payload.temperature                 a member of a JSON object; what is not there is absent
    payload["Oil temp °C"][0]           any key, or a place in a list
    topic[2]                            a level of the topic, counted from 0
    number(payload.v) * 0.1             exact decimal arithmetic: + - * /
    "works/main/1/" + topic[1]          texts are joined by +
    "Held" if payload.stop else "Execute"
    payload.n > 3 and not payload.test  comparisons, and, or, not, in

Functions: `number`, `text`, `time` (RFC 3339, or a number of seconds, milliseconds, … since 1970),
`upper`, `lower`, `strip`, `round`, `split`, `default`, `length`. There are no loops, no names but those given,
and everything has a limit; an expression cannot do anything but look at the message.
What is computed with an absent value is absent.
"""

from __future__ import annotations

import ast
import datetime as dt
import operator
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, InvalidOperation
from typing import Any, Final

MAX_CHARS: Final = 500
MAX_PARTS: Final = 100
MAX_TEXT: Final = 4_000
"""So long may a text become."""
LARGEST: Final = Decimal("1e18")

Evaluate = Callable[[Mapping[str, Any]], Any]
"""Gives the value for these names; raises `ValueError` in words where there is none."""

CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN)
"""How numbers are computed: 40 digits, halves to the even one."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def compiled(text: str, names: frozenset[str]) -> Evaluate:
    """The expression, ready to be evaluated. Raises `ValueError` saying what is wrong with it."""
    if len(text) > MAX_CHARS:
        raise ValueError(f"an expression has at most {MAX_CHARS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"`{text}` is not an expression") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_PARTS:
        raise ValueError(f"an expression has at most {MAX_PARTS} parts")
    return _compile(tree.body, names)


def _compile(node: ast.expr, names: frozenset[str]) -> Evaluate:
    match node:
        case ast.Constant(value=value):
            return _constant(value)
        case ast.Name(id=name):
            if name not in names:
                raise ValueError(f"there is no `{name}` here; use {', '.join(sorted(names))}")
            return lambda given: given.get(name)
        case ast.Attribute(value=inner, attr=key):
            return _member(_compile(inner, names), lambda given: key)
        case ast.Subscript(value=inner, slice=index) if not isinstance(index, ast.Slice):
            return _member(_compile(inner, names), _compile(index, names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _binary(_ARITHMETIC[type(op)], _compile(left, names), _compile(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _negated(_compile(operand, names))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inside = _compile(operand, names)
            return lambda given: not inside(given)
        case ast.BoolOp(op=op, values=values):
            return _all_or_any(isinstance(op, ast.And), [_compile(value, names) for value in values])
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return _compared(type(op), _compile(left, names), _compile(right, names))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            asked, yes, no = (_compile(part, names) for part in (test, body, orelse))
            return lambda given: yes(given) if asked(given) else no(given)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _called(name, [_compile(arg, names) for arg in args])
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            parts = [_compile(element, names) for element in elements]
            return lambda given: [part(given) for part in parts]
    raise ValueError(f"`{ast.unparse(node)}` cannot be used in an expression")


def _constant(value: Any) -> Evaluate:
    if isinstance(value, float):
        value = Decimal(repr(value))
    elif not isinstance(value, str | bool | int | type(None)) or (isinstance(value, int) and abs(value) > LARGEST):
        raise ValueError(f"{value!r} cannot be used in an expression")
    return lambda given: value


def _member(inside: Evaluate, at: Evaluate) -> Evaluate:
    def member(given: Mapping[str, Any]) -> Any:
        whole, key = inside(given), at(given)
        if isinstance(whole, dict):
            return whole.get(str(key) if not isinstance(key, str) else key)
        if isinstance(whole, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
            return whole[key] if -len(whole) <= key < len(whole) else None
        return None

    return member


def _binary(operation: str, left: Evaluate, right: Evaluate) -> Evaluate:
    def computed(given: Mapping[str, Any]) -> Any:
        a, b = left(given), right(given)
        if a is None or b is None:
            return None
        if operation == "add" and isinstance(a, str) and isinstance(b, str):
            if len(a) + len(b) > MAX_TEXT:
                raise ValueError(f"a text of more than {MAX_TEXT:,} characters")
            return a + b
        x, y = _exact(a), _exact(b)
        try:
            found: Decimal = getattr(CONTEXT, _METHODS[operation])(x, y)
        except (DecimalException, InvalidOperation):
            raise ValueError(f"{x} {operation} {y} cannot be computed") from None
        return found

    return computed


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{_quoted(value)} is not a number; number(…) reads one from text")
    return _finite(Decimal(repr(value)) if isinstance(value, float) else Decimal(value))


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError(f"{value} is not a number that can be recorded")
    if abs(value) > LARGEST:
        raise ValueError("a number beyond 10^18")
    return value


def _negated(inside: Evaluate) -> Evaluate:
    def negated(given: Mapping[str, Any]) -> Any:
        value = inside(given)
        if isinstance(value, int) and not isinstance(value, bool):
            return -value
        return None if value is None else -_exact(value)

    return negated


def _all_or_any(every: bool, parts: list[Evaluate]) -> Evaluate:
    def decided(given: Mapping[str, Any]) -> Any:
        value: Any = None
        for part in parts:
            value = part(given)
            if bool(value) is not every:
                return value
        return value

    return decided


def _compared(op: type[ast.cmpop], left: Evaluate, right: Evaluate) -> Evaluate:
    compare = _COMPARISONS[op]

    def compared(given: Mapping[str, Any]) -> bool:
        a, b = left(given), right(given)
        if op in (ast.Lt, ast.LtE, ast.Gt, ast.GtE) and (a is None or b is None):
            return False
        try:
            return bool(compare(a, b))
        except (TypeError, DecimalException):
            raise ValueError(f"{_quoted(a)} and {_quoted(b)} cannot be compared") from None

    return compared


_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "less", ast.Mult: "times", ast.Div: "by"}
_METHODS = {"add": "add", "less": "subtract", "times": "multiply", "by": "divide"}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


# --------------------------------------------------------------------------- functions


def _called(name: str, args: list[Evaluate]) -> Evaluate:
    function, least, most = _FUNCTIONS[name]
    if not least <= len(args) <= most:
        raise ValueError(f"{name}() takes {least if least == most else f'{least} or {most}'} values")

    def called(given: Mapping[str, Any]) -> Any:
        values = [arg(given) for arg in args]
        return None if values[0] is None and name != "default" else function(*values)

    return called


def number(value: Any) -> Decimal:
    """A number, exactly as it is written. Raises `ValueError` for NaN, infinity and anything else."""
    if isinstance(value, str):
        if len(value) > 50:
            raise ValueError("a number of more than 50 characters")
        try:
            value = Decimal(value.strip().replace("_", "x"))
        except InvalidOperation:
            raise ValueError(f"{_quoted(value)} is not a number") from None
        return _finite(value)
    return _exact(int(value) if isinstance(value, bool) else value)


def text(value: Any) -> str:
    """As text; decimals without exponent, truth as true and false."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return f"{_exact(value):f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise ValueError(f"{_quoted(value)} is not a text")


def time(value: Any) -> dt.datetime:
    """An instant: RFC 3339 with an offset, or a number since 1970 UTC (its size tells seconds from ms, µs, ns)."""
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, str) and not value.strip().lstrip("-").replace(".", "", 1).isdigit():
        try:
            instant = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{_quoted(value)} is not a time; RFC 3339 is 2026-06-03T05:30:00Z") from None
        if instant.tzinfo is None:
            raise ValueError(f"the time {value} says no offset from UTC")
        return instant
    since = number(value)
    for limit, unit in ((Decimal("1e11"), 1), (Decimal("1e14"), 1_000), (Decimal("1e17"), 1_000_000)):
        if abs(since) < limit:
            return _instant(since * 1_000_000 / unit)
    return _instant(since / 1_000)


def _instant(microseconds: Decimal) -> dt.datetime:
    try:
        return _EPOCH + dt.timedelta(microseconds=int(microseconds))
    except OverflowError:
        raise ValueError(f"{microseconds} µs since 1970 is not a time") from None


def _rounded(value: Any, digits: Any = 0) -> Decimal:
    if not isinstance(digits, int) or not 0 <= digits <= 12:
        raise ValueError("round() keeps 0 to 12 decimals")
    return _exact(value).quantize(Decimal(1).scaleb(-digits), context=CONTEXT)


def _split(value: Any, separator: Any) -> list[str]:
    if not isinstance(value, str) or not isinstance(separator, str) or not separator:
        raise ValueError("split() takes a text and a separator")
    return value.split(separator)


def _length(value: Any) -> int:
    if not isinstance(value, str | list | tuple | dict):
        raise ValueError(f"{_quoted(value)} has no length")
    return len(value)


def _quoted(value: Any) -> str:
    shown = repr(value) if not isinstance(value, Decimal) else str(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"


_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "number": (number, 1, 1),
    "text": (text, 1, 1),
    "time": (time, 1, 1),
    "upper": (lambda value: text(value).upper(), 1, 1),
    "lower": (lambda value: text(value).lower(), 1, 1),
    "strip": (lambda value: text(value).strip(), 1, 1),
    "round": (_rounded, 1, 2),
    "split": (_split, 2, 2),
    "default": (lambda value, other: other if value is None else value, 2, 2),
    "length": (_length, 1, 1),
}
