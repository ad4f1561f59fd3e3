/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <openssl/err.h>
#include <openssl/evp.h>

/* One a thread: the context is written to by each hash. */
static _Thread_local EVP_MD_CTX *context;
static _Thread_local EVP_MD *sha256;

int sha256_prepare(void)
{
	if (context) {
		return 0;
	}
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (!md || !c || EVP_DigestInit_ex(c, md, NULL) != 1) {
		EVP_MD_free(md);
		EVP_MD_CTX_free(c);
		ERR_clear_error();
		return ERR_NO_MEMORY;
	}
	sha256 = md;
	context = c;
	return 0;
}

bool sha256_of(struct span a, struct span b, struct span c, uint8_t ret[SHA256_LEN])
{
	return sha256_prepare() == 0 && EVP_DigestInit_ex(context, sha256, NULL) == 1 &&
	       EVP_DigestUpdate(context, a.ptr, a.len) == 1 && EVP_DigestUpdate(context, b.ptr, b.len) == 1 &&
	       EVP_DigestUpdate(context, c.ptr, c.len) == 1 && EVP_DigestFinal_ex(context, ret, NULL) == 1;
}

bool sha256_forget(void)
{
	return context && EVP_DigestInit_ex(context, sha256, NULL) == 1;
}

void sha256_done(void)
{
	EVP_MD_CTX_free(context);
	EVP_MD_free(sha256);
	context = NULL;
	sha256 = NULL;
}
