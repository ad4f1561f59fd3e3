/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/intake.h"
#include "archive/session.h"
#include "archive_scu.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char path[64];
static struct folder folder;
static int fd;      /* the SCU's end */
static pid_t child; /* runs the session */
static const struct scu_offer usual = {
	.abstract = {SCU_ECHO, SCU_CT, "1.2.840.10008.5.1.4.1.2.2.1", "1.3.12.2.1107.5.9.1"},
	.transfer = {"1.2.840.10008.1.2.4.50", SCU_ELE, SCU_ILE}};

/* most: RLIMIT_FSIZE of the session; 0: none. */
static void start(rlim_t most)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	child = fork();
	if (child == 0) {
		const struct rlimit limit = {.rlim_cur = most, .rlim_max = most};
		(void)signal(SIGXFSZ, SIG_IGN);
		close(pair[0]);
		if (most > 0 && setrlimit(RLIMIT_FSIZE, &limit) < 0) {
			_exit(99);
		}
		_exit(-session_run(pair[1], &folder));
	}
	assert_true(child > 0);
	close(pair[1]);
	fd = pair[0];
}

/* What session_run() returned. */
static int end(void)
{
	int status;
	close(fd);
	fd = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int set_up(void **state)
{
	snprintf(path, sizeof(path), "/tmp/gantry-session-XXXXXX");
	log_least(LOG_LEVEL_ERROR + 1);
	intake_prepare();
	return mkdtemp(path) ? folder_open(path, &folder) : -1;
}

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(name);
}

static int tear_down(void **state)
{
	folder_done(&folder);
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static unsigned count(const char *sub)
{
	int at = openat(folder.dir, sub, O_RDONLY | O_DIRECTORY);
	assert_true(at >= 0);
	DIR *dir = fdopendir(at);
	unsigned n = 0;
	const struct dirent *e;
	while ((e = readdir(dir))) {
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	}
	closedir(dir);
	return n;
}

static void nothing_kept(void)
{
	assert_int_equal(count(".incoming"), 0);
	assert_int_equal(count("."), 1);
}

static void negotiation(void **state)
{
	start(0);
	const struct associate *ac = scu_open(fd, &usual);
	assert_int_equal(ac->n_contexts, 4);
	assert_int_equal(ac->contexts[0].result, 0);
	assert_int_equal(ac->contexts[1].result, 0);
	assert_int_equal(ac->contexts[2].result, 3); /* Study Root Query/Retrieve - FIND */
	assert_int_equal(ac->contexts[3].result, 0); /* private */
	assert_true(span_eq(ac->contexts[1].transfer[0], span_str(usual.transfer[0])));
	assert_int_equal(ac->max_pdu, LIMIT_MAX_PDU);
	assert_false(ac->async.has);
	scu_release(fd);
	assert_int_equal(end(), 0);
}

static void echo(void **state)
{
	struct command c = {.field = C_ECHO_RQ,
		.has = HAS_AFFECTED_SOP_CLASS | HAS_MESSAGE_ID | HAS_DATA_SET_TYPE,
		.message_id = 7,
		.data_set_type = COMMAND_NO_DATA_SET,
		.affected_sop_class = span_str(SCU_ECHO)};
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 1, &c);
	assert_int_equal(scu_status(fd, 1, C_ECHO_RSP, NULL), STATUS_SUCCESS);
	scu_release(fd);
	assert_int_equal(end(), 0);
}

