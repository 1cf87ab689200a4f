"""Peer: a plain loop of asyncio and instructor, as its documentation shows it.

``instructor.from_openai(AsyncOpenAI(...))``, one task a document, a semaphore, one JSON line a result. It asks the
same question as the ``single`` strategy: same instructions, same response model, same numbered sentences. It grounds
nothing, keeps no journal and survives nothing; what it spends is what asking costs in this stack.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import instructor
from corpus import read_folder
from openai import AsyncOpenAI
from summarise.prompts import load_recipe
from summarise.schemas.single import SingleAnswer


async def main_loop(folder: Path, output: Path, *, base_url: str, model: str, in_flight: int) -> None:
    """Ask about every document of the folder, ``in_flight`` at a time."""
    client = instructor.from_openai(AsyncOpenAI(base_url=base_url, api_key="none"), mode=instructor.Mode.JSON_SCHEMA)
    recipe = load_recipe("single")
    system = recipe.render("system")
    places = asyncio.Semaphore(in_flight)

    async def ask(name: str, text: str) -> None:
        # The corpus has one sentence a line, so that cutting sentences costs this loop nothing.
        sentences = [{"number": number, "text": line} for number, line in enumerate(text.splitlines(), 1)]
        user = recipe.render("user", sentences=sentences)
        async with places:
            answer = await client.chat.completions.create(
                model=model,
                response_model=SingleAnswer,
                max_retries=2,
                temperature=0,
                seed=7,
                max_tokens=1536,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
            )
        file.write(json.dumps({"source": name, "record": answer.model_dump()}) + "\n")

    with output.open("w", encoding="utf-8") as file:
        await asyncio.gather(*(ask(name, text) for name, text in read_folder(folder)))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(
        main_loop(
            arguments.folder,
            arguments.output,
            base_url=arguments.base_url,
            model=arguments.model,
            in_flight=arguments.in_flight,
        )
    )


if __name__ == "__main__":
    main()
