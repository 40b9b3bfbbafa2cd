/* micro - the parts of drr-agent that a second of work goes through, measured in one process: one "NAME VALUE" a line.
 *
 *   micro FOLDER MEGABYTES      FOLDER: where the log and the journal are written; it must be a real disk for the journal's figures
 *
 * tests/bench/run makes ratios of them, and of what grep -F takes for the same log (FOLDER/log stays there for that). */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "appliance/dialogue.h"
#include "platform/clock.h"
#include "platform/durable.h"
#include "run/journal.h"
#include "watch/follow.h"
#include "watch/line.h"

enum {
	LINE_BYTES = 512,
	APPENDS = 300,        /* journal records */
	DETECTIONS = 300,     /* lines whose way is timed */
	ANSWER_BYTES = 60000, /* of one command; a real table has some hundred */
	ANSWERS = 400,
	LOGIN_TURNS = 64,
	CHUNK_BYTES = 1400,   /* as TCP brings them */
};

static char log_path[600], journal_path[600], bare_path[600];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double wall_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_times(const char *name, double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	(void)printf("%s_median_us %.1f\n%s_p99_us %.1f\n", name, values[count / 2] * 1e6, name, values[count * 99 / 100] * 1e6);
}

/* ---- following a log */

/* Lines as a busy gateway writes them: three of four are other parts' business, most of the rest is the service's own debug output with
 * its transaction; now and then a stack trace over several lines; one line in a thousand is the one that a run waits for. */

static size_t make_waiting_line(char *line, unsigned n)
{
	return (size_t)snprintf(line, LINE_BYTES,
				"20261123T%02u%02u%02u.%03uZ [0x88e000d7][apic-gw-service][notice] apic-gw-service(default): tid(%u)[request][192.0.2.%u] "
				"gtid(%08x): Waiting for gateway service registration.\n",
				n / 3600 % 24, n / 60 % 60, n % 60, n % 1000, n, n % 250, n * 2654435761u);
}

static size_t make_line(char *line, unsigned n)
{
	static const char *const categories[] = {"apigw", "mgmt", "network", "apic-gw-service"}, *const levels[] = {"notice", "info", "warn"};
	static const char *const objects[] = {"apigw(apiconnect): ", "source-https(my front side): ", "", "apic-gw-service(default): "};
	unsigned chance = n * 2654435761u;
	size_t length = (size_t)snprintf(line, LINE_BYTES, "20261123T%02u%02u%02u.%03uZ ", n / 3600 % 24, n / 60 % 60, n % 60, n % 1000);

	if (n % 1000 == 999)
		return make_waiting_line(line, n);
	if (n % 100 == 50)
		return length + (size_t)snprintf(line + length, LINE_BYTES - length,
						 "[0x80e0084c][apic-gw-service][error] apic-gw-service(default): Error: socket hang up\n"
						 "    at createHangUpError (_http_client.js:%u:15)\n    at Socket.socketOnEnd (_http_client.js:%u:23)\n"
						 "    at <anonymous>\n\n",
						 chance % 900, n % 900);
	if (n % 4 == 0)
		return length + (size_t)snprintf(line + length, LINE_BYTES - length,
						 "[0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(%u)[request][192.0.2.%u] gtid(%08x): "
						 "Processing of the event continues with the next item\n",
						 n, n % 250, chance);
	return length + (size_t)snprintf(line + length, LINE_BYTES - length, "[0x80e0%04x][%s][%s] %sProcessing item %u of the gateway director queue\n",
					 chance >> 16, categories[chance >> 8 & 3], levels[chance % 3], objects[chance >> 12 & 3], chance % 1000000);
}

/* Returns how many of its lines are waiting lines. */
static unsigned write_log(size_t bytes)
{
	FILE *file = fopen(log_path, "w");
	unsigned lines = 0;
	char line[LINE_BYTES];

	if (!file)
		die(log_path);
	for (size_t sum = 0; sum < bytes; lines++) {
		size_t length = make_line(line, lines);

		if (fwrite(line, 1, length, file) != length)
			die(log_path);
		sum += length;
	}
	if (fclose(file))
		die(log_path);
	return lines / 1000;
}

/* As the run reads its log: until there is no more, with the time of the turn. */
static unsigned follow_all(struct follow *follow, uint64_t *bytes)
{
	struct mono now = clock_now();
	struct error error = {0};
	struct line parsed;
	const char *text;
	unsigned waiting = 0;
	size_t length;

	while (follow_next(follow, now, &text, &length, &error))
		waiting += line_event_of(text, length, &parsed) == LINE_WAITING;
	*bytes = follow_counts(follow)->bytes;
	return waiting;
}

