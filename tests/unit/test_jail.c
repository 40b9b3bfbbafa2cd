/* platform/jail: for each role, children that try things from inside: what must end them, what must be refused, what must work. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/jail.h"

enum {
	NO_SECCOMP = 101, /* exit codes of a child, besides 0 and an errno */
	NO_LANDLOCK = 102,
	BROKEN = 103,
	KILLED = 1000,    /* expected instead of an errno */
};

static char folder[64], file_path[96], other_path[96], out_folder[64], out_path[96];
static int listener, pair[2];
static unsigned listener_port, other_port;
static pid_t tester;
static struct error error;

/* ---- what is tried: 0 when it worked, else errno ---------------------------------------------------------------- */

static int of(long result)
{
	return result < 0 ? errno : 0;
}

static int reads_allowed(void) { return of(open(file_path, O_RDONLY | O_CLOEXEC)); }
static int reads_outside(void) { return of(open(out_path, O_RDONLY | O_CLOEXEC)); }
static int stats_allowed(void) { struct stat status; return of(stat(file_path, &status)); }
static int creates_outside(void) { return of(open("/tmp/drr-jail-never", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); }
static int watches(void) { int fd = inotify_init1(IN_CLOEXEC); return fd < 0 ? errno : of(inotify_add_watch(fd, folder, IN_CREATE)); }

static int writes_allowed(void)
{
	int fd = open(other_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char moved[128];

	if (fd < 0)
		return errno;
	(void)snprintf(moved, sizeof moved, "%s.moved", other_path);
	if (write(fd, "x", 1) != 1 || ftruncate(fd, 0) || fsync(fd) || fdatasync(fd) || close(fd) || rename(other_path, moved))
		return errno;
	return of(unlink(moved));
}

static int connects_to(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : of(connect(fd, (struct sockaddr *)&address, sizeof address));
}

static int connects(void) { return connects_to(listener_port); }
static int connects_elsewhere(void) { return connects_to(other_port); }
static int connects_pair(void) { struct sockaddr_un address = {.sun_family = AF_UNIX}; return of(connect(pair[0], (struct sockaddr *)&address, sizeof address)); }

static int binds(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	return bind(fd, (struct sockaddr *)&address, sizeof address) ? errno : of(listen(fd, 1));
}

static int binds_again(void) { struct sockaddr_in address = {.sin_family = AF_INET}; return of(bind(pair[0], (struct sockaddr *)&address, sizeof address)); }
static int opens_socket(void) { return of(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }
static int makes_pair(void) { int ends[2]; return of(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)); }
static int opens_netlink(void) { return of(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)); }
static int opens_packet(void) { return of(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)); }

static int accepts(void)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;
	struct pollfd fd = {listener, POLLIN, 0};
	int accepted;

	if (poll(&fd, 1, 10000) != 1 || (accepted = accept(listener, (struct sockaddr *)&address, &size)) < 0)
		return errno ? errno : BROKEN;
	if (getpeername(accepted, (struct sockaddr *)&address, &size) || setsockopt(accepted, SOL_SOCKET, SO_KEEPALIVE, &size, sizeof size))
		return errno;
	return of(shutdown(accepted, SHUT_RDWR));
}

/* A byte and a descriptor to ourselves. */
static int sends(void)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec byte = {(char[]){'x'}, 1};
	struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &listener, sizeof listener);
	if (sendmsg(pair[0], &message, MSG_NOSIGNAL) != 1 || recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC) != 1)
		return errno;
	return CMSG_FIRSTHDR(&message) ? 0 : BROKEN;
}

static void *nothing(void *context) { return context; }

static int starts_thread(void)
{
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, nothing, NULL);

	return failed ? failed : pthread_join(thread, NULL);
}

static int forks(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	return pid < 0 || waitpid(pid, &status, 0) != pid ? errno : WEXITSTATUS(status) == 7 ? 0 : BROKEN;
}

static int kills_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	return kill(pid, SIGKILL) || waitpid(pid, &status, 0) != pid ? errno : WIFSIGNALED(status) ? 0 : BROKEN;
}

