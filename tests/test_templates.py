"""Recipes: document text is never rendered, missing values are errors, a changed prompt is another recipe."""

from __future__ import annotations

import jinja2
import pytest
from summarise.prompts import load_recipe


def test_template_signs_in_a_document_come_through_untouched() -> None:
    words = "The budget is {{ budget }} {% if x %}{# gone #} and 5 % more."
    rendered = load_recipe("single").render("user", sentences=[{"number": 1, "text": words}])
    assert f"[1] {words}" in rendered


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        load_recipe("single").render("user")


def test_a_recipe_has_a_version_and_a_hash_over_its_templates() -> None:
    recipe = load_recipe("single")
    assert recipe.version.isdigit()
    assert len(recipe.sha256) == 64
    assert set(recipe.templates) >= {"system", "user"}


def test_there_is_no_recipe_of_another_name() -> None:
    with pytest.raises(FileNotFoundError):
        load_recipe("nothing")
