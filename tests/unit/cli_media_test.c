/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "base/limits.h"
#include "cli/left_alone.h"
#include "cli/media.h"
#include "cli/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a patient's disc is made of: folders, names, files that say whose they are. */
static struct sandbox *sandbox;
static char folder[] = "/tmp/gantry-media-XXXXXX";
static int root;

static void make(const char *path, const char *text)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int set_up(void **state)
{
	assert_non_null(mkdtemp(folder));
	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(mkdirat(root, "b", 0700), 0);
	assert_int_equal(mkdirat(root, "b/c", 0700), 0);
	make("b/c/one", "1");
	make("a", "2");
	assert_int_equal(symlinkat("/etc/passwd", root, "link"), 0);
	assert_int_equal(symlinkat("..", root, "b/up"), 0);
	assert_int_equal(mkfifoat(root, "pipe", 0600), 0);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = {"b/c/one", "a", "link", "b/up", "pipe"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)unlinkat(root, files[i], 0);
	}
	(void)unlinkat(root, "b/c", AT_REMOVEDIR);
	(void)unlinkat(root, "b", AT_REMOVEDIR);
	close(root);
	return rmdir(folder);
}

static void walks_in_order(void **state)
{
	static const struct {
		const char *path;
		enum tree_what what;
	} rows[] = {{"a", TREE_FILE}, {"b/c/one", TREE_FILE}, {"b/up", TREE_LINK}, {"link", TREE_LINK},
		{"pipe", TREE_SPECIAL}};
	struct tree t = TREE_NONE;
	assert_int_equal(tree_walk(&t, dup(root)), 0);
	assert_int_equal(t.n, ARRAY_LEN(rows));
	for (size_t i = 0; i < t.n; i++) {
		assert_string_equal(t.entries[i].path, rows[i].path);
		assert_int_equal(t.entries[i].what, rows[i].what);
	}
	tree_done(&t);
}

/* Whatever stands in a path by now. */
static void opens_plain_files_below(void **state)
{
	static const char *const closed[] = {"link", "b/up/a", "../etc/passwd", "b/../a", "b", "b/c", "pipe",
		"", "/a", "a/", "nothing", "b/c/one/more"};
	struct tree t = TREE_NONE;
	char text[2] = "";
	assert_int_equal(tree_walk(&t, dup(root)), 0);
	int fd = tree_open(&t, "b/c/one");
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, 2), 1);
	assert_string_equal(text, "1");
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
		assert_int_equal(tree_open(&t, closed[i]), -1);
	}
	/* None of them stayed open. */
	int next = dup(root);
	assert_int_equal(next, fd);
	close(next);
	tree_done(&t);
}

/* One folder more than a disc has. */
static void walks_no_deeper_than_discs(void **state)
{
	char path[512] = "";
	struct tree t = TREE_NONE;
	size_t depth = 0;
	for (; depth <= LIMIT_FOLDER_DEPTH; depth++) {
		size_t n = strlen(path);
		snprintf(path + n, sizeof(path) - n, "%sd", n ? "/" : "");
		assert_int_equal(mkdirat(root, path, 0700), 0);
	}
	assert_int_equal(tree_walk(&t, dup(root)), ERR_LIMIT);
	tree_done(&t);
	assert_int_equal(unlinkat(root, path, AT_REMOVEDIR), 0);
	path[strlen(path) - 2] = '\0';
	assert_int_equal(tree_walk(&t, dup(root)), 0);
	tree_done(&t);
	while (--depth > 0) {
		assert_int_equal(unlinkat(root, path, AT_REMOVEDIR), 0);
		path[strlen(path) - (depth > 1 ? 2 : 1)] = '\0';
	}
}

