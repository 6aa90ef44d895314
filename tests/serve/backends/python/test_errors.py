from burnish.serve.backends.python.errors import told


def test_an_exception_is_told_with_the_places_of_the_model_the_innermost_first():
    def inner():
        raise ValueError("on purpose")

    try:
        inner()
    except ValueError as error:
        text = told(error)
    start, places = text.split("\n\nAt:\n")
    assert start == "ValueError: on purpose"
    first, second = places.splitlines()
    assert first.startswith(f"  {__file__}(")
    assert first.endswith("): inner")
    assert "test_an_exception" in second


def test_without_a_place_there_is_the_message_alone():
    assert told(KeyError("x")) == "KeyError: 'x'"
