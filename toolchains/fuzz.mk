# libFuzzer programs of tests/fuzz (make fuzz); the libraries are those of native.
include toolchains/native.mk
CC   = clang
OPT  = -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK = -fsanitize=fuzzer,address,undefined