static void leaves_programs_alone(void **state)
{
	static const char *const left[] = {"AUTORUN.INF", "autorun.inf", "x/AutoRun.ico", "autorun",
		"VIEWER/SETUP.EXE", "a/b.LNK", "run.sh", ".DS_Store", "desktop.ini", "a.b.Js", "autorun.exe"};
	static const char *const taken[] = {"IM000001", "DICOMDIR", "a.dcm", "exe", "com", "x.exe/IM1",
		"1.2.840.10008.5", "autorunner", "README.TXT", ".exe1", "image.inform"};
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		assert_true(left_alone(left[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		assert_false(left_alone(taken[i]));
	}
}

/* ---- Files that say whose they are ---- */

static int described(const char *name, struct described *d)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	int err = describe(sandbox, fd, 30, d);
	close(fd);
	return err;
}

static void says_whose_it_is(void **state)
{
	struct described d;
	assert_int_equal(described(TESTS_DATA "/dicom/CT_small.dcm", &d), 0);
	assert_string_equal(d.name, "CompressedSamples^CT1");
	assert_string_equal(d.id, "1CT1");
	assert_string_equal(d.study_date, "20040119");
	assert_string_equal(d.description, "e+1");
	assert_string_equal(d.modality, "CT");
	assert_string_equal(d.sop_class, "1.2.840.10008.5.1.4.1.1.2");
	assert_string_equal(d.sop_instance, "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322");
	assert_string_equal(d.transfer_syntax, "1.2.840.10008.1.2.1");
	assert_int_equal(d.data_at, 336);
	assert_int_equal(d.directory, 0);
	assert_int_equal(described(TESTS_DATA "/dicom/report_dfl.dcm", &d), 0);
	assert_string_equal(d.transfer_syntax, "1.2.840.10008.1.2.1.99");
	assert_string_equal(d.modality, "SR");
	assert_true(d.data_at > 132 && d.data_at < 600);
	assert_int_equal(described(TESTS_DATA "/dicom/charset/chrH31.dcm", &d), 0);
	assert_string_equal(d.name, "Yamada^Tarou=山田^太郎=やまだ^たろう");
	assert_int_equal(described(TESTS_DATA "/structure/DICOMDIR", &d), 0);
	assert_int_not_equal(d.directory, 0);
}

static void does_not_say_what_it_cannot(void **state)
{
	struct described d = {.name = "untouched"};
	int ends[2];
	assert_int_equal(described("/dev/null", &d), ERR_VALUE);
	assert_int_equal(described(TESTS_DATA "/dicom/SOURCE.md", &d), ERR_VALUE);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(describe(sandbox, ends[0], 1, &d), ERR_SYSTEM);
	close(ends[0]);
	close(ends[1]);
	assert_string_equal(d.name, "untouched");
}

static size_t n_listed;

static char last_instance[UID_MAX + 1];

static int count(void *arg, const char *path, const char *instance)
{
	n_listed++;
	snprintf(last_instance, sizeof(last_instance), "%s", instance);
	return n_listed == (size_t)(uintptr_t)arg ? ERR_NO_MEMORY : 0;
}

static void lists_a_directory(void **state)
{
	size_t unread = 99;
	int fd = open(TESTS_DATA "/structure/DICOMDIR", O_RDONLY | O_CLOEXEC);
	assert_int_equal(describe_directory(sandbox, fd, 30, count, NULL, &unread), 0);
	assert_int_equal(n_listed, 31);
	assert_string_equal(last_instance, "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.124");
	assert_int_equal(unread, 0);
	n_listed = 0;
	assert_int_equal(describe_directory(sandbox, fd, 30, count, (void *)3, &unread), ERR_NO_MEMORY);
	assert_int_equal(n_listed, 3);
	close(fd);
	fd = open(TESTS_DATA "/dicom/SOURCE.md", O_RDONLY | O_CLOEXEC);
	assert_int_equal(describe_directory(sandbox, fd, 30, count, NULL, &unread), ERR_VALUE);
	close(fd);
}

/* ---- All together ---- */

static void groups_by_patient(void **state)
{
	static const struct {
		const char *id, *study, *series, *modality;
	} rows[] = {{"B", "1.1", "1.1.1", "CT"}, {"A", "1.2", "1.2.1", "MR"}, {"B", "1.1", "1.1.2", "SR"},
		{"B", "1.1", "1.1.1", "CT"}, {"B", "1.3", "1.3.1", "CT"}};
	static struct media m = {.spool = SCRAP_NONE};
	m.objects = calloc(ARRAY_LEN(rows), sizeof(*m.objects));
	assert_non_null(m.objects);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct described *d = &m.objects[i].d;
		m.objects[i].at = i;
		snprintf(d->id, sizeof(d->id), "%s", rows[i].id);
		snprintf(d->study, sizeof(d->study), "%s", rows[i].study);
		snprintf(d->series, sizeof(d->series), "%s", rows[i].series);
		snprintf(d->modality, sizeof(d->modality), "%s", rows[i].modality);
	}
	m.n_objects = ARRAY_LEN(rows);
	assert_int_equal(media_sort(&m), 0);
	assert_int_equal(m.n_patients, 2);
	assert_int_equal(m.n_studies, 3);
	assert_string_equal(m.studies[0].of->id, "A");
	assert_int_equal(m.studies[1].objects, 3);
	assert_int_equal(m.studies[1].series, 2);
	assert_string_equal(m.studies[1].modalities, "CT SR");
	assert_int_equal(m.studies[2].patient, 1);
	media_done(&m);
}

