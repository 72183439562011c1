# `make` or `make help` lists the targets. ARGS="..." passes flags on; PYTHON=python3.12 chooses the Python of .venv.
PYTHON   ?= python3
PYTHON37 ?= python3.7
VENV     := .venv
STAMP    := $(VENV)/installed
comma    := ,

.PHONY: help train sample tensorboard test test-tf1 chaos fuzz lint bench figures results pictures docs clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

train: $(STAMP)  ## train blog-mnist with weight clipping; ARGS="--generator_steps=300" for a first look
	$(VENV)/bin/python train.py --variant=clip $(ARGS)

sample: $(STAMP)  ## draw a grid of samples from that run; ARGS="--run_dir=DIR" for another run
	$(VENV)/bin/python sample.py $(ARGS)

tensorboard: $(STAMP)  ## show all runs in a browser; ARGS="--logdir=DIR --port=6007" for other runs or another port
	@$(VENV)/bin/python -W ignore -m tools.tensorboard --load_fast=false --logdir=runs $(ARGS)

test: $(STAMP)  ## run the tests on TensorFlow 2; ARGS="tests/data" for a part
	$(VENV)/bin/python -m pytest $(ARGS)

test-tf1: .venv-tf1/installed  ## run the tests on TensorFlow 1.15.5; PYTHON37=python3.7
	.venv-tf1/bin/python -m pytest $(ARGS)

lint: $(STAMP)  ## check style, format and types with ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

chaos: $(STAMP)  ## kill and break training on purpose, and check that nothing is lost
	$(VENV)/bin/python -m tools.chaos $(ARGS)
	$(VENV)/bin/python -m tools.cluster_chaos

fuzz: $(STAMP)  ## feed damaged files to every reader; ARGS="--files=100" for fewer
	$(VENV)/bin/python -m tools.fuzz $(ARGS)

bench: $(STAMP)  ## time the training step of every preset; QUICK=1 for less; AGAINST=FILE says what got slower
	$(VENV)/bin/python -m benchmarks.throughput $(ARGS)
	$(VENV)/bin/python -m benchmarks.table $(if $(AGAINST),--against=$(AGAINST)) \
	  $(if $(filter-out 0,$(QUICK)),--presets=blog-mnist$(comma)toy-8gaussians)
	$(VENV)/bin/python -m benchmarks.cost $(if $(filter-out 0,$(QUICK)),--quick)

EXPERIMENTS := earth_mover distances two_gaussians value_surfaces gradient_norms estimate_and_quality \
               without_batch_norm momentum overfitting mode_coverage clip_order penalty_sides random_architectures \
               long_runs

# A failed experiment does not stop the others. A signal, which gives a status above 128, stops all of them.
figures: $(STAMP)  ## run the experiments that have no results yet; QUICK=1 for small settings
	@failed=; for name in $(EXPERIMENTS); do \
	  $(VENV)/bin/python -m experiments.$$name $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS) || { \
	    status=$$?; if [ $$status -gt 128 ]; then exit $$status; fi; failed="$$failed $$name"; }; \
	done; \
	if [ -n "$$failed" ]; then echo "These failed:$$failed. Run the same command to try them again." >&2; exit 1; fi

results: $(STAMP)  ## write RESULTS.md from the results of the experiments
	$(VENV)/bin/python -m experiments.report $(ARGS)

pictures: $(STAMP)  ## train what the documents show, and draw it: hours; ARGS="--only=toys" for one picture
	$(VENV)/bin/python -m tools.pictures $(ARGS)

docs: $(STAMP)  ## write docs/flags.md from the flags of the scripts
	$(VENV)/bin/python -m tools.flags

clean:  ## delete .venv and .venv-tf1
	rm -rf $(VENV) .venv-tf1

# pip runs again when requirements.txt is newer than the stamp, which is touched only after pip has succeeded.
$(STAMP): requirements.txt
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	case "$$version" in \
	  3.10|3.11|3.12|3.13) ;; \
	  *) echo "$(PYTHON) is $${version:+Python }$${version:-not installed}: Python 3.10 to 3.13 is required." \
	       "Run make PYTHON=python3.12, for example. For Python 3.7, see BUILD.md" >&2; exit 2 ;; \
	esac
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv-tf1/installed: requirements.txt
	$(PYTHON37) -m venv .venv-tf1
	.venv-tf1/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
