# Shipped, for 64-bit PCs. Debian's compiler of that GNU triple; musl comes from cross/.
TRIPLE      = x86_64-linux-gnu
# 28 KiB less; the linker knows it for two of our machines.
TARGET_LINK = -Wl,-z,pack-relative-relocs
include toolchains/musl.inc
