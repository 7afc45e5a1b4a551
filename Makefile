# The commands for people and CI. They use .venv, which is created once from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPEC := --openapi spec/openapi.yaml --requirements spec/requirements.yaml \
	--interpretation spec/interpretation.yaml --lifecycle spec/lifecycle.yaml
BACKOFFICE := --openapi spec/openapi.yaml --requirements spec/backoffice-requirements.yaml \
	--interpretation spec/backoffice-interpretation.yaml --lifecycle spec/lifecycle.yaml
TMF621 := $(foreach name,openapi requirements interpretation lifecycle,--$(name) spec/profiles/tmf621-v4/$(name).yaml)
LOCKED := --extra cli --extra hypothesis --extra xlsx --group docs --group server --group test --group lint --group build --group bench

.PHONY: help run quick test thorough lint schemas bench soak docs site wheel constraints clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /: /'

run: $(VENV)/.made ## Start the sandbox at http://127.0.0.1:8080, with its data in var/
	@TTR_SANDBOX=$${TTR_SANDBOX:-1} TTR_ALLOW_LOOPBACK_CALLBACKS=$${TTR_ALLOW_LOOPBACK_CALLBACKS:-1} \
		TTR_LOG_LEVEL=$${TTR_LOG_LEVEL:-WARNING} $(BIN)/python -m server serve

quick: $(VENV)/.made ## Run the tests that need no PostgreSQL, browser or Node.js and are not slow: about a minute
	$(BIN)/pytest -n auto --dist worksteal -m "not slow and not postgres and not browser and not node"

test: $(VENV)/.made lint tests/node/node_modules/.made ## Run all checks: lint, types, imports, tests with coverage, docs, the wheel
	$(BIN)/pytest -n auto --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --include='ttrules/*' --fail-under=100
	$(BIN)/coverage report --include='server/*' --fail-under=97

lint: $(VENV)/.made ## Run the linters, the type checker and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet tests ttrules server docs
	$(BIN)/codespell
	$(BIN)/deptry . --no-ansi

schemas: $(VENV)/.made ## Compile spec/ to ttrules/schemas/ and server/rules/
	cp spec/schemas/*.schema.json ttrules/schemas/form/
	$(BIN)/ttrules compile $(SPEC) --out ttrules/schemas
	$(BIN)/ttrules openapi $(SPEC) --out ttrules/schemas/openapi.json
	$(BIN)/ttrules compile $(BACKOFFICE) --out server/rules

docs: $(VENV)/.made schemas ## Write the generated files in docs/ from spec/ and the code
	$(BIN)/python docs/generate/reference.py
	$(BIN)/ttrules postman $(SPEC) --out docs/postman
	$(BIN)/python docs/generate/profiles.py
	$(BIN)/ttrules postman $(TMF621) --out docs/tmf621-v4/postman
	$(BIN)/python docs/generate/examples.py
	@$(MAKE) --no-print-directory build/outputs.made

# The outputs that pages show. Followed again only if a page, an example or the rules have changed.
FOLLOWED := README.md $(wildcard docs/*.md docs/*/*.md docs/examples/*/*.json ttrules/schemas/*.json server/rules/*.json)
build/outputs.made: $(filter-out docs/reference/% ttrules/schemas/openapi.json,$(FOLLOWED))
	TTRULES_UPDATE_DOCS=1 $(BIN)/pytest -q -n auto --dist worksteal tests/docs/test_docs_runner.py -m "not postgres" || \
		echo 'Edit the pages named above: what they do does not work any more.'
	@mkdir -p $(@D) && touch $@

site: $(VENV)/.made ## Build the documentation site in build/site
	$(BIN)/python docs/generate/stage_site.py
	NO_MKDOCS_2_WARNING=1 SOURCE_DATE_EPOCH=315532800 $(BIN)/mkdocs build --strict # --quiet would hide warnings

thorough: $(VENV)/.made tests/node/node_modules/.made ## Test more random input: 400 examples a property, 20,000 payloads a process, 2,000 a construct, 500 requests an operation, all hostile bodies; and edits of spec/
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -n auto tests/properties tests/strategies tests/delivery/test_machine.py
	TTRULES_PAYLOADS=20000 $(BIN)/pytest -n auto tests/properties/test_agreement.py
	TTRULES_CONSTRUCTS=2000 $(BIN)/pytest tests/properties/test_constructs.py tests/properties/test_variants.py
	TTRULES_SMALL_PAYLOADS=2000 $(BIN)/pytest -n auto tests/properties/test_processes.py
	TTRULES_EXAMPLES=500 $(BIN)/pytest tests/tools/test_schemathesis.py
	TTRULES_HOSTILE=1 $(BIN)/pytest tests/asgi/test_hostile.py
	TTRULES_EDITS=1 $(BIN)/pytest tests/shipped/test_edits.py

bench: $(VENV)/.made ## Measure speed and memory against named peers
	$(BIN)/python tests/benchmarks/run.py
	$(BIN)/python tests/benchmarks/serving.py
	$(BIN)/python tests/benchmarks/listing.py
	$(BIN)/python tests/benchmarks/delivering.py
	$(BIN)/python tests/benchmarks/hostile_bodies.py

soak: $(VENV)/.made ## Change tickets from 8 clients, kill processes of the server, and print what was lost
	$(BIN)/python tests/soak/consistency.py
	$(BIN)/python tests/soak/delivery.py
	$(BIN)/python tests/benchmarks/crowd.py

wheel: $(VENV)/.made ## Build dist/ttrules-*.whl
	$(BIN)/python -m build --wheel --no-isolation

constraints: $(VENV)/.made ## Pin the newest versions of all dependencies
	$(BIN)/uv pip compile pyproject.toml $(LOCKED) --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --upgrade --quiet -o constraints.txt

clean: ## Remove everything that make has created
	rm -rf $(VENV) build dist .bench .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache tests/node/node_modules

$(VENV)/.made: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed")'
	@echo 'Setting up $(VENV), once…'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Tools of another language hold what is generated, where there is one to run them.
tests/node/node_modules/.made: tests/node/package-lock.json
	@if command -v npm > /dev/null; then \
		npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	else echo 'No npm here: what needs Node.js is left out, and named by the tests.'; fi
