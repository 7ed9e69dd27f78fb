# Turnstile. `make` prints the targets.
GO       ?= go
BIN      := bin
PROGRAMS := agent central firmware-bridge simulator
ARCHS    := amd64 arm64 arm
# What runs on a lane. Nothing else is built for 32 bits: an office has no such computer, and SQLite,
# NATS and their like take minutes to compile.
LANE     := agent firmware-bridge
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
BUILD    := $(GO) build -ldflags '$(LDFLAGS)'
# A lane speaks HTTP to its own display and once to central: HTTP/2 would be half a megabyte for nothing.
LANETAGS := -tags nethttpomithttp2
# One set of flags for builds, vet and tests: what one has compiled the others need not compile again.
# Without DWARF, which the stripped programs do not have anyway, compiling takes a sixth less.
export GOFLAGS     += -trimpath -gcflags=all=-dwarf=false
export CGO_ENABLED := 0
FUZZTIME ?= 30s
BENCHTIME ?= 1s
# Programs that the tests drive, as Debian packages: a browser, a stock broker, foreign processors;
# emulated computers, and what a kernel module is built with; firmware's compiler.
PACKAGES := chromium mosquitto qemu-user qemu-system-x86 qemu-system-arm seabios ipxe-qemu gcc make xz-utils libelf1 libc6-dev \
            gcc-arm-none-eabi e2fsprogs postgresql-15
# Where the kernels of the emulated computers are kept, and for which processors.
KERNELS  := .bench-cache
MACHINES := amd64 arm64 armhf
# Packages in which goroutines share memory. SQLite and the broker are left out: instrumented, they
# take minutes to compile: `make race RACED=./central/...` races central by hand. Tests called TestEach go
# through every bit or every fault of a file in one goroutine, and are left out as well.
RACED    := ./agent/... ./firmware-bridge/... ./simulator/device ./simulator/fault ./simulator/machine/...

.PHONY: help demo build test tests foreign kernels bench-vm power chaos cluster fleet scenarios parity check race fuzz corpus bench codecs deps programs clean
help: ## print this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: programs ## three lanes, a phone, central and pages to play on, on this machine
	@$(BIN)/simulator demo

build: ## the four programs, static, for amd64 and arm64, and those of a lane for armv7, in bin/<arch>/
	@for arch in $(ARCHS); do programs="$(PROGRAMS)"; [ $$arch != arm ] || programs="$(LANE)"; for p in $$programs; do \
	  echo "bin/$$arch/$$p"; tags=; [ $$p != agent ] || tags='$(LANETAGS)'; \
	  GOOS=linux GOARCH=$$arch GOARM=7 $(BUILD) $$tags -o $(BIN)/$$arch/$$p ./$$p || exit 1; \
	done; done

programs:
	@mkdir -p $(BIN); $(BUILD) -o $(BIN)/ $(addprefix ./,$(PROGRAMS))

test: deps check ## everything: install what is missing, check, build, race, all tests
	@# Compiling for other processors and unpacking kernels fill the time in which tests wait for
	@# serial lines and people; and the race detector that in which emulated computers do.
	@$(MAKE) --no-print-directory -j2 --output-sync=line build tests kernels
	@$(MAKE) --no-print-directory -j2 --output-sync=line foreign race bench-vm power

# Tests wait for lines, people and brokers more than they compute: three packages at a time on two cores.
tests:
	$(GO) test -vet=off -p 3 -timeout 15m $$($(GO) list ./... | grep -v -e /simulator/foreign -e /simulator/kernel -e /simulator/power)

foreign: ## the programs of `make build` under the processors they were built for
	$(GO) test -vet=off -count=1 ./simulator/foreign

kernels:
	@$(GO) run ./simulator/machine/fetch $(KERNELS) $(MACHINES)

bench-vm: deps ## the lane on real kernels in emulated computers, with times; RUN=REGEXP for some of it
	$(GO) test -vet=off -count=1 -v -parallel 3 -timeout 15m -run '$(or $(RUN),.)' ./simulator/kernel

