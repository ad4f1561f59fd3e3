/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit_faulty.h"
#include "audit_made.h"

/* What is left of a journal when power goes, the disk fails, or somebody cuts a file. */

#define SEQUENCE_MOST 256

/* Numbers of made_record(), in the order of the journal. */
struct sequence {
	unsigned n;
	unsigned number[SEQUENCE_MOST];
};

static void read_sequence(const struct made_folder *f, struct sequence *ret_sequence)
{
	struct journal_reader *r;
	struct journal_entry e;
	struct sequence s = {0};
	int got = journal_reader_open(&f->dir, 1, &r);
	if (got == 0) {
		while ((got = journal_reader_next(r, &e)) == 1) {
			char body[128];
			struct journal_record record = made_record((unsigned)e.record.association, body);
			assert_int_equal(e.index, s.n);
			assert_true(span_eq(e.record.body, record.body));
			assert_true(s.n < SEQUENCE_MOST);
			s.number[s.n++] = (unsigned)e.record.association;
		}
		assert_int_equal(got, 0);
		journal_reader_free(r);
	}
	*ret_sequence = s;
}

/* ---- Cut at every offset ---- */

#define RECORDS 12

/* Opening changes what lies in the folder, so it is made anew each time. */
struct image {
	char name[256];
	uint8_t *bytes;
	size_t len;
};

static void restore(struct made_folder *f, const struct image *images, size_t n)
{
	made_folder_empty(f);
	for (size_t i = 0; i < n; i++) {
		made_write(f->dir, images[i].name, images[i].bytes, images[i].len);
	}
}

static size_t take_images(const struct made_folder *f, struct image *images, size_t cap)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	size_t n = 0;
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.') {
			assert_true(n < cap);
			snprintf(images[n].name, sizeof(images[n].name), "%s", e->d_name);
			images[n].bytes = made_read(f->dir, e->d_name, &images[n].len);
			n++;
		}
	}
	closedir(d);
	return n;
}

static struct image *image_of(struct image *images, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(images[i].name, name) == 0) {
			return &images[i];
		}
	}
	fail();
	return NULL;
}

/* Does the journal still take records, and are they there the next time? */
static void goes_on(const struct made_folder *f, uint64_t size)
{
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index;
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.size, size);
	assert_int_equal(rec.damage, JOURNAL_UNDAMAGED);
	assert_int_equal(rec.cut_bytes, 0);
	assert_int_equal(made_append(j, 200, &index), 0);
	assert_int_equal(index, size);
	assert_int_equal(journal_commit(j), 0);
	journal_close(j);
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.size, size + 1);
	journal_close(j);
}

struct made {
	struct made_folder folder;
	struct image images[16];
	size_t n;
	struct image *last;      /* the last segment */
	size_t end[RECORDS + 1]; /* its length when so many records were committed; 0: of an older segment */
	uint64_t vouched;
};

/* A journal of RECORDS in two segments, with a checkpoint of `vouched`. */
static void make(struct made *m, uint64_t vouched, const struct journal_params *params)
{
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index, *first;
	size_t n;
	*m = (struct made){.folder = made_folder(), .vouched = vouched};
	assert_int_equal(journal_open(m->folder.dir, MADE_ORIGIN, params, NULL, &j, &rec), 0);
	for (unsigned i = 0; i < RECORDS; i++) {
		char name[SEGMENT_NAME_LEN];
		size_t len;
		assert_int_equal(made_append(j, i, &index), 0);
		assert_int_equal(journal_commit(j), 0);
		if (i + 1 == vouched) {
			made_checkpoints(j);
		}
		assert_int_equal(segment_list(m->folder.dir, &first, &n), 0);
		segment_name(first[n - 1], name);
		free(made_read(m->folder.dir, name, &len));
		m->end[i + 1] = len;
		free(first);
	}
	journal_close(j);
	assert_int_equal(segment_list(m->folder.dir, &first, &n), 0);
	char name[SEGMENT_NAME_LEN];
	segment_name(first[n - 1], name);
	m->n = take_images(&m->folder, m->images, ARRAY_LEN(m->images));
	m->last = image_of(m->images, m->n, name);
	for (uint64_t i = 0; i <= first[n - 1]; i++) {
		m->end[i] = 0;
	}
	free(first);
}

