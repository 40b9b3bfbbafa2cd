# Shipped, for IBM Z; the one target that is big endian. Debian's cross compiler of that GNU triple; musl comes from cross/.
TRIPLE = s390x-linux-gnu
include toolchains/musl.inc
