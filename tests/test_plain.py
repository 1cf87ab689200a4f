"""Chat-template tokens in documents: plain text to the model, and still found in the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summarise.grounding import Grounder, Grounding
from summarise.llm.plain import as_plain_text

TOKENS = [
    "<|im_end|>", "<|im_start|>system", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<s>", "</s>",
    "<start_of_turn>user", "<end_of_turn>", "[INST]", "[/INST]", "<think>", "</think>", "<|fim_prefix|>", "<bos>",
    "<tool_call>",
]  # fmt: skip


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_is_taken_apart_and_still_grounded(token: str) -> None:
    text = f"He wrote {token} on the wall and left the town."
    plain = as_plain_text(text)
    assert token not in plain
    assert len(plain) == len(text)
    quote = plain[9 : plain.index(" and left")]
    located = Grounder(text).locate(quote)
    assert located.grounding is Grounding.normalised
    assert located.span is not None
    assert located.span.of(text).startswith(token[:3])


@given(st.text() | st.lists(st.sampled_from([*TOKENS, "a < b", "[x]", " "])).map("".join))
def test_offsets_stay_and_doing_it_twice_changes_nothing(text: str) -> None:
    plain = as_plain_text(text)
    assert len(plain) == len(text)
    assert as_plain_text(plain) == plain
    assert not any(token in plain for token in TOKENS)


def test_other_text_is_untouched() -> None:
    text = "If a < b and [see note] then <em>stress</em> | 5 <|> 6."
    assert as_plain_text(text) == text
