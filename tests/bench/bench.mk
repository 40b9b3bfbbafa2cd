# The bench's own programs, out/TARGET/bench/NAME. tests/bench/run calls: make -f Makefile -f tests/bench/bench.mk bench-programs
BENCHES := $(patsubst tests/bench/%.c,$(OUT)/bench/%,$(wildcard tests/bench/*.c))
bench-programs: $(BENCHES)
$(OUT)/bench/%: tests/bench/%.c $(OUT)/libdrr.a $(GENERATED)
	@mkdir -p $(@D)
	@echo '$T: $<'
	$Q$(COMPILE) $(WARN) -MF $@.d -o $@ $< $(LINK) $(OUT)/libdrr.a $(LIBS)
.PHONY: bench-programs
-include $(BENCHES:=.d)
