# `make run` builds and starts a server on port 6379, `make test` proves it; both install what they need.

.PHONY: run test test-clients lint soak crash sanitize bench flamegraph strace perf-stat micro-bench needs-build needs-redis needs-python needs-perf

# A server with the default configuration; ARGS="--port 6380 --save ''" are its arguments.
run: needs-build
	cargo build --release
	target/release/zedis $(ARGS)

# Everything that must pass: formatting, lints, unit tests, and the suites that compare with a real redis-server.
test: needs-build needs-redis needs-python lint
	cargo test
	$(MAKE) test-clients

# The clients in Rust, a package with its own dependencies.
CLIENTS = --manifest-path tests/clients-rust/Cargo.toml
test-clients: needs-build needs-redis
	cargo build --profile test
	ZEDIS_TEST_BIN=$(CURDIR)/target/debug/zedis cargo test $(CLIENTS) --locked --target-dir target/clients/rust

lint:
	cargo fmt --check
	cargo fmt $(CLIENTS) --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# The generated command streams, a million commands each, and the rest of the comparison with redis-server.
SOAK_COMMANDS ?= 1000000
soak: needs-build needs-redis
	ZEDIS_TEST_COMMANDS=$(SOAK_COMMANDS) cargo test --no-fail-fast --test 'differential_*' -- --nocapture

# Kills at random moments, at least two hundred of them, and what has to be there after each; a disk that fails at each call of all that is
# done with files; a hundred snapshots under full load. Says how far it is. What is wrong with the first is no reason not to run the others.
CRASHES ?= 80
crash: needs-build needs-redis
	ZEDIS_CRASHES=$(CRASHES) cargo test --no-fail-fast --test crash --test faults --test persistence -- --nocapture

# Unsafe code under the address sanitizer: its unit tests, those of what stands on it, the fuzzers of the parser and of what loads files, and the
# payloads. FUZZ is how many damaged files of each kind. The system's allocator stands in for jemalloc, whose memory the sanitizer does not see.
# RUSTC_BOOTSTRAP admits the one unstable flag. What is freed is kept from reuse for a while, by default so much of it that tests of the server's
# memory see it grow.
SANITIZE = ASAN_OPTIONS=quarantine_size_mb=8 RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address --cfg system_allocator -Cforce-frame-pointers=yes" \
	cargo test --target x86_64-unknown-linux-gnu --target-dir target/sanitize
FUZZ ?= 20000
sanitize: needs-build needs-redis
	$(SANITIZE) --lib -- base collections keyspace persistence reactor resp server
	$(SANITIZE) --test parser_fuzz --test hostile --test differential_dump
	ZEDIS_FUZZ=$(FUZZ) $(SANITIZE) --test engine -- loader_fuzz rdb_files snapshots payloads

needs-build:
	@tests/install-needs.sh cargo cc make
needs-redis:
	@tests/install-needs.sh redis-server redis-cli redis-benchmark
needs-python:
	@tests/install-needs.sh python3 python3-venv
needs-perf:
	@tests/install-needs.sh perf addr2line strace

# Measuring. Settings for all of it: ZEDIS_BIN, BENCH_LOAD, BENCH_QUICK=1, BENCH_ONLY=text (see benches/rig/mod.rs).

# Side by side with redis-server: CPU per request, time on large collections, memory, stalls; the report is target/bench-report/report.md.
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

# The engine without sockets, the table, the parser and the reply encoder, each by itself.
micro-bench:
	cargo bench
