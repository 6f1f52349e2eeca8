"""-o jsonpath and -o custom-columns: what they print, and what is refused."""

from __future__ import annotations

import io
import re

import pytest

from controller.cli.exit_codes import UsageProblem
from controller.cli.output import parse_form, render
from controller.cli.views import resources
from controller.client import kinds

RACKS = [
    {"kind": "Rack", "name": "a", "spec": {"row": 3, "pair": "b", "tags": None}},
    {"kind": "Rack", "name": "b", "spec": {"row": 10, "tags": ["x", "y"]}},
]
KIND = kinds.get("Rack")


def printed(form: str, *, single: bool = False) -> str:
    out = io.StringIO()
    render(resources.one(KIND, RACKS[0]) if single else resources.many(KIND, RACKS), parse_form(form), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("jsonpath={.items[*].name}", "a b\n"),
        ("jsonpath=.items[*].name", "a b\n"),
        ("jsonpath=$.items[1].spec.row", "10\n"),
        ("jsonpath={.items[?(@.spec.row==3)].name}", "a\n"),
        ('jsonpath={range .items[*]}{.name}{"\\t"}{.spec.row}{"\\n"}{end}', "a\t3\nb\t10\n"),
        ("jsonpath=racks: {.items[*].name}!", "racks: a b!\n"),
        ("jsonpath={.items[*].spec.tags}", '["x", "y"]\n'),
        ("jsonpath={.items[*].missing}", "\n"),
        ("custom-columns=NAME:.name,ROW:.spec.row,PAIR:.spec.pair", "NAME  ROW  PAIR\na     3    b\nb     10   -\n"),
        ("custom-columns=NAME:{.name},TAGS:.spec.tags[*]", "NAME  TAGS\na     -\nb     x,y\n"),
    ],
)
def test_what_a_template_prints_of_a_list(form: str, text: str) -> None:
    assert printed(form) == text


def test_queries_apply_to_the_one_document_itself() -> None:
    assert printed("jsonpath={.spec.row}", single=True) == "3\n"


def test_what_could_act_on_the_terminal_is_escaped_and_the_users_own_text_is_not() -> None:
    racks = [{"kind": "Rack", "name": "\x1b[31mred", "spec": {}}]
    for form in ("jsonpath={.items[*].name}{'\\t'}", "custom-columns=NAME:.name"):
        out = io.StringIO()
        render(resources.many(KIND, racks), parse_form(form), out)
        assert "\x1b" not in out.getvalue()
        assert ("\t" in out.getvalue()) == form.startswith("jsonpath")


@pytest.mark.parametrize(
    "form",
    [
        "jsonpath=",
        "jsonpath={.items[",
        "jsonpath=.items[",
        "jsonpath={.a..}",
        "jsonpath={range .items[*]}{.name}",
        "jsonpath={.name}{end}",
        'jsonpath={"open}',
        "custom-columns=",
        "custom-columns=NAME",
        "custom-columns=NAME:",
        "custom-columns=:.name",
        "jsonpaht=.name",
        "yml",
    ],
)
def test_what_is_no_form_is_refused_before_anything_is_asked(form: str) -> None:
    with pytest.raises(UsageProblem):
        parse_form(form)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("jsonpath={.items[*.name}", "unexpected token '.'"),
        ("jsonpath={.items[}", "unexpected end of query"),
        ("custom-columns=A:.a b", "unexpected token 'b'"),
    ],
)
def test_what_is_no_query_is_explained_in_the_users_own_signs(form: str, reason: str) -> None:
    with pytest.raises(UsageProblem, match=r"is no JSONPath: " + re.escape(reason) + "$"):
        parse_form(form)
