# Shipped, for 64-bit ARM. Debian's cross compiler of that GNU triple; musl comes from cross/.
TRIPLE = aarch64-linux-gnu
include toolchains/musl.inc