static void made_done(struct made *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->images[i].bytes);
	}
	made_folder_done(&m->folder);
}

static const struct journal_params two_segments = {.segment_ms = 6000};

static void cut_at(struct made *m, size_t cut)
{
	struct journal *j;
	struct journal_recovered rec;
	struct sequence s;
	size_t whole = m->last->len;
	restore(&m->folder, m->images, m->n);
	made_write(m->folder.dir, m->last->name, m->last->bytes, cut);
	/* What was committed and is still in the file. */
	uint64_t left = 6;
	while (left < RECORDS && m->end[left + 1] <= cut) {
		left++;
	}
	size_t boundary = left == 6 ? m->end[7] - (m->end[8] - m->end[7]) : m->end[left];
	assert_int_equal(journal_open(m->folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.size, left);
	assert_int_equal(rec.vouched, m->vouched);
	journal_close(j);
	read_sequence(&m->folder, &s);
	assert_int_equal(s.n, left);
	bool in_head = left == 6 && made_count(&m->folder, FILE_SEGMENT) == 1;
	if (in_head) {
		/* A head is whole before its file has a name: that is no accident. */
		assert_int_equal(rec.damage, JOURNAL_HEAD);
		assert_int_equal(made_count(&m->folder, FILE_DAMAGED), left < m->vouched ? 2 : 1);
	} else if (left < m->vouched) {
		assert_int_equal(rec.damage, JOURNAL_CUT);
		assert_int_equal(rec.damaged_index, left);
		assert_string_equal(rec.damaged, m->last->name);
		assert_true(made_count(&m->folder, FILE_DAMAGED) >= 1);
		if (cut > boundary && left > 6) {
			/* Nothing of the evidence is lost. */
			size_t len;
			uint8_t *kept = made_read(m->folder.dir, rec.kept, &len);
			assert_int_equal(len, cut);
			assert_memory_equal(kept, m->last->bytes, len);
			free(kept);
		}
	} else {
		assert_int_equal(rec.damage, JOURNAL_UNDAMAGED);
		assert_int_equal(made_count(&m->folder, FILE_DAMAGED), 0);
		assert_int_equal(rec.cut_bytes, left > 6 ? cut - m->end[left] : rec.cut_bytes);
		assert_true(cut < whole || rec.cut_bytes == 0);
	}
	goes_on(&m->folder, left);
}

static void test_cut_everywhere(void **state)
{
	static const uint64_t vouched[] = {0, 6, 9, RECORDS};
	for (size_t i = 0; i < ARRAY_LEN(vouched); i++) {
		struct made m;
		make(&m, vouched[i], &two_segments);
		for (size_t cut = 0; cut <= m.last->len; cut++) {
			cut_at(&m, cut);
		}
		made_done(&m);
	}
}

/* What power loss leaves: zeros, or anything, where the last append would have been. */
static void test_garbage_behind(void **state)
{
	struct made m;
	make(&m, 9, &two_segments);
	for (unsigned kind = 0; kind < 3; kind++) {
		for (size_t more = 1; more < 100; more++) {
			struct journal *j;
			struct journal_recovered rec;
			uint8_t bytes[100];
			for (size_t i = 0; i < more; i++) {
				bytes[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)(i * 37 + more);
			}
			restore(&m.folder, m.images, m.n);
			int fd = openat(m.folder.dir, m.last->name, O_WRONLY | O_APPEND | O_CLOEXEC);
			assert_int_equal(write(fd, bytes, more), (ssize_t)more);
			close(fd);
			assert_int_equal(journal_open(m.folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
			assert_int_equal(rec.size, RECORDS);
			assert_int_equal(rec.cut_bytes, more);
			assert_int_equal(rec.damage, JOURNAL_UNDAMAGED);
			journal_close(j);
			goes_on(&m.folder, RECORDS);
		}
	}
	made_done(&m);
}

/* A byte is changed anywhere in the last segment: it is told, unless the last record alone is hit and nobody vouched for it. */
static void test_changed_everywhere(void **state)
{
	static const uint64_t vouched[] = {0, 9, RECORDS};
	for (size_t i = 0; i < ARRAY_LEN(vouched); i++) {
		struct made m;
		make(&m, vouched[i], &two_segments);
		for (size_t at = 0; at < m.last->len; at++) {
			struct journal *j;
			struct journal_recovered rec;
			restore(&m.folder, m.images, m.n);
			m.last->bytes[at] ^= 0x10;
			made_write(m.folder.dir, m.last->name, m.last->bytes, m.last->len);
			m.last->bytes[at] ^= 0x10;
			assert_int_equal(journal_open(m.folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
			bool last_record = at >= m.end[RECORDS - 1];
			if (!last_record || vouched[i] == RECORDS) {
				assert_int_not_equal(rec.damage, JOURNAL_UNDAMAGED);
				assert_true(rec.kept[0]);
				assert_true(made_count(&m.folder, FILE_DAMAGED) > 0);
			} else {
				assert_int_equal(rec.cut_bytes, m.last->len - m.end[RECORDS - 1]);
			}
			uint64_t size = rec.size;
			journal_close(j);
			goes_on(&m.folder, size);
		}
		made_done(&m);
	}
}

/* Files that are gone, or not what they were. */
static void test_files_gone(void **state)
{
	struct made m;
	struct journal *j;
	struct journal_recovered rec;
	make(&m, RECORDS, &two_segments);
	/* The last segment. */
	assert_int_equal(unlinkat(m.folder.dir, m.last->name, 0), 0);
	assert_int_equal(journal_open(m.folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.damage, JOURNAL_CUT);
	assert_int_equal(rec.size, 6);
	assert_int_equal(rec.vouched, RECORDS);
	journal_close(j);
	/* The last segment and the checkpoint: that of the segment before is still there, and all that it vouches for. */
	restore(&m.folder, m.images, m.n);
	assert_int_equal(unlinkat(m.folder.dir, m.last->name, 0), 0);
	assert_int_equal(unlinkat(m.folder.dir, "checkpoint", 0), 0);
	assert_int_equal(journal_open(m.folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.vouched, 6);
	journal_close(j);
	/* All segments. */
	restore(&m.folder, m.images, m.n);
	assert_int_equal(unlinkat(m.folder.dir, m.last->name, 0), 0);
	assert_int_equal(unlinkat(m.folder.dir, "segment-00000000000000000000", 0), 0);
	assert_int_equal(journal_open(m.folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.damage, JOURNAL_CUT);
	assert_int_equal(rec.size, 0);
	assert_false(rec.fresh);
	journal_close(j);
	goes_on(&m.folder, 0);
	/* The checkpoint is no checkpoint. */
	restore(&m.folder, m.images, m.n);
	made_write(m.folder.dir, "checkpoint", "x\n", 2);
	assert_int_equal(journal_open(m.folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.damage, JOURNAL_CHECKPOINT);
	assert_int_equal(rec.vouched, 6);
	assert_string_equal(rec.kept, "damaged-checkpoint-1");
	journal_close(j);
	/* It vouches for other records. */
	struct checkpoint c = {.origin = MADE_ORIGIN, .size = 9};
	char text[CHECKPOINT_MOST], note[1024];
	size_t len;
	assert_int_equal(checkpoint_write(&c, text, sizeof(text), &len), 0);
	len = made_note(span_of(text, len), note, sizeof(note));
	restore(&m.folder, m.images, m.n);
	made_write(m.folder.dir, "checkpoint", note, len);
	assert_int_equal(journal_open(m.folder.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.damage, JOURNAL_CONTRADICTS);
	assert_int_equal(rec.size, RECORDS);
	journal_close(j);
	made_done(&m);
}

/* ---- Calls that fail ---- */

/* A day of a journal's: opened, appended to in batches, checkpoints, a segment's end. */
struct day {
	struct sequence committed; /* journal_commit() said 0 */
	struct sequence failed;    /* it did not */
	unsigned errors;
	uint64_t vouched; /* journal_store_checkpoint() said 0 */
	unsigned next;
	bool may_adopt; /* more than one call fails in a row */
};

/* A failed commit's records whose file could not be cut before the journal was closed: from now on they count. */
static void adopt(const struct made_folder *f, struct day *d)
{
	struct sequence s;
	read_sequence(f, &s);
	assert_memory_equal(s.number, d->committed.number, d->committed.n * sizeof(s.number[0]));
	for (unsigned i = d->committed.n; i < s.n; i++) {
		unsigned k = 0;
		while (k < d->failed.n && d->failed.number[k] != s.number[i]) {
			k++;
		}
		assert_true(k < d->failed.n);
		assert_true(i == d->committed.n || s.number[i] == s.number[i - 1] + 1);
	}
	d->committed = s;
}

static void live(struct made_folder *f, const struct journal_io *io, bool ends, struct day *d)
{
	struct journal *j;
	struct journal_recovered rec;
	struct journal_params params = {.segment_ms = 8000};
	unsigned number = d->next;
	int r = journal_open(f->dir, MADE_ORIGIN, &params, io, &j, &rec);
	if (r < 0) {
		assert_true(r == ERR_SYSTEM || r == ERR_SPACE);
		d->errors++;
		return;
	}
	assert_int_equal(rec.damage, JOURNAL_UNDAMAGED);
	if (d->may_adopt) {
		adopt(f, d);
	}
	assert_int_equal(rec.size, d->committed.n);
	for (unsigned batch = 0; batch < 12; batch++) {
		struct sequence *to = &d->committed;
		unsigned n = 1 + batch % 3;
		uint64_t index;
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(made_append(j, number + i, &index), 0);
			assert_int_equal(index, d->committed.n + i);
		}
		r = journal_commit(j);
		if (r < 0) {
			assert_true(r == ERR_SYSTEM || r == ERR_SPACE);
			to = &d->failed;
			d->errors++;
		}
		assert_int_equal(journal_size(j), d->committed.n + (r < 0 ? 0 : n));
		for (unsigned i = 0; i < n; i++) {
			to->number[to->n++] = number++;
		}
		char text[CHECKPOINT_MOST], note[1024];
		size_t len;
		if (r == 0 && batch % 2 && journal_checkpoint_text(j, text, sizeof(text), &len) == 0) {
			struct checkpoint c;
			assert_int_equal(checkpoint_read(span_of(text, len), &c), 0);
			len = made_note(span_of(text, len), note, sizeof(note));
			r = journal_store_checkpoint(j, span_of(note, len));
			d->errors += r < 0;
			d->vouched = r < 0 ? d->vouched : c.size;
		}
		if (r < 0 && ends) {
			break;
		}
	}
	d->next = number;
	journal_close(j);
}

static void same_sequence(const struct sequence *a, const struct sequence *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->number, b->number, a->n * sizeof(a->number[0]));
}

/* How many calls the two lives make when all is well. */
static unsigned calls_of_day(void)
{
	struct made_folder f = made_folder();
	struct faulty y = {0};
	struct journal_io io = faulty_io(&y);
	struct day d = {0};
	struct sequence s;
	live(&f, &io, false, &d);
	live(&f, &io, false, &d);
	assert_int_equal(d.errors, 0);
	assert_true(made_count(&f, FILE_SEGMENT) > 3);
	read_sequence(&f, &s);
	same_sequence(&s, &d.committed);
	made_folder_done(&f);
	return y.calls;
}

/* Each call fails once: the journal lives on, has what was committed, and nothing that was not. */
static void lives_through(enum fault fault, int error)
{
	unsigned calls = calls_of_day(), met = 0;
	for (unsigned at = 1; at <= calls; at++) {
		struct made_folder f = made_folder();
		struct faulty y = {.at = at, .fault = fault, .error = error};
		struct journal_io io = faulty_io(&y);
		struct day d = {.may_adopt = fault == FAULT_FOR_WHILE};
		struct sequence s;
		live(&f, &io, false, &d);
		/* It may be that it could not even be opened. */
		for (unsigned i = 0; i < 8 && (i == 0 || d.committed.n == 0); i++) {
			live(&f, &io, false, &d);
		}
		met += y.failed;
		assert_true(d.committed.n > 0);
		if (!d.may_adopt) {
			read_sequence(&f, &s);
			same_sequence(&s, &d.committed);
		}
		y.at = 0;
		live(&f, &io, false, &d);
		read_sequence(&f, &s);
		same_sequence(&s, &d.committed);
		assert_int_equal(made_count(&f, FILE_DAMAGED), 0);
		made_folder_done(&f);
	}
	assert_true(met > 20);
}

static void test_each_call_fails(void **state)
{
	lives_through(FAULT_ONCE, EIO);
}

static void test_no_space(void **state)
{
	lives_through(FAULT_ONCE, ENOSPC);
	lives_through(FAULT_FOR_WHILE, ENOSPC);
}

static void test_interrupted_calls(void **state)
{
	lives_through(FAULT_SHORT, 0);
}

/*
 * The process ends at each call, and in the middle of each write. What was committed is there. Of the batch that was being
 * committed there may be records, from its first on, each whole: nobody was told that they are not.
 */
static void dies_at_each(enum fault fault)
{
	unsigned calls = calls_of_day();
	for (unsigned at = 1; at <= calls; at++) {
		struct made_folder f = made_folder();
		struct faulty y = {.at = at, .fault = fault, .error = EIO};
		struct journal_io io = faulty_io(&y);
		struct day d = {0};
		struct sequence s;
		struct journal *j;
		struct journal_recovered rec;
		live(&f, &io, true, &d);
		if (d.errors == 0) {
			live(&f, &io, true, &d);
		}
		assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
		assert_int_equal(rec.damage, JOURNAL_UNDAMAGED);
		assert_true(rec.vouched >= d.vouched);
		journal_close(j);
		read_sequence(&f, &s);
		assert_true(s.n >= d.committed.n);
		assert_memory_equal(s.number, d.committed.number, d.committed.n * sizeof(s.number[0]));
		for (unsigned i = d.committed.n; i < s.n; i++) {
			assert_true(i - d.committed.n < d.failed.n);
			assert_int_equal(s.number[i], d.failed.number[i - d.committed.n]);
		}
		goes_on(&f, s.n);
		made_folder_done(&f);
	}
}

static void test_dies(void **state)
{
	dies_at_each(FAULT_EVER);
	dies_at_each(FAULT_TORN);
}

/* After a failed fdatasync the segment is left, and a new one is begun, even if it has no record yet. */
static void test_failed_sync(void **state)
{
	struct made_folder f = made_folder();
	struct faulty y = {.fault = FAULT_ONCE, .error = EIO};
	struct journal_io io = faulty_io(&y);
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index;
	assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, &io, &j, &rec), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(made_append(j, 2 * i, &index), 0);
		y.at = y.calls + 2; /* pwrite, fdatasync */
		assert_int_equal(journal_commit(j), ERR_SYSTEM);
		assert_true(y.failed);
		y.at = 0;
		y.failed = false;
		assert_int_equal(made_append(j, 2 * i + 1, &index), 0);
		assert_int_equal(index, i);
		assert_int_equal(journal_commit(j), 0);
	}
	journal_close(j);
	assert_int_equal(made_count(&f, FILE_SEGMENT), 3);
	struct sequence s, wanted = {3, {1, 3, 5}};
	read_sequence(&f, &s);
	same_sequence(&s, &wanted);
	made_folder_done(&f);
}

/* And if what was committed cannot be read back, that is said. */
static void test_not_read_back(void **state)
{
	struct made_folder f = made_folder();
	struct faulty y = {.fault = FAULT_ONCE, .error = EIO};
	struct journal_io io = faulty_io(&y);
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index;
	assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, &io, &j, &rec), 0);
	assert_int_equal(made_append(j, 0, &index), 0);
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(made_append(j, 1, &index), 0);
	y.at = y.calls + 2;
	assert_int_equal(journal_commit(j), ERR_SYSTEM);
	int fd = openat(f.dir, "segment-00000000000000000000", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 130), 1);
	close(fd);
	assert_int_equal(made_append(j, 1, &index), 0);
	assert_int_equal(journal_commit(j), ERR_VALUE);
	journal_close(j);
	made_folder_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_garbage_behind),
		cmocka_unit_test(test_changed_everywhere),
		cmocka_unit_test(test_files_gone),
		cmocka_unit_test(test_each_call_fails),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_interrupted_calls),
		cmocka_unit_test(test_dies),
		cmocka_unit_test(test_failed_sync),
		cmocka_unit_test(test_not_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
