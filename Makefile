# What a person does with this repository. Everything that is missing is set up first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help run test bench

# rustup's folder is on the path of new terminals only.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

HHAROME := $(or $(CARGO_TARGET_DIR),target)/release/hharome

help:
	@cat <<-'EOF'
	make run     set up, build, and run the bridge with virtual devices
	make test    set up, and check everything: format, lints, tests, documentation, examples
	make bench   set up, and measure: the bridge beside a bare echo on the same transport
	EOF

run:
	@scripts/setup.sh build
	cargo build --release --locked
	cat <<-'EOF'

	The bridge starts, with virtual devices. Type in another terminal, in $(CURDIR):

	  $(HHAROME) call getIDCardInfo &
	  $(HHAROME) simulate id_card put

	The first asks for an ID card and waits 15 s for it, the second puts one on the reader. Lift it
	before you put the next one; a code goes the same way:

	  $(HHAROME) simulate id_card lift
	  $(HHAROME) listen initQRListener &
	  $(HHAROME) simulate qr_scanner scan 6901234567892

	Ctrl-C ends the bridge. Its log:

	EOF
	exec env -u HHAROME_CONFIG $(HHAROME) serve --simulate

test:
	@scripts/setup.sh test
	step() { printf '\n== %s\n' "$$*"; "$$@"; }
	step cargo fmt --all --check
	step cargo clippy --locked --workspace --all-targets -- -D warnings
	step cargo test --locked --workspace
	export RUSTDOCFLAGS="-D warnings"
	step cargo doc --locked --workspace --no-deps
	printf '\n== all is well: format, lints, tests, examples, README, documentation\n'

bench:
	@scripts/setup.sh build
	cargo bench --locked --bench bridge
