# `make run` builds and starts a server on port 6379, `make test` proves it; both install what they need.

.PHONY: run test lint bench flamegraph strace perf-stat micro-bench

# A server with the default configuration; ARGS="--port 6380 --save ''" are its arguments.
run: needs-build
	cargo build --release
	target/release/zedis $(ARGS)

# Everything that must pass: formatting, lints, unit tests, and the suites that compare with a real redis-server.
test: needs-build needs-redis lint
	cargo test

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

.PHONY: needs-build needs-redis needs-perf
needs-build:
	@tests/install-needs.sh cargo cc make
needs-redis:
	@tests/install-needs.sh redis-server redis-cli redis-benchmark
needs-perf:
	@tests/install-needs.sh perf addr2line strace

# Measuring. Settings for all of it: ZEDIS_BIN, BENCH_LOAD, BENCH_QUICK=1, BENCH_ONLY=text (see benches/rig/mod.rs).

# Side by side with redis-server: CPU per request, memory, stalls; the report is target/bench-report/report.md.
bench: needs-build needs-redis
	cargo build --release
	cargo bench --bench side_by_side -- run

# Records the server under load into flamegraphs/.
flamegraph: needs-build needs-redis needs-perf
	cargo build --release
	cargo bench --bench observe -- flamegraph

# Syscalls per request.
strace: needs-build needs-redis needs-perf
	cargo build --release
	cargo bench --bench observe -- strace

# Counters per request.
perf-stat: needs-build needs-redis needs-perf
	cargo build --release
	cargo bench --bench observe -- perf-stat

# Parser, reply encoder and table by themselves.
micro-bench:
	cargo bench
