"""Oracle: a program in C++ with libstdc++'s own table."""

from burnish.serve.repository.hash_order import in_hash_order


def test_names_come_as_the_table_lists_them() -> None:
    assert in_hash_order(["A", "B"]) == ["B", "A"]
    assert in_hash_order(["A", "B", "C"]) == ["B", "C", "A"]
    assert in_hash_order(["input_ids", "attention_mask", "token_type_ids"])[0] == "token_type_ids"


def test_the_table_grows() -> None:
    names = [f"input_{n}" for n in range(60)]
    assert in_hash_order(names)[:6] == ["input_59", "input_26", "input_23", "input_18", "input_46", "input_29"]
    assert sorted(in_hash_order(names)) == sorted(names)
