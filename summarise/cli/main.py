"""The ``summarise`` command: its options, its commands, and what every failure ends with.

Invariant: this module and the modules it imports at the top stay light: a command imports what it
needs when it runs, so ``summarise --help`` loads neither openai nor instructor nor the engine.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from summarise import __version__
from summarise.cli import batch_commands
from summarise.cli.options import (
    AttemptsOption,
    BaseUrlOption,
    CacheOption,
    ContextOption,
    EncodingOption,
    IncludeTextOption,
    JsonOption,
    LanguageOption,
    MaxOutputOption,
    ModelOption,
    NoColorOption,
    QuietOption,
    ReasksOption,
    SeedOption,
    StrategyOption,
    TemperatureOption,
    ThreadsOption,
    TimeoutOption,
    VerboseOption,
    settings_in,
)
from summarise.cli.routing import DOCUMENT, TYPED, command_for
from summarise.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    SummariseError,
)

_GROUP_OPTIONS = frozenset({"--help", "-h", "--version", "--install-completion", "--show-completion"})


class CtrlCError(SummariseError):
    """Ctrl-C while a command was at work that has nothing to save."""

    exit_code = EXIT_INTERRUPTED


class FileOrCommand(TyperGroup):
    """A group whose first word may be a document: ``summarise report.txt`` is ``summarise document report.txt``,
    and ``summarise reports/ -o results.db`` is ``summarise batch reports/ -o results.db``.

    A file named like a command is reached as ``./name``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command that is meant in front of anything that is neither a command nor a group option."""
        if args and args[0] not in _GROUP_OPTIONS and args[0] not in self.commands:
            args = [command_for(args, self.commands), *args]
        ctx.meta[TYPED] = args[1:]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Say what Ctrl-C left behind; a command that has more to say about it says so itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise CtrlCError("interrupted; nothing was written") from None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List the commands, then the options of the default one: they are what users look for."""
        super().format_options(ctx, formatter)
        command = self.commands[DOCUMENT]
        rows = [row for param in command.params if (row := param.get_help_record(ctx)) is not None]
        with formatter.section("Options of `summarise FILE`"):
            formatter.write_dl(rows)


app = typer.Typer(
    cls=FileOrCommand,
    name="summarise",
    rich_markup_mode=None,
    no_args_is_help=True,
    subcommand_metavar="FILE | FOLDER | COMMAND [ARGS]...",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Turn documents into structured summaries a person can check: who acts, who claims what, "
    "who stands where, every item tied to exact characters of the source.\n\n"
    "`summarise FILE` summarises one document (`-` reads standard input), `summarise FOLDER -o results.db` "
    "every document of a folder. With no key and no endpoint it uses an embedded model.",
)
models_app = typer.Typer(
    name="models", rich_markup_mode=None, no_args_is_help=True, help="List, fetch and check embedded models."
)
app.add_typer(models_app)

ModelArgument = Annotated[str | None, typer.Argument(help="Name of an embedded model; default: the default one.")]


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"summarise {__version__}")
        raise typer.Exit


