/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/hpke.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

/* What hpke.js does, by our own functions: hpke_peer seal PUBLIC.pem INFO AAD TEXT, hpke_peer open PRIVATE.pem INFO AAD HEX. */

static int seal(FILE *pem, struct span info, struct span aad, const char *text)
{
	static uint8_t sealed[4096];
	char buf[4096];
	struct hpke_public to;
	size_t len = fread(buf, 1, sizeof(buf), pem);
	if (hpke_public_read(span_of(buf, len), &to) < 0 ||
		hpke_seal(&to, info, aad, span_str(text), sealed, sizeof(sealed), &len) < 0) {
		return 1;
	}
	for (size_t i = 0; i < len; i++) {
		printf("%02x", sealed[i]);
	}
	puts("");
	return 0;
}

static int open(FILE *pem, struct span info, struct span aad, const char *hex)
{
	static uint8_t sealed[4096], text[4096];
	struct hpke_opener o;
	size_t n = 0, len = 0;
	unsigned byte;
	while (n < sizeof(sealed) && sscanf(hex + 2 * n, "%2x", &byte) == 1) {
		sealed[n++] = (uint8_t)byte;
	}
	EVP_PKEY *key = PEM_read_PrivateKey(pem, NULL, NULL, NULL);
	int e = key ? hpke_opener_of(key, &o) : ERR_VALUE;
	e = e < 0 ? e : hpke_open(&o, info, aad, span_of(sealed, n), text, sizeof(text), &len);
	EVP_PKEY_free(key);
	if (e < 0) {
		fprintf(stderr, "%s\n", err_str(e));
		return 1;
	}
	printf("%.*s\n", (int)len, (const char *)text);
	return 0;
}

int main(int argc, char **argv)
{
	FILE *pem = argc == 6 ? fopen(argv[2], "re") : NULL;
	if (!pem) {
		return 2;
	}
	int status = (strcmp(argv[1], "seal") == 0 ? seal : open)(
		pem, span_str(argv[3]), span_str(argv[4]), argv[5]);
	fclose(pem);
	return status;
}
