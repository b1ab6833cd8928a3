# What is needed: make, and Python 3.11 or newer with its venv module. Everything else goes into .venv.
# With npm, the story in which the real wrangler speaks to us is played too (on CI it must be): it goes into .venv as well.
#
#   make test            everything: format, lint, floors, types, tests        make test T="-k link -x"
#   make demo            scaffold, dev, trigger, and a finished instance       make demo ONCE=1
#   make bench           how fast and how big, as ratios; kept in .bench       make bench ONLY=steps,create QUICK=1 PROFILE=1
#   make bench-compare   what has changed since the run before                 make bench-compare A=before.json B=after.json
#   make bench-peers     the same work on DBOS, in a venv of its own           make bench-peers QUICK=1
#   make storm           the property tests, ten thousand examples each
#   make storms          ten thousand runs of each storm, with real processes  make storms N=500 T=wake-loop
#   make simulate        a million schedules of generated workflows            make simulate N=20000 FROM=7
#   make histories       records of this release what tests/histories lacks; never writes over a file
#   make wheel           dist/*.whl
#   make venv wrangler lint format types floors coverage clean

# The first Python that runs and is new enough; a name may be a shim with nothing behind it, so each is tried.
PYTHONS := python3.13 python3.12 python3.11 python3
NEEDED := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in $(PYTHONS); do $$name -c '$(NEEDED)' >/dev/null 2>&1 && echo $$name && break; done)

# Three processes, as many tests wait more than they work; a file of tests whole in one of them: what it sets up is set up once.
JOBS ?= 3
T ?=
ONLY ?=
QUICK ?=
PROFILE ?=
A ?=
B ?=
N ?= 1000000
FROM ?= 0
BIN := .venv/bin
STAMP := .venv/installed
WRANGLER := .venv/wrangler

.DEFAULT_GOAL := test
.PHONY: test venv wrangler format-check lint floors types tests format demo bench bench-compare bench-peers storm storms simulate histories coverage wheel clean

test: venv
	@$(MAKE) --no-print-directory format-check
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory floors
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory tests

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(BIN)/python -c 'import pip; $(NEEDED)' 2>/dev/null || { \
		test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer with its venv module" >&2; \
			echo "hint: install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }; \
		echo "venv       $$($(PYTHON) -V) in .venv"; \
		$(PYTHON) -m venv --clear .venv; }
	@echo "install    wflow and its tools, as pinned in constraints.txt"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt hatchling
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

wrangler: $(WRANGLER)/installed

# No package runs a script of its own, and a home of its own keeps the person's clean. It is installed once it has said its version.
$(WRANGLER)/installed: tests/stories/wrangler/package.json | $(STAMP)
	@command -v npm >/dev/null || { echo "wrangler   left out: there is no npm"; exit 0; } && \
		echo "install    wrangler and its Node, as pinned in $<" && \
		rm -rf $(WRANGLER) && mkdir $(WRANGLER) && cp $< $(WRANGLER) && \
		npm install --prefix $(WRANGLER) --loglevel error --ignore-scripts --include optional \
			--no-package-lock --no-audit --no-fund --no-update-notifier >/dev/null && \
		PATH="$(CURDIR)/$(WRANGLER)/node_modules/.bin:$$PATH" HOME="$(CURDIR)/$(WRANGLER)" WRANGLER_HIDE_BANNER=true \
			wrangler --version >/dev/null && \
		touch $@

format-check: venv
	@echo "format     ruff format --check"
	@$(BIN)/ruff format --quiet --check . || { echo "hint: make format" >&2; exit 1; }

lint: venv
	@echo "lint       ruff check"
	@$(BIN)/ruff check --quiet .

floors: venv
	@echo "floors     lint-imports"
	@$(BIN)/lint-imports --no-logo > .venv/floors.txt || { cat .venv/floors.txt; exit 1; }

types: venv
	@echo "types      mypy"
	@$(BIN)/mypy --no-error-summary

tests: venv wrangler
	@echo "tests      pytest"
	@$(BIN)/pytest -n $(JOBS) --dist loadfile $(T)

format: venv
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --quiet --fix .

demo: venv
	@$(BIN)/python .ci/demo.py $(if $(filter-out 0,$(ONCE)),--once)

# Give it a quiet machine: the medians bear some noise, the ratios more, a second benchmark beside it none.
SCALE = $(if $(filter-out 0,$(QUICK)),quick,full)

bench: venv
	@$(BIN)/python -m tests.bench --only "$(ONLY)" --scale $(SCALE) $(if $(filter-out 0,$(PROFILE)),--profile)

bench-compare: venv
	@$(BIN)/python -m tests.bench.compare $(A) $(B)

bench-peers: venv
	@test -x .bench/peers/bin/python || $(BIN)/python -m venv .bench/peers
	@.bench/peers/bin/python -m pip install -qq --disable-pip-version-check -r tests/bench/peers/requirements.txt
	@$(BIN)/python -m tests.bench.peers --python .bench/peers/bin/python --scale $(SCALE)

storm: venv
	@WFLOW_STORM=1 $(BIN)/pytest --timeout 0 $(T)

storms: N = 10000
storms: venv
	@PYTHONPATH=. $(BIN)/python -W error -m tests.storms --runs $(N) $(T)

simulate: venv
	@PYTHONPATH=. $(BIN)/python -m tests.simulation.simulate --schedules $(N) --from $(FROM) --processes $(JOBS)

histories: venv
	@$(BIN)/python -m tests.histories.make

coverage: venv
	@$(BIN)/coverage run -m pytest -q tests/engine $(T)
	@$(BIN)/coverage report

wheel: venv
	@$(BIN)/python -m pip wheel -qq --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

clean:
	@rm -rf dist build .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find .ci templates tests wflow -name __pycache__ -prune -exec rm -rf {} +
