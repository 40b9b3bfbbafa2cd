# Shipped, for 64-bit PCs. Debian's compiler of that GNU triple; musl comes from cross/.
TRIPLE = x86_64-linux-gnu
include toolchains/musl.inc
