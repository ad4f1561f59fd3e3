/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/aead.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define TEXT_MOST (1u << 30) /* OpenSSL counts in int */

/* A context for one text: freeing it wipes the schedule of the key, which using it again would leave to be found. */
static void free_context(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx);
}

int aead_seal(const EVP_CIPHER *cipher, const struct aead_key *k, struct span text, uint8_t *buf, size_t cap,
	size_t *ret_len)
{
	if (text.len > TEXT_MOST || k->aad.len > TEXT_MOST) {
		return ERR_LENGTH;
	}
	if (cap < AEAD_TAG || cap - AEAD_TAG < text.len) {
		return ERR_SPACE;
	}
	int n = 0, end = 0;
	EVP_CIPHER_CTX *ctx CLEANUP(free_context) = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_EncryptInit_ex2(ctx, cipher, k->key, k->nonce, NULL) == 1 &&
	          (k->aad.len == 0 || EVP_EncryptUpdate(ctx, NULL, &n, k->aad.ptr, (int)k->aad.len) == 1) &&
	          (text.len == 0 || EVP_EncryptUpdate(ctx, buf, &n, text.ptr, (int)text.len) == 1) &&
	          EVP_EncryptFinal_ex(ctx, buf + text.len, &end) == 1 &&
	          EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, buf + text.len) == 1;
	if (!ok) {
		ERR_clear_error();
		return ERR_SYSTEM;
	}
	*ret_len = text.len + AEAD_TAG;
	return 0;
}

int aead_open(const EVP_CIPHER *cipher, const struct aead_key *k, struct span sealed, uint8_t *buf,
	size_t cap, size_t *ret_len)
{
	if (sealed.len < AEAD_TAG) {
		return ERR_TRUNCATED;
	}
	size_t len = sealed.len - AEAD_TAG;
	if (len > TEXT_MOST || k->aad.len > TEXT_MOST) {
		return ERR_LENGTH;
	}
	if (cap < len) {
		return ERR_SPACE;
	}
	int n = 0, end = 0;
	uint8_t none[AEAD_TAG];
	EVP_CIPHER_CTX *ctx CLEANUP(free_context) = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_DecryptInit_ex2(ctx, cipher, k->key, k->nonce, NULL) == 1 &&
	          (k->aad.len == 0 || EVP_DecryptUpdate(ctx, NULL, &n, k->aad.ptr, (int)k->aad.len) == 1) &&
	          (len == 0 || EVP_DecryptUpdate(ctx, buf, &n, sealed.ptr, (int)len) == 1) &&
	          EVP_CIPHER_CTX_ctrl(
			  ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, (void *)(uintptr_t)(sealed.ptr + len)) == 1;
	if (!ok) {
		ERR_clear_error();
		return ERR_SYSTEM;
	}
	if (EVP_DecryptFinal_ex(ctx, none, &end) != 1) {
		ERR_clear_error();
		OPENSSL_cleanse(buf, len);
		return ERR_DENIED;
	}
	*ret_len = len;
	return 0;
}
