/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/verify_parts.h"

#include "audit/armor.h"

#include <inttypes.h>
#include <stdlib.h>

static const char title[] = "gantry-leaves@v1";

void leaves_write_head(struct writer *w, const char *origin, uint64_t first)
{
	armor_write_text(w, title);
	writer_u8(w, '\n');
	armor_write_text(w, origin);
	writer_u8(w, '\n');
	armor_write_number(w, first);
	writer_u8(w, '\n');
}

int leaves_read(struct span text, char ret_origin[NOTE_NAME_MOST + 1], uint64_t *ret_first,
	struct merkle_hash **ret_leaves, size_t *ret_n)
{
	struct span line, origin = {0};
	uint64_t first = 0;
	int r = armor_line(&text, &line);
	r = r < 0 ? r : span_eq(line, span_str(title)) ? armor_line(&text, &origin) : ERR_VALUE;
	r = r < 0 ? r : note_name_valid(origin) ? armor_line(&text, &line) : ERR_VALUE;
	r = r < 0 ? r : armor_read_number(line, &first);
	if (r < 0) {
		return r;
	}
	size_t n = text.len / (ARMOR_LEN(MERKLE_HASH) + 1);
	struct merkle_hash *leaves = malloc((n + 1) * sizeof(*leaves));
	r = !leaves ? ERR_NO_MEMORY : n * (ARMOR_LEN(MERKLE_HASH) + 1) == text.len ? 0 : ERR_LENGTH;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = armor_line(&text, &line);
		r = r < 0 ? r : armor_read_exactly(line, leaves[i].at, MERKLE_HASH);
	}
	if (r < 0) {
		free(leaves);
		return r;
	}
	memcpy(ret_origin, origin.ptr, origin.len);
	ret_origin[origin.len] = 0;
	*ret_first = first;
	*ret_leaves = leaves;
	*ret_n = n;
	return 0;
}

/* ---- What was done to the records? The good row of hashes against the row that is there ---- */

struct row {
	const struct merkle_hash *hash;
	size_t n;
	const struct merkle_hash **sorted;
	uint8_t *moved; /* already told, or met */
};

#define NOWHERE SIZE_MAX

static int by_hash(const void *a, const void *b)
{
	const struct merkle_hash *const *x = a, *const *y = b;
	int c = memcmp((*x)->at, (*y)->at, MERKLE_HASH);
	return c != 0 ? c : *x < *y ? -1 : *x > *y;
}

static int prepare(struct row *row)
{
	row->sorted = malloc((row->n + 1) * sizeof(*row->sorted));
	row->moved = calloc(row->n + 1, 1);
	if (!row->sorted || !row->moved) {
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < row->n; i++) {
		row->sorted[i] = &row->hash[i];
	}
	qsort(row->sorted, row->n, sizeof(*row->sorted), by_hash);
	return 0;
}

