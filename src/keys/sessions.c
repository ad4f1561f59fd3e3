/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/sessions.h"

#include <stdlib.h>
#include <string.h>

struct kept {
	uint8_t id[SESSION_ID_MOST];
	uint8_t id_len; /* 0: free */
	bool once;
	int64_t until_ms;
	uint8_t *der;
	size_t len;
};

struct shelf {
	struct in6_addr from;
	struct kept kept[SESSIONS_A_SHELF];
	unsigned next; /* where the next one goes: over the oldest */
	struct shelf *in_bucket;
	struct shelf *newer, *older;
};

#define BUCKETS 1024

struct sessions {
	struct shelf *bucket[BUCKETS];
	struct shelf *newest, *oldest;
	size_t bytes; /* of shelves and sessions */
	uint8_t lent[SESSION_MOST];
};

struct sessions *sessions_new(void)
{
	return calloc(1, sizeof(struct sessions));
}

static void drop(struct sessions *s, struct kept *k)
{
	if (k->der) {
		explicit_bzero(k->der, k->len);
		free(k->der);
		s->bytes -= k->len;
	}
	*k = (struct kept){0};
}

static struct shelf **bucket_of(struct sessions *s, const struct in6_addr *from)
{
	/* An address is no attacker's choice among millions: a plain hash serves. */
	uint32_t h = 2166136261u;
	for (unsigned i = 0; i < sizeof(from->s6_addr); i++) {
		h = (h ^ from->s6_addr[i]) * 16777619u;
	}
	return &s->bucket[h % BUCKETS];
}

static struct shelf *find(struct sessions *s, const struct in6_addr *from)
{
	struct shelf *f = *bucket_of(s, from);
	while (f && memcmp(&f->from, from, sizeof(*from)) != 0) {
		f = f->in_bucket;
	}
	return f;
}

static void unlink_order(struct sessions *s, struct shelf *f)
{
	*(f->newer ? &f->newer->older : &s->newest) = f->older;
	*(f->older ? &f->older->newer : &s->oldest) = f->newer;
	f->newer = f->older = NULL;
}

static void make_newest(struct sessions *s, struct shelf *f)
{
	f->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = f;
	s->newest = f;
}

static void remove_shelf(struct sessions *s, struct shelf *f)
{
	struct shelf **at = bucket_of(s, &f->from);
	while (*at != f) {
		at = &(*at)->in_bucket;
	}
	*at = f->in_bucket;
	unlink_order(s, f);
	for (unsigned i = 0; i < SESSIONS_A_SHELF; i++) {
		drop(s, &f->kept[i]);
	}
	s->bytes -= sizeof(*f);
	free(f);
}

void sessions_free(struct sessions *s)
{
	while (s && s->oldest) {
		remove_shelf(s, s->oldest);
	}
	free(s);
}

static struct shelf *add_shelf(struct sessions *s, const struct in6_addr *from)
{
	struct shelf *f = calloc(1, sizeof(*f));
	if (f) {
		struct shelf **at = bucket_of(s, from);
		f->from = *from;
		f->in_bucket = *at;
		*at = f;
		make_newest(s, f);
		s->bytes += sizeof(*f);
	}
	return f;
}

int sessions_put(struct sessions *s, const struct in6_addr *from, struct span id, struct span der, bool once,
	int64_t until_ms)
{
	if (id.len == 0 || id.len > SESSION_ID_MOST || der.len == 0) {
		return ERR_LENGTH;
	}
	if (der.len > SESSION_MOST) {
		return ERR_LIMIT;
	}
	struct shelf *f = find(s, from);
	f = f ? f : add_shelf(s, from);
	uint8_t *copy = f ? malloc(der.len) : NULL;
	if (!copy) {
		return ERR_NO_MEMORY;
	}
	memcpy(copy, der.ptr, der.len);
	unlink_order(s, f);
	make_newest(s, f);
	struct kept *k = &f->kept[f->next];
	f->next = (f->next + 1) % SESSIONS_A_SHELF;
	drop(s, k);
	memcpy(k->id, id.ptr, id.len);
	k->id_len = (uint8_t)id.len;
	k->once = once;
	k->until_ms = until_ms;
	k->der = copy;
	k->len = der.len;
	s->bytes += der.len;
	while (s->bytes > SESSIONS_BYTES && s->oldest != f) {
		remove_shelf(s, s->oldest);
	}
	return 0;
}

int sessions_get(struct sessions *s, const struct in6_addr *from, struct span id, int64_t now_ms,
	struct span *ret_der, int64_t *ret_until_ms)
{
	struct shelf *f = id.len > 0 && id.len <= SESSION_ID_MOST ? find(s, from) : NULL;
	for (unsigned i = 0; f && i < SESSIONS_A_SHELF; i++) {
		struct kept *k = &f->kept[i];
		if (k->id_len != id.len || memcmp(k->id, id.ptr, id.len) != 0) {
			continue;
		}
		bool late = now_ms >= k->until_ms;
		if (!late) {
			memcpy(s->lent, k->der, k->len);
			*ret_der = span_of(s->lent, k->len);
			*ret_until_ms = k->until_ms;
		}
		if (late || k->once) {
			drop(s, k);
		}
		return late ? ERR_NOT_FOUND : 0;
	}
	return ERR_NOT_FOUND;
}
