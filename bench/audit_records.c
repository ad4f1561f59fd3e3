/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/io.h"
#include "audit/merkle.h"
#include "base/clock.h"
#include "base/writer.h"
#include "gateway/auditor_state.h"
#include "gateway/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * CPU time of what the records of an association that stores one object cost: audit_records [COUNT [cold]]. An association tells an
 * auditor over a channel, with both ends' certificates; the auditor keeps a journal whose disk takes no time, and the key holder is another
 * process. "cold": before each part the caches are filled with something else, as others' work does.
 *
 * The parts are functions of their own, so that callgrind can count each: valgrind --tool=callgrind --toggle-collect=tell_begin …
 */

#define NOINLINE __attribute__((noinline, noclone))

static struct auditor a;
static struct association as;
static struct association_start start;
static struct site site;
static struct audit audit;
static struct node nodes[2];
static char folder[] = "/tmp/gantry-records-XXXXXX";
static struct message heard;

static void die(const char *what, int e)
{
	fprintf(stderr, "audit_records: %s: %s\n", what, err_str(e));
	exit(1);
}

/* ---- What it stands on ---- */

static ssize_t takes_all(void *arg, int fd, const void *buf, size_t n, off_t at)
{
	return (ssize_t)n;
}

static int takes_no_time(void *arg, int fd)
{
	return 0;
}

/* Of the key holder only how much is said. */
static void hold_keys(int fd)
{
	static uint8_t ask[1u << 17], answer[2 + HOLDER_INDEX_MOST * BLIND_TOKEN] = {HOLDER_VERSION};
	ssize_t n;
	while ((n = recv(fd, ask, sizeof(ask), 0)) >= 2) {
		size_t len = 2;
		for (size_t at = 2; ask[1] == ASK_INDEX && at + 3 <= (size_t)n; len += BLIND_TOKEN) {
			at += 3 + (size_t)(ask[at + 1] << 8 | ask[at + 2]);
		}
		if (send(fd, answer, len, MSG_NOSIGNAL) < 0) {
			break;
		}
	}
	_exit(0);
}

static void pair(int type, int ret_fds[2])
{
	if (socketpair(AF_UNIX, type, 0, ret_fds) < 0) {
		die("socketpair", ERR_SYSTEM);
	}
}

static void open_journal(void)
{
	static struct journal_io io;
	static struct journal_recovered r;
	io = journal_io_system;
	a.dir = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int e = a.dir < 0 ? ERR_SYSTEM : journal_open(a.dir, "bench", NULL, &io, &a.journal, &r);
	if (e != 0) {
		die(folder, e);
	}
	/* Segments begin as they do. */
	io.pwrite = takes_all;
	io.fdatasync = takes_no_time;
}

static void auditor_begins(void)
{
	struct hpke_public public;
	int fd[2];
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	a = (struct auditor){.site = &site, .xml = audit_xml_write, .cold.fd = -1, .copy.channel.fd = -1};
	a.gate.fd = a.supervisor.fd = a.spool_dir = -1;
	a.source = (struct audit_source){.site = "Hospital", .id = "gantry1", .type = 4, .process = 4711};
	a.source.host = "gw.hospital.example";
	a.packer = body_packer_new();
	int e = key && a.packer ? hpke_public_of(key, &public) : ERR_NO_MEMORY;
	e = e == 0 ? seal_new(&public, 1, &a.seal) : e;
	e = e == 0 ? merkle_prepare() : e;
	if (e != 0) {
		die("keys", e);
	}
	EVP_PKEY_free(key);
	pair(SOCK_SEQPACKET, fd);
	if (fork() == 0) {
		close(fd[0]);
		hold_keys(fd[1]);
	}
	close(fd[1]);
	a.keys = (struct link_audit){.fd = fd[0], .wait_ms = 5000};
	open_journal();
}

