"""How many launches a transformer takes on a target with CUDA's abilities: seven a layer, and no copies."""

from __future__ import annotations

from collections import Counter

import pytest

from burnish.building.analyze import Analysis, analyze
from burnish.kernels.abilities import Abilities
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask, Contraction, Launch, Loops, each_launch
from burnish.target import parse_target
from burnish.targets import compiler_of
from tests.end_to_end.transformers import bert, distilbert, vit

CUDA: Abilities = compiler_of(parse_target("cuda:sm_90a")).abilities
LAYER = Counter({"Contraction": 4, "Loops": 2, "AttentionTask": 1})
TEXT = dict.fromkeys(("input_ids", "attention_mask"), ((1, 1), (2, 24), (4, 64)))
FIXED = dict.fromkeys(("input_ids", "attention_mask"), (2, 24))


def launches(found: Analysis) -> list[Launch]:
    return list(each_launch(found.program.steps))


def kinds(found: Analysis) -> Counter[str]:
    return Counter(type(launch.kernel).__name__ for launch in launches(found))


def layer(found: Analysis, number: int, before: int) -> list[Launch]:
    return launches(found)[before + 7 * number : before + 7 * (number + 1)]


@pytest.mark.parametrize("make", [bert, distilbert])
def test_bert_is_an_embedding_a_mask_and_seven_launches_a_layer(make):
    found = analyze(make(depth=2), shapes=FIXED, abilities=CUDA, index_checks=False)
    extra = kinds(found) - LAYER - LAYER
    assert extra == Counter({"Loops": 2}), [x.name for x in launches(found)]
    for number in (0, 1):
        kernels = [x.kernel for x in layer(found, number, 2)]
        assert [type(k) for k in kernels] == [
            Contraction, AttentionTask, Contraction, Loops, Contraction, Contraction, Loops,
        ]  # fmt: skip


def test_attention_reads_the_merged_product_and_a_mask_of_one_row():
    found = analyze(bert(depth=1), shapes=FIXED, abilities=CUDA, index_checks=False)
    product, attention = launches(found)[2:4]
    assert isinstance(product.kernel, Contraction) and product.kernel.n.extent == 3 * 48
    assert isinstance(attention.kernel, AttentionTask)
    q, k, v, mask, out = attention.kernel.slots
    assert {s.strides for s in (q, k, v)} == {(24 * 144, 12, 144, 1)} and out.strides == (24 * 48, 12, 48, 1)
    assert [b.offset for b in attention.bindings[:3]] == [0, 48, 96]
    assert len({b.storage for b in attention.bindings[:3]}) == 1
    assert mask.strides[1:] == (0, 0, 1) and mask.shape[0] == 2


def test_the_epilogues_hold_biases_residuals_and_gelu():
    found = analyze(bert(depth=1), shapes=FIXED, abilities=CUDA, index_checks=False)
    names = [set(x.nodes) for x in layer(found, 0, 2)]
    assert [len(n) for n in names] == [2, 1, 3, 1, 3, 3, 1], names


def test_a_symbolic_batch_and_length_cost_two_launches_more():
    found = analyze(bert(depth=2), profile=TEXT, abilities=CUDA, index_checks=False)
    assert (kinds(found) - LAYER - LAYER)["Loops"] <= 4
    attention = next(x.kernel for x in launches(found) if isinstance(x.kernel, AttentionTask))
    mask: Slot = attention.slots[3]
    assert mask.strides[1:] == (0, 0, 1)


@pytest.mark.parametrize("shapes", [(1, 1, 1), (1, 2, 4)])
def test_vit_computes_its_patches_in_place(shapes: tuple[int, int, int]):
    found = analyze(
        vit(depth=2),
        profile={"pixel_values": tuple((n, 3, 48, 48) for n in shapes)},
        abilities=CUDA,
        index_checks=False,
    )
    extra = kinds(found) - LAYER - LAYER
    # the image by patches, the patches with their positions, the token, the last norm, the classifier
    assert extra == Counter({"Contraction": 2, "Loops": 3}), [x.name for x in launches(found)]
    patches, token = launches(found)[1:3]
    assert isinstance(patches.kernel, Contraction) and isinstance(token.kernel, Loops)
    assert patches.bindings[patches.writes[0]].storage == token.bindings[token.writes[0]].storage
