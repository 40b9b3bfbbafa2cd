# Development: a second compiler's opinion; the libraries are those of native.
include toolchains/native.mk
CC = clang
