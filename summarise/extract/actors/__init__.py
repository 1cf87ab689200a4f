"""Actors: candidates from the text, kinds from the model: the ``stepwise`` strategy's reading of who acts."""
