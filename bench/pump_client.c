/* SPDX-License-Identifier: Apache-2.0 */
/* An SCU for measurements: objects, echoes, associations, or many idle associations. One JSON line on stdout. */
#include "wire.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
	const char *host, *port, *mode, *calling, *called;
	struct wire_tls tls;
	unsigned count;   /* objects, echoes or associations */
	unsigned objects; /* associations: stored in each, instead of an echo */
	unsigned callers; /* associations: so many at once, count of them each */
	size_t size;
	uint32_t pdu;
};

static SSL_SESSION *session;

static int keep_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = s;
	return 1;
}

static void open_association(const struct job *j, SSL_CTX *ctx, struct wire *w, uint32_t *ret_max)
{
	wire_open(w, wire_connect(j->host, j->port), ctx, false, j->tls.resume ? session : NULL);
	wire_associate(w, j->calling, j->called, j->pdu, ret_max);
}

static void must_succeed(uint16_t status)
{
	if (status != 0) {
		fprintf(stderr, "bench: status %04x\n", status);
		exit(1);
	}
}

static void echo(struct wire *w, uint16_t id)
{
	uint8_t out[4200];
	struct command c = {.field = C_ECHO_RQ,
		.message_id = id,
		.affected_sop_class = span_str(WIRE_SOP_ECHO),
		.data_set_type = COMMAND_NO_DATA_SET};
	wire_put(w, out, wire_command(out, &c, WIRE_CONTEXT_ECHO));
	must_succeed(wire_response(w));
}

static void put_value(
	struct writer *w, uint16_t group, uint16_t element, const char *vr, const void *value, size_t n)
{
	writer_u16le(w, group);
	writer_u16le(w, element);
	writer_bytes(w, vr, 2);
	writer_u16le(w, (uint16_t)(n + n % 2));
	writer_bytes(w, value, n);
	writer_fill(w, vr[0] == 'U' ? 0 : ' ', n % 2);
}

/* The beginning of a data set, explicit VR little endian: whose it is. A different study each time. */
static void put_identity(struct writer *w, unsigned study)
{
	char uid[65];
	const struct {
		uint16_t group, element;
		const char *vr, *value;
	} elements[] = {{0x0008, 0x0016, "UI", WIRE_SOP_STORE}, {0x0008, 0x0018, "UI", "1.2.3.4"},
		{0x0008, 0x0050, "SH", "A123"}, {0x0008, 0x0060, "CS", "CT"},
		{0x0010, 0x0010, "PN", "Bench^Patient"}, {0x0010, 0x0020, "LO", "P12345"},
		{0x0020, 0x000d, "UI", uid}, {0x0020, 0x000e, "UI", "1.2.3.5"}};
	snprintf(uid, sizeof(uid), "1.2.840.113619.2.55.3.2831868886.%u", study);
	for (unsigned i = 0; i < ARRAY_LEN(elements); i++) {
		put_value(w, elements[i].group, elements[i].element, elements[i].vr, elements[i].value,
			strlen(elements[i].value));
	}
}

#define FRAME (1u << 20)

/* What they are, so that an inspecting gateway has nothing to say of them: frames of 1 MiB, or one image of less. */
static void put_shape(struct writer *w, size_t size)
{
	char frames[16];
	bool many = size >= FRAME;
	const struct {
		uint16_t element, value;
	} numbers[] = {{0x0010, many ? 1024 : (uint16_t)(size / 128)}, {0x0011, many ? 512 : 64},
		{0x0100, 16}, {0x0101, 12}, {0x0102, 11}, {0x0103, 0}};
	snprintf(frames, sizeof(frames), "%zu", many ? size / FRAME : 1);
	put_value(w, 0x0028, 0x0002, "US", &(uint16_t){1}, 2);
	put_value(w, 0x0028, 0x0004, "CS", "MONOCHROME2", 11);
	put_value(w, 0x0028, 0x0008, "IS", frames, strlen(frames));
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		put_value(w, 0x0028, numbers[i].element, "US", &numbers[i].value, 2);
	}
}

