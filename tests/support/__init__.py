"""Helpers that tests import as ``support.*``; nothing here ships with the package."""
