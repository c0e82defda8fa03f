# Every target sets up what it needs, below build/. `make help` lists them.

PYTHON ?= python3
VENV   := build/venv
BIN    := $(VENV)/bin
JOBS   ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test test-deep lint bench synth clean

help:             ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

# One stamp for each set of extras: `make demo` does not wait for the FPGA tools.
$(VENV)/installed.%: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(subst +,$(comma),$*)]"
	@touch $@
comma := ,

demo: $(VENV)/installed.fast  ## map a file scattered over memory and copy it: make demo [FILE=...] [ARGS=...]
	@$(BIN)/dmapath demo $(if $(FILE),"$(FILE)") $(ARGS)

test: $(VENV)/installed.test+formal+fast  ## all tests but the deep ones
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not deep"

test-deep: $(VENV)/installed.test+formal+fast  ## the long random runs
	$(BIN)/python -m pytest -q -n $(JOBS) -m deep

lint: $(VENV)/installed.test+formal+fast  ## ruff
	$(BIN)/ruff check --no-cache .

bench: $(VENV)/installed.fast  ## cycles of this build beside its peers; writes build/bench.json
	$(BIN)/python -m sim.benchmark

synth: $(VENV)/installed.fpga  ## area and speed on an ECP5
	$(BIN)/python -m sim.synth

clean:            ## remove everything that was generated
	rm -rf build
