/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_source.h"

#include <string.h>

/* Lines end in "\r\n". As much as is there and fits. */
static size_t copy_text(struct cms_source *s, char *to, size_t room)
{
	size_t n = 0, at = 0;
	while (at < s->left.len && n < room) {
		bool bare = s->left.ptr[at] == '\n' && !s->cr;
		to[n] = bare ? '\r' : (char)s->left.ptr[at++];
		s->cr = to[n++] == '\r';
	}
	s->left = span_of(s->left.ptr + at, s->left.len - at);
	return n;
}

static int source_read(BIO *b, char *to, int n)
{
	struct cms_source *s = BIO_get_data(b);
	while (s->left.len == 0) {
		int more = cms_pieces_next(&s->pieces, &s->left);
		if (more <= 0) {
			s->left = span_of(NULL, 0);
			return more;
		}
	}
	if (s->text) {
		return (int)copy_text(s, to, (size_t)n);
	}
	size_t len = s->left.len < (size_t)n ? s->left.len : (size_t)n;
	memcpy(to, s->left.ptr, len);
	s->left = span_of(s->left.ptr + len, s->left.len - len);
	return (int)len;
}

static long source_ctrl(BIO *b, int command, long number, void *pointer)
{
	(void)b;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

int cms_source_begin(struct cms_source *s)
{
	s->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pieces");
	s->bio = s->method && BIO_meth_set_read(s->method, source_read) == 1 &&
	                         BIO_meth_set_ctrl(s->method, source_ctrl) == 1
	                 ? BIO_new(s->method)
	                 : NULL;
	if (!s->bio) {
		return ERR_NO_MEMORY;
	}
	BIO_set_data(s->bio, s);
	BIO_set_init(s->bio, 1);
	return 0;
}

void cms_source_done(struct cms_source *s)
{
	BIO_free(s->bio);
	BIO_meth_free(s->method);
	s->bio = NULL;
	s->method = NULL;
}
