/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_pbkdf2.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <string.h>

static struct cms_kek *kek; /* OpenSSL calls us without a word of whose */

static int derive(EVP_CIPHER_CTX *ctx, const char *pass, int passlen, ASN1_TYPE *param, const EVP_CIPHER *c,
	const EVP_MD *md, int encrypt)
{
	(void)c;
	(void)md;
	uint8_t *der = NULL, id[32], key[EVP_MAX_KEY_LENGTH];
	int n = i2d_ASN1_TYPE(param, &der), size = EVP_CIPHER_CTX_get_key_length(ctx), ok = 0;
	PBKDF2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), param);
	int64_t rounds;
	if (n > 0 && p && EVP_Digest(der, (size_t)n, id, NULL, EVP_sha256(), NULL) == 1 &&
		p->salt->type == V_ASN1_OCTET_STRING && ASN1_INTEGER_get_int64(&rounds, p->iter) == 1 &&
		rounds > 0 && rounds <= CMS_ROUNDS_MOST && size <= (int)sizeof(kek->key)) {
		int prf = p->prf ? OBJ_obj2nid(p->prf->algorithm) : NID_hmacWithSHA1, hash = NID_undef;
		const ASN1_OCTET_STRING *salt = p->salt->value.octet_string;
		ok = kek->len == (uint32_t)size && memcmp(kek->id, id, sizeof(id)) == 0;
		if (ok) {
			memcpy(key, kek->key, kek->len);
		} else if (EVP_PBE_find(EVP_PBE_TYPE_PRF, prf, NULL, &hash, NULL) == 1 &&
			   EVP_get_digestbynid(hash) &&
			   PKCS5_PBKDF2_HMAC(pass, passlen, ASN1_STRING_get0_data(salt),
				   ASN1_STRING_length(salt), (int)rounds, EVP_get_digestbynid(hash), size,
				   key) == 1) {
			ok = 1;
			memcpy(kek->id, id, sizeof(id));
			memcpy(kek->key, key, (size_t)size);
			kek->len = (uint32_t)size;
		}
		ok = ok && EVP_CipherInit_ex(ctx, NULL, NULL, key, NULL, encrypt) == 1;
	}
	OPENSSL_free(der);
	PBKDF2PARAM_free(p);
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

int cms_pbkdf2_begin(struct cms_kek *theirs)
{
	static bool ours;
	kek = theirs;
	ours = ours || EVP_PBE_alg_add(NID_id_pbkdf2, NULL, NULL, derive) == 1;
	return ours ? 0 : ERR_NO_MEMORY;
}
