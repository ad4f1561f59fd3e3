/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_SAML_PARTS_H
#define USERS_SAML_PARTS_H

#include "users/users.h"

#include <libxml/tree.h>

/*
 * Shared by the saml files. Each step says NULL, or the fault that ends it (a sentence's end, static storage); a step
 * may rely on what the one before has found.
 */
struct saml {
	const struct proof_request *r;
	xmlDoc *doc;
	xmlNode *root;      /* the one Assertion, SAML 2.0 */
	xmlNode *signature; /* the one Signature, a child of root */
	char id[256];       /* of root, and of nothing else in the document */
};

extern const char saml_ns[], saml_signature_ns[];

/* saml_tree.c. Read what was sent, and see that it has the one shape that is taken. */
const char *saml_read(struct span bytes, struct saml *s);

/* saml_signature.c. Is all of root signed by one of the site's certificates? */
const char *saml_verify(struct saml *s);

/* saml_claims.c. Is it meant for us, now; and whose is it? On NULL *ret is proved. */
const char *saml_take(const struct saml *s, struct proof *ret);

/* An element of this name in SAML's namespace (or another). */
bool saml_is(const xmlNode *n, const char *ns, const char *name);

/* The next element among siblings from n on; NULL at the end. */
xmlNode *saml_element(xmlNode *n);

/* The one child of this name; NULL when there is none or more. */
xmlNode *saml_only(const xmlNode *parent, const char *ns, const char *name);

/* The text of an element that has nothing but text, without the white space around it. False: it is none, or too long. */
bool saml_text(const xmlNode *n, char *ret, size_t cap);

/* The value of an attribute without a namespace. False: absent, or too long. */
bool saml_attribute(const xmlNode *n, const char *name, char *ret, size_t cap);

#endif
