/* jail.c - the lists of system calls, and how they become a filter.
 *
 * A row of the table allows one call to some roles, with a check of one argument where that is cheap. The lists come from strace of every verb and log source, from
 * musl's sources for what is rare (abort, restart_syscall, sigreturn, the resolver's fall-backs) and from what one of the targets does differently (64-bit ARM has
 * no open, s390x no accept; tests/system/smoke looks at what is called there). A call may have two rows: the narrow one for few, the wide one for the supervisor. */
#include "platform/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { CLONE_FLAGS_ARGUMENT = 0 };
static const uint32_t machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
enum { CLONE_FLAGS_ARGUMENT = 0 };
static const uint32_t machine = AUDIT_ARCH_AARCH64;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
enum { CLONE_FLAGS_ARGUMENT = 0 };
static const uint32_t machine = AUDIT_ARCH_PPC64LE;
#elif defined(__s390x__)
enum { CLONE_FLAGS_ARGUMENT = 1 };
static const uint32_t machine = AUDIT_ARCH_S390X;
#else
#error "no list of system calls for this machine"
#endif

#ifdef __GLIBC__
enum { LISTS_FIT = 0 };
#else
enum { LISTS_FIT = 1 };
#endif

/* What the kernel headers of a build machine may be too old for. */
enum {
	MDWE = 65,                       /* PR_SET_MDWE, Linux 6.3 */
	MDWE_REFUSE_EXEC_GAIN = 1,
	FS_TRUNCATE = 1 << 14,           /* Landlock ABI 3 */
	FS_IOCTL_DEV = 1 << 15,          /* 5 */
	NET_BIND_TCP = 1,                /* 4 */
	NET_CONNECT_TCP = 2,
	RULE_NET_PORT = 2,
	SCOPE_ABSTRACT_UNIX_SOCKET = 1,  /* 6 */
	SCOPE_SIGNAL = 2,
};

/* ---- the lists ------------------------------------------------------------------------------------------------- */

enum {
	S = 1 << JAIL_SUPERVISOR,
	E = 1 << JAIL_ENGINE,
	B = 1 << JAIL_FRONT_START, /* begins */
	F = 1 << JAIL_FRONT,
	C = 1 << JAIL_CLIENT,
	ALL = S | E | B | F | C,
	NAMESPACES = 0x7e020000, /* CLONE_NEW* */
	THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
	CHECK_VALUES_MAX = 8,
};

enum check_name { ANY, READ_ONLY, READ_ONLY_AT, NOT_EXECUTABLE, OWN_LIMITS, ONLY_ABORT, ONLY_THREADS, NO_NAMESPACES, FAMILIES, ONLY_UNIX, IOCTLS, FCNTLS, PRCTLS };

/* The low half of one argument, under MASK, is one of the values. Where the kernel takes 64 bits, it ignores the high half of these. */
static const struct check {
	uint8_t argument, count;
	uint32_t mask; /* 0: all bits */
	uint32_t values[CHECK_VALUES_MAX];
} checks[] = {
	[READ_ONLY] = {1, 1, O_ACCMODE | O_CREAT | O_TRUNC, {O_RDONLY}},
	[READ_ONLY_AT] = {2, 1, O_ACCMODE | O_CREAT | O_TRUNC, {O_RDONLY}},
	[NOT_EXECUTABLE] = {2, 1, PROT_EXEC, {0}},
	[OWN_LIMITS] = {0, 1, 0, {0}},
	[ONLY_ABORT] = {1, 1, 0, {SIGABRT}},
	[ONLY_THREADS] = {CLONE_FLAGS_ARGUMENT, 1, NAMESPACES | THREAD, {THREAD}},
	[NO_NAMESPACES] = {CLONE_FLAGS_ARGUMENT, 1, NAMESPACES, {0}},
	[FAMILIES] = {0, 3, 0, {AF_UNIX, AF_INET, AF_INET6}},
	[ONLY_UNIX] = {0, 1, 0, {AF_UNIX}},
	[IOCTLS] = {1, 4, 0, {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO}},
	[FCNTLS] = {1, 6, 0, {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC}},
	[PRCTLS] = {0, 6, 0, {PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, MDWE}},
};

struct row {
	uint16_t number;
	uint8_t roles, check;
};

#define CALL(name, roles, check) {__NR_##name, roles, check}

