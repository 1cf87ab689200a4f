"""Actors: candidates from the text, kinds from the model."""
