/* libssh2 on Linux, and without what no appliance needs: MD5, RIPEMD, 3DES. */
#define HAVE_UNISTD_H
#define HAVE_INTTYPES_H
#define HAVE_SYS_SELECT_H
#define HAVE_SYS_UIO_H
#define HAVE_SYS_SOCKET_H
#define HAVE_SYS_IOCTL_H
#define HAVE_SYS_TIME_H
#define HAVE_SYS_UN_H
#define HAVE_ARPA_INET_H
#define HAVE_NETINET_IN_H
#define HAVE_GETTIMEOFDAY
#define HAVE_STRTOLL
#define HAVE_SNPRINTF
#define HAVE_EXPLICIT_BZERO
#define HAVE_POLL
#define HAVE_SELECT
#define HAVE_O_NONBLOCK

#define LIBSSH2_NO_MD5
#define LIBSSH2_NO_MD5_PEM
#define LIBSSH2_NO_HMAC_RIPEMD
#define LIBSSH2_NO_3DES