/* The busiest first. */
static const struct row allowed[] = {
	CALL(read, ALL, ANY), CALL(write, ALL, ANY), CALL(ppoll, ALL, ANY), CALL(clock_gettime, ALL, ANY), CALL(futex, ALL, ANY),
	CALL(recvfrom, ALL, ANY), CALL(sendto, ALL, ANY), CALL(recvmsg, ALL, ANY), CALL(sendmsg, ALL, ANY), CALL(timerfd_settime, ALL, ANY),
	CALL(readv, ALL, ANY), CALL(writev, ALL, ANY), CALL(close, ALL, ANY), CALL(accept4, ALL, ANY),
#ifdef __NR_poll /* not on 64-bit ARM */
	CALL(poll, ALL, ANY), CALL(select, ALL, ANY),
	CALL(open, S | E, ANY), CALL(open, C, READ_ONLY), CALL(stat, S | E, ANY), CALL(lstat, S | E, ANY), CALL(access, S | E, ANY), CALL(readlink, S | E, ANY),
	CALL(rename, S | E, ANY), CALL(unlink, S | E | B, ANY), CALL(dup2, S | E | B, ANY), CALL(chmod, S | B, ANY), CALL(chown, S | B, ANY),
	CALL(fork, S, ANY), CALL(vfork, S, ANY),
#endif
#ifdef __NR_accept /* not on s390x */
	CALL(accept, ALL, ANY),
#endif
#ifdef __NR__newselect
	CALL(_newselect, ALL, ANY),
#endif
#ifdef __NR__llseek /* what lseek() is on 64-bit PowerPC */
	CALL(_llseek, ALL, ANY),
#endif
#ifdef __NR_sigreturn
	CALL(sigreturn, ALL, ANY),
#endif
#ifdef __NR_arch_prctl /* a new program sets its thread pointer by it */
	CALL(arch_prctl, S, ANY),
#endif
	/* memory; on s390x mmap gets a pointer to its arguments, which no filter can follow */
#ifdef __s390x__
	CALL(mmap, ALL, ANY),
#else
	CALL(mmap, ALL, NOT_EXECUTABLE),
#endif
	CALL(mprotect, ALL, NOT_EXECUTABLE), CALL(munmap, ALL, ANY), CALL(mremap, ALL, ANY), CALL(madvise, ALL, ANY), CALL(brk, ALL, ANY),
	CALL(mlock, ALL, ANY), CALL(munlock, ALL, ANY), CALL(membarrier, ALL, ANY),
	/* the process itself */
	CALL(rt_sigprocmask, ALL, ANY), CALL(rt_sigaction, ALL, ANY), CALL(rt_sigreturn, ALL, ANY), CALL(sigaltstack, ALL, ANY),
	CALL(restart_syscall, ALL, ANY), CALL(exit_group, ALL, ANY), CALL(exit, ALL, ANY), CALL(tkill, S | E | C, ONLY_ABORT), CALL(getpid, ALL, ANY),
	CALL(gettid, ALL, ANY), CALL(getppid, ALL, ANY), CALL(getuid, ALL, ANY), CALL(geteuid, ALL, ANY), CALL(getgid, ALL, ANY), CALL(getegid, ALL, ANY),
	CALL(prlimit64, ALL, OWN_LIMITS), CALL(getrusage, ALL, ANY), CALL(prctl, ALL, PRCTLS), CALL(sched_yield, ALL, ANY), CALL(uname, ALL, ANY),
	CALL(set_tid_address, ALL, ANY), CALL(set_robust_list, ALL, ANY), CALL(getrandom, ALL, ANY), CALL(umask, S | E | B, ANY),
	/* time */
	CALL(clock_nanosleep, ALL, ANY), CALL(nanosleep, ALL, ANY), CALL(clock_getres, ALL, ANY), CALL(gettimeofday, ALL, ANY), CALL(pselect6, ALL, ANY),
	CALL(timerfd_gettime, ALL, ANY), CALL(timerfd_create, S | E | B, ANY), CALL(signalfd4, S | E | B, ANY), CALL(eventfd2, S | E | B, ANY),
	/* what is open */
	CALL(lseek, ALL, ANY), CALL(pread64, ALL, ANY), CALL(preadv, ALL, ANY), CALL(fstat, ALL, ANY), CALL(fcntl, ALL, FCNTLS), CALL(ioctl, ALL, IOCTLS),
	CALL(dup, ALL, ANY), CALL(dup3, S | E | B, ANY), CALL(pipe2, S | E | B, ANY), CALL(pwrite64, S | E, ANY), CALL(ftruncate, S | E, ANY),
	CALL(fsync, S | E, ANY), CALL(fdatasync, S | E, ANY), CALL(flock, S | E, ANY), CALL(getdents64, S | E, ANY), CALL(close_range, S, ANY),
	/* by name: Landlock says which */
	CALL(openat, S | E, ANY), CALL(openat, C, READ_ONLY_AT), CALL(newfstatat, S | E, ANY), CALL(faccessat, S | E, ANY), CALL(readlinkat, S | E, ANY),
	CALL(renameat, S | E, ANY), CALL(renameat2, S | E, ANY), CALL(unlinkat, S | E | B, ANY), CALL(getcwd, S | E, ANY), CALL(inotify_init1, S | E, ANY),
	CALL(inotify_add_watch, S | E, ANY), CALL(inotify_rm_watch, S | E, ANY),
	/* who may connect to a socket of the file system; Landlock has no say in it */
	CALL(fchmodat, S | B, ANY), CALL(fchownat, S | B, ANY),
	/* sockets */
	CALL(getsockopt, ALL, ANY), CALL(setsockopt, ALL, ANY), CALL(getsockname, ALL, ANY), CALL(getpeername, ALL, ANY), CALL(shutdown, ALL, ANY),
	CALL(socket, S | E | B | C, FAMILIES), CALL(bind, S | E | B | C, ANY), CALL(listen, S | E | B, ANY), CALL(connect, S | E | C, ANY),
	CALL(socketpair, S | E | B, ONLY_UNIX),
	/* threads, processes, and getting into a jail */
	CALL(clone, B, ONLY_THREADS), CALL(clone, S, NO_NAMESPACES), CALL(sched_getaffinity, S | B, ANY), CALL(execve, S, ANY), CALL(wait4, S, ANY),
	CALL(waitid, S, ANY), CALL(kill, S, ANY), CALL(setsid, S, ANY), CALL(getgroups, S, ANY), CALL(setgroups, S, ANY), CALL(setgid, S, ANY),
	CALL(setuid, S, ANY), CALL(setresgid, S, ANY), CALL(setresuid, S, ANY), CALL(getresgid, S, ANY), CALL(getresuid, S, ANY),
	CALL(seccomp, S | B, ANY), CALL(landlock_create_ruleset, S | B, ANY), CALL(landlock_add_rule, S | B, ANY), CALL(landlock_restrict_self, S | B, ANY),
};

