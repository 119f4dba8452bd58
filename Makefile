# SPDX-License-Identifier: Apache-2.0
# Wasl's one Makefile (GNU make). `make help` lists the targets; MODE=rel|dev|asan|fuzz chooses the build.
# Everything made lands below build/; the release programs in build/bin/.

MODE   ?= rel
BUILD  ?= build
OUT    := $(BUILD)/$(MODE)
BIN    := $(if $(filter rel,$(MODE)),$(BUILD)/bin,$(OUT)/bin)
PREFIX ?= /usr/local
JOBS   := -j$(shell nproc 2>/dev/null || echo 2)
# What needs packages runs in a make of its own, so that pkg-config is asked after they are there.
SUB     = @$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,$(JOBS))

# prometheus: for promtool, which checks our metrics; pgbouncer: tests put one of their own before Postgres.
# The services of the two are not started.
PACKAGES := gcc make pkg-config libc6-dev libevent-dev libhiredis-dev libpq-dev libssl-dev libjansson-dev \
            libcurl4-openssl-dev node-llhttp check redis-server postgresql postgresql-client python3 openssl curl \
            prometheus pgbouncer
PACKAGES_LINT  := clang-format shellcheck
PACKAGES_BROWSER := chromium # 122 MB with what it needs
PACKAGES_BENCH := nginx wrk libnginx-mod-http-lua

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wcast-qual -Wwrite-strings -Wformat=2 -Wvla -Wundef -Wimplicit-fallthrough -Wswitch-enum -Werror
HARD := -fstack-protector-strong -fno-common -fPIE
SAN  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

MODE_rel  := -O2 -g -D_FORTIFY_SOURCE=2
MODE_dev  := -Og -g
MODE_asan := -O1 -g $(SAN) -DWASL_TEST_BUILD
MODE_fuzz := -O1 -g $(SAN) -fsanitize=fuzzer-no-link
ifndef MODE_$(MODE)
$(error MODE=$(MODE): choose rel, dev, asan or fuzz)
endif
ifeq ($(MODE),fuzz)
CC := clang
endif

PC       := pkg-config
LLHTTP   := /usr/share/llhttp
LLHTTP_I := /usr/share/include/llhttp
BASE_CFLAGS = -std=c11 -D_GNU_SOURCE -pthread $(HARD) $(MODE_$(MODE))
ALL_CFLAGS  = $(BASE_CFLAGS) $(WARN) $(INC) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now $(filter -fsanitize=address%,$(MODE_$(MODE))) $(LDFLAGS)
COMPILE = @mkdir -p $(@D) && echo "  CC    $<" && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
LINK    = @mkdir -p $(@D) && echo "  LINK  $@" && $(CC) $(BASE_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS)

objs = $(patsubst %.c,$(OUT)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))

LIBS_common = $(shell $(PC) --libs libevent_core openssl hiredis)
LIBS_pg     = $(shell $(PC) --libs libpq jansson)

all: $(BIN)/wasl-tracker $(BIN)/wasl-attributor $(BIN)/waslctl ## the three programs, release build in build/bin

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

# The include path is the dependency rule: common/ sees only itself; each wing sees itself and common/;
# neither can name another's headers.
$(OUT)/common/%.o:     INC = -iquote common -isystem $(LLHTTP_I)
$(OUT)/tracker/%.o:    INC = -iquote tracker -iquote common
$(OUT)/attributor/%.o: INC = -iquote attributor -iquote common -iquote $(OUT)/gen $(shell $(PC) --cflags libpq)
$(OUT)/ctl/%.o:        INC = -iquote ctl -iquote common -iquote $(OUT)/gen $(shell $(PC) --cflags libpq)
# One fold, not two: waslctl's refold folds orders with the attributor's own core, and rule explain asks its pricing.
$(OUT)/ctl/refold.o $(OUT)/ctl/refold_%.o $(OUT)/ctl/rule_explain.o: INC += -iquote attributor
$(OUT)/tests/unit/common/%.o     $(OUT)/tests/fuzz/common/%.o     $(OUT)/tests/bench/common/%.o: INC = -iquote common
$(OUT)/tests/unit/tracker/%.o    $(OUT)/tests/fuzz/tracker/%.o    $(OUT)/tests/bench/tracker/%.o: \
	INC = -iquote tracker -iquote common
