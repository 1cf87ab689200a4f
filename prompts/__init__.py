"""The prompt templates and the recipes made of them."""

from summarise.prompts.templates import Recipe, load_recipe

__all__ = ["Recipe", "load_recipe"]
