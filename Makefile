# Everything sets itself up: a fresh machine needs Python >= 3.11 and make. Options go into ARGS: make up ARGS='--port 0'
bin := .venv/bin

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1: /p' Makefile

.PHONY: help env up test lint types docs demo bench fuzz lock

env:  ## the environment in .venv, as requirements.lock says
	@scripts/setup

up: env  ## everything in one go: database, receiver, worker, API
	@exec $(bin)/stepwell up $(ARGS)

demo: env  ## real agent runs, sent to a running `make up`
	@exec $(bin)/stepwell demo $(ARGS)

test: env  ## all tests, on a real PostgreSQL, each file of them on a processor of its own
	@$(bin)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

lint: env  ## ruff, the import rules, and the dashboard's sources
	@$(bin)/ruff check . && $(bin)/lint-imports && $(bin)/python dashboard/check.py

types: env  ## mypy --strict
	@$(bin)/mypy && $(bin)/mypy tests scripts bench

docs: env  ## docs/ as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --quiet --strict

fuzz: env  ## ten minutes of made-up requests, guided by coverage; finds become tests
	@nice $(bin)/python -m tests.fuzz $(ARGS)

bench: env  ## spans per second on this machine, beside raw COPY, and how soon runs are shown; see bench/README.md
	@$(bin)/python -m bench.ingest $(ARGS) && $(bin)/python -m bench.floor && $(bin)/python -m bench.freshness

lock: env  ## pins again after a change of dependencies; UPGRADE=1 takes the newest
	@UV=$$(scripts/setup --uv) $(bin)/python scripts/lock.py $(if $(UPGRADE),--upgrade)
