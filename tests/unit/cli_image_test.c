/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "base/writer.h"
#include "cli/image.h"
#include "../fuzz/udf_sectors.h"

#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

/* Members of images of discs, in this process and in one of their own. */
#define CORPUS TESTS_DATA "/../corpus/image/"

/* ---- In this process: what is said of members, as lines ---- */

struct heard {
	struct span image;
	size_t at;
	char said[2048];
	uint64_t bytes;
	bool skip;
	int stop; /* what data() returns */
};

static void say(struct heard *h, const char *line)
{
	size_t n = strlen(h->said);
	snprintf(h->said + n, sizeof(h->said) - n, "%s\n", line);
}

static ptrdiff_t give(void *arg, void *to, size_t n)
{
	struct heard *h = arg;
	n = n < h->image.len - h->at ? n : h->image.len - h->at;
	memcpy(to, h->image.ptr + h->at, n);
	h->at += n;
	return (ptrdiff_t)n;
}

static int seek(void *arg, uint64_t to)
{
	struct heard *h = arg;
	assert_true(to <= h->image.len);
	h->at = (size_t)to;
	return 0;
}

static int member(void *arg, enum image_what what, const char *name)
{
	static const char *const names[IMAGE_WHATS] = {
		"file", "link", "again", "special", "outside", "locked", "packed"};
	struct heard *h = arg;
	char line[1100];
	snprintf(line, sizeof(line), "%s %s", names[what], name);
	say(h, line);
	return h->skip ? 1 : 0;
}

static int data(void *arg, struct span bytes)
{
	struct heard *h = arg;
	h->bytes += bytes.len;
	return h->stop;
}

static int end(void *arg, int err, const char *why)
{
	struct heard *h = arg;
	char line[256];
	snprintf(line, sizeof(line), "%" PRIu64 " %s%s", h->bytes, err ? "bad: " : "good", why);
	say(h, line);
	h->bytes = 0;
	return 0;
}

