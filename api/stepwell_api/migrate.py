"""Bring a database to the newest schema; safe to run twice, and from two machines at once."""

import argparse

from stepwell_api import logging
from stepwell_api.data_folder import reachable_database
from stepwell_api.options import DATABASE_OPTIONS, add_options, read_settings
from stepwell_api.process import announce
from stepwell_migrations import runner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the database is."""
    add_options(parser, DATABASE_OPTIONS)


def run(arguments: argparse.Namespace) -> int:
    """``stepwell migrate``."""
    settings = read_settings(arguments, DATABASE_OPTIONS)
    logging.configure(settings.log_level, settings.log_format)
    with reachable_database(settings) as url:
        before = runner.current(url)
        runner.migrate(url)
    announce("migrated", {"from": before or "", "to": runner.HEAD})
    return 0