static int executes(void) { return of(execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL)); }
static int kills(void) { return of(kill(tester, 0)); }
static int kills_thread(void) { return of(syscall(SYS_tkill, tester, SIGTERM)); }
/* Landlock lets a process signal itself. */
static int signals_abort(void) { (void)signal(SIGABRT, SIG_IGN); return of(syscall(SYS_tkill, syscall(SYS_gettid), SIGABRT)); }
static int traces(void) { return of(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
static int reads_memory(void) { return of(syscall(SYS_process_vm_readv, tester, NULL, 0, NULL, 0, 0)); }
static int mounts(void) { return of(mount("none", folder, "tmpfs", 0, NULL)); }
static int uses_ring(void) { return of(syscall(SYS_io_uring_setup, 1, NULL)); }
static int uses_bpf(void) { return of(syscall(SYS_bpf, 0, NULL, 0)); }
static int uses_keys(void) { return of(syscall(SYS_keyctl, 0, 0, 0, 0, 0)); }
static int changes_root(void) { return of(chroot(folder)); }
static int changes_mode(void) { return of(chmod(file_path, 0640)); }
static int changes_personality(void) { return of(syscall(SYS_personality, 0xffffffff)); }
static int changes_clock(void) { return of(syscall(SYS_clock_settime, CLOCK_REALTIME, NULL)); }
static int changes_others_limits(void) { return of(prlimit(tester, RLIMIT_NOFILE, NULL, NULL)); }
static int makes_memory_file(void) { return of(syscall(SYS_memfd_create, "x", 0)); }
static int loads_module(void) { return of(syscall(SYS_init_module, NULL, 0, "")); }
static int unshares(void) { return of(unshare(CLONE_NEWUSER)); }
static int types_for_others(void) { return of(ioctl(0, TIOCSTI, "x")); }
static int gets_securebits(void) { return of(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)); }
static int becomes_user(void) { return of((long)setuid(getuid())); }
static int calls_nothing(void) { return of(syscall(-1)) == ENOSYS ? 0 : BROKEN; }

static int clones_namespace(void)
{
	long flags = CLONE_NEWUSER | SIGCHLD;
#ifdef __s390x__
	long pid = syscall(SYS_clone, 0L, flags, NULL, NULL, 0L);
#else
	long pid = syscall(SYS_clone, flags, 0L, NULL, NULL, 0L);
#endif

	if (pid == 0)
		_exit(0);
	return of(pid);
}

static int maps_executable(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int makes_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? BROKEN : of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* Memory by all ways of the allocator, time, random numbers, formatted output, signals and their return: of every role. */
static volatile sig_atomic_t heard;
static void hear(int number) { heard = number; }

static int lives(void)
{
	static const struct timespec moment = {0, 1000000};
	struct sigaction action = {.sa_handler = hear};
	struct timespec now;
	struct rlimit limit;
	char random[16], *small = malloc(100), *big = malloc(1 << 20);
	char *bigger = realloc(big, 1 << 24);

	if (!small || !bigger)
		return BROKEN;
	memset(bigger, 1, 1 << 24);
	free(bigger);
	free(small);
	if (getrandom(random, sizeof random, 0) != sizeof random || clock_gettime(CLOCK_BOOTTIME, &now) || nanosleep(&moment, NULL))
		return BROKEN;
	if (sigaction(SIGALRM, &action, NULL) || getrlimit(RLIMIT_NOFILE, &limit) || fcntl(listener, F_GETFL) < 0 || getpid() <= 0)
		return BROKEN;
	(void)isatty(0);
	(void)prctl(PR_SET_NAME, "jailed");
	return printf("%s", "") < 0 ? BROKEN : 0;
}

static int opens_watchers(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	return signalfd(-1, &none, SFD_CLOEXEC) < 0 || timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC) < 0 ? errno : 0;
}

#ifdef __x86_64__
static int calls_x32(void) { return of(syscall(0x40000000L | SYS_getpid)); }
#endif

/* ---- what each role gets ---------------------------------------------------------------------------------------- */

/* Refused by Landlock where the kernel has it. */
static const struct trial {
	const char *name;
	int (*try)(void);
	int expected[5]; /* of supervisor, engine, front at its start, front, client: 0, an errno or KILLED; -1: not asked */
	int abi;         /* Landlock's, for EACCES */
} trials[] = {
	{"lives", lives, {0, 0, 0, 0, 0}, 0},
	{"calls_nothing", calls_nothing, {0, 0, 0, 0, 0}, 0},
	{"reads_allowed", reads_allowed, {0, 0, KILLED, KILLED, 0}, 0},
	{"reads_outside", reads_outside, {EACCES, EACCES, KILLED, KILLED, EACCES}, 1},
	{"stats_allowed", stats_allowed, {0, 0, KILLED, KILLED, KILLED}, 0},
	{"writes_allowed", writes_allowed, {0, 0, KILLED, KILLED, KILLED}, 0},
	{"creates_outside", creates_outside, {EACCES, EACCES, KILLED, KILLED, KILLED}, 1},
	{"watches", watches, {0, 0, KILLED, KILLED, KILLED}, 0},
	{"opens_watchers", opens_watchers, {0, 0, 0, KILLED, KILLED}, 0},
	{"opens_socket", opens_socket, {0, 0, 0, KILLED, 0}, 0},
	{"connects", connects, {0, 0, KILLED, KILLED, 0}, 0},
	{"connects_elsewhere", connects_elsewhere, {ECONNREFUSED, EACCES, KILLED, KILLED, EACCES}, 4},
	{"connects_pair", connects_pair, {-1, -1, KILLED, KILLED, -1}, 0},
	{"binds", binds, {0, EACCES, 0, KILLED, EACCES}, 4},
	{"binds_again", binds_again, {-1, -1, -1, KILLED, -1}, 0},
	{"accepts", accepts, {0, 0, 0, 0, 0}, 0},
	{"sends", sends, {0, 0, 0, 0, 0}, 0},
	{"makes_pair", makes_pair, {0, 0, 0, KILLED, KILLED}, 0},
	{"starts_thread", starts_thread, {0, KILLED, 0, KILLED, KILLED}, 0},
	{"forks", forks, {0, KILLED, KILLED, KILLED, KILLED}, 0},
	{"kills_child", kills_child, {0, KILLED, KILLED, KILLED, KILLED}, 0},
	{"kills", kills, {0, KILLED, KILLED, KILLED, KILLED}, 0},
	{"executes", executes, {EACCES, KILLED, KILLED, KILLED, KILLED}, 1},
	{"becomes_user", becomes_user, {0, KILLED, KILLED, KILLED, KILLED}, 0},
	{"opens_netlink", opens_netlink, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"opens_packet", opens_packet, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"kills_thread", kills_thread, {KILLED, KILLED, EPERM, EPERM, KILLED}, 0}, /* below a supervisor with its own jail: KILLED */
	{"signals_abort", signals_abort, {0, 0, EPERM, EPERM, 0}, 0}, /* whose thread it is, no filter can see */
	{"traces", traces, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"reads_memory", reads_memory, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"mounts", mounts, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"uses_ring", uses_ring, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"uses_bpf", uses_bpf, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"uses_keys", uses_keys, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"changes_root", changes_root, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"changes_mode", changes_mode, {0, KILLED, 0, KILLED, KILLED}, 0},
	{"changes_personality", changes_personality, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"changes_clock", changes_clock, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"changes_others_limits", changes_others_limits, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"makes_memory_file", makes_memory_file, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"loads_module", loads_module, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"unshares", unshares, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"clones_namespace", clones_namespace, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"types_for_others", types_for_others, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"gets_securebits", gets_securebits, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
	{"makes_executable", makes_executable, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
#ifdef __s390x__ /* by PR_SET_MDWE, which came with Linux 6.3 */
	{"maps_executable", maps_executable, {EACCES, EACCES, EACCES, EACCES, EACCES}, 0},
#else
	{"maps_executable", maps_executable, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
#endif
#ifdef __x86_64__
	{"calls_x32", calls_x32, {KILLED, KILLED, KILLED, KILLED, KILLED}, 0},
#endif
};

static struct jail_report the_report;

static int enter(enum jail_role role, bool may_execute)
{
	const struct jail_path paths[] = {{folder, JAIL_READ | JAIL_WRITE}, {"/nonexistent/drr", JAIL_READ}};
	const struct jail_port ports[] = {{listener_port, JAIL_CONNECT}};
	const struct jail_settings settings = {role, paths, 2, ports, 1, may_execute};

	return jail_enter(&settings, &the_report, &error);
}

/* The front takes both of its steps. */
static void enter_or_exit(enum jail_role role)
{
	if ((role == JAIL_FRONT && enter(JAIL_FRONT_START, false)) || enter(role, false))
		_exit(BROKEN);
	if (!the_report.seccomp)
		_exit(NO_SECCOMP);
}

/* Runs FUNCTION in a child: its exit code, or 1000 and the signal that ended it. */
static int in_child(int (*function)(const void *), const void *context)
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(function(context));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return KILLED + WTERMSIG(status);
	return WEXITSTATUS(status);
}

struct context {
	const struct trial *trial;
	enum jail_role role;
};

static int inside(const void *pointer)
{
	const struct context *context = pointer;

	enter_or_exit(context->role);
	if (context->trial->expected[context->role] == EACCES && the_report.landlock_abi < context->trial->abi)
		return NO_LANDLOCK;
	errno = 0;
	return context->trial->try();
}

/* Somebody for accept() to meet. */
static void knock(void)
{
	static int client = -1;

	if (client >= 0)
		(void)close(client);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)listener_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, sizeof(struct sockaddr_in)), 0);
}

