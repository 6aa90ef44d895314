"""Choose the variant of a plan to run, and the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from burnish.devices import Device
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan.manifest import Manifest, Variant
from burnish.target import Target, parse_target


def choose_variant(manifest: Manifest, devices: Sequence[Device], absent: Mapping[str, str]) -> tuple[Variant, Device]:
    """The best variant for the first device that can run one.

    absent: kinds of devices that this machine lacks, and why
    raises: E501, with what each variant needs, if there is none
    """
    for device in devices:
        fits = [
            (target.rank, -place, variant)
            for place, variant in enumerate(manifest.variants)
            if (target := _target(variant)) is not None and not device.missing(target)
        ]
        if fits:
            return max(fits, key=lambda fit: fit[:2])[2], device
    names = " and ".join(device.name for device in devices)
    raise EnvironmentProblem(
        "E501",
        f"this machine's {names} cannot run the plan",
        why="; ".join(_reason(v, devices, absent) for v in manifest.variants) or "it holds no code at all",
        hint="build it here (--target cpu, --target cuda), or with a lower level as well "
        "(--target cpu:x86-64-v2,cuda:sm_80; --target cpu:x86-64-v4+amx,cpu:x86-64-v4)",
    )


def _reason(variant: Variant, devices: Sequence[Device], absent: Mapping[str, str]) -> str:
    kind = variant.target.partition(":")[0]
    target = _target(variant)
    if target is None:
        return f"{variant.target} needs a newer Burnish"
    needs = [", ".join(device.missing(target)) for device in devices]
    own = [need for device, need in zip(devices, needs) if device.name.partition(":")[0] == kind]
    why = f" ({absent[kind]})" if kind in absent else ""
    return f"{variant.target} needs {' or '.join(dict.fromkeys(own or needs))}{why}"


def _target(variant: Variant) -> Target | None:
    """Its target, if it is one that this version knows."""
    try:
        return parse_target(variant.target)
    except UserError:
        return None
