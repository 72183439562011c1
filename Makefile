# make train ARGS="--generator_steps=300"   make test   make lint   make bench   make PYTHON=python3.12 train
PYTHON   ?= python3
PYTHON37 ?= python3.7
VENV     := .venv
STAMP    := $(VENV)/installed

.PHONY: train sample test test-tf1 chaos lint bench figures results clean

train: $(STAMP)
	$(VENV)/bin/python train.py --variant=clip $(ARGS)

sample: $(STAMP)
	$(VENV)/bin/python sample.py $(ARGS)

test: $(STAMP)
	$(VENV)/bin/python -m pytest $(ARGS)

test-tf1: .venv-tf1/installed
	.venv-tf1/bin/python -m pytest $(ARGS)

chaos: $(STAMP)
	$(VENV)/bin/python -m tests.chaos $(ARGS)
	$(VENV)/bin/python -m tests.cluster_chaos

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# make bench QUICK=1: the table of costs with fewer points, of smaller networks.
bench: $(STAMP)
	$(VENV)/bin/python -m benchmarks.throughput $(ARGS)
	$(VENV)/bin/python -m benchmarks.cost $(if $(filter-out 0,$(QUICK)),--quick)

EXPERIMENTS := earth_mover distances two_gaussians value_surfaces gradient_norms estimate_and_quality \
               without_batch_norm momentum overfitting mode_coverage clip_order penalty_sides random_architectures \
               long_runs

# make figures QUICK=1: small settings. What is done is skipped; what fails is named at the end, the others still run.
figures: $(STAMP)
	@failed=; for name in $(EXPERIMENTS); do \
	  $(VENV)/bin/python -m experiments.$$name $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS) || { \
	    status=$$?; if [ $$status -gt 128 ]; then exit $$status; fi; failed="$$failed $$name"; }; \
	done; \
	if [ -n "$$failed" ]; then echo "These failed:$$failed. The same command tries them again." >&2; exit 1; fi

results: $(STAMP)
	$(VENV)/bin/python -m experiments.report $(ARGS)

clean:
	rm -rf $(VENV) .venv-tf1

# The stamp is newer than requirements.txt only once everything in it is installed.
$(STAMP): requirements.txt
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	case "$$version" in \
	  3.10|3.11|3.12|3.13) ;; \
	  *) echo "Python 3.10 to 3.13 is needed, and $(PYTHON) is $${version:-not there}: make PYTHON=python3.12, say (3.7: see BUILD.md)" >&2; exit 2 ;; \
	esac
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv-tf1/installed: requirements.txt
	$(PYTHON37) -m venv .venv-tf1
	.venv-tf1/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
