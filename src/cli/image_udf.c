/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_give.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <udfread/blockinput.h>
#include <udfread/udfread.h>

/* The files of a UDF file system (ECMA-167, OSTA UDF), with libudfread. A folder may be its own parent: depth and number are bounded. */

#define PIECE (64u * 1024)

struct reading {
	struct udfread_block_input blocks; /* first: libudfread gives it back */
	struct image_input in;
	struct image_giver g;
	char name[LIMIT_MEMBER_NAME + 1]; /* of the folder that is read, and what is in it */
	uint8_t piece[PIECE];
};

/* ---- What libudfread asks for ---- */

static int read_blocks(struct udfread_block_input *b, uint32_t block, void *to, uint32_t n, int flags)
{
	struct reading *r = (struct reading *)(void *)b;
	uint64_t at = (uint64_t)block * UDF_BLOCK_SIZE, len = (uint64_t)n * UDF_BLOCK_SIZE, got = 0;
	(void)flags;
	if (at >= r->in.size || r->in.seek(r->in.arg, at) != 0) {
		return -1;
	}
	while (got < len) {
		ptrdiff_t k = r->in.read(r->in.arg, (uint8_t *)to + got, (size_t)(len - got));
		if (k <= 0) {
			break;
		}
		got += (uint64_t)k;
	}
	return (int)(got / UDF_BLOCK_SIZE);
}

static uint32_t count_blocks(struct udfread_block_input *b)
{
	const struct reading *r = (const struct reading *)(const void *)b;
	uint64_t n = r->in.size / UDF_BLOCK_SIZE;
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* ---- A file ---- */

/* How it ended; of a file whose bytes cannot be read the others may still be. */
static int give_bytes(struct reading *r, UDFFILE *f)
{
	struct image_giver *g = &r->g;
	int64_t size = udfread_file_size(f);
	ssize_t n;
	while ((n = udfread_file_read(f, r->piece, sizeof(r->piece))) > 0) {
		int err = image_give_bytes(g, span_of(r->piece, (size_t)n));
		if (err) {
			return err > 0 ? 0 : err;
		}
	}
	bool whole = n == 0 && size >= 0 && g->got == (uint64_t)size;
	return g->out.end(g->out.arg, whole ? 0 : ERR_VALUE, whole ? "" : "it cannot be read to its end");
}

static int give_file(struct reading *r, UDFDIR *in, const char *name)
{
	UDFFILE *f = udfread_file_openat(in, name);
	int err = image_give_member(&r->g, IMAGE_FILE, r->name);
	if (err == 0) {
		err = f ? give_bytes(r, f) : r->g.out.end(r->g.out.arg, ERR_VALUE, "it cannot be opened");
	}
	udfread_file_close(f);
	return err > 0 ? 0 : err;
}

/* ---- A folder ---- */

static int give_folder(struct reading *r, UDFDIR *dir, unsigned depth);

static int go_in(struct reading *r, UDFDIR *in, const char *name, unsigned depth)
{
	if (depth == LIMIT_FOLDER_DEPTH) {
		return image_fail(&r->g, ERR_LIMIT, "it has deeper folders than a disc would");
	}
	UDFDIR *dir = udfread_opendir_at(in, name);
	if (!dir) {
		int err = image_give_member(&r->g, IMAGE_FILE, r->name);
		err = err == 0 ? r->g.out.end(r->g.out.arg, ERR_VALUE, "it is a folder that cannot be read")
		               : err;
		return err > 0 ? 0 : err;
	}
	int err = give_folder(r, dir, depth + 1);
	udfread_closedir(dir);
	return err;
}

/* Its name is one of a folder's, and no way elsewhere. */
static bool is_name(const char *name)
{
	return name[0] && !strpbrk(name, "/\\") && !image_leads_out(name);
}

static int give_entry(struct reading *r, UDFDIR *in, const struct udfread_dirent *e, unsigned depth)
{
	size_t end = strlen(r->name), n = strlen(e->d_name);
	int err = image_count(&r->g);
	if (err) {
		return err;
	}
	if (!is_name(e->d_name) || n + 1 > LIMIT_MEMBER_NAME - end) {
		err = image_give_member(&r->g, IMAGE_OUTSIDE,
			n <= LIMIT_MEMBER_NAME && n > 0 ? e->d_name : "(a name that cannot be read)");
		return err > 0 ? 0 : err;
	}
	snprintf(r->name + end, sizeof(r->name) - end, "%s%s", end > 0 ? "/" : "", e->d_name);
	if (e->d_type == UDF_DT_DIR) {
		err = go_in(r, in, e->d_name, depth);
	} else if (e->d_type == UDF_DT_REG) {
		err = give_file(r, in, e->d_name);
	} else {
		err = image_give_member(&r->g, IMAGE_SPECIAL, r->name);
	}
	r->name[end] = '\0';
	return err > 0 ? 0 : err;
}

static int give_folder(struct reading *r, UDFDIR *dir, unsigned depth)
{
	struct udfread_dirent e;
	int err = 0;
	while (err == 0 && udfread_readdir(dir, &e)) {
		err = strcmp(e.d_name, ".") == 0 || strcmp(e.d_name, "..") == 0
		              ? 0
		              : give_entry(r, dir, &e, depth);
	}
	return err;
}

/* ---- All of them ---- */

static int give_all(struct reading *r, udfread *u)
{
	if (udfread_open_input(u, &r->blocks) < 0) {
		return image_fail(&r->g, ERR_TYPE, "its UDF is damaged, or of a form that is not read");
	}
	UDFDIR *root = udfread_opendir(u, "/");
	int err = root ? give_folder(r, root, 0)
	               : image_fail(&r->g, ERR_VALUE, "its first folder cannot be read");
	udfread_closedir(root);
	return err;
}

int image_read_udf(const struct image_input *in, const struct image_output *out, char *why, size_t cap)
{
	struct reading *r = calloc(1, sizeof(*r));
	udfread *u = udfread_init();
	int err = ERR_NO_MEMORY;
	if (r && u) {
		r->blocks = (struct udfread_block_input){.read = read_blocks, .size = count_blocks};
		r->in = *in;
		image_giver_begin(&r->g, in->size, out, why, cap);
		err = give_all(r, u);
	} else {
		snprintf(why, cap, "there is no memory");
	}
	udfread_close(u);
	free(r);
	return err;
}
