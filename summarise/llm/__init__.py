"""Asking a language model: one endpoint, one client, one retry layer."""
