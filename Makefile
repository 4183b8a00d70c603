# Measuring. Settings for all of them: ZEDIS_BIN, BENCH_LOAD, BENCH_QUICK=1, BENCH_ONLY=text (see benches/rig/mod.rs).

.PHONY: bench flamegraph strace perf-stat micro-bench

# Side by side with redis-server: CPU per request, memory, stalls; the report is target/bench-report/report.md.
bench:
	cargo build --release
	cargo bench --bench side_by_side -- run

# Records the server under load into flamegraphs/.
flamegraph:
	cargo build --release
	cargo bench --bench observe -- flamegraph

# Syscalls per request.
strace:
	cargo build --release
	cargo bench --bench observe -- strace

# Counters per request.
perf-stat:
	cargo build --release
	cargo bench --bench observe -- perf-stat

# Parser, reply encoder and table by themselves.
micro-bench:
	cargo bench
