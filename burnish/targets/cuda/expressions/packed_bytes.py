"""Bytes from floats and floats from bytes, four at a time, in the GPU's assembly: Triton has no words for it.

    byte_of     saturate(round(x) + zero)     rounded, limited and packed: without a zero point one instruction for two
                                              elements on sm_90a
    float_of    2^15 + code                   a permutation puts the code into the middle of the float 2^15
    extreme     max(x, y), min(x, y)          in 16 bits, of which the upper byte decides: even bytes, then odd ones
    times       code * scale                  2^15 * scale leaves the product exactly, so that it is rounded once

An instruction that converts one float or one integer runs at an eighth of the usual rate. A block of less than four
elements a thread is done one by one.
"""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.targets.cuda.text import Function, KernelText

START = 1 << 15  # of a code that is a float's middle byte
_SIGN = 128

_FOURS = '''
@triton.jit
def {name}({arguments}):
    if {first}.numel >= 4 * num_threads():
        found = tl.inline_asm_elementwise(
            """{{
                {fours}
            }}""", "{constraints}", [{arguments}], dtype=tl.{kind}, is_pure=True, pack=4
        )
    else:
        found = {single}
    return found
'''


def byte_of(text: KernelText, dtype: DType, x: str, zero: str) -> str:
    """saturate(round(x) + zero), of f32. zero: an i32, or "" for none; round(x) + zero fits an i32."""
    kind, low, high = ("u8", 0, 255) if dtype is DType.U8 else ("s8", -128, 127)
    rounded = [f"cvt.rni.s32.f32 {r}, ${n};" for n, r in enumerate("abcd", 1)]
    moved = [f"add.s32 {r}, {r}, ${n};" for n, r in enumerate("abcd", 5)] if zero else []
    packed = [f"cvt.pack.sat.{kind}.s32.b32 c, d, c, 0;", f"cvt.pack.sat.{kind}.s32.b32 $0, b, a, c;"]
    register = "uint8" if dtype is DType.U8 else "int8"
    if zero:
        whole = f"tl.minimum(tl.maximum(libdevice.rint(x).to(tl.int32) + zero, {low}), {high})"
    else:
        whole = f"libdevice.rint(tl.minimum(tl.maximum(x, {float(low)}), {float(high)})).to(tl.int32)"
    function = _function(
        f"byte_{kind}{'_from_zero' if zero else ''}",
        "x, zero" if zero else "x",
        [".reg .s32 a, b, c, d;", *rounded, *moved, *packed],
        "=r,f,f,f,f" + (",r,r,r,r" if zero else ""),
        register,
        f"{whole}.to(tl.{register})",
    )
    return text.call(function, x, zero) if zero else text.call(function, x)


def number_of(text: KernelText, code: str, kind: str, zero: str | int) -> str:
    """f32(code - zero), of codes. zero: a number, or the name of an i32"""
    start = START + (_SIGN if kind == "int8" else 0)
    taken = f"{float(start + zero)!r}" if isinstance(zero, int) else f"({zero} + {start}).to(tl.float32)"
    return f"({_float_of(text, code, kind)} - {taken})"


def times(text: KernelText, code: str, scale: str) -> str:
    """f32(code) * scale, of u8 codes and one scale, so small that 2^15 * scale is finite."""
    return f"tl.fma({_float_of(text, code, 'uint8')}, {scale}, {scale} * {float(-START)!r})"


def extreme(text: KernelText, op: str, dtype: DType, x: str, y: str) -> str:
    """The larger or the smaller byte of each two, on a chip that has pairs. op: max or min"""
    kind = "u8" if dtype is DType.U8 else "s8"
    pair = f"{op}.{'u' if dtype is DType.U8 else 's'}16x2"
    even = ["shl.b32 a, $1, 8;", "shl.b32 b, $2, 8;", f"{pair} a, a, b;"]
    body = [".reg .b32 a, b;", *even, f"{pair} b, $1, $2;", "prmt.b32 $0, a, b, 0x7351;"]
    register = "uint8" if dtype is DType.U8 else "int8"
    single = f"tl.{op}imum(x, y)"
    return text.call(_function(f"{op}imum_{kind}", "x, y", body, "=r,r,r", register, single), x, y)


def _float_of(text: KernelText, code: str, kind: str) -> str:
    """2^15 + code; of a signed one, code + 128."""
    is_signed = kind == "int8"
    unsigned = "xor.b32 a, $4, 0x80808080;" if is_signed else "mov.b32 a, $4;"
    body = [".reg .b32 a;", unsigned, *(f"prmt.b32 ${n}, a, 0x47000000, 0x76{n}4;" for n in range(4))]
    low = f"code.to(tl.int32){f' + {_SIGN}' if is_signed else ''}"
    single = f"(({low}) * 256 | 0x47000000).to(tl.float32, bitcast=True)"
    return text.call(_function(f"float_of_{kind}", "code", body, "=f,=f,=f,=f,r", "float32", single), code)


def _function(name: str, arguments: str, fours: list[str], constraints: str, kind: str, single: str) -> Function:
    lines = f"\n{' ' * 16}".join(fours)
    first, *_ = arguments.split(",")
    found = _FOURS.format(
        name=name, arguments=arguments, first=first, fours=lines, constraints=constraints, kind=kind, single=single
    )
    return Function(name, found)