static void check_role(enum jail_role role)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
		struct context context = {&trials[i], role};
		int expected = trials[i].expected[role], got;

		if (expected < 0)
			continue;
		if (trials[i].try == accepts)
			knock();
		got = in_child(inside, &context);
		if (got == NO_SECCOMP) {
			print_message("# no seccomp here\n");
			skip();
		}
		if (got == NO_LANDLOCK)
			print_message("# %s: not without Landlock ABI %d\n", trials[i].name, trials[i].abi);
		else if (got != (expected == KILLED ? KILLED + SIGSYS : expected)) {
			print_error("%s: got %d, expected %d\n", trials[i].name, got, expected == KILLED ? KILLED + SIGSYS : expected);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void supervisor(void **state) { (void)state; check_role(JAIL_SUPERVISOR); }
static void engine(void **state) { (void)state; check_role(JAIL_ENGINE); }
static void front_start(void **state) { (void)state; check_role(JAIL_FRONT_START); }
static void front(void **state) { (void)state; check_role(JAIL_FRONT); }
static void client(void **state) { (void)state; check_role(JAIL_CLIENT); }

/* ---- more than one call ----------------------------------------------------------------------------------------- */

static int dies(const void *pointer)
{
	enter_or_exit(*(const enum jail_role *)pointer);
	abort();
}

static void abort_is_seen_as_such(void **state)
{
	(void)state;
	for (enum jail_role role = JAIL_SUPERVISOR; role <= JAIL_CLIENT; role++) {
		int got = in_child(dies, &role);

		if (got == NO_SECCOMP)
			skip();
		if (role == JAIL_FRONT_START || role == JAIL_FRONT) /* abort() may send no signal there, and crashes: how depends on the machine */
			assert_true(got == KILLED + SIGSEGV || got == KILLED + SIGILL || got == KILLED + SIGTRAP);
		else
			assert_int_equal(got, KILLED + SIGABRT);
	}
}

static int gate[2];

static void *tries_later(void *context)
{
	char byte;

	(void)context;
	if (read(gate[0], &byte, 1) == 1)
		(void)socket(AF_INET, SOCK_STREAM, 0);
	_exit(BROKEN); /* it came through */
}

static int locks_earlier_threads(const void *pointer)
{
	pthread_t thread;

	(void)pointer;
	enter_or_exit(JAIL_FRONT_START);
	if (pthread_create(&thread, NULL, tries_later, NULL) || enter(JAIL_FRONT, false) || write(gate[1], "x", 1) != 1)
		return BROKEN;
	(void)pthread_join(thread, NULL);
	return BROKEN;
}

static void threads_of_before_are_locked_in(void **state)
{
	int got;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	got = in_child(locks_earlier_threads, NULL);
	(void)close(gate[0]);
	(void)close(gate[1]);
	if (got == NO_SECCOMP)
		skip();
	assert_int_equal(got, KILLED + SIGSYS);
}

/* The supervisor's list and rules hold those of its children. */
static int nests(const void *pointer)
{
	enum jail_role role = *(const enum jail_role *)pointer;
	int status;
	pid_t pid;

	enter_or_exit(JAIL_SUPERVISOR);
	pid = fork();
	if (pid == 0) {
		enter_or_exit(role);
		_exit(role == JAIL_ENGINE || role == JAIL_CLIENT ? reads_allowed() : accepts());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return BROKEN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

static void children_lock_in_further(void **state)
{
	(void)state;
	for (enum jail_role role = JAIL_ENGINE; role <= JAIL_CLIENT; role++) {
		int got;

		knock();
		got = in_child(nests, &role);
		if (got == NO_SECCOMP)
			skip();
		assert_int_equal(got, 0);
	}
}

/* With the right to execute it, the supervisor starts this program again: all that a new program does is on its list. */
static int executes_itself(const void *pointer)
{
	char self[256] = "";
	struct jail_path path = {self, JAIL_READ | JAIL_EXECUTE};
	struct jail_settings settings = {.role = JAIL_SUPERVISOR, .paths = &path, .path_count = 1};

	(void)pointer;
	if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0 || jail_enter(&settings, &the_report, &error))
		return BROKEN;
	if (!the_report.seccomp)
		return NO_SECCOMP;
	(void)execl("/proc/self/exe", "test_jail", "again", (char *)NULL);
	return errno;
}

static void supervisor_executes_what_it_may(void **state)
{
	int got = in_child(executes_itself, NULL);

	(void)state;
	if (got == NO_SECCOMP)
		skip();
	assert_int_equal(got, 42);
}

static int runs_command(const void *pointer)
{
	int status;
	pid_t pid;

	(void)pointer;
	if (enter(JAIL_ENGINE, true))
		return BROKEN;
	if (!the_report.seccomp)
		return NO_SECCOMP;
	if (the_report.landlock || reads_outside() != 0 || starts_thread() != 0)
		return BROKEN;
	if (traces() != EPERM || uses_ring() != EPERM || uses_bpf() != EPERM || loads_module() != EPERM || reads_memory() != EPERM)
		return BROKEN;
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", "ls / >/dev/null && exit 5", (char *)NULL);
		_exit(BROKEN);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

static void command_may_be_run(void **state)
{
	int got;

	(void)state;
	got = in_child(runs_command, NULL);
	if (got == NO_SECCOMP)
		skip();
	assert_int_equal(got, 5);
}

static int gives_up_privileges(const void *pointer)
{
	(void)pointer;
	if (enter(JAIL_SUPERVISOR, true))
		return BROKEN;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : BROKEN;
}

static void privileges_go_everywhere(void **state)
{
	(void)state;
	assert_int_equal(in_child(gives_up_privileges, NULL), 0);
}

/* ---- users ------------------------------------------------------------------------------------------------------ */

static int drops(const void *pointer)
{
	const struct passwd *nobody = getpwnam("nobody");
	uid_t uid = nobody ? nobody->pw_uid : 0;
	gid_t groups[4];

	(void)pointer;
	if (uid == 0 || jail_drop_user("", &error) || jail_drop_user("root", &error) || getuid() != 0)
		return BROKEN;
	if (jail_drop_user("nobody", &error) || getuid() != uid || geteuid() != uid || setuid(0) == 0 || setgid(0) == 0)
		return BROKEN;
	if (getgroups(4, groups) > 1)
		return BROKEN;
	if (jail_drop_user("nobody", &error)) /* already */
		return BROKEN;
	if (jail_drop_user("root", &error) == 0 || error.code != ERROR_PERMISSION || !strstr(error.next, "root"))
		return BROKEN;
	return enter(JAIL_ENGINE, false) ? BROKEN : lives();
}

static void user_is_dropped(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(in_child(drops, NULL), 0);
}

static void unknown_user_is_refused(void **state)
{
	(void)state;
	assert_int_equal(jail_drop_user("drr-no-such-user", &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, "drr-no-such-user"));
}

/* ---- the place -------------------------------------------------------------------------------------------------- */

static unsigned port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

static int loopback_socket(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static int prepare(void **state)
{
	int closed = loopback_socket();

	(void)state;
	tester = getpid();
	(void)snprintf(folder, sizeof folder, "/tmp/drr-jail-XXXXXX");
	(void)snprintf(out_folder, sizeof out_folder, "/tmp/drr-out-XXXXXX");
	if (!mkdtemp(folder) || !mkdtemp(out_folder))
		return -1;
	(void)snprintf(file_path, sizeof file_path, "%s/file", folder);
	(void)snprintf(other_path, sizeof other_path, "%s/other", folder);
	(void)snprintf(out_path, sizeof out_path, "%s/file", out_folder);
	make_file(file_path);
	make_file(out_path);
	listener = loopback_socket();
	listener_port = port_of(listener);
	other_port = port_of(closed);
	(void)close(closed);
	return listen(listener, 128) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int clean_up(void **state)
{
	(void)state;
	(void)unlink(file_path);
	(void)unlink(out_path);
	return rmdir(folder) | rmdir(out_folder);
}

static int reset(void **state)
{
	(void)state;
	error_clear(&error);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(supervisor, reset),
		cmocka_unit_test_setup(engine, reset),
		cmocka_unit_test_setup(front_start, reset),
		cmocka_unit_test_setup(front, reset),
		cmocka_unit_test_setup(client, reset),
		cmocka_unit_test_setup(abort_is_seen_as_such, reset),
		cmocka_unit_test_setup(threads_of_before_are_locked_in, reset),
		cmocka_unit_test_setup(children_lock_in_further, reset),
		cmocka_unit_test_setup(supervisor_executes_what_it_may, reset),
		cmocka_unit_test_setup(command_may_be_run, reset),
		cmocka_unit_test_setup(privileges_go_everywhere, reset),
		cmocka_unit_test_setup(user_is_dropped, reset),
		cmocka_unit_test_setup(unknown_user_is_refused, reset),
	};

	if (argc > 1 && strcmp(argv[1], "again") == 0)
		return 42;
	return cmocka_run_group_tests(tests, prepare, clean_up);
}
