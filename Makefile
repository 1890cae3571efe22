# SPDX-License-Identifier: Apache-2.0
# Copyright The Kuryr Authors

PREFIX  ?= /usr/local
CNIDIR  ?= /opt/cni/bin
DESTDIR ?=
# How long each fuzz test runs in `make fuzz`.
FUZZTIME ?= 20s
# For `make quickstart`: an entry of clouds.yaml instead of the embedded cloud, and more flags.
CLOUD ?=
ARGS  ?=

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse --verify -q HEAD 2>/dev/null)
DATE    := $(shell git log -1 --format=%cI 2>/dev/null)

VERSIONPKG := github.com/kuryr-go/kuryr/internal/version
LDFLAGS    := -s -w -X $(VERSIONPKG).version=$(VERSION) -X $(VERSIONPKG).commit=$(COMMIT) -X $(VERSIONPKG).date=$(DATE)

# The tests that need root say so and are skipped without it. As root, nothing
# may be skipped: a test whose needs are missing fails.
REQUIRE := $(if $(filter 0,$(shell id -u)),KURYR_TEST_REQUIRE=1)
ASROOT  := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$$PATH")
TESTCLOUD := $(ASROOT) $(GO) run ./test/openstack/cmd/testcloud

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build install clean generate test fuzz lint lint-fix vuln setup e2e bench quickstart quickstart-down cloud-up cloud-status cloud-down cloud-wipe

## General

help: ## Show this list
	@awk -F ':.*## ' '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@printf '\nFirst time here: make quickstart (an OpenStack and two containers on it), make test.\n'

setup: ## Install the Debian packages that all the tests need (sudo where not root)
	@tools/setup e2e
	@$(TESTCLOUD) install

## Quick start

quickstart: ## Show it all on an OpenStack in this machine's namespaces (CLOUD=NAME: on your own), and leave it up
	@tools/setup quickstart
	@$(GO) build -buildvcs=false -o bin/quickstart ./test/quickstart
	@$(ASROOT) bin/quickstart up --cloud '$(CLOUD)' $(ARGS)

quickstart-down: ## Remove everything that it made
	@$(GO) build -buildvcs=false -o bin/quickstart ./test/quickstart
	@$(ASROOT) bin/quickstart down $(ARGS)

## Build

build: ## Build bin/kuryr and bin/kuryr-cni, static and stripped
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

install: build ## Install the programs and the systemd unit (PREFIX, CNIDIR, DESTDIR)
	install -D -m 755 bin/kuryr $(DESTDIR)$(PREFIX)/bin/kuryr
	install -D -m 755 bin/kuryr-cni $(DESTDIR)$(CNIDIR)/kuryr-cni
	install -d $(DESTDIR)/etc/systemd/system
	sed 's|/usr/local/bin|$(PREFIX)/bin|' deploy/systemd/kuryr-agent.service > $(DESTDIR)/etc/systemd/system/kuryr-agent.service

generate: ## Write the generated files again
	$(GO) generate ./...

clean: ## Remove what was built
	rm -rf bin

## Check

test: ## Run what needs no OpenStack: vet, unit tests with the race detector, guard tests, packets on the embedded cloud
	@tools/setup test
	$(GO) vet ./...
	$(GO) vet -tags e2e ./...
	$(REQUIRE) $(GO) test -race -timeout 20m ./...
	@if [ -n '$(REQUIRE)' ]; then tools/e2e datapath; \
	else printf 'Not root: the tests that make network namespaces were skipped (go test -v ./... tells which), and so was tools/e2e datapath.\n'; fi
	@printf '\nmake test: passed. Not covered: everything that needs a real OpenStack; make e2e does that.\n'

fuzz: ## Run every fuzz test for FUZZTIME (20s)
	@for package in $$($(GO) list ./...); do \
	  for name in $$($(GO) test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
	    echo "$$package $$name"; \
	    $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$package"; \
	  done; \
	done

lint: ## Run golangci-lint as .golangci.yml says (the first time builds it: minutes)
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

lint-fix: ## Let golangci-lint mend what it can
	$(GO) tool -modfile=tools/go.mod golangci-lint run --fix ./...

vuln: ## Look for known vulnerabilities (needs https://vuln.go.dev)
	@$(GO) tool -modfile=tools/go.mod govulncheck ./... || { \
	  status=$$?; \
	  [ $$status = 3 ] || echo 'make vuln: no verdict. It needs the vulnerability database https://vuln.go.dev, or a copy: GOVULNDB=file:///path.' >&2; \
	  exit $$status; }

## Real OpenStack


e2e: setup ## Run the end-to-end tests on a real OpenStack, which they bring up
	$(ASROOT) tools/e2e

bench: setup ## Measure ADD and DEL beside the reference plugins, and the embedded OpenStack beside the real one
	$(ASROOT) $(GO) run ./test/bench
	$(ASROOT) $(GO) run ./test/bench clouds

cloud-up: setup ## Bring up the test OpenStack, or what of it does not run
	$(TESTCLOUD) up

cloud-status: ## Tell whether it runs, and how to reach it
	@$(TESTCLOUD) status

cloud-down: ## Take it down; its databases stay, for a faster start
	$(TESTCLOUD) down

cloud-wipe: ## Take it down and delete its databases
	$(TESTCLOUD) wipe