/* What no command that opens an appliance's command line does; may_execute. */
static const struct row refused[] = {
	CALL(ptrace, ALL, ANY), CALL(process_vm_readv, ALL, ANY), CALL(process_vm_writev, ALL, ANY), CALL(bpf, ALL, ANY), CALL(perf_event_open, ALL, ANY),
	CALL(userfaultfd, ALL, ANY), CALL(io_uring_setup, ALL, ANY), CALL(io_uring_enter, ALL, ANY), CALL(io_uring_register, ALL, ANY),
	CALL(init_module, ALL, ANY), CALL(finit_module, ALL, ANY), CALL(delete_module, ALL, ANY), CALL(kexec_load, ALL, ANY), CALL(reboot, ALL, ANY),
	CALL(swapon, ALL, ANY), CALL(swapoff, ALL, ANY), CALL(acct, ALL, ANY), CALL(quotactl, ALL, ANY), CALL(open_by_handle_at, ALL, ANY),
	CALL(settimeofday, ALL, ANY), CALL(clock_settime, ALL, ANY), CALL(clock_adjtime, ALL, ANY), CALL(adjtimex, ALL, ANY),
};

/* ---- seccomp --------------------------------------------------------------------------------------------------- */

enum {
	ALLOWED_COUNT = sizeof allowed / sizeof allowed[0],
	REFUSED_COUNT = sizeof refused / sizeof refused[0],
	PROGRAM_MAX = 2 * ALLOWED_COUNT + 192, /* a check takes up to ten more; the kernel takes 4096 */
	LOW_HALF = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0,
	NO_CALL = -1, /* what a tracer makes of a call that it takes away */
	X32 = 0x40000000,
};

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short count;
};

static void emit(struct program *program, unsigned code, uint32_t value, unsigned if_true, unsigned if_false)
{
	if (program->count < PROGRAM_MAX)
		program->code[program->count++] = (struct sock_filter){(uint16_t)code, (uint8_t)if_true, (uint8_t)if_false, value};
}