$(OUT)/tests/unit/attributor/%.o $(OUT)/tests/fuzz/attributor/%.o: \
	INC = -iquote attributor -iquote common -iquote $(OUT)/gen $(shell $(PC) --cflags libpq)
$(OUT)/tests/unit/ctl/%.o $(OUT)/tests/fuzz/ctl/%.o: INC = -iquote ctl -iquote common
$(OUT)/tests/fuzz/replay.o: INC =
$(OUT)/tests/oracle/%.o: INC = -iquote attributor -iquote common

$(OUT)/%.o: %.c Makefile
	$(COMPILE)

# llhttp: Debian's C sources, compiled from where node-llhttp puts them, with warning flags of their own.
$(OUT)/llhttp/%.o: $(LLHTTP)/%.c Makefile
	@mkdir -p $(@D) && echo "  CC    $<"
	@$(CC) $(BASE_CFLAGS) -DLLHTTP_STRICT_MODE=1 -w -isystem $(LLHTTP_I) -c -o $@ $<

$(OUT)/libcommon.a: $(call objs,common) $(OUT)/llhttp/api.o $(OUT)/llhttp/http.o $(OUT)/llhttp/llhttp.o
	@rm -f $@ && $(AR) rcs $@ $^

# What the binaries hold of schema/: the names and SHA-256 of the migrations they were built for.
SCHEMA_FILES := $(sort $(wildcard schema/[0-9][0-9][0-9][0-9]_*.sql))
$(OUT)/gen/schema_files.h: $(SCHEMA_FILES) Makefile
	@mkdir -p $(@D)
	@for f in $(SCHEMA_FILES); do printf '{"%s", "%s"},\n' "$${f##*/}" "$$(sha256sum $$f | cut -c1-64)"; done > $@
$(call objs,attributor) $(OUT)/attributor/main.o $(call objs,ctl) $(OUT)/ctl/main.o: | $(OUT)/gen/schema_files.h

# The attributor's core that does no I/O: all that waslctl has of it. tests/lint.py knows its headers.
CORE = $(patsubst %.c,$(OUT)/%.o,$(wildcard $(patsubst %,attributor/%.c,order outcome fold left commission match price* decide* \
	moves* event_json* json_text arena)))
ATTRIBUTOR_OBJS = $(call objs,attributor) $(call objs,attributor/platforms)
$(BIN)/wasl-tracker: LIBS = $(LIBS_common)
$(BIN)/wasl-tracker: $(OUT)/tracker/main.o $(call objs,tracker) $(OUT)/libcommon.a
	$(LINK)
$(BIN)/wasl-attributor: LIBS = $(LIBS_common) $(LIBS_pg)
$(BIN)/wasl-attributor: $(OUT)/attributor/main.o $(ATTRIBUTOR_OBJS) $(OUT)/libcommon.a
	$(LINK)
$(BIN)/waslctl: LIBS = $(LIBS_common) $(LIBS_pg) $(shell $(PC) --libs libcurl)
$(BIN)/waslctl: $(OUT)/ctl/main.o $(call objs,ctl) $(CORE) $(OUT)/libcommon.a
	$(LINK)

# The attributor with its failpoints, for fault runs: one object differs.
$(OUT)/test/attributor/failpoint.o: INC = -iquote attributor -iquote common
$(OUT)/test/attributor/failpoint.o: CPPFLAGS += -DWASL_TEST_BUILD
$(OUT)/test/%.o: %.c Makefile
	$(COMPILE)
$(BIN)/test/wasl-attributor: LIBS = $(LIBS_common) $(LIBS_pg)
$(BIN)/test/wasl-attributor: $(OUT)/test/attributor/failpoint.o $(OUT)/attributor/main.o \
	$(filter-out $(OUT)/attributor/failpoint.o,$(ATTRIBUTOR_OBJS)) $(OUT)/libcommon.a
	$(LINK)
