# What a person types here. `make test` is what decides whether a change is good.

LISTEN ?= 127.0.0.1:8080
DEMO ?= demo.db
KILLS ?= 1000
FUZZ_SECONDS ?= 600
SCHEDULES ?= 100000
SIZES ?= 10000 1000000 10000000
ROUNDS ?= 5
SECONDS ?= 2

.PHONY: run test lint bench bench-report bench-rooms profile kills schedules mutants fuzz

# A release build on the demo world. The database and its token stay: a second start finds what the first one left.
run:
	cargo build --release
	@[ -s $(DEMO).token ] || (umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > $(DEMO).token)
	@token=$$(cat $(DEMO).token); \
	printf '\n  http://%s serves %s (make run LISTEN=… DEMO=… for others)\n  administrator token: %s\n\n' '$(LISTEN)' '$(DEMO)' "$$token"; \
	printf '  Try in another terminal:\n\n'; \
	printf "    curl -gH 'Authorization: Bearer %s' \"http://%s/graph/Organization\"\n\n" "$$token" '$(LISTEN)'; \
	printf "    curl -gH 'Authorization: Bearer %s' \"http://%s/graph/Organization[@name='ACME']/~OneToMany/Entitlement/~OneToMany/License\"\n\n" "$$token" '$(LISTEN)'; \
	printf "    curl -gH 'Authorization: Bearer %s' \"http://%s/graph/License[@validUntil%%3C'2027-06-30']{count}\"\n\n" "$$token" '$(LISTEN)'; \
	SEATGRAPH_ADMIN_TOKEN="$$token" exec "$${CARGO_TARGET_DIR:-target}/release/seatgraph" serve --listen '$(LISTEN)' --database '$(DEMO)' --auto-migrate --seed fixtures/seed/demo.ndjson

# Every test. What a test needs and the machine lacks is said in one line; with SEATGRAPH_TESTS=all it fails instead.
test: lint
	cargo test

lint:
	@if cargo fmt --version >/dev/null 2>&1; then echo cargo fmt --check; cargo fmt --check; \
	elif [ "$$SEATGRAPH_TESTS" = all ]; then echo 'rustfmt is missing'; exit 1; \
	else echo 'skipped: the format check (rustfmt is missing)'; fi
	@if cargo clippy --version >/dev/null 2>&1; then echo cargo clippy --all-targets; cargo clippy --all-targets -- -D warnings; \
	elif [ "$$SEATGRAPH_TESTS" = all ]; then echo 'clippy is missing'; exit 1; \
	else echo 'skipped: the lints (clippy is missing)'; fi

# The figures a release must reach, beside a bare handler, SQLite and PostgreSQL in the same run; writes docs/performance.md and its plots.
# SIZES=10000 ROUNDS=1 is a small run; MORE='--only reads,writes' or MORE='--only leases --leases 1000000' asks for other things.
bench:
	@command -v wrk >/dev/null || { echo 'needs wrk: apt-get install wrk postgresql'; exit 1; }
	cargo bench --bench suite -- $(SIZES) --rounds $(ROUNDS) --seconds $(SECONDS) $(MORE)

# The page and its plots again, from the figures of the last run.
bench-report:
	cargo bench --bench suite -- report

# Single rooms: the graph, storage, the named operations, the doors.
bench-rooms:
	cargo bench --bench graph
	cargo bench --bench storage
	cargo bench --bench operations
	cargo bench --bench doors

# Instructions a request by callgrind, and the functions they are spent in; adds a line for this commit to benches/profile.md.
profile:
	@command -v valgrind >/dev/null || { echo 'needs valgrind: apt-get install valgrind'; exit 1; }
	cargo bench --bench suite -- profile

# Kills a server under load again and again, and compares what it acknowledged with what it kept.
kills:
	SEATGRAPH_KILLS=$(KILLS) cargo test --release --test it kill -- --nocapture

# Lets the engine's threads take turns in many more orders than `make test` does, half of them at random and half with few switches.
schedules:
	SEATGRAPH_SCHEDULES=$(SCHEDULES) cargo test --lib explored::

# Takes a guard away and runs the test that holds it, which must fail and say why.
mutants:
	@red() { \
		echo "without its guard ($$1), $$2 must say: $$3"; \
		SEATGRAPH_MUTANT=$$1 SEATGRAPH_KILLS=$${5:-1000} RUST_BACKTRACE=0 cargo test --features mutants $${4:---test it} $$2 2>&1 | grep -m 1 "$$3" \
			|| { echo "it did not"; exit 1; }; \
	}; \
	red publish-early histories:: 'answered and not durable'; \
	red keep-refused histories:: 'not valid and acknowledged'; \
	red publish-early kill::nothing_acknowledged 'was acknowledged and is lost'; \
	red reach-everything matrix::another_organizations 'is told from an unknown one'; \
	red reach-everything matrix::no_relation_leads 'leads to another organization'; \
	red sell-any-seat leases::clients_race 'seats are held at once'; \
	red sell-any-seat leases::kills 'seats are held at once' '--test it' 20; \
	red sell-any-seat explored:: 'seats are held at once' --lib; \
	red publish-early explored:: 'and is not durable' --lib; \
	red stay-behind explored:: 'a copy that is behind' --lib; \
	red wake-nobody explored:: 'deadlock' --lib; \
	red permit-everything matrix::every_route 'without the permission'; \
	red believe-everything signing::a_forgery 'was forged and is believed'

# Every fuzz target in turn; needs a nightly toolchain and cargo-fuzz. `make test` replays the corpus on stable.
fuzz:
	@cargo +nightly fuzz --version >/dev/null 2>&1 || { echo 'needs a nightly toolchain and cargo-fuzz (cargo install cargo-fuzz)'; exit 1; }
	@for target in $$(cargo +nightly fuzz list --fuzz-dir tests/fuzz); do \
		echo "$$target for $(FUZZ_SECONDS) s"; mkdir -p "tests/fuzz/corpus/$$target"; \
		cargo +nightly fuzz run --fuzz-dir tests/fuzz "$$target" "tests/fuzz/corpus/$$target" "fixtures/fuzz/$$target" -- \
			-max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done