static void bench_follow(size_t megabytes)
{
	struct error error = {0};
	struct follow *follow;
	unsigned written, waiting;
	uint64_t bytes = 0;
	double cpu;

	(void)unlink(log_path);
	follow = follow_open(log_path, NULL, FOLLOW_WATCH_EVENTS, 1000, &error); /* no file yet: it is read from its start */
	if (!follow)
		die("follow_open");
	(void)follow_all(follow, &bytes);
	written = write_log(megabytes << 20);
	(void)follow_all(follow, &bytes); /* pages and code are warm */
	follow_close(follow);
	(void)rename(log_path, bare_path);
	follow = follow_open(log_path, NULL, FOLLOW_WATCH_EVENTS, 1000, &error);
	(void)follow_all(follow, &bytes);
	(void)rename(bare_path, log_path);
	cpu = cpu_s();
	waiting = follow_all(follow, &bytes);
	cpu = cpu_s() - cpu;
	follow_close(follow);
	if (waiting != written) {
		(void)fprintf(stderr, "micro: %u of %u waiting lines were seen\n", waiting, written);
		exit(1);
	}
	(void)printf("follow_cpu_s %.6f\nfollow_bytes %llu\nfollow_waiting %u\n", cpu, (unsigned long long)bytes, waiting);
}

/* ---- from the append to the event */

static void append_late(int ready_fd, int log)
{
	char line[LINE_BYTES], byte;

	for (unsigned i = 0; i < DETECTIONS; i++) {
		size_t length = make_waiting_line(line, 999);
		double now;

		if (read(ready_fd, &byte, 1) != 1)
			_exit(1);
		(void)usleep(2000); /* the reader is asleep in poll() by now */
		now = wall_s();
		length = (size_t)snprintf(line + length - 1, sizeof line - length, " %.9f\n", now) + length - 1;
		if (write(log, line, length) != (ssize_t)length)
			_exit(1);
	}
	_exit(0);
}

static double time_of(const char *text, size_t length)
{
	while (length > 0 && text[length - 1] != ' ')
		length--;
	return strtod(text + length, NULL);
}

static void detect(struct follow *follow, double *taken)
{
	struct error error = {0};
	struct line parsed;
	const char *text;
	size_t length;

	for (;;) {
		struct pollfd fd = {.fd = follow_fd(follow), .events = POLLIN};

		if (follow_next(follow, clock_now(), &text, &length, &error)) {
			if (line_event_of(text, length, &parsed) != LINE_WAITING)
				continue;
			*taken = wall_s() - time_of(text, length);
			return;
		}
		(void)poll(&fd, 1, 1000);
	}
}

