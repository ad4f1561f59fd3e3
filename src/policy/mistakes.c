/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct mistake_row {
	struct mistake_row *next;
	struct mistake mistake;
	unsigned order;
	bool error;
};

int mistakes_begin(struct mistake_list *l)
{
	*l = (struct mistake_list){.region = region_new()};
	return l->region ? 0 : ERR_NO_MEMORY;
}

static void push(struct mistake_list *l, bool error, unsigned line, unsigned column, const char *text)
{
	struct mistake_row *row = region_alloc(l->region, sizeof(*row));
	char *copy = region_str(l->region, text);
	if (!row || !copy) {
		return;
	}
	*row = (struct mistake_row){
		.next = l->rows,
		.mistake = {.line = line, .column = column, .text = copy},
		.order = l->n++,
		.error = error,
	};
	l->rows = row;
}

static void add(
	struct mistake_list *l, bool error, unsigned line, unsigned column, const char *fmt, va_list ap)
{
	char text[1024];
	l->n_errors += error;
	if (l->n >= MISTAKES_MOST) {
		l->left_out++;
		return;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	push(l, error, line, column, text);
}

void mistake_error(struct mistake_list *l, unsigned line, unsigned column, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(l, true, line, column, fmt, ap);
	va_end(ap);
}

void mistake_warning(struct mistake_list *l, unsigned line, unsigned column, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(l, false, line, column, fmt, ap);
	va_end(ap);
}

static int by_place(const void *pa, const void *pb)
{
	const struct mistake_row *a = *(struct mistake_row *const *)pa, *b = *(struct mistake_row *const *)pb;
	if (a->error != b->error) {
		return a->error ? -1 : 1;
	}
	if (a->mistake.line != b->mistake.line) {
		return a->mistake.line < b->mistake.line ? -1 : 1;
	}
	if (a->mistake.column != b->mistake.column) {
		return a->mistake.column < b->mistake.column ? -1 : 1;
	}
	return a->order < b->order ? -1 : 1;
}

int mistakes_end(struct mistake_list *l, struct mistakes *ret_mistakes)
{
	*ret_mistakes = (struct mistakes){0};
	if (l->left_out > 0) {
		char text[64];
		snprintf(text, sizeof(text), "%u more mistakes are not shown", l->left_out);
		push(l, l->n_errors > 0, UINT32_MAX, 0, text);
	}
	struct mistake_row **rows = region_array(l->region, l->n + 1, sizeof(*rows));
	struct mistake *at = region_array(l->region, l->n + 1, sizeof(*at));
	if (!rows || !at || region_failed(l->region)) {
		region_free(l->region);
		*l = (struct mistake_list){0};
		return ERR_NO_MEMORY;
	}
	unsigned n = 0, errors = 0;
	for (struct mistake_row *row = l->rows; row && n < l->n; row = row->next) {
		rows[n++] = row;
		errors += row->error;
	}
	qsort(rows, n, sizeof(*rows), by_place);
	for (unsigned i = 0; i < n; i++) {
		at[i] = rows[i]->mistake;
		at[i].line = at[i].line == UINT32_MAX ? 0 : at[i].line;
	}
	*ret_mistakes = (struct mistakes){.at = at, .n = n, .n_errors = errors, .region = l->region};
	*l = (struct mistake_list){0};
	return 0;
}

void mistakes_done(struct mistakes *m)
{
	region_free(m->region);
	*m = (struct mistakes){0};
}