# What black-box tests preload into the daemons.
PRELOADED := $(patsubst tests/black/%.c,$(BIN)/test/%.so,$(wildcard tests/black/*.c))
$(BIN)/test/%.so: tests/black/%.c Makefile
	@mkdir -p $(@D) && echo "  CC    $<"
	@$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 -fPIC -shared $(CPPFLAGS) $(CFLAGS) -o $@ $<
test-programs: $(BIN)/test/wasl-attributor $(PRELOADED)

# Unit tests: Check, one binary a module, named after its wing.
UNIT := $(patsubst %.c,$(OUT)/%,$(wildcard tests/unit/*/test_*.c))
$(UNIT): LIBS = $(shell $(PC) --libs check) $(LIBS_common) $(LIBS_pg)
$(OUT)/tests/unit/common/%:     $(OUT)/tests/unit/common/%.o     $(OUT)/libcommon.a ; $(LINK)
$(OUT)/tests/unit/tracker/%:    $(OUT)/tests/unit/tracker/%.o    $(call objs,tracker) $(OUT)/libcommon.a ; $(LINK)
$(OUT)/tests/unit/attributor/%: $(OUT)/tests/unit/attributor/%.o $(ATTRIBUTOR_OBJS) $(OUT)/libcommon.a ; $(LINK)
CTL_PURE = $(patsubst %,$(OUT)/ctl/%.o,csv sign text)
$(OUT)/tests/unit/ctl/%: $(OUT)/tests/unit/ctl/%.o $(CTL_PURE) $(OUT)/libcommon.a ; $(LINK)

# Fuzz targets: libFuzzer with MODE=fuzz; in every other mode a small main replays the committed corpus.
FUZZ := $(patsubst %.c,$(OUT)/%,$(wildcard tests/fuzz/*/fuzz_*.c))
FUZZ_MAIN = $(if $(filter fuzz,$(MODE)),,$(OUT)/tests/fuzz/replay.o)
$(FUZZ): LIBS = $(LIBS_common) $(LIBS_pg) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer)
$(OUT)/tests/fuzz/common/%:     $(OUT)/tests/fuzz/common/%.o     $(FUZZ_MAIN) $(OUT)/libcommon.a ; $(LINK)
$(OUT)/tests/fuzz/tracker/%:    $(OUT)/tests/fuzz/tracker/%.o    $(FUZZ_MAIN) $(call objs,tracker) $(OUT)/libcommon.a ; $(LINK)
$(OUT)/tests/fuzz/ctl/%: $(OUT)/tests/fuzz/ctl/%.o $(FUZZ_MAIN) $(CTL_PURE) $(OUT)/libcommon.a ; $(LINK)
$(OUT)/tests/fuzz/attributor/%: $(OUT)/tests/fuzz/attributor/%.o $(FUZZ_MAIN) $(ATTRIBUTOR_OBJS) $(OUT)/libcommon.a ; $(LINK)

# The core without a database, for the reference in Python to be compared with.
ORACLE := $(OUT)/tests/oracle/fold_tool
$(ORACLE): LIBS = $(LIBS_common) $(LIBS_pg)
$(ORACLE): $(OUT)/tests/oracle/fold_tool.o $(OUT)/tests/oracle/fold_case.o $(CORE) $(OUT)/libcommon.a
	$(LINK)

# Benchmarks in C, one binary each; those that are not named bench_… are tools of the scripts beside them.
BENCH := $(patsubst %.c,$(OUT)/%,$(wildcard tests/bench/*/*.c))
$(BENCH): LIBS = $(LIBS_common)
$(OUT)/tests/bench/common/%:  $(OUT)/tests/bench/common/%.o  $(OUT)/libcommon.a ; $(LINK)
$(OUT)/tests/bench/tracker/%: $(OUT)/tests/bench/tracker/%.o $(call objs,tracker) $(OUT)/libcommon.a ; $(LINK)

unit: $(UNIT) ## builds the unit tests
fuzz: $(FUZZ) ## builds the fuzz targets; with MODE=fuzz against libFuzzer
$(OUT)/tests/bench/slow_sync.so: tests/bench/slow_sync.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -shared -fPIC -o $@ $< -ldl
bench-programs: $(BENCH) $(OUT)/tests/bench/slow_sync.so
oracle-programs: $(ORACLE)
.PHONY: oracle oracle-programs

deps: ## installs what is missing from Debian's packages
	@deploy/deps $(PACKAGES)
deps-lint:
	@deploy/deps $(PACKAGES_LINT)
deps-browser:
	@deploy/deps $(PACKAGES_BROWSER)
