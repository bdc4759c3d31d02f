# "make help" lists what there is. How it works is in docs/building.md.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# What "make scan" holds the computer against, besides the rules that Tyto ships.
RULES ?= $(wildcard ../shared/data/signature-base/yara)
IOCS  ?= $(wildcard ../shared/data/signature-base/iocs)

# Packages whose tests tell something under Wine.
WINE_PACKAGES ?= ./finding/... ./report/... ./ioc/... ./rules/... ./store/... ./scanner/... \
                 ./detect/... ./idle/... ./scheduler/... ./quarantine/... ./verdict/... ./sandbox/... ./sandboxlink/... \
                 ./agent/... ./cmd/...

# Tests that kill, race and repeat for minutes. With -short, as they run under the race detector, they do less of it.
LONG_TESTS    ?= Killed|Races|AllKinds|PowerCut|Demo|Faults
LONG_PACKAGES ?= ./store ./quarantine ./sandboxlink/queue ./agent ./cmd/tyto

# The environment of plain go commands, per target; makes libyara when need be.
linux   := eval "$$(scripts/env.sh linux)"
windows := eval "$$(scripts/env.sh windows)"

# go records the commit in the binary where git answers (it does not in an unpacked archive).
version  := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
buildvcs := $(if $(filter unknown,$(version)),false,true)
build     = go build -trimpath -buildvcs=$(buildvcs) \
            -ldflags "-s -w -X main.version=$(version) -extldflags '$$TYTO_EXTLDFLAGS'"

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 # \2/p' $(MAKEFILE_LIST) | column -t -s '#'

.PHONY: build
build: deps ## bin/tyto for this machine, one static file (the default)
	$(linux) && $(build) -o bin/tyto ./cmd/tyto

.PHONY: windows
windows: deps-windows ## bin/tyto.exe
	$(windows) && $(build) -o bin/tyto.exe ./cmd/tyto

.PHONY: scan
scan: build ## build, then scan home, /tmp and the system's critical places (RULES, IOCS: more to look for)
	@scripts/scan.sh --rules builtin $(addprefix --rules ,$(RULES)) $(addprefix --ioc ,$(IOCS))

.PHONY: demo
demo: build deps-tests ## the whole loop of the sandbox link on this computer (Linux, as root)
	@scripts/demo/demo.sh

# The quick checks first, the tests last: their summary is what one wants to see in the end.
.PHONY: test
test: fmt vet lint windows test-windows test-linux ## everything that CI runs

.PHONY: test-linux
test-linux: deps deps-tests ## the tests, with the race detector; those of kills and races in full without it
	$(linux) && go test -race $$(go list ./... | grep -vxF "$$(go list $(LONG_PACKAGES))")
	$(linux) && go test -race -short $(LONG_PACKAGES)
	$(linux) && go test -run '$(LONG_TESTS)' $(LONG_PACKAGES)

.PHONY: test-windows
test-windows: deps-windows ## the tests of WINE_PACKAGES as Windows programs, under Wine
	$(windows) && scripts/wine/test.sh $(WINE_PACKAGES)

.PHONY: fmt
fmt: ## fail when gofmt would change a file
	@files=$$(git ls-files -z '*.go' | xargs -0 -r ls -d 2>/dev/null | xargs -r gofmt -l) && \
	  if [ -n "$$files" ]; then echo "not formatted, run gofmt -w on:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: deps deps-windows ## go vet for Linux and Windows
	$(linux) && go vet ./...
	$(windows) && go vet ./...

.PHONY: lint
lint: deps deps-windows ## staticcheck for Linux and Windows
	$(linux) && scripts/staticcheck.sh ./...
	$(windows) && scripts/staticcheck.sh ./...

.PHONY: bench
bench: build ## Tyto beside the yara command on this machine (BENCHFLAGS: see bench/main.go)
	$(linux) && go run ./bench $(BENCHFLAGS)

.PHONY: bench-go
bench-go: deps ## the benchmarks of the packages
	$(linux) && go test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: deps ## each fuzz target for FUZZTIME (20s)
	$(linux) && scripts/fuzz.sh

.PHONY: deps deps-windows deps-tests
deps:
	@scripts/install-deps.sh
deps-windows:
	@scripts/install-deps.sh windows
deps-tests:
	@scripts/install-deps.sh tests

.PHONY: clean
clean: ## remove what was built and reported here; libyara and the like stay in the cache
	rm -rf bin tyto-report.* tyto-demo-*
