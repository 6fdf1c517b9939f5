# `make test` is everything that must pass; `cargo nextest run` is the inner loop.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
# Where Debian puts Kamailio.
export PATH := $(PATH):/usr/sbin

# command:Debian package
TEST_TOOLS := cc:build-essential sipp:sip-tester kamailio:kamailio baresip:baresip-core linphonec:linphone-cli python3:python3
LOAD_TOOLS := cc:build-essential sipp:sip-tester python3:python3

# PJSIP comes from PyPI, into an environment of its own.
PJSIP := pjsua2-python==2.15.1
VENV := tests/.venv

.PHONY: test test-long load bench lint test-tools load-tools nextest

test: test-tools $(VENV)/.made lint nextest
	cargo test --quiet --doc
	CI=true cargo nextest run --no-fail-fast

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# The whole sweep: more rounds for the fuzzers and property tests than `make test` has time for, and the ignored tests.
test-long: test-tools $(VENV)/.made nextest
	RAMAL_SWEEP_SEEDS=2000 RAMAL_FUZZ_ROUNDS=5000000 PROPTEST_CASES=20000 CI=true cargo nextest run --run-ignored all --no-fail-fast

# RATE calls a second for SECONDS_OF_LOAD; benches/load/run.py --help says the rest.
RATE ?= 200
SECONDS_OF_LOAD ?= 30
load: load-tools
	cargo build --release
	python3 benches/load/run.py --binary "$$CARGO_TARGET_DIR/release/ramal" --rate $(RATE) --seconds $(SECONDS_OF_LOAD)

bench:
	cargo bench

test-tools:
	@$(call install,$(TEST_TOOLS))

$(VENV)/.made: Makefile
	@python3 -c "import ensurepip" 2>/dev/null || { $(call install,no-such-command:python3-venv); }
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check $(PJSIP)
	touch $@

load-tools:
	@$(call install,$(LOAD_TOOLS))

nextest:
	@command -v cargo-nextest >/dev/null || { echo "cargo-nextest is missing: building it, once"; \
	  cargo install cargo-nextest --locked; }

# Installs the Debian packages of the commands that are missing, and says which.
define install
missing=""; \
for tool in $(1); do command -v "$${tool%%:*}" >/dev/null || missing="$$missing $${tool##*:}"; done; \
if [ -n "$$missing" ]; then \
  echo "missing Debian packages:$$missing: installing them"; \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -q; \
  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
fi
endef