@app.callback()
def _group(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command(DOCUMENT)
def document(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A text file, or - for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON, and nothing else.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output file.")] = False,
    include_text: IncludeTextOption = False,
    model: ModelOption = None,
    base_url: BaseUrlOption = None,
    strategy: StrategyOption = None,
    language: LanguageOption = None,
    encoding: EncodingOption = None,
    context_tokens: ContextOption = None,
    max_output_tokens: MaxOutputOption = None,
    timeout: TimeoutOption = None,
    attempts: AttemptsOption = None,
    reasks: ReasksOption = None,
    temperature: TemperatureOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    cache_dir: CacheOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Summarise one document: `summarise FILE`."""
    overrides = settings_in(locals())
    from summarise.cli.document import DocumentCommand, run_document

    run_document(
        DocumentCommand(
            file=file,
            as_json=as_json,
            output=output,
            force=force,
            include_text=include_text,
            encoding=encoding,
            quiet=quiet,
            verbose=verbose,
            no_color=no_color,
            overrides=overrides,
        )
    )


batch_commands.register(app)


@app.command("eval")
def evaluate(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Marked documents, JSON Lines; see docs/evaluation.md.")],
    records: Annotated[
        Path | None, typer.Option("--records", help="Score these records (JSON Lines) instead of asking a model.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Records of another run, to compare with document by document.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the records to this file, JSON Lines.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output file.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N documents.")] = None,
    as_json: JsonOption = False,
    model: ModelOption = None,
    base_url: BaseUrlOption = None,
    strategy: StrategyOption = None,
    language: LanguageOption = None,
    context_tokens: ContextOption = None,
    max_output_tokens: MaxOutputOption = None,
    timeout: TimeoutOption = None,
    attempts: AttemptsOption = None,
    reasks: ReasksOption = None,
    temperature: TemperatureOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    cache_dir: CacheOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score a model on documents you have marked yourself."""
    overrides = settings_in(locals())
    from summarise.cli.evaluate import EvaluateCommand, run_evaluate

    run_evaluate(
        EvaluateCommand(
            gold=gold,
            records=records,
            against=against,
            output=output,
            force=force,
            limit=limit,
            as_json=as_json,
            quiet=quiet,
            overrides=overrides,
        )
    )


@app.command()
def config(as_json: JsonOption = False) -> None:
    """Show the effective settings and where each came from; keys are masked."""
    from summarise.cli.inspect import show_config

    show_config(as_json=as_json)


@app.command()
def doctor(model: ModelOption = None, base_url: BaseUrlOption = None, cache_dir: CacheOption = None) -> None:
    """Check versions, endpoint, model and structured output, with a one-line verdict each."""
    from summarise.cli.doctor import run_doctor

    run_doctor({"model": model, "base_url": base_url, "cache_dir": cache_dir})


@app.command()
def schema(name: Annotated[str, typer.Argument(help="Which schema: news.")]) -> None:
    """Print the JSON Schema of the record."""
    from summarise.cli.inspect import show_schema

    show_schema(name)


@models_app.command("list")
def models_list(as_json: JsonOption = False, cache_dir: CacheOption = None) -> None:
    """List the embedded models and whether they are here."""
    from summarise.cli.models import list_models

    list_models(as_json=as_json, overrides={"cache_dir": cache_dir})


@models_app.command("pull")
def models_pull(name: ModelArgument = None, cache_dir: CacheOption = None, quiet: QuietOption = False) -> None:
    """Fetch an embedded model and check its hash; goes on where it was interrupted."""
    from summarise.cli.models import pull_model

    pull_model(name, quiet=quiet, overrides={"cache_dir": cache_dir})


@models_app.command("path")
def models_path(name: ModelArgument = None, cache_dir: CacheOption = None) -> None:
    """Print where an embedded model lies."""
    from summarise.cli.models import print_path

    print_path(name, overrides={"cache_dir": cache_dir})


@models_app.command("verify")
def models_verify(name: ModelArgument = None, cache_dir: CacheOption = None) -> None:
    """Hash an embedded model again and compare."""
    from summarise.cli.models import verify_model

    verify_model(name, overrides={"cache_dir": cache_dir})


def main(args: list[str]) -> int:
    """Run the command line and return its exit code; every failure is one line on standard error."""
    try:
        result = app(args=args or ["--help"], prog_name="summarise", standalone_mode=False)
    except SummariseError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`| head`); Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except Exception as error:  # noqa: BLE001  # the edge of the program
        return _unexpected(error)
    return result if isinstance(result, int) else EXIT_DONE


def _unexpected(error: Exception) -> int:
    """Typer's own errors are about the command line; anything else is a bug of ours."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if not hasattr(error, "format_message"):
        traceback.print_exception(error)
        _complain(f"a bug of ours ({type(error).__name__}); please report it with the lines above")
        return EXIT_BUG
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        return EXIT_DONE
    _complain(f"{error.format_message().rstrip('.')}. See `summarise --help`.")
    return EXIT_USAGE


def _complain(message: str) -> None:
    print(f"summarise: {message}", file=sys.stderr)


def run() -> None:
    """Entry point of the ``summarise`` script."""
    code = main(sys.argv[1:])
    if code == EXIT_INTERRUPTED:
        # An embedded server interrupted in the middle of an answer cannot be taken down in order.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
