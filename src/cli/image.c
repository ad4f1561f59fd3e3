/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image.h"

#include "cli/boxed.h"
#include "inspect/sealed.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* libarchive holds what an ISO 9660 file system says of its files: some hundred bytes of each of LIMIT_MEMBERS. */
#define MEMORY (256u * 1024 * 1024)

/* Of one member; a larger one is put on the disk. */
#define MEMBER_MEMORY (32u * 1024 * 1024)

#define PIECE         (64u * 1024)
#define HEAD          132
#define SECTOR        2048
#define VOLUMES       (16 * SECTOR) /* ISO 9660 8.1, ECMA-167 2/8.3: where volume descriptors begin */

/* What the process says: a head and len bytes. */
enum { FRAME_MEMBER = 'M', FRAME_DATA = 'D', FRAME_END = 'E', FRAME_LAST = 'L' };
enum {
	CODE_GOOD,
	CODE_BAD,
	CODE_OTHER,
	CODE_LEFT,
	CODE_SEALED
}; /* of FRAME_END; of FRAME_LAST the error, negated */

struct frame {
	uint8_t kind, code;
	uint16_t zero;
	uint32_t len;
};

struct image {
	struct sandbox *sandbox;
	struct boxed box;
	struct image_how how;
	image_read_function *read;
	int fd;
	uint64_t size;
	int over; /* 0: not yet; 1: in good order; an error */
	char why[192];
	uint8_t piece[PIECE];
};

/* ---- What it is ---- */

enum image_kind image_kind_of(int fd)
{
	uint8_t head[HEAD] = {0}, volume[6] = {0};
	ssize_t n = pread(fd, head, sizeof(head), 0);
	if (n == HEAD && memcmp(head + 128, "DICM", 4) == 0) {
		return IMAGE_NONE;
	}
	if (n >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0)) {
		return IMAGE_ZIP;
	}
	/* A few are written before it: which of them comes first is not said. */
	bool udf = false;
	for (unsigned i = 0; i < 8; i++) {
		if (pread(fd, volume, sizeof(volume), VOLUMES + (off_t)i * SECTOR) !=
			(ssize_t)sizeof(volume)) {
			break;
		}
		if (memcmp(volume + 1, "CD001", 5) == 0) {
			return IMAGE_ISO;
		}
		udf = udf || memcmp(volume + 1, "NSR0", 4) == 0;
	}
	return udf ? IMAGE_UDF : IMAGE_NONE;
}

/* ---- The child ---- */

struct child {
	const struct image *m;
	int file, out;
	bool open;          /* a member's FRAME_MEMBER was said, and its FRAME_END was not */
	uint8_t head[HEAD]; /* of a member that must show that it is DICOM first */
	size_t n_head;
};

static int say(struct child *c, int kind, int code, struct span bytes)
{
	struct frame f = {.kind = (uint8_t)kind, .code = (uint8_t)code, .len = (uint32_t)bytes.len};
	bool good = boxed_write(c->out, &f, sizeof(f)) && boxed_write(c->out, bytes.ptr, bytes.len);
	return good ? 0 : ERR_CLOSED;
}

static ptrdiff_t file_read(void *arg, void *to, size_t n)
{
	const struct child *c = arg;
	for (;;) {
		ssize_t got = read(c->file, to, n);
		if (got >= 0 || errno != EINTR) {
			return got;
		}
	}
}

static int file_seek(void *arg, uint64_t to)
{
	const struct child *c = arg;
	return lseek(c->file, (off_t)to, SEEK_SET) < 0 ? ERR_SYSTEM : 0;
}

static int over(struct child *c, int code, const char *why)
{
	return say(c, FRAME_END, code, span_str(why));
}

static int on_member(void *arg, enum image_what what, const char *name)
{
	struct child *c = arg;
	const struct image_how *how = &c->m->how;
	int err = say(c, FRAME_MEMBER, what, span_str(name));
	c->n_head = 0;
	if (err || what != IMAGE_FILE) {
		return err ? err : over(c, CODE_GOOD, "");
	}
	if (how->leave && how->leave(name)) {
		err = over(c, CODE_LEFT, "");
		return err ? err : 1;
	}
	return 0;
}

static int on_data(void *arg, struct span bytes)
{
	struct child *c = arg;
	if (c->m->how.dicom && c->n_head < HEAD) {
		size_t n = bytes.len < HEAD - c->n_head ? bytes.len : HEAD - c->n_head;
		memcpy(c->head + c->n_head, bytes.ptr, n);
		c->n_head += n;
		if (c->n_head == HEAD && memcmp(c->head + 128, "DICM", 4) != 0) {
			bool sealed = inspect_is_sealed(span_of(c->head, HEAD));
			int err = over(c, sealed ? CODE_SEALED : CODE_OTHER, "");
			return err ? err : 1;
		}
	}
	return say(c, FRAME_DATA, 0, bytes);
}

static int on_end(void *arg, int err, const char *why)
{
	struct child *c = arg;
	bool other = !err && c->m->how.dicom && c->n_head < HEAD;
	return over(c, err ? CODE_BAD : other ? CODE_OTHER : CODE_GOOD, why);
}

static int child(void *arg, int file, int out)
{
	static struct child c;
	static char why[160];
	const struct image *m = arg;
	c = (struct child){.m = m, .file = file, .out = out};
	const struct image_input in = {.arg = &c, .read = file_read, .seek = file_seek, .size = m->size};
	const struct image_output to = {.arg = &c, .member = on_member, .data = on_data, .end = on_end};
	int err = m->read(&in, &to, why, sizeof(why));
	return say(&c, FRAME_LAST, -err, span_str(why)) == 0 ? 0 : 1;
}

/* ---- The parent ---- */