static struct span load(const char *name)
{
	static uint8_t bytes[256 * 1024];
	char path[512];
	snprintf(path, sizeof(path), CORPUS "%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_true(n > 0 && (size_t)n < sizeof(bytes));
	return span_of(bytes, (size_t)n);
}

static int hear_with(image_read_function *reader, struct heard *h, struct span image)
{
	char why[160] = "";
	h->image = image;
	const struct image_input in = {.arg = h, .read = give, .seek = seek, .size = image.len};
	const struct image_output out = {.arg = h, .member = member, .data = data, .end = end};
	int err = reader(&in, &out, why, sizeof(why));
	assert_true(why[0] || err == 0 || h->stop < 0);
	return err;
}

static int hear(struct heard *h, struct span image)
{
	return hear_with(image_read, h, image);
}

static void has(const char *name, const char *said)
{
	struct heard h = {0};
	assert_int_equal(hear(&h, load(name)), 0);
	assert_string_equal(h.said, said);
}

static void reads_iso(void **state)
{
	has("made-joliet.iso",
		"file AUTORUN.INF\n27 good\nfile DICOMDIR\n396 good\nfile IMAGES/one picture.dcm\n432 good\n"
		"file IMAGES/übung.dcm\n137 good\n");
	has("made-level1.iso",
		"file AUTORUN.INF\n27 good\nfile DICOMDIR\n396 good\nfile IMAGES/ONE_PICT.DCM\n432 good\n"
		"file IMAGES/__BUNG.DCM\n137 good\n");
	has("made-rock-ridge.iso",
		"file AUTORUN.INF\n27 good\nfile DICOMDIR\n396 good\n"
		"file IMAGES/one picture.dcm\n432 good\nfile IMAGES/übung.dcm\n137 good\nlink IMAGES/link\n");
}

static void reads_zip(void **state)
{
	struct heard h = {0};
	assert_int_equal(hear(&h, load("made-deflated.zip")), 0);
	assert_non_null(strstr(h.said, "file IMAGES/one picture.dcm\n432 good\n"));
	assert_non_null(strstr(h.said, "file IMAGES/übung.dcm\n137 good\n"));
	struct heard stored = {0};
	assert_int_equal(hear(&stored, load("made-stored.zip")), 0);
	assert_string_equal(stored.said, h.said);
}

static void opens_nothing_odd(void **state)
{
	has("made-outside.zip",
		"outside ../out.dcm\noutside a/../../out.dcm\noutside /etc/out\noutside C:/out\noutside a/../out\n"
		"file good..name/x..dcm\n3 good\nlink link\n");
	has("made-encrypted.zip", "locked AUTORUN.INF\n");
	has("made-bzip2.zip", "packed IMAGES/one picture.dcm\npacked IMAGES/übung.dcm\n");
}

static void says_what_is_damaged(void **state)
{
	struct heard h = {0};
	assert_int_equal(hear(&h, load("made-crc.zip")), 0);
	assert_non_null(strstr(h.said, " bad: ZIP bad CRC"));
	assert_non_null(strstr(h.said, "137 good"));
	h = (struct heard){0};
	assert_int_equal(hear(&h, load("made-cut.iso")), ERR_VALUE);
	assert_non_null(strstr(h.said, "bad: Truncated"));
	h = (struct heard){0};
	assert_int_equal(hear(&h, span_of("nothing of the kind", 19)), ERR_TYPE);
	assert_string_equal(h.said, "");
}

static void does_what_it_is_told(void **state)
{
	struct heard h = {.skip = true};
	assert_int_equal(hear(&h, load("made-joliet.iso")), 0);
	assert_null(strstr(h.said, "good"));
	assert_int_equal(h.bytes, 0);
	h = (struct heard){.stop = 1};
	assert_int_equal(hear(&h, load("made-joliet.iso")), 0);
	assert_non_null(strstr(h.said, "übung"));
	assert_null(strstr(h.said, "good"));
	h = (struct heard){.stop = ERR_SPACE};
	assert_int_equal(hear(&h, load("made-joliet.iso")), ERR_SPACE);
	assert_null(strstr(h.said, "übung"));
}

/* ---- UDF ---- */

/* The image of the corpus, whose zeros are put in. */
static struct span load_udf(void)
{
	static uint8_t image[UDF_MOST * UDF_SECTOR];
	struct span packed = load("../udf/made");
	memset(image, 0, sizeof(image));
	udf_fill(packed.ptr, packed.len, image);
	return span_of(image, udf_size(packed.ptr, packed.len));
}

/* libudfread says on stderr what is wrong, which a process in the sandbox does not have. */
static FILE *silence(void)
{
	FILE *before = stderr;
	stderr = fopen("/dev/null", "we");
	assert_non_null(stderr);
	return before;
}

static void speak(FILE *before)
{
	(void)fclose(stderr);
	stderr = before;
}

static void reads_udf(void **state)
{
	FILE *before = silence();
	struct heard h = {0};
	struct span image = load_udf();
	assert_int_equal(hear_with(image_read_udf, &h, image), 0);
	assert_string_equal(h.said,
		"file EMPTY/nothing\n0 good\nfile IMAGES/one picture.dcm\n432 good\nfile IMAGES/übung.dcm\n5 good\n");
	h = (struct heard){.skip = true};
	assert_int_equal(hear_with(image_read_udf, &h, image), 0);
	assert_null(strstr(h.said, "good"));
	h = (struct heard){.stop = ERR_SPACE};
	assert_int_equal(hear_with(image_read_udf, &h, image), ERR_SPACE);
	assert_null(strstr(h.said, "übung"));
	/* Cut anywhere: less of it, or none, and what is not there is said. */
	for (size_t len = image.len; len > 0; len -= len < 16 * UDF_SECTOR ? len : 16 * UDF_SECTOR) {
		h = (struct heard){0};
		int e = hear_with(image_read_udf, &h, span_of(image.ptr, len - 1));
		assert_true(e == 0 || e == ERR_TYPE || e == ERR_VALUE);
	}
	assert_int_equal(hear_with(image_read_udf, &h, load("made-joliet.iso")), ERR_TYPE);
	speak(before);
}

/* Its sectors with some bytes changed: folders in themselves, names that lead out, lengths of any size. */
static void bears_any_udf(void **state)
{
	FILE *before = silence();
	struct span image = load_udf();
	uint8_t *bytes = (uint8_t *)(uintptr_t)image.ptr;
	uint32_t random = 1;
	for (unsigned round = 0; round < 3000; round++) {
		size_t at[3];
		uint8_t was[3];
		struct heard h = {.skip = round % 2 == 0};
		for (unsigned i = 0; i < 3; i++) {
			do {
				random = random * 1664525 + 1013904223;
				at[i] = 256 * UDF_SECTOR + (random >> 8) % (image.len - 256 * UDF_SECTOR);
			} while (bytes[at[i]] == 0);
			was[i] = bytes[at[i]];
			bytes[at[i]] = (uint8_t)(random >> 4);
		}
		int e = hear_with(image_read_udf, &h, image);
		assert_true(e <= 0 && !strstr(h.said, "file ..") && !strstr(h.said, "/../"));
		for (unsigned i = 3; i-- > 0;) {
			bytes[at[i]] = was[i];
		}
	}
	speak(before);
}

/* ---- A bomb: a ZIP with one member that is LIMIT_UNPACKED_FREE and a bit of zeros, deflated ---- */

static void put(struct writer *w, uint32_t signature, bool central, uint32_t packed, uint32_t size)
{
	writer_u32le(w, signature);
	writer_u16le(w, 20);
	if (central) {
		writer_u16le(w, 20);
	}
	writer_u16le(w, 0);
	writer_u16le(w, 8); /* deflated */
	writer_u32le(w, 0);
	writer_u32le(w, 0);
	writer_u32le(w, packed);
	writer_u32le(w, size);
	writer_u16le(w, 1);
	writer_u16le(w, 0);
	if (central) {
		writer_fill(w, 0, 14);
	}
	writer_u8(w, 'b');
}

static void refuses_a_bomb(void **state)
{
	static uint8_t zip[1 << 20], zeros[1 << 20];
	const uint32_t size = (uint32_t)LIMIT_UNPACKED_FREE + (1 << 20);
	struct writer w = writer_of(zip, sizeof(zip));
	z_stream z = {.next_out = zip + 31, .avail_out = sizeof(zip) - 256};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	for (uint32_t at = 0; at < size; at += sizeof(zeros)) {
		z.next_in = zeros;
		z.avail_in = sizeof(zeros);
		int r = deflate(&z, at + sizeof(zeros) < size ? Z_NO_FLUSH : Z_FINISH);
		assert_true(r == Z_OK || r == Z_STREAM_END);
	}
	uint32_t packed = (uint32_t)z.total_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
	put(&w, 0x04034B50, false, packed, size);
	w.len += packed;
	uint32_t directory = (uint32_t)w.len;
	put(&w, 0x02014B50, true, packed, size);
	uint32_t length = (uint32_t)w.len - directory;
	writer_u32le(&w, 0x06054B50);
	writer_u32le(&w, 0);
	writer_u16le(&w, 1);
	writer_u16le(&w, 1);
	writer_u32le(&w, length);
	writer_u32le(&w, directory);
	writer_u16le(&w, 0);
	assert_int_equal(writer_end(&w), 0);
	struct heard h = {0};
	assert_int_equal(hear(&h, writer_span_of(&w)), ERR_LIMIT);
	assert_string_equal(h.said, "file b\n");
	assert_true(h.bytes <= LIMIT_UNPACKED_FREE);
}

/* ---- In a process of its own ---- */

static int open_corpus(const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), CORPUS "%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void knows_what_it_is(void **state)
{
	static const struct {
		const char *name;
		enum image_kind kind;
	} rows[] = {{"made-joliet.iso", IMAGE_ISO}, {"made-stored.zip", IMAGE_ZIP},
		{"made-empty.zip", IMAGE_ZIP}, {"made-cut.zip", IMAGE_NONE},
		{"../../data/inspect/preamble-elf64.dcm", IMAGE_NONE}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = open_corpus(rows[i].name);
		assert_int_equal(image_kind_of(fd), rows[i].kind);
		close(fd);
	}
}

/* ECMA-167 2/8.3: a UDF file system begins with these, and has "CD001" before or behind them if it is ISO 9660 too. */
static void tells_udf_apart(void **state)
{
	static const char *const volumes[][3] = {{"BEA01", "NSR02", "TEA01"}, {"BEA01", "NSR03", "CD001"},
		{"CD001", "BEA01", "NSR02"}, {"BEA01", "BOOT2", "TEA01"}};
	static const enum image_kind kinds[] = {IMAGE_UDF, IMAGE_ISO, IMAGE_ISO, IMAGE_NONE};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct scrap s;
		static uint8_t sector[2048];
		assert_int_equal(scrap_new(&s, 1 << 20), 0);
		for (size_t k = 0; k < 19; k++) {
			memset(sector, 0, sizeof(sector));
			memcpy(sector + 1, k < 16 ? "-----" : volumes[i][k - 16], 5);
			assert_int_equal(scrap_add(&s, span_of(sector, sizeof(sector))), 0);
		}
		assert_int_equal(image_kind_of(s.fd), kinds[i]);
		scrap_done(&s);
	}
}

