# Shipped, for IBM Power, little endian. musl has only the 64-bit long double there, Debian's compiler another one by default.
TRIPLE       = powerpc64le-linux-gnu
TARGET_FLAGS = -mlong-double-64
TARGET_LINK  = -Wl,-z,pack-relative-relocs
include toolchains/musl.inc