static void association_begins(void)
{
	static const char issuer[] = "CN=Hospital Device CA 3,OU=Medical Engineering,O=Hospital,C=DE";
	nodes[0].name = "ct1";
	nodes[1].name = "archive";
	site.nodes = nodes;
	site.n_nodes = 2;
	site.audit = (struct audit_config){.has = true, .hold_most = 5, .journal = folder, .origin = "bench"};
	start.channel = -1;
	as.start = &start;
	as.site = &site;
	as.audit = &audit;
	as.rq = calloc(1, sizeof(*as.rq));
	as.caller.calling = "CT1";
	as.caller.called = "ARCHIVE";
	as.caller.has_certificate = true;
	as.caller.subject = "CN=ct1.hospital.example,OU=Radiology,O=Hospital,C=DE";
	snprintf(as.peer.serial, sizeof(as.peer.serial), "4f2a00ff1234567890abcdef0011223344556677");
	snprintf(as.peer.issuer, sizeof(as.peer.issuer), "%s", issuer);
	memset(as.peer.sha256, 0x5a, sizeof(as.peer.sha256));
	as.target_certified = true;
	snprintf(as.target_subject, sizeof(as.target_subject), "CN=archive.hospital.example,O=Hospital,C=DE");
	snprintf(as.target_serial, sizeof(as.target_serial), "3c0100fe876543210fedcba09988776655443322");
	snprintf(as.target_issuer, sizeof(as.target_issuer), "%s", issuer);
	memset(as.target_sha256, 0xc3, sizeof(as.target_sha256));
	snprintf(as.caller_text, sizeof(as.caller_text), "192.0.2.7");
	snprintf(as.target_address, sizeof(as.target_address), "192.0.2.8");
	as.route = (struct route){.from = 0, .to = 1, .flows = {0}, .n_flows = 1};
	as.context[1] = (struct agreed){.accepted = true,
		.abstract = span_str("1.2.840.10008.5.1.4.1.1.2"),
		.transfer = span_str("1.2.840.10008.1.2.1")};
	as.a.msg.context = as.b.msg.context = 1;
}

static void put_element(struct writer *w, uint16_t group, uint16_t element, const char *vr, const char *value)
{
	size_t n = strlen(value);
	writer_u16le(w, group);
	writer_u16le(w, element);
	writer_bytes(w, vr, 2);
	writer_u16le(w, (uint16_t)(n + n % 2));
	writer_bytes(w, value, n);
	writer_fill(w, ' ', n % 2);
}

