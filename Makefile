# raftkv. `make up` starts a local cluster, `make test` tests all of it.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -X main.version=$(VERSION)
BIN      = .build/raftkv

.PHONY: help build up down test vet fuzz sim faults bench bench-sharding bench-logfilter bench-trace clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ## build the program into .build/
	@mkdir -p .build
	$(GO) build -ldflags '$(LDFLAGS)' -o .build/ ./cmd/...

up: build ## start three nodes and three groups on this machine; Ctrl-C stops them
	@$(BIN) up

down: build ## stop a cluster that was started with `raftkv up --detach`
	@$(BIN) down

# -count=1: tests that start real processes must not be answered from a cache that
# knows nothing of the program they build.
test: ## run all tests, with the race detector; installs what they need
	@sh tests/setup.sh
	$(GO) vet ./...
	GOOS=darwin $(GO) build ./...
	@mkdir -p .build/artifacts
	$(GO) test -race -count=1 -timeout 15m -artifacts -outputdir $(CURDIR)/.build/artifacts ./...

FUZZTIME ?= 30s
fuzz: ## fuzz the parsers, FUZZTIME each
	@$(GO) list ./... | while read p; do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; done

SEEDS  ?= 100
SEED   ?= 1
LENGTH ?= 5m
REPEAT ?= 1
sim: ## simulate SEEDS clusters for LENGTH of virtual time each, under faults; and show that broken rules are found
	@mkdir -p .build/artifacts
	SEED=$(SEED) SEEDS=$(SEEDS) LENGTH=$(LENGTH) REPEAT=$(REPEAT) $(GO) test -count=1 -timeout 0 -v -artifacts -outputdir $(CURDIR)/.build/artifacts ./tests/simulation

DURATION  ?= 20m
WORKLOADS ?= all
FAULTS    ?= all
GROUPS    ?= 1,3
PORT      ?= 24000
UNSAFE    ?=
faults: build ## run every workload under every fault on real processes, for DURATION; WORKLOADS, FAULTS, GROUPS and SEED choose
	@$(GO) build -o .build/faults-matrix ./tests/matrix
	@.build/faults-matrix -raftkv $(BIN) -duration $(DURATION) -seed $(SEED) -workloads '$(WORKLOADS)' -faults '$(FAULTS)' -groups '$(GROUPS)' -port $(PORT) -unsafe '$(UNSAFE)'

bench: build ## compare with etcd and redis-server on this machine; about half an hour
	cd tests/bench && $(GO) run . -raftkv ../../$(BIN)

# BENCH=-quick shortens it to about 3 minutes, BENCH="hotspot cost" answers two questions alone.
bench-sharding: build ## measure what sharding brings and costs, beside Redis Cluster's resharding; about 13 minutes
	cd tests/bench && $(GO) run . sharding $(BENCH) -raftkv ../../$(BIN)

LOGMB ?= 2048
bench-logfilter: build ## compare logfilter with grep, jq and lnav on LOGMB megabytes of logs
	$(GO) run ./tests/logbench -raftkv $(BIN) -logfilter .build/logfilter -mb $(LOGMB)

bench-trace: build ## what the trace of messages and entries costs, sampled and of every entry
	RAFTKV=$(BIN) sh tests/bench/tracecost.sh

clean: ## remove what was built
	rm -rf .build