static void store(void **state)
{
	start(0);
	scu_open(fd, &usual);
	assert_int_equal(scu_store(fd, 3, SCU_UID, "first"), STATUS_SUCCESS);
	assert_int_equal(scu_store(fd, 3, SCU_UID, "first"), STATUS_SUCCESS);
	assert_int_equal(count("6d"), 1);
	assert_int_equal(scu_store(fd, 3, SCU_UID, "other"), STATUS_SUCCESS);
	assert_int_equal(count("6d"), 2);
	assert_int_equal(count(".incoming"), 0);
	scu_release(fd);
	assert_int_equal(end(), 0);

	uint8_t buf[1024];
	struct part10_meta meta;
	size_t at;
	int file = openat(folder.dir, "6d/" SCU_UID ".dcm", O_RDONLY);
	ssize_t n = read(file, buf, sizeof(buf));
	close(file);
	assert_true(n > 0);
	assert_int_equal(part10_read(span_of(buf, (size_t)n), &meta, &at, NULL), 0);
	assert_true(span_eq(meta.transfer_syntax, span_str(usual.transfer[0])));
	assert_true(span_eq(meta.sop_class, span_str(SCU_CT)));
	assert_string_equal(meta.source_ae, "CT1");
	assert_true(span_eq(span_of(buf + at, (size_t)n - at), span_str("first")));
}

static void private_class(void **state)
{
	struct command c = scu_store_rq(usual.abstract[3], SCU_UID);
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 7, &c);
	scu_pdv(fd, 7, false, true, span_str("x"));
	assert_int_equal(scu_status(fd, 7, C_STORE_RSP, NULL), STATUS_SUCCESS);
	assert_int_equal(count("6d"), 1);
	assert_int_equal(end(), ERR_CLOSED);
}

/* Full: A700 with a comment, nothing left, and the association goes on. */
static void full(void **state)
{
	static char big[64 * 1024];
	char comment[65];
	struct command c = scu_store_rq(SCU_CT, "1.2.3");
	memset(big, 'x', sizeof(big) - 1);
	start(8192);
	scu_open(fd, &usual);
	scu_command(fd, 3, &c);
	for (unsigned i = 0; i < 4; i++) {
		scu_pdv(fd, 3, false, i == 3, span_str(big));
	}
	assert_int_equal(scu_status(fd, 3, C_STORE_RSP, comment), 0xA700);
	assert_string_equal(comment, "Archive folder: File too large");
	nothing_kept();
	assert_int_equal(scu_store(fd, 3, SCU_UID, "small"), STATUS_SUCCESS);
	scu_release(fd);
	assert_int_equal(end(), 0);
	assert_int_equal(count("6d"), 1);
}

static void no_data_set(void **state)
{
	struct command c = scu_store_rq(SCU_CT, SCU_UID);
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 3, &c);
	scu_pdv(fd, 3, false, true, span_of("", 0));
	assert_int_equal(scu_status(fd, 3, C_STORE_RSP, NULL), 0xC000);
	/* A C-STORE-RQ that announces none is malformed (PS3.7 9.3.1.1). */
	c.data_set_type = COMMAND_NO_DATA_SET;
	scu_command(fd, 3, &c);
	assert_int_equal(scu_abort(fd).source, 2);
	assert_true(end() < 0);
	nothing_kept();
}

static void wrong_class(void **state)
{
	struct command c = scu_store_rq("1.2.840.10008.5.1.4.1.1.4", SCU_UID);
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 3, &c);
	scu_pdv(fd, 3, false, true, span_str("x"));
	assert_int_equal(scu_status(fd, 3, C_STORE_RSP, NULL), 0x0122);
	/* And storing on the context of Verification. */
	c = scu_store_rq(SCU_ECHO, SCU_UID);
	scu_command(fd, 1, &c);
	scu_pdv(fd, 1, false, true, span_str("x"));
	assert_int_equal(scu_status(fd, 1, C_STORE_RSP, NULL), 0x0122);
	nothing_kept();
	scu_release(fd);
	assert_int_equal(end(), 0);
}

