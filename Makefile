# Only relative paths here: the checkout may lie in a folder with a space in its name.

export PYTHON ?= python3

.PHONY: help demo test
.NOTPARALLEL:

help:
	@echo "make demo   set up .venv, start the service, request 500 images, leave them in out/"
	@echo "make test   set up .venv, check style and types, run the tests"

demo: .venv/installed
	@.venv/bin/python scripts/demo.py

test: .venv/installed-test
	@echo "==> Checking style and types"
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	@echo "==> Running the tests"
	.venv/bin/python -m pytest

.venv/installed: pyproject.toml
	@sh scripts/setup.sh service
	@touch $@

.venv/installed-test: pyproject.toml
	@sh scripts/setup.sh test
	@touch .venv/installed $@