static bool is_inf(const char *name)
{
	return strstr(name, ".INF");
}

static void is_read_in_a_process(void **state)
{
	char why[192] = "";
	uint8_t bytes[8];
	struct image *m;
	struct image_member got;
	const struct image_how how = {.seconds = 30, .module = IMAGE_MODULE, .leave = is_inf, .dicom = true};
	int fd = open_corpus("made-joliet.iso");
	assert_int_equal(image_open(fd, &how, &m, why, sizeof(why)), 0);
	assert_int_equal(image_next(m, &got), 1);
	assert_string_equal(got.name, "AUTORUN.INF");
	assert_true(got.left && got.bytes.fd < 0);
	assert_int_equal(image_next(m, &got), 1);
	assert_string_equal(got.name, "DICOMDIR");
	assert_true(!got.left && !got.other && !got.bad);
	assert_int_equal(got.bytes.len, 396);
	assert_int_equal(pread(got.bytes.fd, bytes, 4, 128), 4);
	assert_memory_equal(bytes, "DICM", 4);
	scrap_done(&got.bytes);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(image_next(m, &got), 1);
		scrap_done(&got.bytes);
	}
	assert_string_equal(got.name, "IMAGES/übung.dcm");
	assert_int_equal(image_next(m, &got), 0);
	assert_int_equal(image_next(m, &got), 0);
	assert_int_equal(image_progress(m), 1000);
	image_close(m);
	close(fd);
}