static void other_operation(void **state)
{
	struct command c = {.field = C_FIND_RQ,
		.has = HAS_AFFECTED_SOP_CLASS | HAS_MESSAGE_ID | HAS_PRIORITY | HAS_DATA_SET_TYPE,
		.message_id = 7,
		.data_set_type = COMMAND_DATA_SET,
		.affected_sop_class = span_str(SCU_CT)};
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 3, &c);
	scu_pdv(fd, 3, false, true, span_str("x"));
	assert_int_equal(scu_status(fd, 3, C_FIND_RSP, NULL), STATUS_UNRECOGNIZED);
	nothing_kept();
	scu_release(fd);
	assert_int_equal(end(), 0);
}

/* The bytes of a C-STORE-RQ whose instance is no UID: the command set is malformed, and nothing is made. */
static void uid_with_a_path(void **state)
{
	uint8_t set[2048];
	struct command c = scu_store_rq(SCU_CT, "1.2.3.4.5.6.7.8.99");
	struct writer w = writer_of(set, sizeof(set));
	start(0);
	scu_open(fd, &usual);
	assert_int_equal(command_write(&c, &w), 0);
	uint8_t *at = memmem(set, w.len, "1.2.3.4.5.6.7.8.99", 18);
	assert_non_null(at);
	memcpy(at, "../../../../../tmp", 18);
	scu_pdv(fd, 3, true, true, writer_span_of(&w));
	assert_int_equal(scu_abort(fd).source, 2);
	assert_true(end() < 0);
	nothing_kept();
}

static void gone_in_the_middle(void **state)
{
	struct command c = scu_store_rq(SCU_CT, SCU_UID);
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 3, &c);
	scu_pdv(fd, 3, false, false, span_str("half"));
	assert_int_equal(end(), ERR_CLOSED);
	nothing_kept();
}

/*
 * SIGKILL at any moment: a file under its final name is whole. The kill comes at once after so many fragments, the last
 * rows after the last, when the session flushes and renames.
 */
static void killed_at_any_moment(void **state)
{
	enum { FRAGMENTS = 8, ROUNDS = 64 };
	static char part[4096];
	struct command c = scu_store_rq(SCU_CT, SCU_UID);
	memset(part, 'x', sizeof(part));
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct stat st;
		unsigned sent = round < FRAGMENTS ? round : FRAGMENTS;
		start(0);
		scu_open(fd, &usual);
		scu_command(fd, 3, &c);
		for (unsigned i = 0; i < sent; i++) {
			scu_pdv(fd, 3, false, i + 1 == FRAGMENTS, span_of(part, sizeof(part)));
		}
		/* Later and later: no clock, so that the machine's speed does not matter. */
		for (unsigned spin = 0; sent == FRAGMENTS && spin < (round - FRAGMENTS) * 4; spin++) {
			(void)fstatat(folder.dir, ".", &st, 0);
		}
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		close(fd);
		bool there = fstatat(folder.dir, "6d/" SCU_UID ".dcm", &st, 0) == 0;
		if (there) {
			assert_int_equal(sent, FRAGMENTS);
			assert_true(st.st_size > (off_t)(FRAGMENTS * sizeof(part) + 132));
			assert_true(st.st_size < (off_t)(FRAGMENTS * sizeof(part) + PART10_META_MAX));
			assert_int_equal(unlinkat(folder.dir, "6d/" SCU_UID ".dcm", 0), 0);
		}
		assert_in_range(folder_clean(&folder), 0, there ? 0 : 1);
		assert_int_equal(count(".incoming"), 0);
	}
}

static void aborted_in_the_middle(void **state)
{
	uint8_t buf[16];
	struct writer w = writer_of(buf, sizeof(buf));
	struct command c = scu_store_rq(SCU_CT, SCU_UID);
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 3, &c);
	scu_pdv(fd, 3, false, false, span_str("half"));
	pdu_write_abort(&w, (struct pdu_abort){0});
	scu_send(fd, buf, w.len);
	assert_int_equal(end(), ERR_CLOSED);
	nothing_kept();
}

