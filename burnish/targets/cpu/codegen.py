"""LLVM IR -> object code for a target level. The same module and target give the same bytes on every build machine.

The object is position independent and has no external symbol, so llvmlite's object loader (or any other) can map it
anywhere. The templates vectorise the code themselves; LLVM's own vectorisers are off.
"""

from __future__ import annotations

import functools

import llvmlite.binding as llvm
from llvmlite import ir

from burnish.errors import UserError
from burnish.target import Target
from burnish.targets.keep import Keep, keep_nothing

TRIPLE = "x86_64-unknown-linux-gnu"
_EXTENSION_FEATURES = {
    "vnni": "+avx512vnni",
    "bf16": "+avx512bf16",
    "amx": "+avx512bf16,+avx512vnni,+amx-tile,+amx-int8,+amx-bf16",
}


def features(target: Target) -> str:
    """LLVM's feature list beyond what the processor named after the level implies."""
    extensions = [_EXTENSION_FEATURES[e] for e in target.extensions if e in _EXTENSION_FEATURES]
    return ",".join(["-prefer-256-bit", *extensions])


@functools.cache
def _initialize() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()  # for the inline assembly of team.py (pause, futex)


def target_machine(target: Target) -> llvm.TargetMachine:
    """LLVM's description of a machine of the target's level; it does not depend on the host."""
    _initialize()
    return llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu=target.level, features=features(target), opt=3, reloc="pic", codemodel="small"
    )


def optimize(module: ir.Module, target: Target, keep: Keep = keep_nothing) -> llvm.ModuleRef:
    """Parse, verify and run LLVM's O2 pipeline without its vectorisers and unroller. E626 for edited text."""
    machine = target_machine(target)
    module.triple, module.data_layout = TRIPLE, str(machine.target_data)
    edited = keep("source", f"{target}.ll", lambda: str(module))
    try:
        parsed = llvm.parse_assembly(str(module) if edited is None else edited)
        parsed.verify()
    except RuntimeError as error:
        if edited is None:
            raise
        what, hint = f"the edited LLVM IR for {target} is not valid", "mend it in the folder of --override"
        raise UserError("E626", what, why=str(error).strip(), hint=hint) from error
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = tuning.loop_interleaving = False
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(parsed, passes)
    return parsed


def compile_module(module: ir.Module, target: Target, keep: Keep = keep_nothing) -> bytes:
    """Object code (ELF, relocatable) of a module. `keep` gets its text and its assembly, see `Compiler`.

    cost: 1 to 20 ms a kernel, most of it LLVM's instruction selection
    """
    machine, optimised = target_machine(target), optimize(module, target, keep)
    keep("assembly", f"{target}.s", lambda: str(machine.emit_assembly(optimised)))
    return bytes(machine.emit_object(optimised))


def assembly(module: ir.Module, target: Target) -> str:
    """The same code as assembly text, for people to read."""
    return str(target_machine(target).emit_assembly(optimize(module, target)))
