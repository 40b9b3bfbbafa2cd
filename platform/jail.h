/* jail.h - a process gives up what it does not need, before it reads its first foreign byte: the user, new privileges, system calls (seccomp), files, TCP ports
 * and signals (Landlock).
 *
 * A system call that is not on the role's list ends the process with SIGSYS; what Landlock refuses ends with EACCES (a file, a TCP port) or EPERM (a signal). There
 * is no way back, and children inherit it: the supervisor's list holds the others' as well. The lists are in jail.c, one table. They are those of musl: a build
 * for another libc (development, sanitizers) gives up privileges only and reports the rest as missing. */
#ifndef DRR_PLATFORM_JAIL_H
#define DRR_PLATFORM_JAIL_H

#include <stdbool.h>

#include "base/error.h"

enum jail_role {
	JAIL_SUPERVISOR,  /* all that the others may, fork and exec, signals, changing users */
	JAIL_ENGINE,      /* files, connections of the families UNIX, INET and INET6, listeners; no process, no thread, no exec, no signal */
	JAIL_FRONT_START, /* sockets and listeners, threads; opens nothing (look up groups and time zones before), connects to nothing. Then: */
	JAIL_FRONT,       /* what is open already, and what it accepts or is sent */
	JAIL_CLIENT,      /* opens files to read them, looks names up, connects; what is open already */
};

enum jail_right {
	JAIL_READ = 1,    /* files, and folders' lists */
	JAIL_WRITE = 2,   /* writing, and below a folder creating, renaming within it, removing; not: making folders. Sockets may be bound there */
	JAIL_EXECUTE = 4, /* JAIL_READ with it */
	JAIL_CONNECT = 8, /* ports only */
	JAIL_BIND = 16,   /* ports only */
};

struct jail_path {
	const char *path; /* and all below it; what does not exist, or is out of this user's reach, is left out. Resolved once: a file that is replaced by
			   * another one of its name stays within reach only through its folder */
	unsigned rights;  /* JAIL_READ, JAIL_WRITE, JAIL_EXECUTE */
};

struct jail_port {
	unsigned port;   /* TCP; 0 for JAIL_BIND: any free one */
	unsigned rights; /* JAIL_CONNECT, JAIL_BIND */
};

struct jail_settings {
	enum jail_role role;
	const struct jail_path *paths; /* nothing else can be opened; JAIL_FRONT_START: for sockets of the file system; JAIL_FRONT: none */
	unsigned path_count;
	const struct jail_port *ports; /* JAIL_ENGINE, JAIL_CLIENT: no other TCP port, where the kernel can (ABI 4). The supervisor has all; the front binds any in its start */
	unsigned port_count;
	/* Supervisor and engine: a command of the operator's is run, and must be able to do what it does elsewhere. No Landlock then, and of the system calls only
	 * those are refused, with EPERM, that no such command makes: modules, kexec, bpf, ptrace, ... Programs that change users (sudo) do not work in it. */
	bool may_execute;
};

struct jail_report { /* what was to be had; false is no error: an old kernel, a container that forbids it, qemu-user, another libc, a path with an I/O error */
	bool seccomp, landlock;
	int landlock_abi; /* 0: none */
};

/* Never to gain privileges again, no core and no tracer of the same user, Landlock, seccomp; for all threads, but Landlock, which is for the calling one and those
 * that it starts. JAIL_FRONT_START and then JAIL_FRONT; any other role once. 0, or -1: ERROR_INTERNAL, and the process should end. */
int jail_enter(const struct jail_settings *settings, struct jail_report *report, struct error *error);

/* Becomes USER with its groups, and makes sure that there is no way back. Nothing happens when USER is "" or is this process's user already. Before
 * jail_enter(); a child of a jailed supervisor may. -1: ERROR_CONFIG (no such user), ERROR_PERMISSION (not root), ERROR_INTERNAL. */
int jail_drop_user(const char *user, struct error *error);

#endif
