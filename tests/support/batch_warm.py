"""Importing this loads, and makes once, whatever a batch loads when it first asks; for processes that are forked."""

from __future__ import annotations

import genai_prices
import openai.resources.chat
from summarise.schemas.single import SingleAnswer

import summarise.batch.run
import summarise.pipeline
from summarise.llm.endpoint import open_model
from summarise.llm.prepared import prepared
from support import batch_runs

prepared(SingleAnswer, "json_schema")

__all__ = ["batch_runs", "genai_prices", "open_model", "openai", "summarise"]
