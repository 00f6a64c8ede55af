"""The compiled library as Python sees it: its structures, and whether it can be used here."""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_void_p
from typing import Any

from server.engine.native.build import library_path

BYTES, HALVES, FLOATS = range(3)


class Matrix(Structure):
    """See products.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("weight", "scale", "bias")),
        *((name, c_int32) for name in ("out", "into", "width")),
    )


class Norm(Structure):
    """See step.c."""

    _fields_ = (("weight", c_void_p), ("epsilon", c_float))


class Block(Structure):
    """See step.c."""

    _fields_ = (
        *((name, Norm) for name in ("before_attention", "query_norm", "key_norm", "before_mlp")),
        *((name, Matrix) for name in ("queries_keys_values", "after_attention", "gate_up", "down")),
    )


SIZES = ("layers", "width", "heads", "key_heads", "head_width", "mlp_width", "threads")


class Model(Structure):
    """See step.c."""

    _fields_ = (
        ("blocks", POINTER(Block)),
        ("last_norm", Norm),
        *((name, c_int32) for name in SIZES),
    )


class State(Structure):
    """See step.c."""

    _fields_ = (
        ("keys", POINTER(c_void_p)),
        ("values", POINTER(c_void_p)),
        *((name, c_void_p) for name in ("cosine", "sine")),
        ("room", c_int64),
    )


@functools.cache
def library() -> Any | None:
    """The compiled library; None where it was not built or the processor cannot run it."""
    path = library_path()
    if not path.is_file():
        return None
    found: Any = ctypes.CDLL(str(path))
    found.product.argtypes = (c_void_p, c_void_p, c_void_p, c_int32, c_int32)
    found.rescored.argtypes = (*(c_void_p,) * 4, *(c_int32,) * 3)
    found.read_rows.argtypes = (*(c_void_p,) * 3, *(c_int32,) * 3)
    for function in (found.product, found.rescored, found.read_rows):
        function.restype = None
    return found if found.is_supported() else None