static void release_in_the_middle(void **state)
{
	uint8_t buf[16];
	struct writer w = writer_of(buf, sizeof(buf));
	struct command c = scu_store_rq(SCU_CT, SCU_UID);
	start(0);
	scu_open(fd, &usual);
	scu_command(fd, 3, &c);
	pdu_write_release_rq(&w);
	scu_send(fd, buf, w.len);
	assert_int_equal(scu_abort(fd).source, 2);
	assert_true(end() < 0);
	nothing_kept();
}

/* Each row breaks the protocol after the association was accepted: an A-ABORT, and nothing kept. */
static void broken_protocol(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{"\x09\0\0\0\0\0", 6},                      /* no such PDU */
		{"\x01\0\0\0\0\0", 6},                      /* a second request */
		{"\x04\0\xff\xff\xff\xff", 6},              /* over the maximum PDU */
		{"\x04\0\0\0\0\x03\0\0\0", 9},              /* no room for a PDV's head */
		{"\x04\0\0\0\0\x06\0\0\0\x01\x01\x03", 12}, /* PDV length 1 */
		{"\x04\0\0\0\0\x06\0\0\0\x09\x01\x03", 12}, /* PDV longer than its PDU */
		{"\x04\0\0\0\0\x06\0\0\0\x02\x02\x03", 12}, /* even context */
		{"\x04\0\0\0\0\x06\0\0\0\x02\x05\x03", 12}, /* refused context */
		{"\x04\0\0\0\0\x06\0\0\0\x02\x63\x03", 12}, /* context that was never proposed */
		{"\x04\0\0\0\0\x06\0\0\0\x02\x03\x02", 12}, /* a data set without a command */
		{"\x04\0\0\0\0\x06\0\0\0\x02\x03\x03", 12}, /* an empty command set */
		{"\x05\0\0\0\0\x05\0\0\0\0\0", 11},         /* a release request of five bytes */
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		start(0);
		scu_open(fd, &usual);
		scu_send(fd, rows[i].bytes, rows[i].len);
		assert_int_equal(scu_abort(fd).source, 2);
		assert_true(end() < 0);
		nothing_kept();
	}
}

static void no_request(void **state)
{
	start(0);
	scu_send(fd, "\x04\0\0\0\0\0", 6);
	assert_int_equal(scu_abort(fd).source, 2);
	assert_true(end() < 0);
	/* Bytes that are declared are not waited for with memory in hand. */
	start(0);
	scu_send(fd, "\x01\0\xff\xff\xff\xff", 6);
	assert_int_equal(scu_abort(fd).source, 2);
	assert_true(end() < 0);
}

/* A command set in fragments of one byte, and one that has no end. */
static void command_fragments(void **state)
{
	uint8_t set[2048];
	struct command c = scu_store_rq(SCU_CT, SCU_UID);
	struct writer w = writer_of(set, sizeof(set));
	start(0);
	scu_open(fd, &usual);
	assert_int_equal(command_write(&c, &w), 0);
	for (size_t i = 0; i < w.len; i++) {
		scu_pdv(fd, 3, true, i + 1 == w.len, span_of(set + i, 1));
	}
	scu_pdv(fd, 3, false, true, span_str("x"));
	assert_int_equal(scu_status(fd, 3, C_STORE_RSP, NULL), STATUS_SUCCESS);
	for (size_t sent = 0; sent <= LIMIT_COMMAND_SET; sent += sizeof(set)) {
		scu_pdv(fd, 3, true, false, span_of(set, sizeof(set)));
	}
	assert_int_equal(scu_abort(fd).source, 2);
	assert_true(end() < 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(negotiation),
		TEST(echo),
		TEST(store),
		TEST(private_class),
		TEST(full),
		TEST(no_data_set),
		TEST(wrong_class),
		TEST(other_operation),
		TEST(uid_with_a_path),
		TEST(gone_in_the_middle),
		TEST(killed_at_any_moment),
		TEST(aborted_in_the_middle),
		TEST(release_in_the_middle),
		TEST(broken_protocol),
		TEST(no_request),
		TEST(command_fragments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