/* An object up to where so many bytes of pixel data begin. */
static size_t header_and_pixels(uint8_t *to, unsigned study, size_t size)
{
	struct writer w = writer_of(to, 1024);
	put_identity(&w, study);
	put_shape(&w, size);
	writer_u16le(&w, 0x7fe0);
	writer_u16le(&w, 0x0010);
	writer_bytes(&w, "OW\0", 4);
	writer_u32le(&w, (uint32_t)size);
	return w.len;
}

#define SMALL_MOST (62u * 1024)

/* One object that fits into one PDU, with its head. */
static void store_small(struct wire *w, uint16_t id, size_t size, unsigned study)
{
	static uint8_t block[SMALL_MOST + 2048];
	uint8_t out[4200];
	struct command c = {.field = C_STORE_RQ,
		.message_id = id,
		.affected_sop_class = span_str(WIRE_SOP_STORE),
		.affected_sop_instance = span_str("1.2.3.4"),
		.data_set_type = COMMAND_DATA_SET};
	wire_put(w, out, wire_command(out, &c, WIRE_CONTEXT_STORE));
	uint32_t n = (uint32_t)(header_and_pixels(block + 12, study, size) + size);
	pdv_write_heads(block, n, WIRE_CONTEXT_STORE, false, true);
	wire_put(w, block, 12 + n);
	must_succeed(wire_response(w));
}