deps-bench:
	@deploy/deps $(PACKAGES_BENCH)

demo: deps ## the main job once, on private servers below build/demo
	$(SUB) all
	@WASL_BIN=$(BIN) deploy/demo $(BUILD)/demo

run: deps ## a stack with sample data in the foreground, until Ctrl-C
	$(SUB) all
	@WASL_BIN=$(BIN) deploy/run $(BUILD)/run

check: deps ## every test; MODE=asan: under AddressSanitizer and UBSan
	$(SUB) all unit fuzz oracle-programs test-programs
	@python3 tests/check.py $(OUT) $(BIN)

check-browser: deps deps-browser ## prefetched and prerendered links in Debian's Chromium
	$(SUB) all
	@WASL_BIN=$(BIN) python3 tests/black/run.py tests/black/browser_prefetch.py

SOAK_SECONDS ?= 600
SOAK_RECORDS ?= 1000000
soak: deps ## long fault runs of clicks and orders: SOAK_SECONDS of each, SOAK_SEED; backlogs of a million clicks
	$(SUB) all test-programs
	@WASL_BIN=$(BIN) SOAK_SECONDS=$(SOAK_SECONDS) python3 tests/black/faultrun.py
	@WASL_BIN=$(BIN) WASL_TEST_SECONDS=$(SOAK_SECONDS) WASL_TEST_SEED=$(SOAK_SEED) \
		python3 tests/black/test_order_faults.py -v Chance
	@WASL_BIN=$(BIN) WASL_TEST_RECORDS=$(SOAK_RECORDS) python3 tests/black/test_backlog.py

bench: deps deps-bench ## benchmarks against their anchors; also build/bench/results.json; ONLY="tracker idle" for some
	$(SUB) all bench-programs
	@WASL_BIN=$(BIN) python3 tests/bench/run.py $(OUT) $(BUILD)/bench $(ONLY)

market: deps ## replays the whole marketplace and reckons it up; SEED=… SCALE=0.05 for a small one
	$(SUB) all test-programs
	@WASL_BIN=$(BIN) python3 tests/bench/market/market.py $(or $(SEED),$(shell date +%s)) $(or $(SCALE),1)

oracle: deps ## 100,000 random orders and their orders of arrival, core and service against the reference, new seeds
	$(SUB) all oracle-programs $(OUT)/tests/unit/attributor/test_oracle
	@ORACLE_ORDERS=100000 ORACLE_SEED=$$(date +%s) $(OUT)/tests/unit/attributor/test_oracle
	@python3 tests/oracle/permute.py $(ORACLE) --seeds 10 --orders 10000 --runs 10
	@for seed in 1 2 3 4 5; do WASL_BIN=$(BIN) WASL_TEST_SEED=$$$$-$$seed WASL_TEST_SECONDS=45 \
		python3 tests/black/run.py tests/black/test_permutations.py || exit 1; done

lint: deps-lint ## formatting, layering, sizes, banned calls, shellcheck
	@python3 tests/lint.py

INSTALL := install -D -t
SHARE    = $(DESTDIR)$(PREFIX)/share
install: all ## into DESTDIR and PREFIX
	@$(INSTALL) $(DESTDIR)$(PREFIX)/bin -m 755 $(BIN)/wasl-tracker $(BIN)/wasl-attributor $(BIN)/waslctl
	@$(INSTALL) $(SHARE)/man/man8 -m 644 tracker/*.8 attributor/*.8
	@$(INSTALL) $(SHARE)/man/man7 -m 644 attributor/*.7
	@$(INSTALL) $(SHARE)/man/man1 -m 644 ctl/*.1
	@$(INSTALL) $(SHARE)/wasl/schema -m 644 schema/*
	@for f in $$(cd deploy && find . -type f); do \
		install -D -m $$(test -x deploy/$$f && echo 755 || echo 644) deploy/$$f $(SHARE)/wasl/deploy/$$f; done
	@sed -i 's,/usr/local/,$(PREFIX)/,' $(SHARE)/wasl/deploy/systemd/*.service

clean: ## removes build/
	rm -rf $(BUILD)

.PHONY: all help unit fuzz test-programs bench-programs deps deps-lint deps-browser deps-bench demo run check check-browser soak bench market lint install clean
.SECONDARY:
-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
