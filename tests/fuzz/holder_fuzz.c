/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/holder.h"
#include "keys/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What a process that was taken over may send the key holder: several requests, each after its length, of two clients
 * in turn; of the auditor where the length's highest bit is set, or of an operator where the one after it is. And the URI of a token, which a configuration holds.
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

/* Keys for these tests alone. */
static const char checkpoint_pem[] = "-----BEGIN PRIVATE KEY-----\n"
				     "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
				     "-----END PRIVATE KEY-----\n",
		  auditor_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				  "MCowBQYDK2VuAyEAQw9LmFlmUUWmsbonQCRIe9ZvA6LdV313U8aNfX0AwAw=\n"
				  "-----END PUBLIC KEY-----\n",
		  record_pem[] = "-----BEGIN PRIVATE KEY-----\n"
				 "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9h\n"
				 "-----END PRIVATE KEY-----\n",
		  index_key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static int file_of(const char *text, char path[64])
{
	int fd = memfd_create("key", MFD_CLOEXEC);
	must(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static struct record_keys *records(void)
{
	static char checkpoint[64], index[64], record[64];
	const struct span auditors[] = {span_of(auditor_pem, sizeof(auditor_pem) - 1)};
	struct record_keys *keys = NULL;
	char why[256];
	if (!checkpoint[0]) {
		(void)file_of(checkpoint_pem, checkpoint);
		(void)file_of(index_key, index);
		(void)file_of(record_pem, record);
	}
	must(record_keys_open(&(struct record_keys_of){"o", checkpoint, index, auditors, 1, record}, &keys,
		     why, sizeof(why)) == 0);
	return keys;
}

/* Each asks what is its own, and is answered with as much as that has. */
static void look(const struct holder_client *c, unsigned what, const uint8_t *answer, size_t len)
{
	bool good = len > 2;
	must((c->whose == HOLDER_ASSOCIATION) == (what < ASK_CHECKPOINT || what == ASK_PSEUDONYM) || !good);
	must(c->whose != HOLDER_OPERATOR || what == ASK_RECORD || !good);
	must(what != ASK_RECORD || !good || len == 2 + ED25519_PUBLIC + ED25519_SIGNATURE);
	must(what != ASK_CHECKPOINT || !good || len == 2 + ED25519_PUBLIC + ED25519_SIGNATURE);
	must(what != ASK_INDEX || !good || (len - 2) % BLIND_TOKEN == 0);
	must(len < 2 || answer[1] == 0 || len == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[HOLDER_ANSWER_MOST];
	struct holder_client client[4] = {{.from.s6_addr = {1}}, {.from.s6_addr = {2}},
		{.whose = HOLDER_AUDITOR}, {.whose = HOLDER_OPERATOR}};
	uri(data, size);
	struct holder *h = holder_new();
	must(h != NULL);
	holder_use_records(h, records());
	for (unsigned i = 0; size >= 2; i++) {
		struct holder_client *c = &client[data[0] & 0x80 ? 2 : data[0] & 0x40 ? 3 : i % 2];
		size_t n = (size_t)(data[0] & 0x3f) << 8 | data[1], len = sizeof(answer) + 1;
		data += 2;
		size -= 2;
		n = n < size ? n : size;
		uint8_t *copy = malloc(n ? n : 1);
		must(copy != NULL);
		memcpy(copy, data, n);
		/* As after a handshake, now and then: there is no key to sign one with. */
		c->session_until_ms = i % 4 < 2 ? INT64_MAX : c->session_until_ms;
		c->served = c->found = i % 8 == 7;
		int e = holder_answer(h, c, span_of(copy, n), (int64_t)i * 1000, answer, &len);
		must(e == 0 || e == ERR_PEER);
		must(e != 0 || len <= sizeof(answer));
		/* Nothing can be signed: there is no key. */
		must(e != 0 || n < 2 || copy[1] != ASK_SIGN || (len == 2 && answer[1] != 0));
		if (e == 0 && n >= 2) {
			look(c, copy[1], answer, len);
		}
		free(copy);
		data += n;
		size -= n;
	}
	holder_free(h);
	return 0;
}
