"""Word lists about names in news: countries, titles, words that open sentences, groups.

Invariants: pure data, read once from the package's `data` folder; the lists are general English, none was taken from
an article. Countries keep their case, which is the information; all other words are lower case.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final, NamedTuple

_DATA: Final = resources.files(__package__) / "data"


class Country(NamedTuple):
    """The forms one country (or union of countries) goes by; every form is unique to it."""

    name: str
    aliases: tuple[str, ...]
    demonyms: tuple[str, ...]
    capitals: tuple[str, ...]


@cache
def countries() -> tuple[Country, ...]:
    """All countries of `data/countries.tsv`: name, aliases, demonyms, capitals."""
    rows = (
        line.split("\t") for line in (_DATA / "countries.tsv").read_text(encoding="utf-8").splitlines() if line.strip()
    )
    return tuple(
        Country(name, *(tuple(filter(None, column.split(","))) for column in columns)) for name, *columns in rows
    )


@cache
def country_forms() -> dict[str, Country]:
    """The country of each country's name and alias, in its own case."""
    return {form: country for country in countries() for form in (country.name, *country.aliases)}


@cache
def demonyms() -> dict[str, Country]:
    """The country of "Danish" and "Danes"."""
    return {form: country for country in countries() for form in country.demonyms}


@cache
def capitals() -> dict[str, Country]:
    """The country a capital may stand for."""
    return {form: country for country in countries() for form in country.capitals}


@cache
def words(name: str) -> frozenset[str]:
    """The words of `data/<name>.txt`: lower case, comments left out."""
    lines = (_DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(
        word
        for line in lines
        if not line.startswith("#")
        for word in (line.split() if name == "function_words" else [line.strip()])
        if word
    )
