"""Rows of channels as vector values inside compiled functions.

A row is an LLVM vector with one lane per channel, so that a kernel reads like the formula for one
point of a pattern and runs in the widest registers that the processor has. Left to itself, LLVM
makes the same loops over small arrays three times slower: it keeps them in memory.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, overload, register_model

Emitted = Any
"""What numba and llvmlite hand around while a function is compiled: types and values."""

Lanes = Any
"""A row, inside compiled functions."""

Pointer = Any
"""The place of floats, inside compiled functions."""

emitted: Any = intrinsic
"""Decorator of operations for compiled functions that say themselves what LLVM is to do."""

WIDE_REGISTERS = bool(binding.get_host_cpu_features().get("avx512f"))
"""Whether the processor has 32 registers of 16 floats; of others most have 16 of 8, or 32 of 4."""

_FLOAT, _INT, _BIT = ir.FloatType(), ir.IntType(32), ir.IntType(1)
_FAST = ("reassoc", "contract", "nsz", "arcp")
FloatPointer = types.CPointer(types.float32)


class Row(types.Type):
    """Type of a row.

    Args:
        element: LLVM type of a lane.
        width: Number of lanes.
    """

    def __init__(self, element: ir.Type, width: int) -> None:
        self.element, self.width = element, width
        super().__init__(name=f"row[{element} x {width}]")

    @property
    def vector(self) -> ir.VectorType:
        """The LLVM type."""
        return ir.VectorType(self.element, self.width)

    def of(self, element: ir.Type) -> "Row":
        """The row of other elements that is as wide."""
        return Row(element, self.width)


@register_model(Row)
class _RowModel(models.PrimitiveModel):
    def __init__(self, manager: Emitted, row: Row) -> None:
        super().__init__(manager, row, row.vector)


def _splat(builder: Emitted, scalar: Emitted, row: Row) -> Emitted:
    undefined = ir.Constant(row.vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT, 0))
    mask = ir.Constant(ir.VectorType(_INT, row.width), [0] * row.width)
    return builder.shuffle_vector(first, undefined, mask)


def _call(builder: Emitted, name: str, result: ir.Type, arguments: list[Emitted]) -> Emitted:
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    return builder.call(function, arguments, fastmath=_FAST)


def _is(value: Emitted, element: ir.Type) -> bool:
    return isinstance(value, Row) and value.element == element


def _operator(
    python: Callable[..., Emitted], element: ir.Type, emit: Callable[..., Emitted]
) -> None:
    """Gives rows of an element a binary operator, with a row or a scalar on the right."""
    scalar = types.float32 if element == _FLOAT else types.uint32

    @emitted
    def both(context: Emitted, a: Emitted, b: Emitted) -> Emitted:
        def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
            right = args[1] if isinstance(b, Row) else _splat(builder, args[1], a)
            return emit(builder, args[0], right)

        return a(a, b if isinstance(b, Row) else scalar), codegen

    @overload(python, strict=False)
    def _(a: Emitted, b: Emitted) -> Emitted:
        if _is(a, element) and (_is(b, element) or isinstance(b, (types.Float, types.Integer))):
            return lambda a, b: both(a, b)
        return None


for _python, _emit in (
    (operator.add, lambda b, x, y: b.fadd(x, y, flags=_FAST)),
    (operator.sub, lambda b, x, y: b.fsub(x, y, flags=_FAST)),
    (operator.mul, lambda b, x, y: b.fmul(x, y, flags=_FAST)),
):
    _operator(_python, _FLOAT, _emit)
for _python, _emit in (
    (operator.add, lambda b, x, y: b.add(x, y)),
    (operator.mul, lambda b, x, y: b.mul(x, y)),
    (operator.xor, lambda b, x, y: b.xor(x, y)),
    (operator.lshift, lambda b, x, y: b.shl(x, y)),
    (operator.rshift, lambda b, x, y: b.lshr(x, y)),
):
    _operator(_python, _INT, _emit)


def _unary(emit: Callable[[Emitted, Emitted, Row], Emitted], element: ir.Type) -> Emitted:
    """A function from a row to a row of `element`."""

    @emitted
    def function(context: Emitted, a: Emitted) -> Emitted:
        result = a.of(element)
        return result(a), lambda _, builder, __, args: emit(builder, args[0], a)

    return function


def _llvm(name: str) -> Emitted:
    """A float function of LLVM's, lane by lane."""
    return _unary(
        lambda builder, x, row: _call(builder, f"llvm.{name}.v{row.width}f32", x.type, [x]), _FLOAT
    )


