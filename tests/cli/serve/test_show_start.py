from burnish.cli.serve.show_start import start_text
from burnish.serve.app.started import Started, StartedModel


def test_models_stand_in_a_table_and_addresses_below():
    models = (
        StartedModel("digits", "1", "READY", "", "plan", 2048),
        StartedModel("b", "12", "UNAVAILABLE", "Internal: no file\nmore\n", "", 0),
    )
    assert start_text(Started("::1", 8000, "::1", 8001, "h", 8002, models), True).splitlines() == [
        "model   version  state                           backend  memory",
        "digits  1        READY                           plan     2.0 KiB",
        "b       12       UNAVAILABLE: Internal: no file           0 B",
        "HTTP    https://[::1]:8000",
        "gRPC    [::1]:8001",
        "metrics http://h:8002/metrics",
    ]


def test_what_does_not_listen_is_not_shown():
    assert start_text(Started("h", None, "h", 1, "h", None), False).splitlines() == [
        "no model is loaded",
        "gRPC    h:1",
    ]
