"""document.py: the frame of every page; texts are escaped, and what is empty leaves nothing."""

from __future__ import annotations

from burnish.perf.page.document import document, legend, noted, tile


def test_a_page_needs_nothing_else_and_texts_are_escaped() -> None:
    page = document("a<b", "h&h", "<i>facts</i>", [tile("1 < 2", "so & so", True)], "<p>body</p>", ".x { }")
    assert "<title>a&lt;b</title>" in page and "<h1>h&amp;h</h1>" in page and "<i>facts</i>" in page
    assert '<div class="tile bad"><b>1 &lt; 2</b><span>so &amp; so</span></div>' in page
    assert ".x { }</style>" in page and "<p>body</p></main>" in page and "http" not in page


def test_lists_and_keys_without_entries_are_left_out() -> None:
    assert noted("Notes", []) == legend([]) == ""
    assert "<li>a &lt; b</li>" in noted("Notes", ["a < b"])
    assert '<i style="background:red"></i>f32' in legend([("red", "f32")])
