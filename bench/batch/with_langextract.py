"""Peer: langextract with as many workers, through its OpenAI provider.

Its instructions and examples are those of ``bench/peers/with_langextract.py``. A document goes out as one request, as
it does for the others: the chunk is longer than any document. langextract works in batches and waits for the whole
batch before it begins the next; with ten times as many documents in a batch as workers that wait hardly counts.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import langextract as lx  # type: ignore[import-untyped, unused-ignore]  # only in the bench's venv
from corpus import CHARACTERS, read_folder

# The peer's own module of the same name, which brings its instructions, stands before this one.
sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
from with_langextract import EXAMPLES, PROMPT

BATCHES_AHEAD = 10


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    # langextract says with every call that a schema is made from the examples, which is what is wanted.
    warnings.filterwarnings("ignore", message="With 'config', schema constraints")
    config = lx.factory.ModelConfig(
        model_id=arguments.model,
        provider="OpenAILanguageModel",
        provider_kwargs={
            "api_key": "none",
            "base_url": arguments.base_url,
            "temperature": 0.0,
            "max_output_tokens": 1536,
            "max_workers": arguments.in_flight,
        },
    )
    results = lx.extract(
        text_or_documents=[lx.data.Document(text, document_id=name) for name, text in read_folder(arguments.folder)],
        prompt_description=PROMPT,
        examples=EXAMPLES,
        config=config,
        max_char_buffer=2 * CHARACTERS,
        max_workers=arguments.in_flight,
        batch_length=BATCHES_AHEAD * arguments.in_flight,
        show_progress=False,
    )
    output: Path = arguments.output
    lx.io.save_annotated_documents(results, output_dir=output.parent, output_name=output.name, show_progress=False)


if __name__ == "__main__":
    main()
