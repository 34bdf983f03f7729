"""Slots are plain names, and nothing a template or a filling says is ever run or filled twice."""

from __future__ import annotations

import pytest

from pytest_biasaudit.errors import BiasAuditError
from pytest_biasaudit.prompts.template import TemplateError, fill, slots_of


def test_slots_are_listed_once_in_order_of_first_appearance() -> None:
    assert slots_of("I buy {item} from {person}, yes {item}.") == ("item", "person")


def test_text_without_slots_has_none() -> None:
    assert slots_of("What should I offer?") == ()


def test_doubled_braces_are_literal() -> None:
    assert slots_of('Answer as {{"offer": {item}}}') == ("item",)
    assert fill('Answer as {{"offer": {item}}}', {"item": "10"}) == 'Answer as {"offer": 10}'


def test_a_filling_with_braces_is_data() -> None:
    assert fill("{a} {b}", {"a": "{b}", "b": "}} {a} {{"}) == "{b} }} {a} {{"


def test_values_without_a_slot_are_ignored() -> None:
    assert fill("Hello {first}", {"first": "Emily", "last": "Becker"}) == "Hello Emily"


def test_a_missing_filling_is_named_with_what_there_is() -> None:
    with pytest.raises(TemplateError, match=r"\{item\} has no filling; there is first, last"):
        fill("{item}", {"last": "Becker", "first": "Emily"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{person.__class__}", r"\{person.__class__\} reaches into an attribute"),
        ("{person[0]}", r"\{person\[0\]\} has an index"),
        ("{person!r}", r"\{person!r\} has a conversion"),
        ("{person:>99999999}", r"\{person:>99999999\} has a format spec"),
        ("{}", r"\{\} is empty"),
        ("{ }", r"\{ \} is empty"),
        ("{0}", r"\{0\} is a position"),
        ("{ item }", r"spaces around the name; write \{item\}"),
        ("{the item}", r"\{the item\} is not a name"),
        ("{item-name}", r"is not a name"),
        ("buy {item", r"'\{' at character 5 has no partner"),
        ("buy item}", r"'\}' at character 9 has no partner"),
        ("{{item}", r"'\}' at character 7 has no partner"),
        ("{a{b}}", r"'\{' at character 1 has no partner"),
    ],
)
def test_anything_but_a_plain_name_in_braces_is_an_error_that_quotes_it(text: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said) as caught:
        slots_of(text)
    assert "a slot is {name}" in str(caught.value)
    with pytest.raises(TemplateError):
        fill(text, {"item": "x", "person": "y", "a": "1", "b": "2"})


def test_template_errors_are_both_ours_and_value_errors() -> None:
    assert issubclass(TemplateError, ValueError)
    assert issubclass(TemplateError, BiasAuditError)
