"""What is known of one boundary."""

from __future__ import annotations

import numpy as np

import burnish
from burnish.doctor.case import graph_values, take_cases
from burnish.doctor.causes.unexplained import CAUSE
from burnish.doctor.locate import written_graph
from burnish.doctor.meaning import meanings_of
from burnish.doctor.observe import observe
from burnish.doctor.reference import open_reference
from tests.doctor.planted import DATA, fitting_ranges, mlp
from tests.doctor.test_tasks import exact_of, opened


def test_a_case_holds_the_nodes_and_the_numbers_around_a_boundary() -> None:
    model = mlp()
    plan = burnish.build(model)
    with (
        opened(model, precision="int8", ranges=fitting_ranges(model)) as tasks,
        open_reference(model, plan.manifest, {}, 1) as reference,
    ):
        graph = written_graph(model, tasks.rebuilt.plan, tasks.rebuilt)
        meanings = meanings_of(graph, tasks.rebuilt.analysis.model.graph)
        seen = observe(tasks, reference, DATA, lambda *_: None)
        x, b, y = take_cases(tasks, reference, graph, meanings, seen.boundaries, DATA, "bf16")
    assert [n.op_type for n in b.region] == ["DequantizeLinear", "DequantizeLinear", "Gemm", "Relu", "QuantizeLinear"]
    assert [n.name for n in b.readers] == ["second"] and (b.layer, x.layer, y.layer) == ("shift", "shift", "second")
    assert b.maker_of("b") == "act" and b.maker_of("nowhere") == "shift"
    np.testing.assert_allclose(b.numbers[1], exact_of(model, DATA[1])["b"], rtol=1e-4, atol=1e-5)
    assert len(b.made) == 2 and b.codes is not None and b.dtype == np.uint8 and y.codes is None
    node = b.region[2]
    assert b.of(node.inputs[0]) is b.exact["x"] and b.of(None) is None
    finding = b.finding(CAUSE, "it is so")
    assert (finding.raises, finding.precision, finding.replaces) == (("second",), "bf16", ("first",))
    assert {"x", "y"} <= {v.name for v in graph_values(graph)}
