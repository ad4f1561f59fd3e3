/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/holder.h"
#include "keys/token.h"

#include <stdlib.h>
#include <string.h>

/*
 * What a process that was taken over may send the key holder: several requests, each after its length, of two clients
 * in turn. And the URI of a token, which a configuration holds.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void uri(const uint8_t *data, size_t size)
{
	static struct token_uri u;
	char why[128];
	char *text = malloc(size + 1);
	must(text != NULL);
	memcpy(text, data, size);
	text[size] = 0;
	if (token_uri_parse(text, &u, why, sizeof(why)) == 0) {
		must(u.module[0] == '/' && (u.object[0] || u.id_len > 0) && u.id_len <= sizeof(u.id));
		must(!u.pin_file[0] || u.pin_file[0] == '/');
	} else {
		must(why[0] && strlen(why) < sizeof(why));
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[HOLDER_ANSWER_MOST];
	struct holder_client client[2] = {{.from.s6_addr = {1}}, {.from.s6_addr = {2}}};
	uri(data, size);
	struct holder *h = holder_new();
	must(h != NULL);
	for (unsigned i = 0; size >= 2; i++) {
		size_t n = (size_t)data[0] << 8 | data[1], len = sizeof(answer) + 1;
		data += 2;
		size -= 2;
		n = n < size ? n : size;
		uint8_t *copy = malloc(n ? n : 1);
		must(copy != NULL);
		memcpy(copy, data, n);
		/* As after a handshake, now and then: there is no key to sign one with. */
		struct holder_client *c = &client[i % 2];
		c->session_until_ms = i % 4 < 2 ? INT64_MAX : c->session_until_ms;
		c->served = c->found = i % 8 == 7;
		int e = holder_answer(h, c, span_of(copy, n), (int64_t)i * 1000, answer, &len);
		must(e == 0 || e == ERR_PEER);
		must(e != 0 || len <= sizeof(answer));
		/* Nothing can be signed: there is no key. */
		must(e != 0 || n < 2 || copy[1] != ASK_SIGN || (len == 2 && answer[1] != 0));
		free(copy);
		data += n;
		size -= n;
	}
	holder_free(h);
	return 0;
}
