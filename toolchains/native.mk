# Development: glibc, gcc and debug information of this machine.
TRIPLE     = $(shell gcc -dumpmachine)
LIBC       = glibc
CC         = gcc
DEP_CC     = gcc
DEP_CFLAGS = -O2 -g
OPT        = -O2 -g
LINK       =
CMOCKA     = -lcmocka
