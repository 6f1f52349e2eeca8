"""Text of others is shown, and does not act on a terminal or read as another text."""

from __future__ import annotations

import json
import sys

import pytest

from controller.printable import printable, printable_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 東京　一, é, 🙂", "plain text, 東京　一, é, 🙂"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\x7f\x9b31m", r"\x7f\x9b31m"),
        ("\u202eabc\u2066\u200f", r"\u202eabc\u2066\u200f"),
        ("in\u200bvisible\ufeff\U000e0041", r"in\u200bvisible\ufeff\U000e0041"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_could_act_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_json_keeps_its_values() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    written = printable_json(json.dumps(every, ensure_ascii=False, indent=1))
    assert json.loads(written) == every
    assert all(line == printable(line) for line in written.split("\n"))