power: deps ## cut the power of the real agent on a disk that loses what was not flushed; CUTS= STATES= SEED=
	$(GO) test -vet=off -count=1 -v -timeout 6h ./simulator/power -cuts $(or $(CUTS),20) -states $(or $(STATES),100) -seed $(or $(SEED),1)

chaos: programs ## break a running campus for MINUTES (2) by a schedule of SEED, each promise checked after each step
	@$(BIN)/simulator chaos --for $(or $(MINUTES),2)m --seed $(or $(SEED),0)

cluster: deps ## kill centrals and NATS nodes, or a mosquitto, under load for MINUTES (2) each by a schedule of SEED
	$(GO) test -vet=off -count=1 -v -timeout 24h ./simulator/cluster -for $(or $(MINUTES),2)m -seed $(or $(SEED),1)

fleet: programs ## connect LANES (10000) light lanes, revoke, send a rush hour, with a report in fleet.html; MOSQUITTO=PATH for a stock broker, AGAINST=OLD.json to compare
	@$(BIN)/simulator fleet --lanes $(or $(LANES),10000) --html fleet.html --json fleet.json $(if $(MOSQUITTO),--mosquitto $(MOSQUITTO)) $(if $(AGAINST),--against $(AGAINST))

scenarios: programs ## play the library of scenarios by a played clock; REAL=1 with the programs as processes
	@$(BIN)/simulator run $(if $(REAL),--real)

parity: programs ## decide a day of 10,000 passes online and cut off, and explain each difference; SEED=
	@$(BIN)/simulator parity --seed $(or $(SEED),1)

check: ## formatting and vet; the rules of the house are tests in simulator/house
	@out=$$(gofmt -l $(PROGRAMS)); [ -z "$$out" ] || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...

race: ## the tests where goroutines share memory, under the race detector
	CGO_ENABLED=1 $(GO) test -race -vet=off -skip '^TestEach' -timeout 10m $(RACED)

fuzz: ## every fuzz target for FUZZTIME (30s) each
	@grep -rlE '^func Fuzz' --include='*_test.go' $(PROGRAMS) | sort | while read -r f; do \
	  for t in $$(grep -oE '^func Fuzz[A-Za-z0-9_]*' $$f | cut -c6-); do \
	    echo "== $$t in $$(dirname $$f)"; \
	    $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f) || exit 1; \
	  done; done

corpus: ## of what fuzzing found keep eight inputs a target, of all sizes up to 4 KiB, as seeds of the tests
	@cd "$$($(GO) env GOCACHE)/fuzz/$$($(GO) list -m)" && find . -type d -name 'Fuzz*' | sort | while read -r d; do \
	  to="$(CURDIR)/$${d%/*}/testdata/fuzz/$${d##*/}"; [ -d "$(CURDIR)/$${d%/*}" ] || continue; mkdir -p "$$to"; \
	  find "$$d" -type f -size -9 -printf '%s %p\n' | sort -n | awk '{f[NR] = $$2} END {for (i = 0; i < 8; i++) print f[1 + int(i * (NR - 1) / 7)]}' | sort -u | xargs -I{} cp {} "$$to/"; \
	done

bench: programs ## each measure beside its physical limit, as one table; ROWS= of the searched ledger (200000), LANES= a revocation reaches (100), CONNECTED= for their memory (1000), ONLY= one measure
	@$(BIN)/simulator bench $(if $(ROWS),--rows $(ROWS)) $(if $(LANES),--lanes $(LANES)) $(if $(CONNECTED),--connected $(CONNECTED)) $(if $(ONLY),--only $(ONLY))

codecs: ## ns, bytes and allocations of each parser and encoder on a wire
	@$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./firmware-bridge/... ./central/pass ./central/link | grep -E '^(pkg|Benchmark)' | sed 's,^pkg: turnstile/,\n,'

deps: ## install the Debian packages that the tests drive, if any is missing
	@missing=""; for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	cmd="apt-get install -y --no-install-recommends$$missing"; \
	if [ "$$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo"; \
	else echo "missing Debian packages; run:  sudo apt-get update && sudo $$cmd"; exit 1; fi; \
	echo "installing$$missing"; DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; \
	$$sudo apt-get update -qq && $$sudo $$cmd -qq >/dev/null

clean: ## remove what was built
	rm -rf $(BIN)
