/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_CMS_OPENING_H
#define KEYS_CMS_OPENING_H

#include "keys/cms_open.h"
#include "keys/crl.h"

#include <openssl/x509.h>

/* With what is opened (cms_opening.c), for who opens (cms_open.c). */
struct cms_opening {
	EVP_PKEY *key;
	X509 *cert;
	const char *passphrase;
	X509_STORE *trust;
	struct crl_list *lists; /* NULL: none */
	cms_unwrap *unwrap;     /* in the key's place */
	void *unwrap_arg;
};

#endif
