"""``python -m summarise``: the same as the ``summarise`` command."""

from summarise.cli.main import run

if __name__ == "__main__":
    run()
