/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "base/attr.h"
#include "dicom/dicomdir.h"

#include <fcntl.h>
#include <unistd.h>

/* The files that a DICOMDIR lists. */
static struct dicomdir d;
static char path[DICOMDIR_PATH + 1];

static struct span load(const char *name)
{
	static uint8_t bytes[64 * 1024];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_true(n > 0 && (size_t)n < sizeof(bytes));
	return span_of(bytes, (size_t)n);
}

/* How many; the first and the last are looked at. */
static size_t count(struct span bytes, size_t step, const char *first, const char *last)
{
	size_t n = 0;
	int r = 0;
	char end[DICOMDIR_PATH + 1] = "";
	dicomdir_begin(&d);
	for (size_t at = 0; at < bytes.len; at += step) {
		dicomdir_feed(&d, span_of(bytes.ptr + at, step < bytes.len - at ? step : bytes.len - at));
		if (bytes.len - at <= step) {
			dicomdir_last(&d);
		}
		while ((r = dicomdir_next(&d, path)) > 0) {
			if (n++ == 0) {
				assert_string_equal(path, first);
			}
			memcpy(end, path, sizeof(end));
		}
		assert_int_equal(r, 0);
	}
	assert_string_equal(end, last);
	return n;
}

static void lists_files(void **state)
{
	struct span bytes = load(TESTS_DATA "/structure/DICOMDIR");
	size_t n = count(bytes, bytes.len, "77654033/CR1/6154", "98892003/MR700/4648");
	assert_int_equal(n, 31);
	assert_int_equal(count(bytes, 1, "77654033/CR1/6154", "98892003/MR700/4648"), n);
	assert_int_equal(d.unread, 0);
	bytes = load(TESTS_DATA "/structure/DICOMDIR-empty.dcm");
	assert_int_equal(count(bytes, bytes.len, "", ""), 0);
}

/* Explicit VR: an item of a directory record sequence with one File ID. */
static size_t made(uint8_t *to, const char *id, size_t n)
{
	static const uint8_t head[] = "DICM\2\0\0\0UL\4\0\34\0\0\0\2\0\20\0UI\24\0001.2.840.10008.1.2.1\0";
	static const uint8_t sequence[] =
		"\4\0\40\22SQ\0\0\377\377\377\377\376\377\0\340\377\377\377\377\4\0\0\25CS";
	static const uint8_t end[] = "\376\377\15\340\0\0\0\0\376\377\335\340\0\0\0\0";
	memset(to, 0, FILE_PREAMBLE);
	size_t at = FILE_PREAMBLE;
	memcpy(to + at, head, sizeof(head) - 1);
	at += sizeof(head) - 1;
	memcpy(to + at, sequence, sizeof(sequence) - 1);
	at += sizeof(sequence) - 1;
	to[at++] = (uint8_t)n;
	to[at++] = (uint8_t)(n >> 8);
	memcpy(to + at, id, n);
	at += n;
	memcpy(to + at, end, sizeof(end) - 1);
	return at + sizeof(end) - 1;
}

/* Of each the object that it is; and nothing of a UID that is none, or that stands before its file. */
static void says_which_object(void **state)
{
	static const struct {
		const char *record, *instance; /* elements of explicit VR behind the File ID "A" */
	} rows[] = {{"\4\0\21\25UI\10\0001.2.3.45", "1.2.3.45"}, {"\4\0\21\25UI\10\0001.2.3.4", "1.2.3.4"},
		{"\4\0\20\25UI\10\0001.2.3.45", ""}, {"\4\0\21\25UI\10\0001.2..345", ""}, {"", ""}};
	uint8_t bytes[1024], all[1024];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t more = i < 4 ? 16 : 0, n = made(bytes, "A ", 2), at = n - 16;
		memcpy(all, bytes, at);
		memcpy(all + at, rows[i].record, more);
		memcpy(all + at + more, bytes + at, n - at);
		for (size_t step = 1; step < n + more; step += 7) {
			assert_int_equal(count(span_of(all, n + more), step, "A", "A"), 1);
			assert_string_equal(d.instance, rows[i].instance);
		}
	}
	struct span real = load(TESTS_DATA "/structure/DICOMDIR");
	(void)count(real, real.len, "77654033/CR1/6154", "98892003/MR700/4648");
	assert_string_equal(d.instance, "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.124");
}

static void joins_components(void **state)
{
	static const struct {
		const char *id, *path;
	} rows[] = {{"IM1 ", "IM1"}, {"A\\B \\C ", "A/B/C"}, {"A\\..\\B", "A/../B"}, {"\\ETC", "ETC"},
		{"A\001\033[m", "A??[m"}};
	uint8_t bytes[1024];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = made(bytes, rows[i].id, strlen(rows[i].id));
		struct span s = exact(bytes, n);
		dicomdir_begin(&d);
		dicomdir_feed(&d, s);
		dicomdir_last(&d);
		assert_int_equal(dicomdir_next(&d, path), 1);
		assert_string_equal(path, rows[i].path);
		assert_int_equal(dicomdir_next(&d, path), 0);
		exact_free(s);
	}
}

static void counts_what_it_cannot_read(void **state)
{
	static char id[DICOMDIR_PATH + 2];
	uint8_t bytes[1024];
	memset(id, 'A', sizeof(id));
	const struct {
		size_t length, unread;
	} rows[] = {{DICOMDIR_PATH, 0}, {DICOMDIR_PATH + 2, 1}, {0, 1}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = made(bytes, id, rows[i].length);
		dicomdir_begin(&d);
		dicomdir_feed(&d, span_of(bytes, n));
		dicomdir_last(&d);
		assert_int_equal(dicomdir_next(&d, path), 1 - (int)rows[i].unread);
		assert_int_equal(d.unread, rows[i].unread);
	}
}

/* Cut at every byte: what is listed before is said, and then that it is cut. */
static void is_cut(void **state)
{
	uint8_t bytes[1024];
	size_t n = made(bytes, "A\\B ", 4);
	for (size_t cut = 0; cut < n; cut++) {
		struct span s = exact(bytes, cut);
		dicomdir_begin(&d);
		dicomdir_feed(&d, s);
		dicomdir_last(&d);
		int r = dicomdir_next(&d, path);
		bool listed = r > 0;
		r = listed ? dicomdir_next(&d, path) : r;
		assert_true(r < 0 || cut == FILE_PREAMBLE + 44);
		exact_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_files),
		cmocka_unit_test(joins_components),
		cmocka_unit_test(says_which_object),
		cmocka_unit_test(counts_what_it_cannot_read),
		cmocka_unit_test(is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
