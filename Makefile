# Only relative paths here: the checkout may lie in a folder with a space in its name.

export PYTHON ?= python3

RUN_TESTS = .venv/bin/python -m pytest -n 4 --dist loadgroup

.PHONY: help demo check test test-all audit lock
.NOTPARALLEL:

help:
	@echo "make demo       set up .venv, start the service, request 500 images, leave them in out/"
	@echo "make test       set up .venv, check style and types, run the tests"
	@echo "make test-all   the same with the long tests, and with more examples"
	@echo "make audit      ask PyPI for known vulnerabilities of what the image and the Bento install"
	@echo "make lock       write deploy/requirements*.txt: the versions of .venv, with digests"

demo: .venv/installed
	@.venv/bin/python scripts/demo.py

check: .venv/installed-test
	@echo "==> Checking style and types"
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy

test: check
	@echo "==> Running the tests"
	$(RUN_TESTS)

test-all: check
	@echo "==> Running all tests"
	$(RUN_TESTS) -m "" --hypothesis-profile thorough

audit: .venv/installed-test
	.venv/bin/python -m pip_audit --strict --require-hashes --disable-pip --requirement deploy/requirements.txt

lock: .venv/installed-test
	.venv/bin/python scripts/lock.py

.venv/installed: pyproject.toml
	@sh scripts/setup.sh service
	@touch $@

.venv/installed-test: pyproject.toml
	@sh scripts/setup.sh test
	@touch .venv/installed $@
