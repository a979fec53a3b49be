"""Arithmetic, read as a Python expression and computed by us: nothing is ever executed."""

import ast
import math
import operator
from collections.abc import Callable, Mapping

Number = int | float

LENGTH = 300  # characters
DIGITS = 1000  # of a whole number, so that 9**9**9 answers at once

BINARY: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
UNARY: Mapping[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
FUNCTIONS: Mapping[str, Callable[..., Number]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "log10": math.log10,
    "max": max,
    "min": min,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
CONSTANTS: Mapping[str, Number] = {"pi": math.pi, "e": math.e}


def calculator(expression: str) -> str:
    """Compute an arithmetic expression.

    Args:
        expression: Numbers with + - * / // % ** and parentheses, the constants pi and e, and the functions sqrt, abs,
            round, floor, ceil, min, max, log, log10, exp, sin, cos, tan. For example (2 + 3) * 4 ** 0.5.
    """
    if len(expression) > LENGTH:
        raise ValueError(f"the expression is longer than {LENGTH} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"this is no arithmetic expression: {expression!r}") from error
    value = _value(tree.body)
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=operation, operand=operand) if type(operation) in UNARY:
            return UNARY[type(operation)](_value(operand))
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            return _power(_value(base), _value(exponent))
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in BINARY:
            return _bounded(BINARY[type(operation)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return _bounded(FUNCTIONS[name](*map(_value, arguments)))
        case _:
            raise ValueError(f"this is not understood: {ast.unparse(node)!r}")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        if abs(base) > 1 and exponent * math.log10(abs(base)) > DIGITS:
            raise ValueError(f"the result has more than {DIGITS} digits")
        return int(base**exponent)
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("the result is not a real number")
    return _bounded(float(result))


def _bounded(number: Number) -> Number:
    if isinstance(number, int) and abs(number) >= 10**DIGITS:
        raise ValueError(f"the result has more than {DIGITS} digits")
    return number