/* As systems show the names of a disc. */
static void finds_what_is_missing(void **state)
{
	static const char *const there[] = {
		"images/im1", "IMAGES/IM2.;1", "IMAGES/IM3;1", "Z", "IMAGES/IM5.DCM"};
	static const char *const listed[] = {
		"IMAGES/IM1", "IMAGES/IM2", "IMAGES/IM3", "IMAGES/IM4", "IMAGES/IM5", "Z"};
	static struct media m = {.spool = SCRAP_NONE};
	for (size_t i = 0; i < ARRAY_LEN(there); i++) {
		assert_int_equal(media_add(&m.names, there[i], NULL, ""), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(listed); i++) {
		assert_int_equal(media_add(&m.listed, listed[i], NULL, ""), 0);
	}
	assert_int_equal(media_compare(&m), 0);
	assert_int_equal(m.missing.n, 2);
	assert_string_equal(m.missing.at[0].file, "IMAGES/IM4");
	assert_string_equal(m.missing.at[1].file, "IMAGES/IM5");
	media_done(&m);
}

/* ---- Scraps ---- */

static bool has(const struct scrap *s, const char *text)
{
	char got[64] = "";
	scrap_rewind(s);
	return read(s->fd, got, sizeof(got) - 1) == (ssize_t)strlen(text) && strcmp(got, text) == 0;
}

static void leaves_room_on_the_disk(void **state)
{
	const uint64_t gib = 1ull << 30;
	(void)state;
	assert_true(scrap_has_room(1000 * gib, 10 * gib, 9 * gib));
	assert_false(scrap_has_room(1000 * gib, 10 * gib, 9 * gib + 1));
	assert_false(scrap_has_room(1000 * gib, gib - 1, 0));
	assert_true(scrap_has_room(1000, 100, 50));
	assert_false(scrap_has_room(1000, 100, 51));
	assert_false(scrap_has_room(1000, 100, 101));
	assert_false(scrap_has_room(1000, 100, UINT64_MAX));
	assert_true(scrap_has_room(0, 0, 0));
}

static void keeps_bytes_in_memory_and_then_on_disk(void **state)
{
	struct scrap s, other;
	assert_int_equal(setenv("TMPDIR", folder, 1), 0);
	assert_int_equal(scrap_new(&s, 8), 0);
	assert_int_equal(scrap_add(&s, span_str("12345678")), 0);
	assert_false(s.on_disk);
	assert_int_equal(scrap_add(&s, span_str("9")), 0);
	assert_true(s.on_disk);
	assert_int_equal(s.len, 9);
	assert_true(has(&s, "123456789"));
	assert_int_equal(scrap_new(&other, 64), 0);
	assert_int_equal(scrap_copy(&other, s.fd, 9), 0);
	assert_false(other.on_disk);
	assert_true(scrap_same(s.fd, 0, other.fd, 0, 9));
	assert_false(scrap_same(s.fd, 1, other.fd, 0, 8));
	assert_false(scrap_same(s.fd, 0, other.fd, 0, 10));
	assert_int_equal(scrap_copy(&other, s.fd, 10), ERR_TRUNCATED);
	scrap_done(&s);
	scrap_done(&other);
	/* What is on the disk has no name. */
	struct tree t = TREE_NONE;
	assert_int_equal(tree_walk(&t, dup(root)), 0);
	assert_int_equal(t.n, 5);
	tree_done(&t);
	assert_int_equal(setenv("TMPDIR", "/nothing/of/the/kind", 1), 0);
	assert_int_equal(scrap_new(&s, 1), 0);
	assert_int_equal(scrap_add(&s, span_str("12")), ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	scrap_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_in_order),
		cmocka_unit_test(opens_plain_files_below),
		cmocka_unit_test(walks_no_deeper_than_discs),
		cmocka_unit_test(leaves_programs_alone),
		cmocka_unit_test(says_whose_it_is),
		cmocka_unit_test(does_not_say_what_it_cannot),
		cmocka_unit_test(lists_a_directory),
		cmocka_unit_test(groups_by_patient),
		cmocka_unit_test(finds_what_is_missing),
		cmocka_unit_test(leaves_room_on_the_disk),
		cmocka_unit_test(keeps_bytes_in_memory_and_then_on_disk),
	};
	if (sandbox_new(SANDBOX_KEYS, NULL, 0, &sandbox) != 0) {
		return 1;
	}
	int bad = cmocka_run_group_tests(tests, set_up, tear_down);
	sandbox_free(sandbox);
	return bad;
}
