"""Compiled functions as XLA custom calls: how they find their arrays, and how all cores work.

XLA hands a C function a call frame (its typed foreign function interface, a stable binary
interface: the structures whose offsets stand here are those of `xla/ffi/api/c_api.h` in jaxlib).
The work is shared out, part by part, over XLA's own threads.
"""

import ctypes
import functools
import threading
from collections.abc import Callable
from types import FunctionType

import jax
from llvmlite import ir
from numba import cfunc, types
from numba.core import cgutils

from data_gen.kernels.compiled import kernel, stamp_whole_folder
from sgan_jax.kernels.vectors import Emitted, FloatPointer, Pointer, emitted

stamp_whole_folder(__file__)

# Offsets in bytes.
_FRAME_EXTENSION, _FRAME_API, _FRAME_CONTEXT = 8, 16, 24
_FRAME_ARGUMENTS, _FRAME_RESULTS = 72, 112  # arrays of pointers to buffers
_BUFFER_DATA, _BUFFER_DIMENSIONS = 24, 40
_EXTENSION_KIND, _EXTENSION_METADATA = 8, 24
_METADATA_MAJOR, _METADATA_MINOR, _METADATA_TRAITS = 24, 28, 32
_API_DESTROY_ERROR, _API_SCHEDULE, _API_COUNT_THREADS = 64, 136, 144

_METADATA_WANTED = 1
_INTERFACE = (0, 3)

# A job, on the heap, since a thread may come to it after the call that made it has ended.
_JOB_FRAME, _JOB_COUNT, _JOB_NEXT, _JOB_DONE, _JOB_HOLDERS, _JOB_BYTES = 0, 8, 16, 24, 32, 40

_WORD = ir.IntType(64)
_ELEMENT = 4  # bytes of a number in any array
_registering = threading.RLock()
Body = Callable[[int, int], None]


def _at(builder: Emitted, address: Emitted, kind: ir.Type = _WORD) -> Emitted:
    return builder.inttoptr(address, kind.as_pointer())


@emitted
def _read(context: Emitted, address: Emitted) -> Emitted:
    return types.int64(types.int64), lambda _, b, __, args: b.load(_at(b, args[0]))


@emitted
def _write(context: Emitted, address: Emitted, value: Emitted) -> Emitted:
    """Writes a 64-bit or, if the value is one, a 32-bit integer."""
    kind = types.int32 if value == types.int32 else types.int64

    def codegen(context: Emitted, builder: Emitted, _: Emitted, args: Emitted) -> Emitted:
        builder.store(args[1], _at(builder, args[0], args[1].type))
        return context.get_dummy_value()

    return types.void(types.int64, kind), codegen