/* One object: its PDUs are laid out once in a buffer that is sent again and again. */
static void store(struct wire *w, uint16_t id, size_t size, uint32_t pdu, unsigned study)
{
	static uint8_t *block;
	static const size_t batch = 1u << 20;
	uint8_t out[4200];
	struct command c = {.field = C_STORE_RQ,
		.message_id = id,
		.affected_sop_class = span_str(WIRE_SOP_STORE),
		.affected_sop_instance = span_str("1.2.3.4"),
		.data_set_type = COMMAND_DATA_SET};
	size_t payload = pdu - 6, each = payload + 12, fill = 0;
	if (!block) {
		block = calloc(1, batch + each);
	}
	wire_put(w, out, wire_command(out, &c, WIRE_CONTEXT_STORE));
	size_t head = header_and_pixels(out + 12, study, size);
	pdv_write_heads(out, (uint32_t)head, WIRE_CONTEXT_STORE, false, false);
	wire_put(w, out, 12 + head);
	for (size_t left = size; left > 0;) {
		size_t n = left < payload ? left : payload;
		pdv_write_heads(block + fill, (uint32_t)n, WIRE_CONTEXT_STORE, false, n == left);
		fill += 12 + n;
		left -= n;
		if (fill >= batch || left == 0) {
			wire_put(w, block, fill);
			fill = 0;
		}
	}
	must_succeed(wire_response(w));
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* What both take in a PDU; 0: any. */
static uint32_t smaller(uint32_t ours, uint32_t theirs)
{
	return theirs != 0 && theirs < ours ? theirs : ours;
}

static void run_store(const struct job *j, SSL_CTX *ctx)
{
	struct wire w;
	uint32_t max;
	open_association(j, ctx, &w, &max);
	uint32_t pdu = smaller(j->pdu, max);
	double begun = wire_now();
	for (unsigned i = 0; i < j->count; i++) {
		store(&w, (uint16_t)(i + 1), j->size, pdu, i + 1);
	}
	double seconds = wire_now() - begun;
	wire_release(&w);
	wire_close(&w);
	printf("{\"seconds\": %.6f, \"bytes\": %zu, \"pdu\": %u}\n", seconds, (size_t)j->count * j->size,
		pdu);
}

static void run_echo(const struct job *j, SSL_CTX *ctx)
{
	struct wire w;
	uint32_t max;
	double *t = calloc(j->count, sizeof(*t));
	open_association(j, ctx, &w, &max);
	for (unsigned i = 0; i < j->count; i++) {
		double begun = wire_now();
		echo(&w, (uint16_t)(i + 1));
		t[i] = wire_now() - begun;
	}
	wire_release(&w);
	wire_close(&w);
	qsort(t, j->count, sizeof(*t), by_value);
	printf("{\"median\": %.9f, \"p99\": %.9f}\n", t[j->count / 2], t[(size_t)j->count * 99 / 100]);
	free(t);
}

/* first: its first study, so that no two callers have the same. */
static unsigned call(const struct job *j, SSL_CTX *ctx, unsigned first)
{
	unsigned resumed = 0;
	for (unsigned i = 0; i < j->count; i++) {
		struct wire w;
		uint32_t max;
		open_association(j, ctx, &w, &max);
		if (j->objects == 0) {
			echo(&w, 1);
		}
		for (unsigned k = 0; k < j->objects; k++) {
			if (j->size <= SMALL_MOST) {
				store_small(&w, (uint16_t)(k + 1), j->size, first + i);
			} else {
				store(&w, (uint16_t)(k + 1), j->size, smaller(j->pdu, max), first + i);
			}
		}
		resumed += w.ssl && SSL_session_reused(w.ssl);
		wire_release(&w);
		wire_close(&w);
	}
	return resumed;
}

/* Each caller but the first is a process of its own. */
static void call_at_once(const struct job *j, SSL_CTX *ctx)
{
	int status;
	for (unsigned i = 1; i < j->callers; i++) {
		pid_t pid = fork();
		if (pid < 0) {
			wire_die("fork");
		}
		if (pid == 0) {
			(void)call(j, ctx, i * j->count);
			_exit(0);
		}
	}
	(void)call(j, ctx, 0);
	while (wait(&status) > 0) {
		if (status != 0) {
			exit(1);
		}
	}
}

static void run_associations(const struct job *j, SSL_CTX *ctx)
{
	unsigned resumed = 0;
	double begun = wire_now();
	if (j->callers > 1) {
		call_at_once(j, ctx);
	} else {
		resumed = call(j, ctx, 0);
	}
	printf("{\"seconds\": %.6f, \"associations\": %u, \"resumed\": %u}\n", wire_now() - begun,
		j->callers * j->count, resumed);
}

/* Hold them until standard input ends. */
static void run_idle(const struct job *j, SSL_CTX *ctx)
{
	struct wire *w = calloc(j->count, sizeof(*w));
	uint32_t max;
	for (unsigned i = 0; i < j->count; i++) {
		open_association(j, ctx, &w[i], &max);
		echo(&w[i], 1);
	}
	printf("{\"ready\": %u}\n", j->count);
	fflush(stdout);
	while (getchar() != EOF) {
	}
}

static int run(const struct job *j)
{
	static const struct {
		const char *name;
		void (*run)(const struct job *, SSL_CTX *);
	} modes[] = {{"store", run_store}, {"echo", run_echo}, {"associations", run_associations},
		{"idle", run_idle}};
	signal(SIGPIPE, SIG_IGN);
	SSL_CTX *ctx = wire_context(&j->tls, false);
	if (ctx && j->tls.resume) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
	}
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(modes[i].name, j->mode) == 0) {
			modes[i].run(j, ctx);
			return 0;
		}
	}
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"cert", 1, 0, 'c'},
		{"key", 1, 0, 'k'}, {"ca", 1, 0, 'a'}, {"mode", 1, 0, 'm'}, {"count", 1, 0, 'n'},
		{"size", 1, 0, 's'}, {"pdu", 1, 0, 'u'}, {"resume", 0, 0, 'r'}, {"calling", 1, 0, 'i'},
		{"called", 1, 0, 'e'}, {"objects", 1, 0, 'o'}, {"callers", 1, 0, 'l'}, {0}};
	struct job j = {.host = "127.0.0.1",
		.port = "2762",
		.mode = "echo",
		.calling = "BENCH",
		.called = "SINK",
		.count = 1,
		.callers = 1,
		.size = 512 * 1024,
		.pdu = 16384};
	int o;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'h':
			j.host = optarg;
			break;
		case 'p':
			j.port = optarg;
			break;
		case 'c':
			j.tls.cert = optarg;
			break;
		case 'k':
			j.tls.key = optarg;
			break;
		case 'a':
			j.tls.ca = optarg;
			break;
		case 'm':
			j.mode = optarg;
			break;
		case 'n':
			j.count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			j.objects = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			j.callers = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			j.size = strtoull(optarg, NULL, 10);
			break;
		case 'u':
			j.pdu = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			j.tls.resume = true;
			break;
		case 'i':
			j.calling = optarg;
			break;
		case 'e':
			j.called = optarg;
			break;
		default:
			return 2;
		}
	}
	return run(&j);
}
