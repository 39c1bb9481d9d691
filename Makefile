# Shoal's targets; `make` alone lists them. Everything fetched goes to .cache/, everything built to bin/.

PYTHON ?= python3
GO ?= go
FUZZTIME ?= 30s
BENCH ?= .
MINUTES ?= 5
COUNT ?= 1
PKG ?= ./...
REF ?= HEAD
ARGS ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The NVML binding's generated code mentions every deprecated function.
export CGO_CFLAGS = -O2 -g -Wno-deprecated-declarations

# The tests start Python clients with the interpreter that .cache/python was made for.
export PYTHON

SOURCES = $(shell find . -name '.?*' -prune -o -name '*.go' -print)

.PHONY: help build run test test-deps deps fmt lint vuln proto fuzz soak bench bench-go bench-compare bench-peers clean distclean docker docker-gpu docker-test

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; do \
		printf '  make %-13s %s\n' "$$target" "$$text"; done

build: deps ## bin/shoal, and bin/tensorflow_model_server: the same program, which then behaves as `shoal serve`
	$(GO) build -ldflags '-X main.version=$(VERSION)' -o bin/shoal ./cmd/shoal
	@ln -sf shoal bin/tensorflow_model_server

run: build ## serve the example models on REST port 8501 (more flags: ARGS='--log_level=debug')
	@echo; echo 'In another terminal, ask which languages these are:'; echo
	@sed '1,/^$$/d; s/^/  /' examples/guess.sh; echo
	@exec bin/shoal serve --rest_api_port=8501 --model_config_file=examples/models.config \
		--model_config_file_poll_wait_seconds=1 $(ARGS)

test: build test-deps ## everything: vet and all tests, with the real library and real models
	$(GO) vet ./...
	$(GO) test -timeout 20m $(ARGS) ./...

fmt: ## format the Go sources
	gofmt -w $(SOURCES)

lint: deps ## go vet, staticcheck, and every file formatted
	$(GO) vet ./...
	$(GO) tool -modfile=scripts/lint/go.mod staticcheck ./...
	@unformatted=$$(gofmt -l $(SOURCES)); test -z "$$unformatted" || { echo "run make fmt; not formatted:" $$unformatted; exit 1; }

vuln: deps ## known vulnerabilities in what is used, where their database can be reached
	@out=$$($(GO) tool -modfile=scripts/lint/go.mod govulncheck ./... 2>&1); code=$$?; \
	case "$$code $$out" in \
		1*"fetching vulnerabilities"*) echo "make vuln: nothing was checked: the database of vulnerabilities cannot be reached";; \
		*) echo "$$out"; exit $$code;; \
	esac

proto: deps ## the Go messages of serving/oip/inferencepb/inference.proto
	@$(PYTHON) scripts/deps.py oip
	@$(GO) build -o .cache/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go
	@cd serving/oip/inferencepb && PYTHONPATH=$(CURDIR)/.cache/oip $(PYTHON) -m grpc_tools.protoc -I . \
		--plugin=$(CURDIR)/.cache/protoc-gen-go --go_out=. --go_opt=paths=source_relative inference.proto

fuzz: deps ## every fuzz test for FUZZTIME (30s)
	@for file in $$(grep -lE '^func Fuzz' $(SOURCES)); do for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$file); do \
		echo "$$name ($$file)"; $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) || exit 1; done; done

soak: build test-deps ## everything at once against a real server, every answer checked (MINUTES=5)
	@$(GO) run ./benchmarks/soak --shoal=bin/shoal --for=$(MINUTES)m $(ARGS)

bench: build test-deps ## how near to the limits: each goal, measured, limit, ratio (ARGS='--only=endtoend --length=5s')
	@$(PYTHON) scripts/deps.py bench-models
	@mkdir -p .cache/bench && $(GO) build -o .cache/bench/goals ./benchmarks/goals
	@.cache/bench/goals --shoal=bin/shoal $(ARGS)

bench-go: test-deps ## the Go benchmarks (BENCH=regexp COUNT=10 PKG=./tensor/...)
	@$(PYTHON) scripts/deps.py bench-models
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)

bench-compare: test-deps ## the Go benchmarks beside those of commit REF (BENCH=regexp COUNT=6 PKG=./tensor/...)
	@benchmarks/scripts/compare.sh '$(REF)' '$(BENCH)' '$(if $(filter 1,$(COUNT)),6,$(COUNT))' $(PKG)

bench-peers: build test-deps ## the same load on Shoal, mosec and LitServe, which are fetched from PyPI
	@$(GO) run ./benchmarks/peers --shoal=bin/shoal --python='$(PYTHON)' $(ARGS)

deps: ## fetch libtensorflow, OpenVINO and the example model, once
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: apt-get install python3 python3-pip, or name one: make PYTHON=..."; exit 1; }
	@$(PYTHON) scripts/deps.py tools libtensorflow openvino guesslang

test-deps: deps ## fetch TensorFlow for Python and make the test models, once
	@$(PYTHON) scripts/deps.py python openapi oip test-models rewrite-models row-models

docker: ## the container image shoal:cpu (docker/README.md)
	@docker/build.sh cpu

docker-gpu: docker ## the container image shoal:gpu: CUDA 12; without a GPU it serves on the CPU
	@docker/build.sh gpu

docker-test: docker test-deps ## run the images in the Docker engine and test them
	$(GO) test -count=1 -v ./docker/...

clean: ## remove what was built
	rm -rf bin

distclean: clean ## remove what was fetched, too
	rm -rf .cache
