"""Word lists about names in news: countries, titles, words that open sentences, groups.

Pure data read once from the package's `data` folder. The lists are generic English; none
was taken from an article. Lookups fold case except where the case is the information.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

_DATA = resources.files(__package__) / "data"


class Country(NamedTuple):
    """The forms one country (or union of countries) goes by; every form is unique to it."""

    name: str
    aliases: tuple[str, ...]
    demonyms: tuple[str, ...]
    capitals: tuple[str, ...]


@cache
def countries() -> tuple[Country, ...]:
    """Return all countries of `data/countries.tsv`: name, aliases, demonyms, capitals."""
    rows = (
        line.split("\t") for line in (_DATA / "countries.tsv").read_text(encoding="utf-8").splitlines() if line.strip()
    )
    return tuple(
        Country(name, *(tuple(filter(None, column.split(","))) for column in columns)) for name, *columns in rows
    )


@cache
def country_forms() -> dict[str, Country]:
    """Map a country's names and aliases, in their own case, to the country."""
    return {form: country for country in countries() for form in (country.name, *country.aliases)}


@cache
def demonyms() -> dict[str, Country]:
    """Map "Danish" and "Danes" to the country."""
    return {form: country for country in countries() for form in country.demonyms}


@cache
def capitals() -> dict[str, Country]:
    """Map a capital to the country it may stand for."""
    return {form: country for country in countries() for form in country.capitals}


@cache
def words(name: str) -> frozenset[str]:
    """Return the words of `data/<name>.txt`: lower case, comments left out."""
    lines = (_DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(
        word
        for line in lines
        if not line.startswith("#")
        for word in (line.split() if name == "function_words" else [line.strip()])
        if word
    )