/* Closed in the middle, damaged, silent. */
static void may_end_early(void **state)
{
	char why[192] = "";
	int ends[2];
	struct image *m;
	struct image_member got;
	struct image_how how = {.seconds = 30, .module = IMAGE_MODULE};
	int fd = open_corpus("made-joliet.iso");
	assert_int_equal(image_open(fd, &how, &m, why, sizeof(why)), 0);
	assert_int_equal(image_next(m, &got), 1);
	scrap_done(&got.bytes);
	image_close(m);
	close(fd);
	fd = open_corpus("made-cut.iso");
	assert_int_equal(image_open(fd, &how, &m, why, sizeof(why)), 0);
	int err;
	bool bad = false;
	while ((err = image_next(m, &got)) > 0) {
		bad = bad || got.bad;
		scrap_done(&got.bytes);
	}
	assert_int_equal(err, ERR_VALUE);
	assert_true(bad);
	assert_non_null(strstr(image_why(m), "Truncated"));
	image_close(m);
	close(fd);
	how.module = "cli/no-such-module";
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(image_open(ends[0], &how, &m, why, sizeof(why)) < 0);
	assert_true(why[0]);
	how.module = IMAGE_MODULE;
	assert_int_equal(image_open(ends[0], &how, &m, why, sizeof(why)), ERR_SYSTEM);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_iso),
		cmocka_unit_test(reads_zip),
		cmocka_unit_test(reads_udf),
		cmocka_unit_test(bears_any_udf),
		cmocka_unit_test(opens_nothing_odd),
		cmocka_unit_test(says_what_is_damaged),
		cmocka_unit_test(does_what_it_is_told),
		cmocka_unit_test(refuses_a_bomb),
		cmocka_unit_test(knows_what_it_is),
		cmocka_unit_test(tells_udf_apart),
		cmocka_unit_test(is_read_in_a_process),
		cmocka_unit_test(may_end_early),
	};
	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* as image_open() does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