@emitted
def _add_atomically(context: Emitted, address: Emitted, amount: Emitted) -> Emitted:
    """Adds and returns what was there before."""

    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        return builder.atomic_rmw("add", _at(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@emitted
def _allocate(context: Emitted, size: Emitted) -> Emitted:
    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        signature = ir.FunctionType(cgutils.voidptr_t, [_WORD])
        malloc = cgutils.get_or_insert_function(builder.module, signature, "malloc")
        return builder.ptrtoint(builder.call(malloc, [args[0]]), _WORD)

    return types.int64(types.int64), codegen


@emitted
def _free(context: Emitted, address: Emitted) -> Emitted:
    def codegen(context: Emitted, builder: Emitted, _: Emitted, args: Emitted) -> Emitted:
        signature = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
        free = cgutils.get_or_insert_function(builder.module, signature, "free")
        builder.call(free, [builder.inttoptr(args[0], cgutils.voidptr_t)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@emitted
def _let_others_run(context: Emitted) -> Emitted:
    """Gives the processor to another thread that waits for it."""

    def codegen(context: Emitted, builder: Emitted, _: Emitted, __: Emitted) -> Emitted:
        signature = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, signature, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@emitted
def _call_api(context: Emitted, frame: Emitted, function: Emitted, structure: Emitted) -> Emitted:
    """Calls a function of XLA's with the address of its structure of arguments."""

    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        api = builder.load(_at(builder, builder.add(args[0], ir.Constant(_WORD, _FRAME_API))))
        pointer = ir.FunctionType(_WORD, [_WORD]).as_pointer()
        place = _at(builder, builder.add(api, args[1]), pointer)
        return builder.call(builder.load(place), [args[2]])

    return types.int64(types.int64, types.int64, types.int64), codegen


@emitted(prefer_literal=True)
def _words(context: Emitted, size: Emitted) -> Emitted:
    """Address of a literal number of 64-bit words on the stack."""

    def codegen(_: Emitted, builder: Emitted, __: Emitted, ___: Emitted) -> Emitted:
        with builder.goto_entry_block():
            place = builder.alloca(_WORD, ir.Constant(_WORD, size.literal_value))
        return builder.ptrtoint(place, _WORD)

    return types.int64(size), codegen


@emitted
def _float_pointer(context: Emitted, address: Emitted) -> Emitted:
    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        return builder.inttoptr(args[0], ir.FloatType().as_pointer())

    return FloatPointer(types.int64), codegen


@emitted
def element(context: Emitted, pointer: Emitted, index: Emitted) -> Emitted:
    """The float at an index."""

    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        return builder.load(builder.gep(args[0], [args[1]]))

    return types.float32(FloatPointer, types.int64), codegen


@emitted
def set_element(context: Emitted, pointer: Emitted, index: Emitted, value: Emitted) -> Emitted:
    """Sets the float at an index."""

    def codegen(context: Emitted, builder: Emitted, _: Emitted, args: Emitted) -> Emitted:
        builder.store(args[2], builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    return types.void(FloatPointer, types.int64, types.float32), codegen


@emitted
def bits(context: Emitted, pointer: Emitted, index: Emitted) -> Emitted:
    """The unsigned 32-bit integer at an index of what was declared as floats."""

    def codegen(_: Emitted, builder: Emitted, __: Emitted, args: Emitted) -> Emitted:
        place = builder.bitcast(args[0], ir.IntType(32).as_pointer())
        return builder.load(builder.gep(place, [args[1]]))

    return types.uint32(FloatPointer, types.int64), codegen


@emitted
def offset(context: Emitted, pointer: Emitted, index: Emitted) -> Emitted:
    """The pointer moved on by a number of floats."""
    return FloatPointer(FloatPointer, types.int64), lambda _, b, __, args: b.gep(args[0], [args[1]])


@kernel
def argument(frame: int, index: int) -> Pointer:
    """Pointer to an argument's elements."""
    return _float_pointer(_read(_read(_read(frame + _FRAME_ARGUMENTS) + 8 * index) + _BUFFER_DATA))


@kernel
def result(frame: int, index: int) -> Pointer:
    """Pointer to a result's elements."""
    return _float_pointer(_read(_read(_read(frame + _FRAME_RESULTS) + 8 * index) + _BUFFER_DATA))


@kernel
def length(frame: int, index: int, axis: int) -> int:
    """Length of an axis of an argument."""
    buffer = _read(_read(frame + _FRAME_ARGUMENTS) + 8 * index)
    return _read(_read(buffer + _BUFFER_DIMENSIONS) + 8 * axis)


@kernel
def result_length(frame: int, index: int, axis: int) -> int:
    """Length of an axis of a result."""
    buffer = _read(_read(frame + _FRAME_RESULTS) + 8 * index)
    return _read(_read(buffer + _BUFFER_DIMENSIONS) + 8 * axis)


@kernel
def _describes_itself(frame: int) -> bool:
    """Answers the question, put once, which version of the interface a function is made for."""
    extension = _read(frame + _FRAME_EXTENSION)
    if extension == 0 or _read(extension + _EXTENSION_KIND) & 0xFFFFFFFF != _METADATA_WANTED:
        return False
    metadata = _read(extension + _EXTENSION_METADATA)
    _write(metadata + _METADATA_MAJOR, types.int32(_INTERFACE[0]))
    _write(metadata + _METADATA_MINOR, types.int32(_INTERFACE[1]))
    _write(metadata + _METADATA_TRAITS, types.int32(0))
    return True


@kernel
def _threads(frame: int) -> int:
    count, query = _words(1), _words(4)
    _write(count, 1)
    _write(query, 32)
    _write(query + 8, 0)
    _write(query + 16, _read(frame + _FRAME_CONTEXT))
    _write(query + 24, count)
    error = _call_api(frame, _API_COUNT_THREADS, query)
    if error != 0:
        _destroy(frame, error)
    return _read(count)


@kernel
def _schedule(frame: int, task: int, job: int) -> bool:
    """Asks a thread of XLA's to join a job; tells whether one may come."""
    request = _words(5)
    _write(request, 40)
    _write(request + 8, 0)
    _write(request + 16, _read(frame + _FRAME_CONTEXT))
    _write(request + 24, task)
    _write(request + 32, job)
    error = _call_api(frame, _API_SCHEDULE, request)
    if error != 0:
        _destroy(frame, error)
    return error == 0


@kernel
def _destroy(frame: int, error: int) -> None:
    structure = _words(3)
    _write(structure, 24)
    _write(structure + 8, 0)
    _write(structure + 16, error)
    _call_api(frame, _API_DESTROY_ERROR, structure)


@kernel
def _let_go(job: int) -> None:
    if _add_atomically(job + _JOB_HOLDERS, -1) == 1:
        _free(job)


@kernel
def _new_job(frame: int) -> int:
    job = _allocate(_JOB_BYTES)
    _write(job + _JOB_FRAME, frame)
    _write(job + _JOB_COUNT, result_length(frame, 0, 0))
    _write(job + _JOB_NEXT, 0)
    _write(job + _JOB_DONE, 0)
    _write(job + _JOB_HOLDERS, 1)
    return job


def _task_address(work: Callable[[int], None]) -> Emitted:
    """An intrinsic: the address of a C function that does `work` on a job.

    The C function is emitted into the module that asks for its address, so that both lie in one
    piece of compiled code, which can be kept on disk.
    """
    signature = types.void(types.int64)

    @emitted
    def address(context: Emitted) -> Emitted:
        def codegen(context: Emitted, builder: Emitted, _: Emitted, __: Emitted) -> Emitted:
            # Numba's cache of subroutines would take functions of the same code for the same.
            compiled = context.compile_subroutine(builder, work, signature, caching=False)
            kind = ir.FunctionType(ir.VoidType(), [_WORD])
            task = ir.Function(builder.module, kind, f"{compiled.fndesc.mangled_name}.task")
            task.linkage = "internal"
            inside = ir.IRBuilder(task.append_basic_block())
            context.call_internal_no_propagate(inside, compiled.fndesc, signature, task.args)
            inside.ret_void()
            return builder.ptrtoint(task, _WORD)

        return types.int64(), codegen

    return address


# What the next two functions call goes by these names; `_bind` says what it is.
_body: Emitted
_work_here: Emitted
_task: Emitted


def _work(job: int) -> None:
    """What each thread does of a job: part after part, until none is left."""
    while True:
        part = _add_atomically(job + _JOB_NEXT, 1)
        if part >= _read(job + _JOB_COUNT):
            break
        _body(_read(job + _JOB_FRAME), part)
        _add_atomically(job + _JOB_DONE, 1)
    _let_go(job)


def _handle(frame: int) -> int:
    """What XLA calls: begins a job, takes part in it, and waits for the others' last parts."""
    if _describes_itself(frame):
        return 0
    job = _new_job(frame)
    count = _read(job + _JOB_COUNT)
    for _ in range(min(_threads(frame), count) - 1):
        _add_atomically(job + _JOB_HOLDERS, 1)
        if not _schedule(frame, _task(), job):
            _let_go(job)
    _add_atomically(job + _JOB_HOLDERS, 1)
    _work_here(job)
    while _add_atomically(job + _JOB_DONE, 0) < count:
        _let_others_run()
    _let_go(job)
    return 0


def _bind(function: Callable[..., Emitted], name: str, **names: Emitted) -> Callable[..., Emitted]:
    """The function under another name, with more global names.

    A closure would do the same, but numba never finds the compiled code of one on disk again.
    """
    bound = FunctionType(function.__code__, {**globals(), **names}, name)
    bound.__qualname__ = name
    return bound


def custom_call(body: Body) -> Callable[..., Emitted]:
    """Makes a custom call of a function of one part of the work.

    It is compiled and registered with XLA when it is first used, since other devices than CPUs
    never do.

    Args:
        body: Compiled function (frame, part), run once for each entry of the leading axis of the
            first result, by several threads at a time. Its arrays are those of `argument` and
            `result`, of 32-bit numbers.

    Returns:
        Function (results, *arguments) → arrays, `results` being shapes as `jax.ShapeDtypeStruct`.
    """
    name = body.__name__
    target = f"sgan_jax.{name}"

    @functools.cache
    def register() -> None:
        work = _bind(_work, f"{name}_work", _body=body)
        handle = _bind(
            _handle, f"{name}_handle", _work_here=kernel(work), _task=_task_address(work)
        )
        compiled = cfunc(types.int64(types.int64), cache=True, error_model="numpy")(handle)
        capsule = ctypes.pythonapi.PyCapsule_New
        capsule.restype = ctypes.py_object
        capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        pointer = capsule(compiled.address, None, None)
        jax.ffi.register_ffi_target(target, pointer, platform="cpu")

    def call(results: Emitted, *arguments: Emitted) -> Emitted:
        for array in (*jax.tree.leaves(results), *arguments):
            if array.dtype.itemsize != _ELEMENT:
                raise TypeError(f"{target} is for arrays of 32-bit numbers, not {array.dtype}")
        with _registering:
            register()
        return jax.ffi.ffi_call(target, results)(*arguments)

    return call
