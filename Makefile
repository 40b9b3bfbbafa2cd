# Where things are built, and how: make help. A target is a file in toolchains/; third-party sources and libc come through cross/.
HOST  := $(patsubst ppc64le%,powerpc64le%,$(shell uname -m)-linux-musl)
T     ?= $(HOST)
O     ?= out
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/drr-agent
DEPS  ?= $(CACHE)/sources
BUILT ?= $(CACHE)/built
PREFIX  ?= /usr/local
SECONDS ?= 60
export O DEPS BUILT
Q = $(if $V,,@)# V=1 shows the commands

ifeq ($(wildcard toolchains/$T.mk),)
  $(error there is no target $T; there are: $(patsubst toolchains/%.mk,%,$(wildcard toolchains/*.mk)))
endif
include toolchains/$T.mk
ifeq ($(MAKELEVEL),0)
  MAKEFLAGS += -j$(shell nproc)
endif

VERSION := $(shell cat VERSION)
OUT     := $O/$T
# libc and libraries are kept outside the tree, in a folder whose name holds a hash over all that went in: clones share them.
DEP_ARGS = '$(LIBC)' '$(TRIPLE)' '$(DEP_CC)' '$(DEP_CFLAGS)'
SYSROOT := $(abspath $(BUILT))/$(shell cross/build key $(DEP_ARGS))
# The same for what only the tests of a shipped target link.
ifeq ($(LIBC),musl)
  TESTROOT := $(abspath $(BUILT))/$(shell LOCK=cross/tests.lock cross/build key $(DEP_ARGS) $(notdir $(SYSROOT)))
endif
SHIPPED := $(patsubst toolchains/%.mk,%,$(wildcard toolchains/*-linux-musl.mk))

PROGRAMS := drr-agent $(if $(wildcard agent/drrctl.c),drrctl)
MAINS    := agent/main.c agent/drrctl.c
SOURCES  := $(filter-out $(MAINS),$(wildcard agent/*.c agent/*/*.c agent/*/*/*.c platform/*.c))
OBJECTS  := $(SOURCES:%.c=$(OUT)/obj/%.o)
TESTS    := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(OUT)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

WARN    = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
# Tests may be laxer: cmocka's signature leaves parameters unused, and a conversion in a test harms no one.
TEST_WARN = -Wall -Wextra -Wno-unused-parameter -Werror
# -iquote: our headers are found by "..." only, so none can shadow a system header. The prefix maps make two folders build the same bytes.
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE $(OPT) -iquote agent -iquote . -iquote $(OUT)/gen -isystem $(SYSROOT)/third-party/include \
          -DDRR_VERSION='"$(VERSION)"' -DDRR_TARGET='"$T"' -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(SYSROOT)=third-party -MMD -MP
# One group: the libraries call back into ours (random numbers).
LIBS    = -Wl,--start-group $(OUT)/libdrr.a $(SYSROOT)/third-party/lib/*.a -Wl,--end-group

all: $(PROGRAMS:%=$(OUT)/%) $(OUT)/THIRD-PARTY
unit-tests: $(TESTS)
fuzzers: $(FUZZERS)

# What every object depends on besides its headers: libraries, generated header, and the command line itself.
GENERATED = $(SYSROOT)/done $(OUT)/gen/deps_versions.h $(OUT)/gen/command

$(SYSROOT)/done:
	@cross/build '$(@D)' '$(DEPS)' $(DEP_ARGS)
ifdef TESTROOT
$(TESTROOT)/done: $(SYSROOT)/done
	@LOCK=cross/tests.lock cross/build '$(@D)' '$(DEPS)' '$(LIBC)' '$(TRIPLE)' '$(CC)' '$(DEP_CFLAGS)'
endif
$(OUT)/gen/deps_versions.h: cross/deps.lock cross/versions-header
	@mkdir -p $(@D) && cross/versions-header $(LIBC) >$@
$(OUT)/THIRD-PARTY: $(SYSROOT)/done cross/notices cross/deps.lock
	@mkdir -p $(@D) && cross/notices '$(SYSROOT)' >$@
$(OUT)/gen/openapi_bytes.h: conf/openapi.json cross/embed-json
	@mkdir -p $(@D) && cross/embed-json $< >$@
$(OUT)/obj/agent/front/openapi.o: $(OUT)/gen/openapi_bytes.h
$(OUT)/gen/command: FORCE
	@mkdir -p $(@D) && echo "$(subst ",,$(COMPILE) $(WARN) $(LINK))" >$@.new && { cmp -s $@.new $@ || cp $@.new $@; }

$(OUT)/obj/%.o: %.c $(GENERATED)
	@mkdir -p $(@D)
	@echo '$T: $<'
	$Q$(COMPILE) $(WARN) -c -o $@ $<
# Everything but the mains: what the tests link. Made anew, as ar keeps members whose source is gone.
$(OUT)/libdrr.a: $(OBJECTS) $(OUT)/gen/sources
	$Qrm -f $@ && $(TRIPLE)-ar rcsD $@ $(OBJECTS)
$(OUT)/gen/sources: FORCE
	@mkdir -p $(@D) && echo '$(SOURCES)' >$@.new && { cmp -s $@.new $@ || cp $@.new $@; }

$(OUT)/drr-agent: $(OUT)/obj/agent/main.o
$(OUT)/drrctl: $(OUT)/obj/agent/drrctl.o
$(PROGRAMS:%=$(OUT)/%): $(OUT)/libdrr.a
	@echo '$T: $@'
	$Q$(CC) $(OPT) $(LINK) -Wl,-Map=$@.map -o $@.full $(filter %.o,$^) $(LIBS)
ifdef STRIP
	$Q$(STRIP) -o $@ $@.full
	@cross/check-executable $@ $(TRIPLE)
else
	$Qln -f $@.full $@
endif

$(OUT)/tests/%: tests/unit/%.c $(OUT)/libdrr.a $(GENERATED) $(TESTROOT:%=%/done)
	@mkdir -p $(@D)
	@echo '$T: $<'
	$Q$(COMPILE) $(TEST_WARN) $(TESTROOT:%=-isystem %/third-party/include) -DDRR_TESTS_DIR='"$(CURDIR)/tests"' -MF $@.d -o $@ $< \
	  $(LINK) $(CMOCKA) $(LIBS)
$(OUT)/fuzz/%: tests/fuzz/%.c $(OUT)/libdrr.a $(GENERATED)
	@mkdir -p $(@D)
	@echo '$T: $<'
	$Q$(COMPILE) $(TEST_WARN) -DDRR_TESTS_DIR='"$(CURDIR)/tests"' -MF $@.d -o $@ $< $(LINK) $(LIBS)

test:
	@env -u MAKEFLAGS -u MAKELEVEL tests/run
fuzz:
	@env -u MAKEFLAGS -u MAKELEVEL tests/run fuzz $(SECONDS) $(FUZZ)
bench: all
	@tests/bench/run
demo:
	@cross/install-packages demo
	@$(MAKE) --no-print-directory all
	@DRR_AGENT='$(abspath $(OUT))/drr-agent' tests/lab/demo
# One archive for each shipped target, and their checksums. Every file in them gets the time SOURCE_DATE_EPOCH (2025-01-01).
SOURCE_DATE_EPOCH ?= 1735689600
export SOURCE_DATE_EPOCH
dist: $(SHIPPED:%=dist-%)
	@cd '$O/dist' && sha256sum $(SHIPPED:%=drr-agent-$(VERSION)-%.tar.gz) >SHA256SUMS && cat SHA256SUMS
dist-%: FORCE
	@$(MAKE) --no-print-directory T=$* all
	@cross/dist '$O/dist' 'drr-agent-$(VERSION)-$*' $(PROGRAMS:%='$O/$*/%')
deps:
	@cross/fetch '$(DEPS)' look
	@LOCK=cross/tests.lock cross/fetch '$(DEPS)' look
deps-update:
	@cross/fetch '$(DEPS)' update
	@LOCK=cross/tests.lock cross/fetch '$(DEPS)' update
install: all
	install -D -t '$(DESTDIR)$(PREFIX)/bin' -m 755 $(PROGRAMS:%=$(OUT)/%)
	install -D -t '$(DESTDIR)$(PREFIX)/share/man/man8' -m 644 conf/drr-agent.8
	install -D -t '$(DESTDIR)$(PREFIX)/share/man/man1' -m 644 conf/drrctl.1
	install -D -t '$(DESTDIR)$(PREFIX)/share/man/man5' -m 644 conf/drr-agent.conf.5 conf/group.conf.5
	install -D -m 644 conf/bash-completion '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/drr-agent'
	ln -sf drr-agent '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/drrctl'
	install -D -t '$(DESTDIR)$(PREFIX)/share/doc/drr-agent' -m 644 conf/*.conf conf/systemd/local.conf README.md CHANGELOG.md LICENSE $(OUT)/THIRD-PARTY
	install -D -t '$(DESTDIR)$(PREFIX)/share/doc/drr-agent/prometheus' -m 644 conf/prometheus/*
	install -D -t '$(DESTDIR)$(PREFIX)/share/doc/drr-agent/grafana' -m 644 conf/grafana/*
	install -D -m 644 conf/systemd/drr-agent.sysusers '$(DESTDIR)$(PREFIX)/lib/sysusers.d/drr-agent.conf'
	install -D -t '$(DESTDIR)$(PREFIX)/lib/systemd/system' -m 644 conf/systemd/*.service
	sed -i 's|/usr/local/|$(PREFIX)/|' '$(DESTDIR)$(PREFIX)'/lib/systemd/system/drr-agent*.service
clean:
	rm -rf '$O'
help:
	@echo 'make [T=target] [O=folder]      the programs, in $O/TARGET (now $T)'
	@echo 'make test | demo                everything that can be checked here | the lab at work'
	@echo 'make dist                       an archive for each shipped target, in $O/dist'
	@echo 'make fuzz SECONDS=n FUZZ=name   all fuzzers, or fuzz_name'
	@echo 'make deps | deps-update         fill DEPS=$(DEPS) | and move the lock'
	@echo 'make install DESTDIR= PREFIX=$(PREFIX) | clean'
	@echo 'targets: $(patsubst toolchains/%.mk,%,$(wildcard toolchains/*.mk))'

print-%:
	@echo '$($*)'

FORCE:
.PHONY: all unit-tests fuzzers test fuzz bench demo dist deps deps-update install clean help FORCE
.DELETE_ON_ERROR:
-include $(OBJECTS:.o=.d) $(MAINS:%.c=$(OUT)/obj/%.d) $(TESTS:=.d) $(FUZZERS:=.d)
