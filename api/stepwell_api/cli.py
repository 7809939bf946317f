"""The command ``stepwell``: picks the subcommand, imports only its module, and turns failures into one clear line.

A subcommand is a module with ``add_arguments(parser)`` and ``run(arguments) -> int``. Importing just that one keeps
``stepwell --help`` working in an installation without the server extra, and every start quick.
"""

import argparse
import importlib
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from stepwell_api.options import OptionError

USAGE_ERROR = 2


class Command(NamedTuple):
    """Where a subcommand lives and what it does."""

    module: str
    help: str
    extra: str = "server"
    """The extra of the distribution that it needs; empty where the base is enough."""


COMMANDS = {
    "up": Command("stepwell_api.up", "everything in one go: database, receiver, worker, API"),
    "migrate": Command("stepwell_api.migrate", "bring a database to the newest schema"),
    "receiver": Command("stepwell_api.parts.receiver", "the OTLP receiver alone"),
    "worker": Command("stepwell_api.parts.worker", "the background worker alone"),
    "api": Command("stepwell_api.parts.api", "the HTTP API alone"),
    "demo": Command("stepwell_api.demo", "send real agent runs to a running Stepwell", extra="demo"),
    "instrument": Command(
        "stepwell.auto.command", "run an unmodified agent with every installed instrumentation", extra=""
    ),
    "doctor": Command("stepwell_api.doctor.command", "what the database offers, and the mend for what is wrong"),
    "workspace": Command("stepwell_api.tenants.workspaces", "create, list and delete workspaces"),
    "retention": Command("stepwell_api.tenants.retention", "show and set how long what is kept"),
    "delete": Command("stepwell_api.tenants.deletion", "delete an execution or an agent"),
    "export": Command("stepwell_api.export.command", "write executions or steps as Parquet, CSV or JSON Lines"),
    "webhook": Command("stepwell_api.tenants.webhooks", "set up where recoveries and alerts are sent"),
    "redaction": Command("stepwell_api.tenants.redaction", "say what is masked in what a workspace is sent"),
    "member": Command("stepwell_api.tenants.members", "say who may do what by OpenID Connect"),
    "key": Command("stepwell_api.tenants.api_keys", "create, list and revoke API keys"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``stepwell`` with these arguments, by default the process's; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    # The options before the subcommand take no values, so the first plain word is the subcommand.
    split = next((index for index, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
    chosen = _top_parser().parse_args(arguments[: split + 1]).command
    try:
        return _run(chosen, arguments[split + 1 :])
    except OptionError as error:
        return _fail(chosen, str(error), USAGE_ERROR)
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package.startswith("stepwell"):
            raise
        extra = COMMANDS[chosen].extra
        wanted = f"'stepwell[{extra}]'" if extra else "stepwell"
        return _fail(chosen, f"it needs the package {package}; run: pip install {wanted}")
    except Exception as error:
        from stepwell_api.failures import told

        message = told(error)
        if message is None:
            raise
        return _fail(chosen, message)


def _top_parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<12}{command.help}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="stepwell",
        description="Analytics for AI agent executions, on OpenTelemetry.",
        epilog=f"commands:\n{lines}\n\n`stepwell COMMAND --help` tells a command's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


class _ShowVersion(argparse.Action):
    """Looks the version up only when it is asked for; reading an installation's metadata takes its time."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        print(f"stepwell {importlib.metadata.version('stepwell')}")
        parser.exit()


def _run(name: str, arguments: list[str]) -> int:
    module = importlib.import_module(COMMANDS[name].module)
    parser = argparse.ArgumentParser(prog=f"stepwell {name}", description=module.__doc__, allow_abbrev=False)
    module.add_arguments(parser)
    exit_code: int = module.run(parser.parse_args(arguments))
    return exit_code


def _fail(command: str, message: str, exit_code: int = 1) -> int:
    print(f"stepwell {command}: {message}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
