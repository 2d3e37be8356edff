# The front door: one word per job. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-server test check bench fuzz lab browser api cross packages installed needs needs-cross needs-bench needs-check needs-test needs-browser programs lab-program

# The story of `make lab`.
STORY ?= greet

BUILD := $(or $(CARGO_TARGET_DIR),target)
# The lab is a workspace of its own; its output stays below the common directory.
HWSIM := --manifest-path tests/hwsim/Cargo.toml --target-dir $(BUILD)/hwsim
LAB := $(BUILD)/hwsim/debug/lab
BROWSER := tests/browser
# What `make bench` compares the portal with. The packages are unpacked there and not installed: installed, lighttpd takes
# port 80, and openNDS puts this machine behind a captive portal.
PEERS := $(BUILD)/bench/peers
FETCH_PEERS = apt-get install -y -qq --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User= \
    -o Dir::Cache::archives="$(abspath $(PEERS))/packages" lighttpd opennds iptables iproute2 curl >/dev/null 2>&1
# What `make fuzz` looks at, and for how long each.
FUZZ_TARGETS ?= $(notdir $(wildcard fuzz/corpus/*))
FUZZ_SECONDS ?= 60

# For which routers `make cross` and `make packages` build: names of `cargo run -p xtask -- targets`, or all.
TARGET ?= all
# Those of `make test`: the most common routers', as they are shipped; and this machine's, whose packages are installed and
# run. That one is linked in a third of the time; `make packages` makes the real one.
SHIPPED := aarch64 mipsel
TESTED := $(SHIPPED) x86_64
QUICK := CARGO_PROFILE_ROUTER_LTO=off CARGO_PROFILE_ROUTER_CODEGEN_UNITS=16
CROSS := $(BUILD)/cross
XTASK := cargo run --quiet -p xtask --
# The server's tests that run a second time, on PostgreSQL; those of `faults` start one by themselves.
ON_POSTGRES := test(/^(announce|api|arrivals|console|content|enrol|lookup|ownership|push|reports|snapshots|venue)::/)
# All files in the packages bear this moment: the same sources give the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: programs lab-program ## Greet a guest over simulated radios, with a time line (about a minute after the builds)
	$(LAB) run demo --bin-dir $(BUILD)/debug

demo-server: programs ## The server with 200 simulated routers and their guests, until Ctrl-C; or for a while: make demo-server SECONDS=20
	$(BUILD)/debug/demo-server $(BUILD)/debug/welcome-server $(SECONDS)

test: needs-test needs-browser programs lab-program ## All tests, then the whole promise over simulated radios
	$(LAB) prepare # its packages are what the tests against the real hostapd need, too
	$(MAKE) --no-print-directory packages TARGET="$(SHIPPED)"
	$(XTASK) sizes --binaries $(CROSS) --dist dist
	$(QUICK) $(MAKE) --no-print-directory packages TARGET="x86_64"
	cargo test --quiet --workspace --doc
	WELCOMED_CROSS="$(TESTED)" cargo nextest run --workspace
	$(BUILD)/debug/with-postgres cargo nextest run -p welcome-server --test server -j 4 -E '$(ON_POSTGRES)'
	$(XTASK) cross --captures --targets mips --out $(CROSS) --zig $(CROSS)/zig
	$(MAKE) --no-print-directory installed
	cargo nextest run $(HWSIM)
	$(MAKE) --no-print-directory browser
	$(MAKE) --no-print-directory api
	$(LAB) run doors --bin-dir $(BUILD)/debug
	$(LAB) run ownership --bin-dir $(BUILD)/debug
	$(LAB) run sharer --bin-dir $(BUILD)/debug
	$(LAB) run variants --bin-dir $(BUILD)/debug
	$(LAB) run greet --bin-dir $(BUILD)/debug

check: needs-check ## Form, lints, documentation, licences and origins of dependencies
	cargo fmt --all --check
	cargo fmt --manifest-path tests/hwsim/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked $(HWSIM) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	RUSTDOCFLAGS="-D warnings" cargo doc --locked $(HWSIM) --no-deps
	cargo deny --locked check bans licenses sources
	cargo deny --locked --config deny.toml --manifest-path tests/hwsim/Cargo.toml check bans licenses sources
	@if timeout 60 cargo deny fetch db >/dev/null 2>&1; then \
	    echo "cargo deny check advisories" && cargo deny --locked check --disable-fetch advisories; \
	else \
	    echo "skipped: known security advisories, because their database on GitHub cannot be fetched"; \
	fi

bench: needs-bench lab-program packages ## Measured figures, one a row: bench<TAB>NAME<TAB>VALUE<TAB>UNIT
	@echo "# $$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $$(nproc) cores, $$(uname -sr)" >&2
	@$(XTASK) sizes --binaries $(CROSS) --dist dist
	@cargo build --quiet --release -p welcome-cli -p welcome-server
	@cargo build --quiet -p testkit --bins
	@cargo build --quiet --release -p testkit --bin bench-ubus --bin bench-server --bin bench-client
	@mkdir -p $(BUILD)/bench
	@cp $(CROSS)/x86_64-unknown-linux-musl/welcomed $(BUILD)/release/welcome $(BUILD)/release/welcome-server $(BUILD)/bench
	@$(BUILD)/release/bench-ubus
	@$(BUILD)/debug/bench-agent $(BUILD)/bench/welcomed $(BUILD)/bench/welcome-server $(PEERS)
	@$(BUILD)/release/bench-server $(BUILD)/bench/welcome-server
	@$(BUILD)/release/bench-client
	@$(LAB) run pace --bench --bin-dir $(BUILD)/bench
	@$(LAB) run rest --bench --bin-dir $(BUILD)/bench

fuzz: needs ## Look for bytes that break a parser: make fuzz FUZZ_TARGETS=sse FUZZ_SECONDS=600 (needs a nightly toolchain)
	$(call crate,cargo-fuzz)
	@for target in $(FUZZ_TARGETS); do \
	    mkdir -p $(BUILD)/fuzz/corpus/$$target; \
	    cargo +nightly fuzz run --fuzz-dir fuzz --features targets $$target $(BUILD)/fuzz/corpus/$$target \
	        fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096; \
	done

lab: programs lab-program ## Tell one story over simulated radios: make lab STORY=variants (greet without it; tests/hwsim/README.md has all)
	$(LAB) run $(STORY) --bin-dir $(BUILD)/debug

installed: programs needs-test ## The agent from its packages, both kinds, as an OpenWrt router starts it (as root; after make packages)
	for format in ipk apk; do \
	    rm -rf "$(BUILD)/installed/$$format"; mkdir -p "$(BUILD)/installed/$$format"; \
	    $(XTASK) install --no-scripts --root "$(BUILD)/installed/$$format" $$(find dist -path "*/x86_64/*.$$format"); \
	    WELCOMED_ROOT="$(abspath $(BUILD))/installed/$$format" cargo nextest run -p welcomed --test router; \
	done

browser: programs needs-browser $(BROWSER)/node_modules ## The pages and LuCI's forms in a browser, behind the agent's real rules (as root); pictures in target/browser
	node --test --test-concurrency=1 --test-reporter=spec $(BROWSER)/*.test.js

api: programs needs-test ## Ask the server all that its OpenAPI document allows: no error of its own, no answer that is not told
	tests/schemathesis/run $(BUILD)/debug/welcome-server $(BUILD)

cross: needs-cross ## Static programs for routers: make cross TARGET=mipsel (all without it; about two minutes each)
ifdef DOCKER
	CROSS_CONFIG=cross.toml CROSS_CUSTOM_TOOLCHAIN=1 cross +nightly build --locked --profile router -p welcomed \
	    --target $$($(XTASK) targets | awk -F '\t' '$$1 == "$(TARGET)" || $$2 == "$(TARGET)" { print $$2 }') \
	    -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
else
	$(XTASK) cross --targets "$(TARGET)" --out $(CROSS) --zig $(CROSS)/zig $(if $(PANIC_MESSAGES),--panic-messages)
endif

packages: cross ## Packages and signed feeds for OpenWrt in dist: make packages TARGET=mipsel (all without it)
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(XTASK) packages --binaries $(CROSS) --out dist --key-dir dist-keys

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

needs-cross: needs
ifndef DOCKER
	$(call packages_unless,test -x /usr/bin/rustc -a -d /usr/lib/rustlib/src/rust/library,rustc-web rust-web-src)
	$(call package,ld.lld-22,lld-22)
	$(call packages_unless,python3 -c 'import ensurepip',python3 python3-venv)
	@[ -x $(CROSS)/zig/bin/python3 ] || { echo "installing zig" && python3 -m venv $(CROSS)/zig && \
	    $(CROSS)/zig/bin/pip install --quiet --disable-pip-version-check ziglang==0.15.2; }
endif

needs-bench: needs
	$(call package,openssl,openssl)
	$(call package,wrk,wrk)
	$(call package,sqlite3,sqlite3)
	$(call package,psql,postgresql)
	@mkdir -p $(PEERS)/packages/partial
	@$(FETCH_PEERS) || { apt-get update -qq && $(FETCH_PEERS); } >/dev/null 2>&1 || echo "# peer: the packages cannot be had"
	@for package in $(PEERS)/packages/*.deb; do [ ! -f "$$package" ] || dpkg-deb -x "$$package" $(PEERS); done

needs-check: needs
	$(call crate,cargo-deny)

needs-test: needs
	$(call package,qemu-mips-static,qemu-user-static)
	$(call crate,cargo-nextest)
	$(call package,mandoc,mandoc)
	$(call package,shellcheck,shellcheck)
	$(call package,nft,nftables)
	$(call package,ip,iproute2)
	$(call package,busybox,busybox-static)
	$(call package,signify-openbsd,signify-openbsd)
	$(call packages_unless,python3 -c 'import ensurepip',python3 python3-venv)
	$(call package,curl,curl)
	$(call package,psql,postgresql)
	$(call package,systemd-analyze,systemd)

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
package = $(call packages_unless,command -v $(1),$(2))

# $(call packages_unless,COMMAND,PACKAGES): the same when a command fails.
define packages_unless
	@$(1) >/dev/null 2>&1 || { \
	    [ "$$(id -u)" = 0 ] || { echo "$(2) is missing: sudo apt-get install --no-install-recommends $(2)" >&2; exit 1; }; \
	    echo "installing $(2)" && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; }
endef

# $(call crate,NAME): installs a cargo subcommand when it is missing.
define crate
	@command -v $(1) >/dev/null || { echo "installing $(1), which takes some minutes" && cargo install --locked $(1); }
endef