static void emit_return(struct program *program, uint32_t action)
{
	emit(program, BPF_RET | BPF_K, action, 0, 0);
}

static void emit_load(struct program *program, size_t offset)
{
	emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* ACTION when the call is NUMBER. */
static void emit_call(struct program *program, uint32_t number, uint32_t action)
{
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
	emit_return(program, action);
}

/* Allowed when the call is NUMBER and CHECK holds; killed when only the first is so. */
static void emit_checked(struct program *program, uint32_t number, const struct check *check)
{
	unsigned masked = check->mask ? 1 : 0;

	emit(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1 + masked + check->count + 2);
	emit_load(program, offsetof(struct seccomp_data, args) + check->argument * sizeof(uint64_t) + LOW_HALF);
	if (masked)
		emit(program, BPF_ALU | BPF_AND | BPF_K, check->mask, 0, 0);
	for (unsigned i = 0; i < check->count; i++)
		emit(program, BPF_JMP | BPF_JEQ | BPF_K, check->values[i], check->count - i, 0);
	emit_return(program, SECCOMP_RET_KILL_PROCESS);
	emit_return(program, SECCOMP_RET_ALLOW);
}

static void fill(struct program *program, const struct jail_settings *settings)
{
	program->count = 0;
	emit_load(program, offsetof(struct seccomp_data, arch));
	emit(program, BPF_JMP | BPF_JEQ | BPF_K, machine, 1, 0);
	emit_return(program, SECCOMP_RET_KILL_PROCESS);
	emit_load(program, offsetof(struct seccomp_data, nr));
	emit_call(program, (uint32_t)NO_CALL, SECCOMP_RET_ALLOW);
#ifdef __x86_64__
	emit(program, BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
	emit_return(program, SECCOMP_RET_KILL_PROCESS);
#endif
	if (settings->may_execute) {
		for (unsigned i = 0; i < REFUSED_COUNT; i++)
			emit_call(program, refused[i].number, SECCOMP_RET_ERRNO | EPERM);
		emit_return(program, SECCOMP_RET_ALLOW);
		return;
	}
	for (unsigned i = 0; i < ALLOWED_COUNT; i++) {
		if (!(allowed[i].roles & 1U << settings->role))
			continue;
		if (allowed[i].check == ANY)
			emit_call(program, allowed[i].number, SECCOMP_RET_ALLOW);
		else
			emit_checked(program, allowed[i].number, &checks[allowed[i].check]);
	}
	/* No filter knows whose thread that is, and before Landlock's ABI 6 it may be the engine's. musl's abort() ends the process all the same. */
	if (settings->role == JAIL_FRONT_START || settings->role == JAIL_FRONT)
		emit_call(program, __NR_tkill, SECCOMP_RET_ERRNO | EPERM);
	emit_return(program, SECCOMP_RET_KILL_PROCESS);
}

static int enter_seccomp(const struct jail_settings *settings, struct jail_report *report, struct error *error)
{
	static const uint32_t action = SECCOMP_RET_KILL_PROCESS;
	struct program program;
	struct sock_fprog filter = {0, program.code};
	long result;

	if (syscall(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) /* before Linux 4.14, or not let through */
		return 0;
	fill(&program, settings);
	filter.len = program.count;
	result = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
	report->seccomp = result == 0;
	if (result == 0)
		return 0;
	if (result > 0) /* a thread that has a filter of its own */
		return error_set(error, ERROR_INTERNAL, NULL, "thread %ld cannot be given the filter of system calls", result);
	return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot install the filter of system calls");
}

/* ---- Landlock -------------------------------------------------------------------------------------------------- */

enum {
	FS_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	FS_WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | FS_TRUNCATE,
	FS_OF_FILES = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE,
};

struct ruleset { /* struct landlock_ruleset_attr of ABI 6; the kernel takes a longer one whose rest is zero */
	uint64_t fs, net, scoped;
};

struct port_rule { /* struct landlock_net_port_attr */
	uint64_t net, port;
};

/* All that the ABI knows and the role gives up. */
static struct ruleset handled_by(enum jail_role role, int abi)
{
	struct ruleset ruleset = {0};

	ruleset.fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	if (abi >= 2)
		ruleset.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		ruleset.fs |= FS_TRUNCATE;
	if (abi >= 5)
		ruleset.fs |= FS_IOCTL_DEV;
	if (abi >= 4 && role != JAIL_SUPERVISOR)
		ruleset.net = role == JAIL_FRONT_START ? NET_CONNECT_TCP : NET_CONNECT_TCP | NET_BIND_TCP;
	if (abi >= 6 && role != JAIL_SUPERVISOR)
		ruleset.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	return ruleset;
}

static int add_path(int fd, const struct ruleset *handled, const struct jail_path *path)
{
	struct landlock_path_beneath_attr rule = {0};
	struct stat status;
	int failed, sys_errno;

	rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
	if (path->rights & JAIL_READ)
		rule.allowed_access |= FS_READ;
	if (path->rights & JAIL_WRITE)
		rule.allowed_access |= FS_WRITE;
	if (path->rights & JAIL_EXECUTE)
		rule.allowed_access |= LANDLOCK_ACCESS_FS_EXECUTE;
	rule.allowed_access &= handled->fs;
	failed = fstat(rule.parent_fd, &status);
	if (!failed && !S_ISDIR(status.st_mode))
		rule.allowed_access &= FS_OF_FILES;
	if (!failed && rule.allowed_access)
		failed = (int)syscall(__NR_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	sys_errno = errno;
	(void)close(rule.parent_fd);
	errno = sys_errno;
	return failed;
}

static int add_port(int fd, const struct ruleset *handled, const struct jail_port *port)
{
	struct port_rule rule = {.port = port->port};

	rule.net = (port->rights & JAIL_CONNECT ? NET_CONNECT_TCP : 0) | (port->rights & JAIL_BIND ? NET_BIND_TCP : 0);
	rule.net &= handled->net;
	return rule.net ? (int)syscall(__NR_landlock_add_rule, fd, RULE_NET_PORT, &rule, 0) : 0;
}

static bool add_rules(int fd, const struct ruleset *handled, const struct jail_settings *settings)
{
	unsigned path_count = settings->role == JAIL_FRONT ? 0 : settings->path_count; /* its sockets are bound, and JAIL_FRONT_START lets nothing be opened */

	for (unsigned i = 0; i < path_count; i++)
		if (add_path(fd, handled, &settings->paths[i]) != 0)
			return false;
	for (unsigned i = 0; i < settings->port_count; i++)
		if (add_port(fd, handled, &settings->ports[i]) != 0)
			return false;
	return true;
}

/* A disk that fails here is no reason to fail: whoever has to enable a service again does so without Landlock rather than not at all. */
static void enter_landlock(const struct jail_settings *settings, struct jail_report *report)
{
	int abi = (int)syscall(__NR_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset handled;
	int fd;

	if (abi <= 0)
		return;
	handled = handled_by(settings->role, abi);
	fd = (int)syscall(__NR_landlock_create_ruleset, &handled, sizeof handled, 0);
	if (fd < 0)
		return;
	report->landlock_abi = abi;
	report->landlock = add_rules(fd, &handled, settings) && syscall(__NR_landlock_restrict_self, fd, 0) == 0;
	(void)close(fd);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

int jail_enter(const struct jail_settings *settings, struct jail_report *report, struct error *error)
{
	*report = (struct jail_report){0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot give up privileges");
	if (!LISTS_FIT)
		return 0;
	if (!settings->may_execute) {
		(void)prctl(MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); /* what the filter does as well, but for mmap on s390x */
		enter_landlock(settings, report);
	}
	return enter_seccomp(settings, report, error);
}

int jail_drop_user(const char *user, struct error *error)
{
	const struct passwd *known;
	char next[ERROR_NEXT_MAX_BYTES];
	uid_t uid;
	gid_t gid;

	if (user[0] == '\0')
		return 0;
	known = getpwnam(user);
	if (!known)
		return error_set(error, ERROR_CONFIG, "correct the user, or make it (useradd --system)", "user %.64s: this host has no such user", user);
	uid = known->pw_uid;
	gid = known->pw_gid;
	if (uid == getuid() && uid == geteuid())
		return 0;
	if (geteuid() != 0) {
		(void)snprintf(next, sizeof next, "start it as root, or as that user: su -s /bin/sh -c 'drr-agent ...' %.64s", user);
		return error_set(error, ERROR_PERMISSION, next, "cannot become user %.64s: only root can", user);
	}
	if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot become user %.64s", user);
	if (setuid(0) == 0 || (gid != 0 && setgid(0) == 0))
		return error_set(error, ERROR_INTERNAL, NULL, "user %.64s can become root again", user);
	return 0;
}
