"""Recipes: named, versioned sets of Jinja2 templates.

Invariant: document text is a value handed to a template and is never itself rendered, so ``{{ x }}``
and ``{% %}`` in an article reach the model untouched. A missing value is an error (StrictUndefined).
A recipe's hash covers the text of all its templates, so a changed prompt is a changed recipe.

The first line of a template is a comment with its version: ``{# version: 3 #}``.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

import jinja2

_VERSION = re.compile(r"\{#-?\s*version:\s*(\S+?)\s*-?#\}")
_ENVIRONMENT = jinja2.Environment(
    undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The templates of one strategy. ``version`` is the highest template version; ``sha256`` is over all."""

    name: str
    version: str
    sha256: str
    templates: Mapping[str, jinja2.Template]

    def render(self, template: str, /, **values: Any) -> str:
        """Fill in one template.

        Raises:
            KeyError: if the recipe has no template of that name.
            jinja2.UndefinedError: if a value the template uses is missing.
        """
        return self.templates[template].render(**values).strip()


@functools.cache
def load_recipe(name: str) -> Recipe:
    """Load the recipe whose templates are ``<name>_<template>.j2`` beside this module.

    Raises:
        FileNotFoundError: if there is no such template.
        ValueError: if a template does not begin with its version.
    """
    folder = resources.files(__package__)
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.startswith(f"{name}_") and entry.name.endswith(".j2")),
        key=lambda entry: entry.name,
    )
    if not files:
        raise FileNotFoundError(f"no templates named {name}_*.j2")
    digest = hashlib.sha256()
    templates: dict[str, jinja2.Template] = {}
    versions: list[int] = []
    for file in files:
        source = file.read_text(encoding="utf-8")
        version = _VERSION.match(source)
        if version is None:
            raise ValueError(f"{file.name} does not begin with {{# version: N #}}")
        versions.append(int(version[1]))
        digest.update(f"{file.name}\0{source}\0".encode())
        templates[file.name[len(name) + 1 : -len(".j2")]] = _ENVIRONMENT.from_string(source)
    return Recipe(name, str(max(versions)), digest.hexdigest(), MappingProxyType(templates))