static size_t place_of(const struct row *row, const struct merkle_hash *hash)
{
	size_t low = 0, high = row->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (memcmp(row->sorted[mid]->at, hash->at, MERKLE_HASH) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < row->n && merkle_same(row->sorted[low], hash) ? (size_t)(row->sorted[low] - row->hash)
	                                                           : NOWHERE;
}

/* Runs of neighbours are told as one. */
struct run {
	struct verifier *v;
	enum verify_kind kind;
	uint64_t first, end;
};

static void tell(struct run *run)
{
	static const char *const what[] = {[VERIFY_CHANGED] = "changed",
		[VERIFY_REMOVED] = "removed",
		[VERIFY_INSERTED] = "inserted: they stand at these numbers now, and are not in the good copy",
		[VERIFY_MOVED] = "moved from their place"};
	/* What lies in a folder that was not given was not removed. */
	if (run->kind == VERIFY_REMOVED && verify_is_elsewhere(run->v, run->first, run->end)) {
		run->end = run->first;
	}
	if (run->end == run->first) {
		return;
	}
	if (run->end - run->first == 1) {
		verify_found(run->v, run->kind, run->first, run->end, "", 0, "record %" PRIu64 " was %s",
			run->first,
			run->kind == VERIFY_INSERTED ? "inserted: it is not in the good copy"
			: run->kind == VERIFY_MOVED  ? "moved from its place"
						     : what[run->kind]);
	} else {
		verify_found(run->v, run->kind, run->first, run->end, "", 0,
			"records %" PRIu64 " to %" PRIu64 " were %s", run->first, run->end - 1,
			what[run->kind]);
	}
	run->end = run->first;
}

static void add(struct run *run, enum verify_kind kind, uint64_t index)
{
	if (run->end == run->first || run->kind != kind || run->end != index) {
		tell(run);
		run->kind = kind;
		run->first = index;
	}
	run->end = index + 1;
}

/* A record that is known in both rows stands elsewhere: which of the two went away from the other? */
static void moved(
	struct row *good, size_t in_good, size_t *a, size_t *b, size_t in_now, struct run *run, uint64_t base)
{
	size_t good_far = in_good - *a, now_far = in_now - *b;
	if (now_far >= good_far) {
		add(run, VERIFY_MOVED, base + *a);
		good->moved[*a] = 1;
		++*a;
	}
	if (good_far >= now_far) {
		add(run, VERIFY_MOVED, base + in_good);
		good->moved[in_good] = 1;
		++*b;
	}
}

/* Numbers told are those of the good copy, save of what is inserted. */
static void compare(struct row *good, struct row *now, struct run *run, uint64_t base)
{
	size_t a = 0, b = 0;
	while (a < good->n) {
		if (good->moved[a]) {
			a++;
			continue;
		}
		if (b == now->n) {
			add(run, VERIFY_REMOVED, base + a++);
			continue;
		}
		if (merkle_same(&good->hash[a], &now->hash[b])) {
			a++;
			b++;
			continue;
		}
		size_t in_good = place_of(good, &now->hash[b]), in_now = place_of(now, &good->hash[a]);
		if (in_good != NOWHERE && good->moved[in_good]) {
			b++;
		} else if (in_good == NOWHERE && in_now == NOWHERE) {
			add(run, VERIFY_CHANGED, base + a);
			a++;
			b++;
		} else if (in_good == NOWHERE || in_good < a) {
			add(run, VERIFY_INSERTED, base + b++);
		} else if (in_now == NOWHERE || in_now < b) {
			add(run, VERIFY_REMOVED, base + a++);
		} else {
			moved(good, in_good, &a, &b, in_now, run, base);
		}
	}
	tell(run);
}

int verify_locate(struct verifier *v)
{
	const struct verify_request *q = v->request;
	struct run run = {.v = v};
	uint64_t first = q->good_first > v->leaves.first ? q->good_first : v->leaves.first;
	if (first - q->good_first > q->n_good || first - v->leaves.first > v->leaves.n) {
		return 0;
	}
	struct row good = {
		.hash = q->good + (first - q->good_first), .n = q->n_good - (size_t)(first - q->good_first)};
	struct row now = {.hash = v->leaves.hash + (first - v->leaves.first),
		.n = v->leaves.n - (size_t)(first - v->leaves.first)};
	/* Mostly nothing is wrong, and nothing need be sorted. */
	size_t same = 0;
	while (same < good.n && same < now.n && merkle_same(&good.hash[same], &now.hash[same])) {
		same++;
	}
	if (same == good.n) {
		return 0;
	}
	good.hash += same;
	good.n -= same;
	now.hash += same;
	now.n -= same;
	int r = prepare(&good);
	r = r < 0 ? r : prepare(&now);
	if (r == 0) {
		compare(&good, &now, &run, first + same);
	}
	free(good.sorted);
	free(good.moved);
	free(now.sorted);
	free(now.moved);
	return r;
}