absolute = _llvm("fabs")
nearest = _llvm("rint")
reciprocal = _unary(
    lambda b, x, row: b.fdiv(_splat(b, ir.Constant(_FLOAT, 1.0), row), x, flags=_FAST), _FLOAT
)
to_int = _unary(lambda b, x, row: b.fptosi(x, row.of(_INT).vector), _INT)
bits_as_float = _unary(lambda b, x, row: b.bitcast(x, row.of(_FLOAT).vector), _FLOAT)
lanes = _unary(lambda _, __, row: ir.Constant(row.of(_INT).vector, list(range(row.width))), _INT)
"""0, 1, 2, …, in a row as wide as its argument."""


@emitted(prefer_literal=True)
def zeros(context: Emitted, width: Emitted) -> Emitted:
    """A row of a literal number of zeros."""
    row = Row(_FLOAT, width.literal_value)
    return row(width), lambda *_: ir.Constant(row.vector, None)


@emitted
def splat(context: Emitted, scalar: Emitted, like: Emitted) -> Emitted:
    """A float in every lane of a row as wide as `like`."""
    row = like.of(_FLOAT)
    return row(types.float32, like), lambda _, b, __, args: _splat(b, args[0], row)


@emitted
def fma(context: Emitted, a: Emitted, b: Emitted, c: Emitted) -> Emitted:
    """a·b + c; `a` and `c` may be a float for all lanes."""
    arguments = [x if isinstance(x, Row) else types.float32 for x in (a, b, c)]

    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        rows = [
            x if isinstance(kind, Row) else _splat(builder, x, b)
            for x, kind in zip(args, arguments, strict=True)
        ]
        return _call(builder, f"llvm.fma.v{b.width}f32", b.vector, rows)

    return b(*arguments), codegen


@emitted
def total(context: Emitted, a: Emitted) -> Emitted:
    """Sum over the lanes."""

    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        zero = ir.Constant(_FLOAT, 0.0)
        return _call(builder, f"llvm.vector.reduce.fadd.v{a.width}f32", _FLOAT, [zero, args[0]])

    return types.float32(a), codegen


def _comparison(emit: Callable[[Emitted, Emitted, Emitted], Emitted]) -> Emitted:
    @emitted
    def function(context: Emitted, a: Emitted, b: Emitted) -> Emitted:
        result = a.of(_BIT)
        right = b if isinstance(b, Row) else (types.uint32 if _is(a, _INT) else types.float32)

        def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
            other = args[1] if isinstance(b, Row) else _splat(builder, args[1], a)
            return emit(builder, args[0], other)

        return result(a, right), codegen

    return function


is_greater = _comparison(lambda b, x, y: b.fcmp_ordered(">", x, y))
is_at_least = _comparison(lambda b, x, y: b.icmp_unsigned(">=", x, y))


@emitted
def select(context: Emitted, condition: Emitted, a: Emitted, b: Emitted) -> Emitted:
    """Lane by lane `a` where the condition holds, else `b`."""
    return a(condition, a, b), lambda _, builder, __, args: builder.select(*args)


@emitted
def load(context: Emitted, pointer: Emitted, index: Emitted, like: Emitted) -> Emitted:
    """The row that begins at element `index`, as wide as `like`."""
    row = like.of(_FLOAT)

    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        place = builder.bitcast(builder.gep(args[0], [args[1]]), row.vector.as_pointer())
        return builder.load(place, align=4)

    return row(FloatPointer, types.int64, like), codegen


@emitted
def store(context: Emitted, pointer: Emitted, index: Emitted, row: Emitted) -> Emitted:
    """Writes a row from element `index` on."""

    def codegen(context: Emitted, builder: Emitted, _: Emitted, args: Emitted) -> Emitted:
        place = builder.bitcast(builder.gep(args[0], [args[1]]), row.vector.as_pointer())
        builder.store(args[2], place, align=4)
        return context.get_dummy_value()

    return types.void(FloatPointer, types.int64, row), codegen


@emitted(prefer_literal=True)
def scratch(context: Emitted, size: Emitted) -> Emitted:
    """A literal number of floats on the stack, of any content."""

    def codegen(_: Emitted, builder: Emitted, __: Emitted, ___: Emitted) -> Emitted:
        with builder.goto_entry_block():
            place = builder.alloca(_FLOAT, ir.Constant(ir.IntType(64), size.literal_value))
        place.align = 64
        return place

    return FloatPointer(size), codegen