static struct span object_head(void)
{
	static uint8_t bytes[1024];
	struct writer w = writer_of(bytes, sizeof(bytes));
	put_element(&w, 0x8, 0x5, "CS", "ISO_IR 100");
	put_element(&w, 0x8, 0x8, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
	put_element(&w, 0x8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2");
	put_element(&w, 0x8, 0x18, "UI", "1.2.840.113619.2.55.3.604688119.971.1288767563.11.1");
	put_element(&w, 0x8, 0x20, "DA", "20261126");
	put_element(&w, 0x8, 0x50, "SH", "A1234567");
	put_element(&w, 0x8, 0x60, "CS", "CT");
	put_element(&w, 0x8, 0x70, "LO", "Example");
	put_element(&w, 0x10, 0x10, "PN", "M\xfcller^Jane");
	put_element(&w, 0x10, 0x20, "LO", "PID0815");
	put_element(&w, 0x10, 0x21, "LO", "HOSPITAL");
	put_element(&w, 0x10, 0x30, "DA", "19700101");
	put_element(&w, 0x20, 0xd, "UI", "1.2.840.113619.2.55.3.604688119.971.1288767563.10");
	put_element(&w, 0x20, 0xe, "UI", "1.2.840.113619.2.55.3.604688119.971.1288767563.11");
	put_element(&w, 0x28, 0x10, "CS", "512");
	return writer_span_of(&w);
}

/* ---- The parts ---- */

static struct operation operation;

static NOINLINE void tell_begin(struct span head)
{
	operation.field = C_STORE_RQ;
	as.a.msg.operation = &operation;
	audit_request(&as, &as.a, &operation);
	audit_data(&as, &as.a, head);
}

static NOINLINE void tell_end(void)
{
	audit_stored(&as, &operation, true);
	audit_end_transfers(&as, NULL);
}

static void take(struct teller *t, const char *what)
{
	int e = message_recv(t->fd, FROM_TELLER, &heard);
	if (e != 0) {
		die(what, e);
	}
	batch_take(&a, t, heard.number, heard.bytes);
}

static NOINLINE void record_begin(struct teller *t)
{
	take(t, "no beginning was told");
	batch_write(&a);
}

static NOINLINE void record_end(struct teller *t)
{
	take(t, "no end was told");
	batch_write(&a);
}

static NOINLINE void hear(void)
{
	audit_take(&as);
}

/* ---- Measuring ---- */

#define OTHERS (6u << 20) /* more than the caches of one core */
#define CODE   (1u << 20)

static bool cold;
static uint8_t *others, *code;

static void prepare_cold(void)
{
	others = malloc(OTHERS);
	code = mmap(NULL, CODE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!others || code == MAP_FAILED) {
		die("memory", ERR_NO_MEMORY);
	}
	memset(others, 1, OTHERS);
	memset(code, 0x90, CODE); /* nop */
	code[CODE - 1] = 0xc3;    /* ret */
	if (mprotect(code, CODE, PROT_READ | PROT_EXEC) < 0) {
		die("mprotect", ERR_SYSTEM);
	}
}

static void make_cold(void)
{
	if (!cold) {
		return;
	}
	((void (*)(void))(uintptr_t)code)();
	for (size_t i = 0; i < OTHERS; i += 64) {
		others[i]++;
	}
}

static double now_us(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

enum { TELL_BEGIN, RECORD_BEGIN, TELL_END, RECORD_END, PARTS };
static double *spent[PARTS];
static double began;

static void begins(void)
{
	make_cold();
	began = now_us();
}

static void ends(unsigned part, long i)
{
	spent[part][i] = now_us() - began;
}

static void one(struct span head, long i)
{
	int fd[2];
	struct teller *t = calloc(1, sizeof(*t));
	pair(SOCK_SEQPACKET | SOCK_NONBLOCK, fd);
	*t = (struct teller){.fd = fd[0], .kind = TELLER_ASSOCIATION, .answers = true};
	t->association = start.id = (uint64_t)i + 1;
	t->ip.s6_addr[10] = t->ip.s6_addr[11] = 0xff;
	memcpy(&t->ip.s6_addr[12], (const uint8_t[]){192, 0, 2, 7}, 4);
	audit.fd = start.audit = fd[1];
	audit.leaving = audit.told = false;
	audit.seen.serial = 0;
	begins();
	tell_begin(head);
	ends(TELL_BEGIN, i);
	begins();
	record_begin(t);
	ends(RECORD_BEGIN, i);
	hear();
	begins();
	tell_end();
	ends(TELL_END, i);
	begins();
	record_end(t);
	ends(RECORD_END, i);
	hear();
	if (audit.n > 0 || a.open) {
		die("something is not recorded", ERR_VALUE);
	}
	close(fd[0]);
	close(fd[1]);
	free(t);
}

static void remove_folder(void)
{
	DIR *d = fdopendir(a.dir);
	for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
		(void)unlinkat(a.dir, e->d_name, 0);
	}
	(void)rmdir(folder);
}

static int compare(const void *x, const void *y)
{
	double d = *(const double *)x - *(const double *)y;
	return (d > 0) - (d < 0);
}

int main(int argc, char **argv)
{
	static const char *const names[PARTS] = {
		"begin: association", "begin: auditor", "end: association", "end: auditor"};
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 2000;
	cold = argc > 2 && strcmp(argv[2], "cold") == 0;
	prepare_cold();
	auditor_begins();
	association_begins();
	for (unsigned p = 0; p < PARTS; p++) {
		spent[p] = calloc((size_t)count + 1, sizeof(double));
	}
	struct span head = object_head();
	for (long i = 0; i < count; i++) {
		one(head, i);
	}
	for (unsigned p = 0; p < PARTS; p++) {
		qsort(spent[p], (size_t)count, sizeof(double), compare);
		printf("%-20s median %7.2f us, tenth %7.2f us\n", names[p], spent[p][count / 2],
			spent[p][count / 10]);
	}
	remove_folder();
	printf("an event has room for %zu bytes; in the batch it takes %zu, in an open transfer %zu\n",
		sizeof(struct audit_event), sizeof(struct work), sizeof(struct open_transfer));
	return 0;
}