int image_open(int fd, const struct image_how *how, struct image **ret_image, char *why, size_t cap)
{
	struct stat st;
	module_function *f;
	struct image *m = calloc(1, sizeof(*m));
	bool udf = image_kind_of(fd) == IMAGE_UDF;
	const char *module = how->module ? how->module : udf ? "cli/gantry-udf" : "cli/gantry-image";
	int err =
		m ? module_open(module, udf ? "image_read_udf" : "image_read", &f, why, cap) : ERR_NO_MEMORY;
	if (err) {
		free(m);
		return err;
	}
	m->how = *how;
	m->box = BOXED_NONE;
	m->fd = fd;
	m->read = (image_read_function *)(void *)f;
	err = fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0 ? ERR_SYSTEM : 0;
	m->size = err ? 0 : (uint64_t)st.st_size;
	/* Names are UTF-16 in Joliet; this locale is the C library's own, and needs no file. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	err = err ? err : sandbox_new(SANDBOX_PROOF, NULL, 0, &m->sandbox);
	const struct boxed_how box = {.sandbox = m->sandbox, .memory = MEMORY};
	err = err ? err : boxed_start(&m->box, &box, fd, child, m);
	if (err) {
		snprintf(why, cap, "%s", err == ERR_SYSTEM ? strerror(errno) : err_str(err));
		image_close(m);
		return err;
	}
	*ret_image = m;
	return 0;
}

static int fail(struct image *m, int err, const char *why)
{
	m->over = err;
	snprintf(m->why, sizeof(m->why), "%s", why);
	return err;
}

/* The process is gone, or says what it must not. */
static int lost(struct image *m, int err)
{
	char why[64];
	if (err == ERR_TIMEOUT) {
		return fail(m, ERR_TIMEOUT, "it took too long to read");
	}
	int status = boxed_end(&m->box);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		snprintf(why, sizeof(why), "its reader was ended by signal %d", WTERMSIG(status));
		return fail(m, ERR_PEER, why);
	}
	return fail(m, ERR_PEER, "its reader did not come to its end");
}

static int hear(struct image *m, struct frame *f)
{
	int wait = (int)m->how.seconds * 1000;
	int err = boxed_read(&m->box, f, sizeof(*f), wait);
	err = err == 0 && f->len > PIECE ? ERR_PEER : err;
	err = err ? err : boxed_read(&m->box, m->piece, f->len, wait);
	return err ? lost(m, err) : 0;
}

static void text_of(const struct image *m, const struct frame *f, char *to, size_t cap)
{
	size_t n = f->len < cap - 1 ? f->len : cap - 1;
	memcpy(to, m->piece, n);
	to[n] = '\0';
}

static int last(struct image *m, const struct frame *f)
{
	char why[sizeof(m->why)];
	text_of(m, f, why, sizeof(why));
	if (f->code == 0) {
		m->over = 1;
		return 0;
	}
	return fail(m, -(int)f->code, why);
}

static int end_member(struct image *m, const struct frame *f, struct image_member *to)
{
	text_of(m, f, to->why, sizeof(to->why));
	to->left = f->code == CODE_LEFT;
	to->sealed = f->code == CODE_SEALED;
	to->other = f->code == CODE_OTHER || to->sealed;
	to->bad = f->code == CODE_BAD;
	if (f->code != CODE_GOOD || to->what != IMAGE_FILE) {
		scrap_done(&to->bytes);
	} else {
		scrap_rewind(&to->bytes);
	}
	return 1;
}

/* What stands between a member's head and its end. It has its bound where they are written. */
static int take_bytes(struct image *m, struct image_member *to)
{
	struct frame f;
	for (;;) {
		int err = hear(m, &f);
		if (err == 0 && f.kind == FRAME_END) {
			return end_member(m, &f, to);
		}
		if (err == 0 && f.kind == FRAME_LAST) {
			err = last(m, &f);
			return err ? err : lost(m, ERR_PEER);
		}
		if (err == 0 && (f.kind != FRAME_DATA || f.len > LIMIT_MEMBER_BYTES - to->bytes.len)) {
			err = lost(m, ERR_PEER);
		}
		if (err) {
			return err;
		}
		err = scrap_add(&to->bytes, span_of(m->piece, f.len));
		if (err) {
			return fail(m, err, strerror(errno));
		}
	}
}

int image_next(struct image *m, struct image_member *ret_member)
{
	struct frame f;
	if (m->over) {
		return m->over < 0 ? m->over : 0;
	}
	int err = hear(m, &f);
	if (err || f.kind == FRAME_LAST) {
		return err ? err : last(m, &f);
	}
	if (f.kind != FRAME_MEMBER || f.code >= IMAGE_WHATS) {
		return lost(m, ERR_PEER);
	}
	*ret_member = (struct image_member){.what = (enum image_what)f.code, .bytes = SCRAP_NONE};
	text_of(m, &f, ret_member->name, sizeof(ret_member->name));
	err = scrap_new(&ret_member->bytes, MEMBER_MEMORY);
	if (err) {
		return fail(m, err, strerror(errno));
	}
	err = take_bytes(m, ret_member);
	if (err < 0) {
		scrap_done(&ret_member->bytes);
	}
	return err;
}

const char *image_why(const struct image *m)
{
	return m->why;
}

unsigned image_progress(const struct image *m)
{
	off_t at = lseek(m->fd, 0, SEEK_CUR);
	if (m->over || at < 0 || (uint64_t)at >= m->size) {
		return 1000;
	}
	return (unsigned)((double)at / (double)m->size * 1000);
}

void image_close(struct image *m)
{
	if (m) {
		(void)boxed_end(&m->box);
		sandbox_free(m->sandbox);
		free(m);
	}
}
