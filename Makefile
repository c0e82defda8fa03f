# Every target sets up what it needs, below build/. `make help` lists them.

PYTHON ?= python3
VENV   := build/venv
BIN    := $(VENV)/bin
JOBS   ?= auto
comma  := ,
# Tests that `make test` also runs on Amaranth's own simulator; tests/sim/engine and
# tests/integration/test_engines.py compare the engines themselves.
ON_PYSIM := tests/rtl/stream tests/rtl/axi tests/rtl/regs tests/sim/test_bench.py
# Compiled simulation models stay in the checkout, too.
export AMARANTH_ENGINE_CACHE ?= $(CURDIR)/build/engine

.DEFAULT_GOAL := help
.PHONY: help demo rules test test-deep lint bench bench-engine synth sweep clean

help:             ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

# One stamp for each set of extras: `make demo` does not wait for the FPGA tools.
$(VENV)/installed.%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python must be 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) ($*)" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[$(subst +,$(comma),$*)]"
	@touch $@

demo: $(VENV)/installed.fast  ## map a file scattered over memory and copy it: make demo [FILE=...] [ARGS=...]
	@$(BIN)/dmapath demo $(if $(FILE),"$(FILE)") $(ARGS)

test: $(VENV)/installed.test+formal+fast+plots  ## all tests but the deep ones
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not deep"
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not deep and not formal" --engine pysim $(ON_PYSIM)

test-deep: $(VENV)/installed.test+formal+fast+plots  ## the long random runs
	$(BIN)/python -m pytest -v -n $(JOBS) -m deep --deep

lint: $(VENV)/installed.test+formal+fast+plots  ## ruff
	$(BIN)/ruff check --no-cache .

rules: $(VENV)/installed.test+formal+fast+plots  ## which rules of the DMA API have tests: make rules [ARGS=-v]
	@$(BIN)/python -m tests.rules $(ARGS)

bench: $(VENV)/installed.fast  ## cycles of this build beside its peers; writes build/bench.json
	$(BIN)/dmapath bench

bench-engine: $(VENV)/installed.fast  ## the compiled engine beside Amaranth's simulator, as ratios
	$(BIN)/python -W ignore -m sim.engine.bench $(ARGS)
	$(BIN)/python -W ignore -m sim.benchmarks.engines

synth: $(VENV)/installed.fpga  ## area and speed on an ECP5: make synth [BLOCKS="dma cache"]
	$(BIN)/dmapath synth $(BLOCKS)

sweep: $(VENV)/installed.fpga+fast+plots  ## cycles and area over parameters, plotted into build/sweep: make sweep [AXES=iommu.walks] [ARGS=--route]
	$(BIN)/dmapath sweep $(AXES) $(ARGS)

clean:            ## remove everything that was generated
	rm -rf build
