# The front door: one word per job. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz lab browser needs needs-bench needs-check needs-test needs-browser programs lab-program

# The story of `make lab`.
STORY ?= greet

TARGET := $(or $(CARGO_TARGET_DIR),target)
# The lab is a workspace of its own; its output stays below the common directory.
HWSIM := --manifest-path tests/hwsim/Cargo.toml --target-dir $(TARGET)/hwsim
LAB := $(TARGET)/hwsim/debug/lab
BROWSER := tests/browser
# What `make bench` compares the portal with. The packages are unpacked there and not installed: installed, lighttpd takes
# port 80, and openNDS puts this machine behind a captive portal.
PEERS := $(TARGET)/bench/peers
FETCH_PEERS = apt-get install -y -qq --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User= \
    -o Dir::Cache::archives="$(abspath $(PEERS))/packages" lighttpd opennds iptables iproute2 curl >/dev/null 2>&1
FUZZ := --manifest-path fuzz/Cargo.toml --target-dir $(TARGET)/fuzz
# What `make fuzz` looks at, and for how long each.
FUZZ_TARGETS ?= $(notdir $(wildcard fuzz/corpus/*))
FUZZ_SECONDS ?= 60

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: programs lab-program ## Greet a guest over simulated radios, with a time line (about a minute after the builds)
	$(LAB) run demo --bin-dir $(TARGET)/debug

test: needs-test needs-browser programs lab-program ## All tests, then the whole promise over simulated radios
	$(LAB) prepare # its packages are what the tests against the real hostapd need, too
	cargo test --quiet --workspace --doc
	cargo nextest run --workspace
	cargo nextest run $(HWSIM)
	cargo nextest run $(FUZZ)
	$(MAKE) --no-print-directory browser
	$(LAB) run doors --bin-dir $(TARGET)/debug
	$(LAB) run greet --bin-dir $(TARGET)/debug

check: needs-check ## Form, lints, documentation, licences and origins of dependencies
	cargo fmt --all --check
	cargo fmt --manifest-path tests/hwsim/Cargo.toml --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked $(HWSIM) --all-targets -- -D warnings
	cargo clippy --locked $(FUZZ) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	RUSTDOCFLAGS="-D warnings" cargo doc --locked $(HWSIM) --no-deps
	cargo deny --locked check bans licenses sources
	cargo deny --locked --config deny.toml --manifest-path tests/hwsim/Cargo.toml check bans licenses sources
	@if timeout 60 cargo deny fetch db >/dev/null 2>&1; then \
	    echo "cargo deny check advisories" && cargo deny --locked check --disable-fetch advisories; \
	else \
	    echo "skipped: known security advisories, because their database on GitHub cannot be fetched"; \
	fi

bench: needs-bench lab-program ## Measured figures, one a row: bench<TAB>NAME<TAB>VALUE<TAB>UNIT
	@echo "# $$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $$(nproc) cores, $$(uname -sr)" >&2
	@cargo build --quiet --profile router -p welcomed
	@cargo build --quiet --release -p welcome-client -p welcome-server
	@cargo build --quiet -p testkit --bins
	@cargo build --quiet --release -p testkit --bin bench-ubus
	@mkdir -p $(TARGET)/bench
	@cp $(TARGET)/router/welcomed $(TARGET)/release/welcome $(TARGET)/release/welcome-server $(TARGET)/bench
	@printf 'bench\tagent.binary\t%s\tbytes\n' "$$(stat -c %s $(TARGET)/bench/welcomed)"
	@$(TARGET)/release/bench-ubus
	@$(TARGET)/debug/bench-agent $(TARGET)/bench/welcomed $(PEERS)
	@$(LAB) run pace --bench --bin-dir $(TARGET)/bench

fuzz: needs ## Look for bytes that break a parser: make fuzz FUZZ_TARGETS=sse FUZZ_SECONDS=600 (needs a nightly toolchain)
	$(call crate,cargo-fuzz)
	@for target in $(FUZZ_TARGETS); do \
	    mkdir -p $(TARGET)/fuzz/corpus/$$target; \
	    cargo +nightly fuzz run --fuzz-dir fuzz --features targets $$target $(TARGET)/fuzz/corpus/$$target \
	        fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096; \
	done

lab: programs lab-program ## Tell one story over simulated radios: make lab STORY=greet
	$(LAB) run $(STORY) --bin-dir $(TARGET)/debug

browser: programs needs-browser $(BROWSER)/node_modules ## The pages and LuCI's forms in a browser, behind the agent's real rules (as root); pictures in target/browser
	node --test --test-concurrency=1 --test-reporter=spec $(BROWSER)/*.test.js

$(BROWSER)/node_modules: $(BROWSER)/package.json $(BROWSER)/package-lock.json
	npm ci --prefix $(BROWSER) --no-audit --no-fund --loglevel=error
	@touch $@

programs: needs
	cargo build --workspace --bins

lab-program: needs
	cargo build $(HWSIM)

needs:
	@command -v cargo >/dev/null || { echo "Rust is missing; https://rustup.rs tells how to install it" >&2; exit 1; }
	$(call package,cc,gcc libc6-dev)

needs-bench: needs
	$(call package,wrk,wrk)
	@mkdir -p $(PEERS)/packages/partial
	@$(FETCH_PEERS) || { apt-get update -qq && $(FETCH_PEERS); } >/dev/null 2>&1 || echo "# peer: the packages cannot be had"
	@for package in $(PEERS)/packages/*.deb; do [ ! -f "$$package" ] || dpkg-deb -x "$$package" $(PEERS); done

needs-check: needs
	$(call crate,cargo-deny)

needs-test: needs
	$(call crate,cargo-nextest)
	$(call package,nft,nftables)
	$(call package,ip,iproute2)

needs-browser: needs
	@[ "$$(id -u)" = 0 ] || { echo "network namespaces take root: sudo make browser" >&2; exit 1; }
	$(call package,chromium,chromium fonts-wqy-microhei)
	$(call package,node,nodejs)
	$(call package,npm,npm)
	$(call package,dnsmasq,dnsmasq-base)
	$(call package,nft,nftables)
	$(call package,ip,iproute2)
	$(call package,busybox,busybox-static)
	$(call package,curl,curl)
	$(call package,openssl,openssl)

# $(call package,PROGRAM,PACKAGES): installs Debian packages when the program is missing, or says what to type.
define package
	@command -v $(1) >/dev/null || { \
	    [ "$$(id -u)" = 0 ] || { echo "$(1) is missing: sudo apt-get install --no-install-recommends $(2)" >&2; exit 1; }; \
	    echo "installing $(2)" && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; }
endef

# $(call crate,NAME): installs a cargo subcommand when it is missing.
define crate
	@command -v $(1) >/dev/null || { echo "installing $(1), which takes some minutes" && cargo install --locked $(1); }
endef
