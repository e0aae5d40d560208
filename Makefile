# What a person does with this repository. Everything that is missing is set up first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help run test test-kernel test-kills bench recordings types

# rustup puts its folder on the path of new terminals only.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

HHAROME := $(or $(CARGO_TARGET_DIR),target)/release/hharome

help:
	@cat <<-'EOF'
	make run     set up, build, and run the bridge with virtual devices
	make test    set up, and check everything: format, lints, tests, documentation, examples
	make test-kernel   set up, boot Debian's kernel in qemu, and try the bridge on its devices (CASES="…": these only; PROFILE=release)
	make test-kills   set up, and kill the bridge a thousand times while it prints (KILLS="…": so many times)
	make bench   set up, and measure: the bridge beside a bare echo on the same transport
	make types   write the JavaScript client's types and the panel's form, from the protocol crate
	make recordings   set up, and record tests/recordings anew (NAMES="…": these only)
	EOF

run:
	@scripts/setup.sh build
	cargo build --release --locked
	exec scripts/run.sh $(HHAROME)

test:
	@scripts/setup.sh test
	step() { printf '\n== %s\n' "$$*"; "$$@"; }
	step cargo fmt --all --check
	step cargo clippy --locked --workspace --all-targets -- -D warnings
	step cargo test --locked --workspace --no-fail-fast
	export RUSTDOCFLAGS="-D warnings"
	step cargo doc --locked --workspace --no-deps
	printf '\n== all is well: format, lints, tests, examples, README, documentation\n'

# The same features as in `make test` (--workspace), so that nothing is built a second time.
test-kernel:
	@scripts/setup.sh test-kernel
	cargo --config 'target."cfg(all())".runner="scripts/test-kernel.sh"' test --locked --workspace \
	  $(if $(PROFILE),--profile $(PROFILE)) --test kernel -- --test-threads=1 --nocapture $(CASES)

test-kills:
	@scripts/setup.sh test
	KILLS=$(or $(KILLS),1000) cargo test --locked --workspace --test bridge -- --nocapture --exact \
	  receipts::whenever_the_daemon_is_killed_nothing_is_printed_twice_and_no_job_is_forgotten

bench:
	@scripts/setup.sh bench
	cargo bench --locked --bench bridge

types:
	WRITE_TYPES=1 cargo test --locked -p hharome-protocol --test description

recordings:
	@scripts/setup.sh test
	cargo test --locked --test make-recordings -- $(NAMES)
