/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_IMAGE_FUZZ_H
#define TESTS_IMAGE_FUZZ_H

#include "cli/image_read.h"

#include <stdlib.h>

#define ENOUGH (1u << 20) /* bytes of members: more shows nothing new */

/* An image may claim a table of any size, and libarchive asks for that much at once: as in the sandbox, it does not get it. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=256";
}

struct fuzzed {
	const uint8_t *data;
	size_t size, at;
	size_t given, members;
	bool open;
};

static ptrdiff_t give(void *arg, void *to, size_t n)
{
	struct fuzzed *f = arg;
	n = n < f->size - f->at ? n : f->size - f->at;
	if (n > 0) {
		memcpy(to, f->data + f->at, n);
	}
	f->at += n;
	return (ptrdiff_t)n;
}

static int seek(void *arg, uint64_t to)
{
	struct fuzzed *f = arg;
	if (to > f->size) {
		abort();
	}
	f->at = (size_t)to;
	return 0;
}

static int member(void *arg, enum image_what what, const char *name)
{
	struct fuzzed *f = arg;
	if (f->open || what >= IMAGE_WHATS || strlen(name) > 1024) {
		abort();
	}
	f->open = what == IMAGE_FILE;
	return ++f->members > 2000 ? ERR_SPACE : 0;
}

static int data(void *arg, struct span bytes)
{
	struct fuzzed *f = arg;
	if (!f->open || bytes.len == 0) {
		abort();
	}
	f->given += bytes.len;
	return f->given > ENOUGH ? ERR_SPACE : 0;
}

static int end(void *arg, int err, const char *why)
{
	struct fuzzed *f = arg;
	if (!f->open || (err && !why[0])) {
		abort();
	}
	f->open = false;
	return 0;
}

/* Whatever it is, what comes out of it has names and sizes within bounds, and what it fails of is said. */
static void read_it(image_read_function *reader, struct fuzzed *f)
{
	char why[160] = "";
	const struct image_input in = {.arg = f, .read = give, .seek = seek, .size = f->size};
	const struct image_output out = {.arg = f, .member = member, .data = data, .end = end};
	int err = reader(&in, &out, why, sizeof(why));
	if (err < 0 && err != ERR_SPACE && !why[0]) {
		abort();
	}
}

#endif
