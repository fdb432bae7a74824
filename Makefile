# The two commands to know are `make run` and `make test`. Both install what they need and say so.

SHELL := /bin/bash
.DEFAULT_GOAL := help
# Steps share build folders and report in order.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
# How many Swift tests run at once. Without a limit all of them start together, and on a slow machine a test then waits
# for minutes until its own tasks have their turn. The name is that of Swift 6.3; others ignore it.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH := 4

# An import that Package.swift does not declare is an error; scripts/check-imports says what it may declare.
IMPORT_CHECK := --explicit-target-dependency-import-check error
RELEASE := -c release $(IMPORT_CHECK)
BINARY := .build/release/llm-exporter
ADDRESS := 127.0.0.1:10140
SWIFT_SOURCES := Sources Tests Benchmarks Fuzz Package.swift clients/swift/Sources clients/swift/Tests clients/swift/Package.swift
CLIENT_VENVS := .build-venv-client/bin/python clients/python/tests/client_venvs.py

.PHONY: help
help: ## Prints this list
	@echo 'llm-exporter: call records of LLM agents in, Prometheus metrics out'
	@echo
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r target text; do printf '  make %-16s %s\n' "$$target" "$$text"; done
	@echo
	@echo '  VERBOSE=1 shows all output of each step; .build-logs keeps it.'

.PHONY: run
run: build ## Installs what is missing, builds, and runs the exporter on 127.0.0.1:10140
	@echo
	@echo 'Starting $(BINARY) with no configuration; Ctrl-C stops it.'
	@echo 'Once it says "Listening on", it takes records on http://$(ADDRESS)/record and shows them on'
	@echo 'http://$(ADDRESS)/metrics. From another terminal:'
	@echo
	@echo "  curl http://$(ADDRESS)/record -H 'Content-Type: application/json' -d '{"
	@echo '    "agent_name": "ReviewerGPT", "provider": "openai", "model": "gpt-4o-mini", "id": "review-1",'
	@echo '    "input_tokens": 100, "output_tokens": 436, "cost_usd": 0.0002766, "latency_ms": 150}'"'"
	@echo '  curl http://$(ADDRESS)/metrics'
	@echo
	@exec $(BINARY)

.PHONY: demo
demo: build ## Runs it with five agents and a fake model, offline, until Ctrl-C (DEMO_SECONDS=60: for a minute)
	@scripts/install-packages demo
	@scripts/python-environment demo
	@exec .build-venv-demo/bin/python examples/demo.py $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS)) $(DEMO_FLAGS)

.PHONY: build
build: build-packages ## Builds the release, .build/release/llm-exporter
	@scripts/build release-build $(RELEASE) --product llm-exporter

.PHONY: test
test: test-packages lint build ## Runs all checks and tests but those of the package and the clients
	@scripts/side-by-side end-to-end-beside thread-beside
	@$(MAKE) end-to-end-alone thread-alone
	@echo 'All checks and tests passed.'

.PHONY: lint
lint: lint-packages ## Checks Swift, C, shell and Python: layout, imports, types, widths
	@scripts/step format swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)
	@scripts/step imports scripts/check-imports
	@scripts/step c scripts/lint c
	@scripts/step shell scripts/lint shell
	@scripts/step python scripts/lint python
	@scripts/step width scripts/check-width shell c swift

.PHONY: format
format: lint-packages ## Lays out Swift and C as make lint wants it, and sorts the imports of Python
	@swift format --in-place --parallel --recursive $(SWIFT_SOURCES)
	@scripts/source-files c | xargs clang-format-19 -i
	@scripts/source-files python | xargs .build-venv-lint/bin/ruff check --quiet --select I --fix

.PHONY: test-unit
test-unit: build-packages ## Builds for debugging and runs the unit tests
	@scripts/build build --build-tests $(IMPORT_CHECK)
	@scripts/step unit swift test --skip-build $(IMPORT_CHECK)

.PHONY: test-end-to-end
test-end-to-end: end-to-end-beside end-to-end-alone ## Runs the end-to-end tests, with a real Prometheus, on the release

.PHONY: test-one
test-one: test-packages build-packages ## Runs the unit and end-to-end tests that match: make test-one T=budget
	@scripts/test-one '$(T)'

.PHONY: test-thread
test-thread: thread-beside thread-alone ## Runs the unit tests and those of concurrency under the thread sanitizer

.PHONY: test-address
test-address: test-packages ## Runs the unit and quick end-to-end tests under the address sanitizer
	@scripts/sanitize address beside
	@scripts/sanitize address alone

.PHONY: fuzz
fuzz: build-packages ## Fuzzes the readers in C, Swift and Python, each target for SECONDS=60 (T=json: that one)
	@scripts/fuzz $(or $(SECONDS),60) $(T)

.PHONY: fuzz-short
fuzz-short: build-packages ## Fuzzes the readers in C and Python, each target for 3 seconds
	@scripts/fuzz 3 c python

.PHONY: crash-test
crash-test: test-packages build ## Kills the exporter 200 times, and tries many power failures and all disk faults (minutes)
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) LLM_EXPORTER_CRASHES=200 LLM_EXPORTER_CUTS=2000 LLM_EXPORTER_ALL_FAULTS=1 \
		scripts/step crash-test .build-venv/bin/python -m pytest --color=no -q --timeout=3600 \
		Tests/EndToEnd/storage/test_kills.py Tests/EndToEnd/storage/test_power_failure.py \
		Tests/EndToEnd/storage/test_failing_disk.py Tests/EndToEnd/cluster/test_cluster.py

