"""Say what this machine and the database offer, and the mend for what is wrong; exit code 1 where something is."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

from stepwell_api import logging
from stepwell_api.data_folder import data_dir_of, reachable_database
from stepwell_api.doctor import database, machine
from stepwell_api.doctor.finding import Finding, State
from stepwell_api.failures import told
from stepwell_api.options import SERVING_OPTIONS, add_options, read_settings
from stepwell_storage.embedded.cluster import CLUSTER_NAME
from stepwell_storage.settings import Settings

SIGNS = {State.OK: "ok", State.WARNING: "warning", State.ERROR: "ERROR"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The serving options, whose ports are looked at, and the form of the answer."""
    add_options(parser, SERVING_OPTIONS)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, for programs")


def run(arguments: argparse.Namespace) -> int:
    """``stepwell doctor``."""
    settings = read_settings(arguments, SERVING_OPTIONS)
    logging.configure(settings.log_level, settings.log_format)
    findings = list(_look(settings))
    is_ok = all(finding.state is not State.ERROR for finding in findings)
    if arguments.json:
        print(json.dumps({"ok": is_ok, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{SIGNS[finding.state]:<8} {finding.detail}")
            if finding.mend:
                print(f"{'':<8} → {finding.mend}")
    return 0 if is_ok else 1


def _look(settings: Settings) -> Iterator[Finding]:
    yield from machine.ports(settings)
    data_dir = data_dir_of(settings)
    if not settings.database_url:
        yield machine.disk(data_dir)
        if not (data_dir / CLUSTER_NAME).exists():
            detail = f"there is no database in {data_dir} yet; `stepwell up` makes one"
            yield Finding("database", State.OK, detail, facts={"folder": str(data_dir)})
            return
    try:
        with reachable_database(settings) as url:
            yield from database.look(url)
    except Exception as error:
        message = told(error)
        if message is None:
            raise
        yield Finding("database", State.ERROR, message)
