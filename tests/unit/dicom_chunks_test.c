/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_events.h"

#include <dirent.h>
#include <sys/stat.h>

/*
 * What the parser says does not depend on how the bytes are cut: every file of tests/data, whole, against a cut at every
 * position, against single bytes, and against pieces of other sizes.
 */
#define VICINITY 64       /* bytes around a structure; beyond, one cut is as good as the next */
#define STRIDE   4099     /* so there only some are made */
#define ENOUGH   10000000 /* events for a file; every nth cut is made of those that have more */

static struct parse p;

static struct span load(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "rbe");
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	uint8_t *bytes = malloc((size_t)st.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, (size_t)st.st_size, file), st.st_size);
	fclose(file);
	return span_of(bytes, (size_t)st.st_size);
}

static void mark(uint8_t *near, struct span s, uint64_t offset)
{
	size_t at = (size_t)offset;
	for (size_t i = at < VICINITY ? 0 : at - VICINITY; i < at + VICINITY && i < s.len; i++) {
		near[i] = 1;
	}
}

/* Which offsets are near a structure: the offsets of all events. Of deflated files all, unless that were too many. */
static uint8_t *near_structure(struct span s)
{
	uint8_t *near = calloc(s.len + 1, 1);
	int event;
	assert_non_null(near);
	p.is_file = true;
	parse_begin(&p);
	file_feed(&p.f, s);
	mark(near, s, FILE_PREAMBLE);
	while ((event = file_next(&p.f)) > 0 && event != DATASET_END) {
		mark(near, s, p.f.d.offset);
	}
	mark(near, s, p.f.d.offset); /* of a failure, if it is one */
	if (p.f.d.inflater) {
		memset(near, 1, s.len);
	}
	return near;
}

static void same(struct digest whole, struct digest other, const char *path, const char *how, size_t n)
{
	if (!digest_eq(whole, other)) {
		fail_msg("%s: %s %zu: %u events, result %d; whole: %u, %d", path, how, n, other.n,
			other.result, whole.n, whole.result);
	}
}

static void every_cut(const char *path, struct span s)
{
	uint8_t *near = near_structure(s);
	p.ask = ASK_COLLECT;
	struct digest whole = parse_in_pieces(&p, s, 0, false);
	/* What one parse costs: each event, and in a deflated file each byte. */
	size_t cost = p.f.d.inflater ? (size_t)p.f.d.offset / 8 : whole.n;
	size_t stride = 1 + cost * s.len / ENOUGH;
	for (size_t at = 0; at <= s.len; at++) {
		if ((near[at] && at % stride == 0) || at % STRIDE == 0) {
			same(whole, parse_cut(&p, s, at), path, "cut at", at);
		}
	}
	free(near);
}

static void every_size(const char *path, struct span s)
{
	static const size_t sizes[] = {1, 2, 3, 5, 7, 11, 13, 64, 1000, 16384};
	for (int ask = ASK_SKIP; ask <= ASK_PIECES; ask++) {
		p.ask = (enum ask)ask;
		struct digest whole = parse_in_pieces(&p, s, 0, true);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			same(whole, parse_in_pieces(&p, s, sizes[i], sizes[i] > 10), path, "pieces of",
				sizes[i]);
		}
	}
}

static unsigned each_file(const char *folder, void (*test)(const char *path, struct span s))
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	unsigned n = 0;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[4096];
		struct stat st;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (strstr(entry->d_name, ".md") || strstr(entry->d_name, ".tsv") || stat(path, &st) != 0 ||
			!S_ISREG(st.st_mode)) {
			continue;
		}
		struct span s = load(path);
		p.is_file = true;
		test(path, s);
		exact_free(s);
		n++;
	}
	closedir(dir);
	return n;
}

static void files_cut_anywhere(void **state)
{
	assert_true(each_file(TESTS_DATA "/dicom", every_cut) >= 20);
	assert_true(each_file(TESTS_DATA "/structure", every_cut) >= 60);
}

static void files_in_pieces(void **state)
{
	assert_true(each_file(TESTS_DATA "/dicom", every_size) >= 20);
	assert_true(each_file(TESTS_DATA "/structure", every_size) >= 60);
}

/* Every file there is well formed, and read to its end. */
static void is_whole(const char *path, struct span s)
{
	p.ask = ASK_SKIP;
	struct digest g = parse_in_pieces(&p, s, 0, false);
	if (g.result != DATASET_END || p.f.d.offset < s.len) {
		fail_msg("%s: %d at %lu", path, g.result, (unsigned long)p.f.d.offset);
	}
}

static void files_are_read_to_their_end(void **state)
{
	assert_true(each_file(TESTS_DATA "/dicom", is_whole) >= 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read_to_their_end),
		cmocka_unit_test(files_cut_anywhere),
		cmocka_unit_test(files_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
