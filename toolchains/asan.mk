# Development: every memory error and every undefined behaviour ends the process. The libraries get the address part only: what they do
# beyond the letter of C is not ours to stop at.
include toolchains/native.mk
DEP_CFLAGS = -O1 -g -fsanitize=address -fno-omit-frame-pointer
OPT        = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK       = -fsanitize=address,undefined
