# The two commands of a fresh machine are `make drill` and `make test`. `make help` shows the rest.

SHELL := /bin/sh
CARGO ?= cargo
# What `make drill` passes on, as in: make drill ARGS="--scale 1GiB --log docs/drill-log.md"
ARGS ?=
# Where tools that only tests need are installed.
TEST_TOOLS := target/test-tools

.DEFAULT_GOAL := help
.PHONY: help setup setup-test drill test lint bench bench-rto

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing to build and to drill
	@scripts/setup.sh

setup-test: setup ## Install what the tests need besides
	@scripts/setup-test.sh $(TEST_TOOLS)

drill: setup ## Rehearse a whole backup and restore on private servers
	@$(CARGO) run --release --locked --quiet -- drill $(ARGS)

test: setup-test ## Run every test
	PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" $(CARGO) test --locked

lint: ## Check formatting and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features --bins --lib -- -D warnings

bench: setup ## Measure the codecs
	$(CARGO) bench --locked --bench codecs

bench-rto: setup-test ## Measure backup and restore beside the shell procedure
	PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" $(CARGO) bench --locked --bench rto -- $(or $(ARGS),1GiB 3)
