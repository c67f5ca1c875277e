# covidx: `make help` lists what can be made.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked

# Two cores of threads each would only get in each other's way.
export OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

.PHONY: setup
setup: $(STAMP) ## Make .venv with the locked versions

# How labels and their columns are called.
WORDS = $(if $(COLUMNS),--columns '$(COLUMNS)') $(foreach pair,$(MAP),--map '$(pair)')
# What train-ct and train-cxr hand on to the command line.
ARGUMENTS = $(if $(DATA),--data '$(DATA)') $(if $(LABELS),--labels '$(LABELS)') $(WORDS) \
  $(if $(CARD),--card '$(CARD)') $(if $(POSITIVE),--positive '$(POSITIVE)') \
  $(if $(UNMATCHED),--set unmatched=$(UNMATCHED)) $(foreach change,$(SET),--set '$(change)')

.PHONY: train-ct
train-ct: setup ## Train, evaluate, explain: the phantom, or DATA=folder [LABELS=csv CARD= POSITIVE= COLUMNS= MAP= UNMATCHED=exclude SET="key=value ..."]
	$(BIN)/covidx train ct $(ARGUMENTS)

.PHONY: train-cxr
train-cxr: setup ## The same on chest radiographs
	$(BIN)/covidx train cxr $(ARGUMENTS)

.PHONY: train-clinical
train-clinical: setup ## A clinical table: the phantom's rows, or DATA=table [LABELS=csv CARD= SET="key=value ..."]
	$(BIN)/covidx train clinical $(if $(DATA),--data '$(DATA)') $(if $(LABELS),--labels '$(LABELS)') $(WORDS) \
	  $(if $(CARD),--card '$(CARD)') $(foreach change,$(SET),--set '$(change)')

.PHONY: train-fusion
train-fusion: setup ## Images and a clinical table fused: the phantom, or DATA=folder LABELS=csv CLINICAL=table CARD=card [SET=]
	$(BIN)/covidx train fusion $(if $(DATA),--data '$(DATA)') $(if $(LABELS),--labels '$(LABELS)') $(WORDS) \
	  $(if $(CLINICAL),--clinical '$(CLINICAL)') $(if $(CARD),--card '$(CARD)') \
	  $(foreach change,$(SET),--set '$(change)')

.PHONY: train-severity
train-severity: setup ## Readers' scores of radiographs: the phantom's, or DATA=folder [SCORES=csv MASKS=folder CARD= SET=]
	$(BIN)/covidx train radiograph-severity $(if $(DATA),--data '$(DATA)') $(if $(SCORES),--scores '$(SCORES)') \
	  $(if $(MASKS),--masks '$(MASKS)') $(if $(CARD),--card '$(CARD)') \
	  $(foreach change,$(SET),--set '$(change)')

.PHONY: train-segmentation
train-segmentation: setup ## Lungs and opacities: the phantom with distractors, or DATA=folder of images and masks [CARD= SET=]
	$(BIN)/covidx train segmentation $(if $(DATA),--data '$(DATA)') $(if $(CARD),--card '$(CARD)') \
	  $(foreach change,$(SET),--set '$(change)')

.PHONY: train-detection
train-detection: setup ## Opacities as boxes: the phantom with distractors, or DATA=folder of CT and masks [CARD= SET=]
	$(BIN)/covidx train detection $(if $(DATA),--data '$(DATA)') $(if $(CARD),--card '$(CARD)') \
	  $(foreach change,$(SET),--set '$(change)')

.PHONY: evaluate
evaluate: setup ## A trained run on a second data set: RUN=train_cxr/latest TEST=folder or table [LABELS= CLINICAL= CARD= MODALITY=CXR COLUMNS=ours=theirs,... MAP="label=class ..." BY=month]
	$(BIN)/covidx external-test 'runs/$(RUN)' --data '$(TEST)' $(if $(LABELS),--labels '$(LABELS)') \
	  $(if $(CLINICAL),--clinical '$(CLINICAL)') $(if $(CARD),--card '$(CARD)') $(if $(MODALITY),--modality '$(MODALITY)') \
	  $(if $(BY),--by '$(BY)') $(WORDS)

.PHONY: audit
audit: setup ## Every audit of a run, and a table of verdicts: RUN=train_ct/latest
	$(BIN)/covidx audit all 'runs/$(RUN)'

.PHONY: reproduce
reproduce: setup ## Train a run again from its record and compare: RUN=train_ct/latest [SEEDS=n DATA= LABELS= TABLE= MASKS= CARD=]
	$(BIN)/covidx reproduce 'runs/$(RUN)' $(if $(SEEDS),--seeds '$(SEEDS)') $(if $(DATA),--data '$(DATA)') \
	  $(if $(LABELS),--labels '$(LABELS)') $(if $(TABLE),--table '$(TABLE)') $(if $(MASKS),--masks '$(MASKS)') \
	  $(if $(CARD),--card '$(CARD)')

.PHONY: mlflow
mlflow: setup ## Open MLflow's page on the runs, and print where their tables are [PORT=5000]
	@$(BIN)/covidx runs mlflow $(if $(PORT),--port '$(PORT)')

.PHONY: lint
lint: setup ## Style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test
test: lint ## Lint, then all quick tests with doctests and coverage
	OMP_NUM_THREADS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term

.PHONY: test-slow
test-slow: setup ## The slow tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slow

.PHONY: benchmark
benchmark: setup ## Measure again what benchmarks/results.json holds (over an hour)
	$(BIN)/python -m benchmarks

DOCS := build/docs-env

# The site's notebooks are run by the Python of .venv.
$(DOCS)/.locked: docs/requirements.lock $(STAMP)
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --disable-pip-version-check --requirement docs/requirements.lock
	$(BIN)/python -m ipykernel install --log-level ERROR --prefix $(DOCS) --name covidx >/dev/null
	@touch $@

.PHONY: docs
docs: $(DOCS)/.locked ## The documentation as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict
	@echo "build/site/index.html"

.PHONY: lock
lock: ## Write requirements.lock anew from the ranges of pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --upgrade 'pip>=25.1'
	build/lock/bin/pip install --quiet torch==2.14.1 torchvision==0.29.1 . --group dev
	build/lock/bin/pip freeze --all --exclude covidx --exclude pip > requirements.lock

.PHONY: clean
clean: ## Remove stores, caches and runs (not .venv)
	rm -rf data runs build
