# Two commands do all the set-up: `make demo` and `make test`. The rest is for developers.

# What building needs, what the tests and the lab need besides, what the bench compares with.
BUILD = libpcap-dev gcc libc6-dev
TEST = bpftool curl g++ haproxy iproute2 libxml2-utils nftables procps python3-venv tcpdump tshark \
	wireshark-common conntrack
PROBE = rustc-web libstd-rust-web-dev-bpf binutils-bpf
BENCH = time tcpdump tcptrace tshark wireshark-common hey iperf3 nginx-light iproute2

BPF_LINKER = 0.10.4

.PHONY: help demo test lint fuzz probe record schema bench deny build-needs test-needs probe-needs

help:
	@echo "make demo     build hopscope and run it on bundled recordings"
	@echo "make test     everything that must pass: lints, tests, the live lab, fuzzing"
	@echo "make probe    compile the kernel probe in ebpf/ anew"
	@echo "make record   record pcaps/ anew in network namespaces (root)"
	@echo "make bench    speed and memory beside tcpdump, capinfos, tcptrace and tshark; cost of watching"
	@echo "make schema   renew schema/ from the types"
	@echo "make deny     licences and sources of dependencies"

build-needs:
	@scripts/packages $(BUILD)

test-needs: build-needs
	@scripts/packages $(TEST)
	@scripts/envoy target/venv

# Debian 12 and later have them; elsewhere a nightly toolchain with rust-src does.
probe-needs:
	@scripts/packages $(PROBE)
	@bpf-linker --version 2>/dev/null | grep -q ' $(BPF_LINKER)$$' \
		|| cargo install --quiet --locked bpf-linker --version $(BPF_LINKER)

probe: probe-needs
	scripts/probe

demo: build-needs
	@cargo build --quiet --release --locked
	@scripts/demo $(CURDIR)/target/release/hopscope

# Where the probe can be compiled, what was compiled just now is tested; elsewhere what lies in the
# repository is. Either way it must be what the sources make.
test: test-needs lint
	scripts/probe check
	@if $(MAKE) --no-print-directory probe-needs && scripts/probe target/hopscope-probe; then \
		export HOPSCOPE_PROBE=$(CURDIR)/target/hopscope-probe; \
	else \
		echo "skipped: compiling the probe needs Debian's $(PROBE), or nightly Rust with rust-src"; \
	fi; cargo test --workspace --locked
	fuzz/run.sh

lint: build-needs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

record: test-needs
	cargo build --quiet --locked --package hopscope-tests --bins
	target/debug/record --out pcaps

schema: build-needs
	cargo run --quiet --locked -- schema > schema/hopscope.report.v1.json
	cargo run --quiet --locked -- schema --lines > schema/hopscope.lines.v1.json

bench: build-needs
	@scripts/packages $(BENCH)
	@scripts/bench
	@scripts/bench-check
	@scripts/bench-live

deny:
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check bans licenses sources