static void bench_detect(void)
{
	static double taken[DETECTIONS];
	struct error error = {0};
	struct follow *follow;
	int ready[2], log = open(log_path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	uint64_t bytes;
	pid_t child;

	if (log < 0 || pipe(ready))
		die(log_path);
	follow = follow_open(log_path, NULL, FOLLOW_WATCH_EVENTS, 1000, &error);
	if (!follow)
		die("follow_open");
	(void)follow_all(follow, &bytes);
	child = fork();
	if (child == 0)
		append_late(ready[0], log);
	for (unsigned i = 0; i < DETECTIONS; i++) {
		if (write(ready[1], "", 1) != 1)
			die("pipe");
		detect(follow, &taken[i]);
	}
	(void)waitpid(child, NULL, 0);
	follow_close(follow);
	print_times("detect", taken, DETECTIONS);
}

/* The yardstick: the same with a bare pipe instead of log, inotify and follower. */
static void bench_pipe(void)
{
	static double taken[DETECTIONS];
	int ready[2], there[2];
	pid_t child;

	if (pipe(ready) || pipe(there))
		die("pipe");
	child = fork();
	if (child == 0)
		append_late(ready[0], there[1]);
	for (unsigned i = 0; i < DETECTIONS; i++) {
		struct pollfd fd = {.fd = there[0], .events = POLLIN};
		char line[LINE_BYTES];
		ssize_t count;

		if (write(ready[1], "", 1) != 1 || poll(&fd, 1, 1000) != 1 || (count = read(there[0], line, sizeof line - 1)) <= 0)
			die("pipe");
		line[count] = '\0';
		taken[i] = wall_s() - time_of(line, (size_t)count - 1);
	}
	(void)waitpid(child, NULL, 0);
	print_times("pipe", taken, DETECTIONS);
}

/* ---- the dialogue */

static struct dialogue dialogue;

static void say(const char *text)
{
	dialogue_input(&dialogue, text, strlen(text));
}

static bool drain(void)
{
	size_t count;
	bool any = false;

	while (dialogue_output(&dialogue, &count), count > 0) {
		dialogue_sent(&dialogue, count);
		any = true;
	}
	return any;
}

/* The appliance's side of a log-in: each line that comes is answered by the next text, the last one again and again. */
static void log_in(void)
{
	static char word[] = "secret";
	static const struct secret password = {.bytes = word, .length = sizeof word - 1};
	static const struct dialogue_settings settings = {"admin", &password, "apiconnect"};
	static const char *const answers[] = {"Password: ", "\r\nWelcome to IBM DataPower Gateway console configuration. \r\n\r\nidg# ",
					      "\r\nVersion: IDG.10.5.0.11\r\n\r\nidg# "};
	unsigned next = 0;

	dialogue_init(&dialogue, &settings);
	say("instance\r\nlogin: ");
	for (int turn = 0; turn < LOGIN_TURNS && dialogue.state == DIALOGUE_LOGIN; turn++) {
		dialogue_quiet(&dialogue);
		if (!drain())
			continue;
		say(answers[next]);
		next += next + 1 < sizeof answers / sizeof answers[0];
	}
	if (dialogue.state != DIALOGUE_READY) {
		(void)fprintf(stderr, "micro: the dialogue is not ready but %d: %s\n", (int)dialogue.state, dialogue.error.what);
		exit(1);
	}
}

static void bench_dialogue(void)
{
	static char answer[ANSWER_BYTES + 256];
	size_t length = 0, bytes = 0;
	double cpu;

	while (length < ANSWER_BYTES)
		length += (size_t)snprintf(answer + length, sizeof answer - length, " 172.16.52.%zu  gwd                0               5172227903         ok          no      \r\n",
					   length % 250);
	length += (size_t)snprintf(answer + length, sizeof answer - length, "\r\nidg# ");
	log_in();
	cpu = cpu_s();
	for (int i = 0; i < ANSWERS; i++) {
		dialogue_command(&dialogue, "show gateway-peering-status", false);
		(void)drain();
		for (size_t at = 0; at < length; at += CHUNK_BYTES)
			dialogue_input(&dialogue, answer + at, length - at < CHUNK_BYTES ? length - at : CHUNK_BYTES);
		if (dialogue.state != DIALOGUE_READY || dialogue.answer_bytes < ANSWER_BYTES / 10 * 9) /* without its CRs */ {
			(void)fprintf(stderr, "micro: no answer: state %d, %zu bytes, %s\n", (int)dialogue.state, dialogue.answer_bytes, dialogue.error.what);
			exit(1);
		}
		bytes += length;
	}
	cpu = cpu_s() - cpu;
	dialogue_clear(&dialogue);
	(void)printf("dialogue_cpu_s %.6f\ndialogue_bytes %zu\n", cpu, bytes);
}

/* ---- the journal */

static void make_record(struct buf *out, unsigned n)
{
	struct journal_record record = {.seq = n + 1, .wall_ms = clock_wall_ms(), .kind = JOURNAL_OUTCOME, .step = JOURNAL_FLUSH, .run = "r20261123T061851-0a1b"};

	(void)journal_add(&record, "result", "done");
	journal_add_sentence(&record, "flush accepted");
	(void)journal_add(&record, "evidence", "its confirmation was answered with y");
	if (journal_encode(&record, out)) {
		(void)fprintf(stderr, "micro: a record could not be made\n");
		exit(1);
	}
}

static void bench_journal(void)
{
	static double ours[APPENDS], bare[APPENDS];
	struct error error = {0};
	int journal = durable_open(journal_path, &error), fd = open(bare_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (journal < 0 || fd < 0)
		die(journal_path);
	for (unsigned i = 0; i < APPENDS; i++) { /* in turn, so that both meet the same disk */
		char memory[JOURNAL_RECORD_MAX_BYTES];
		struct buf line;
		double began = wall_s();

		buf_init(&line, memory, sizeof memory);
		make_record(&line, i);
		if (durable_append(journal, line.data, line.len, &error))
			die(error.what);
		ours[i] = wall_s() - began;
		began = wall_s();
		if (write(fd, line.data, line.len) != (ssize_t)line.len || fdatasync(fd))
			die(bare_path);
		bare[i] = wall_s() - began;
	}
	(void)close(journal);
	(void)close(fd);
	print_times("journal", ours, APPENDS);
	print_times("fdatasync", bare, APPENDS);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		(void)fprintf(stderr, "usage: micro FOLDER MEGABYTES\n");
		return 2;
	}
	(void)snprintf(log_path, sizeof log_path, "%s/log", argv[1]);
	(void)snprintf(journal_path, sizeof journal_path, "%s/journal", argv[1]);
	(void)snprintf(bare_path, sizeof bare_path, "%s/bare", argv[1]);
	(void)unlink(journal_path);
	bench_follow((size_t)atoi(argv[2]));
	bench_detect();
	bench_pipe();
	bench_dialogue();
	(void)unlink(bare_path);
	bench_journal();
	return 0;
}