.PHONY: test-shares
test-shares: test-packages build ## Tries each attack on other clients alone, by address and by token (minutes)
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) LLM_EXPORTER_ALL_ATTACKS=1 scripts/step test-shares \
		.build-venv/bin/python -m pytest --color=no -q Tests/EndToEnd/http/test_fair_shares.py

.PHONY: soak
soak: test-packages build ## Good, bad and hostile traffic, reloads and kills: MINUTES=30 (5 by default); ends with a table
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) LLM_EXPORTER_SOAK_MINUTES=$${MINUTES:-5} scripts/step soak \
		.build-venv/bin/python -m pytest --color=no -q Tests/EndToEnd/soak
	@sed -n '/^=* figures/,/^soak: /p' .build-logs/soak.log

.PHONY: test-merges
test-merges: test-packages build ## Sends simulated fleets and captures of real senders in many orders (minutes)
	@scripts/build build --build-tests $(IMPORT_CHECK)
	@LLM_EXPORTER_SEEDS=$${SEEDS:-10000} scripts/step fleets swift test --skip-build $(IMPORT_CHECK) --filter RecentCalls
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) LLM_EXPORTER_SHUFFLES=$${SHUFFLES:-200} scripts/step captures \
		.build-venv/bin/python -m pytest --color=no -q -n 2 Tests/EndToEnd/formats/test_senders.py -k totals_are_what

.PHONY: test-api
test-api: test-packages build ## Posts what docs/openapi.yaml allows, and what it does not, from a random seed (minutes)
	@scripts/python-environment openapi
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) LLM_EXPORTER_OPENAPI_EXAMPLES=1000 LLM_EXPORTER_OPENAPI_SEED=$${SEED:-$$RANDOM} \
		scripts/step test-api .build-venv/bin/python -m pytest --color=no -q Tests/EndToEnd/http/test_openapi.py

.PHONY: test-clients
test-clients: test-packages build ## Runs the tests of both clients, the examples and the demo, with real packages
	@test -x .build-venv-client/bin/pytest || (python3 -m venv .build-venv-client && \
		.build-venv-client/bin/python -m pip install --quiet --disable-pip-version-check --no-input -e 'clients/python[test]')
	@cd clients/python && LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) $(CURDIR)/scripts/step clients \
		$(CURDIR)/.build-venv-client/bin/python -m pytest --color=no -q
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) scripts/step client-swift swift test --package-path clients/swift
	@for name in $$($(CLIENT_VENVS) --names); do \
		LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) scripts/step clients-$$name $(CLIENT_VENVS) $$name || exit; done

.PHONY: deb
deb: packaged ## Builds the Debian package, .build-deb/llm-exporter_VERSION_ARCH.deb
	@scripts/step deb scripts/make-deb
	@tail -n 1 .build-logs/deb.log

.PHONY: test-package
test-package: test-packages packaged ## Installs the package in a fresh Debian 12, uses, upgrades and removes it (as root)
	@scripts/install-packages package-test
	@scripts/step package .build-venv/bin/python -m pytest --color=no -q Tests/Package

.PHONY: bench
bench: build ## Measures the exporter beside libmicrohttpd and its peers, into BENCHMARKS.md (QUICK=1: 3 minutes)
	@scripts/install-packages bench
	@scripts/python-environment bench
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) Benchmarks/bench.py \
		$(if $(QUICK),--quick --output .build-logs/BENCHMARKS.md,--output BENCHMARKS.md)

.PHONY: bench-micro
bench-micro: build-packages ## Counts the instructions of decoding, folding, committing and rendering, against a baseline
	@scripts/install-packages bench
	@scripts/build micro-build $(RELEASE) --product micro-bench
	@Benchmarks/micro.py

.PHONY: clean
clean: ## Removes what was built (never the records in data)
	@rm -rf .build .build-* clients/python/.venvs clients/swift/.build

# `make test` runs the tests in two halves: those of the release and of the sanitizer side by side, then those that measure
# time or memory, one by one. Its unit tests are those under the thread sanitizer: the same build for debugging, with more
# checks.
.PHONY: end-to-end-beside end-to-end-alone thread-beside thread-alone
end-to-end-beside: test-packages build
	@scripts/python-environment litellm
	@scripts/python-environment openapi
	@scripts/step prometheus-config promtool check config prometheus.yml
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) scripts/step end-to-end scripts/end-to-end beside ''
end-to-end-alone: test-packages build
	@LLM_EXPORTER_BIN=$(CURDIR)/$(BINARY) scripts/step end-to-end-alone scripts/end-to-end alone ''
thread-beside: test-packages
	@scripts/sanitize thread beside
thread-alone: test-packages
	@scripts/sanitize thread alone

# The parts of the package.
.PHONY: packaged
packaged: build-packages
	@scripts/install-packages package
	@LLM_EXPORTER_SYMBOLS=1 scripts/build package-build $(RELEASE) --product llm-exporter
	@scripts/build manual-build $(RELEASE) --product generate-manual

.PHONY: build-packages
build-packages:
	@scripts/install-packages build

.PHONY: lint-packages
lint-packages:
	@scripts/install-packages lint
	@scripts/python-environment lint

.PHONY: test-packages
test-packages:
	@scripts/install-packages test
	@scripts/python-environment
