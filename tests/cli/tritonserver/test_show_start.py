from burnish.cli.tritonserver.show_start import box, start_messages
from burnish.serve.app.started import Started, StartedModel


def test_models_stand_in_tritons_table_and_services_below():
    models = (StartedModel("add", "1", "READY", "", "plan", 1), StartedModel("b", "2", "UNAVAILABLE", "a\nb", "", 0))
    table, *services = start_messages(Started("0.0.0.0", 8000, "g", 8001, "m", 8002, models))
    assert table.strip().splitlines() == [
        "+-------+---------+----------------+",
        "| Model | Version | Status         |",
        "+-------+---------+----------------+",
        "| add   | 1       | READY          |",
        "| b     | 2       | UNAVAILABLE: a |",
        "|       |         | b              |",
        "+-------+---------+----------------+",
    ]
    assert services == [
        "Started GRPCInferenceService at g:8001",
        "Started HTTPService at 0.0.0.0:8000",
        "Started Metrics Service at m:8002",
    ]


def test_an_empty_table_is_a_head_alone():
    assert box(("Model",), []).splitlines() == ["+-------+", "| Model |", "+-------+", "+-------+"]
