/* SPDX-License-Identifier: Apache-2.0 */
#include "users/saml_parts.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/valid.h>
#include <string.h>
#include <strings.h>

/* From bytes to one Assertion. Nothing here is trusted: it says only that there is one thing that a signature can be of. */

#define DEPTH_MOST 64

const char saml_ns[] = "urn:oasis:names:tc:SAML:2.0:assertion";
const char saml_signature_ns[] = "http://www.w3.org/2000/09/xmldsig#";

static const char not_one[] = "what it sent is no SAML 2.0 assertion";

/* ---- Words about nodes ---- */

bool saml_is(const xmlNode *n, const char *ns, const char *name)
{
	return n->type == XML_ELEMENT_NODE && n->ns && n->ns->href &&
	       strcmp((const char *)n->ns->href, ns) == 0 && strcmp((const char *)n->name, name) == 0;
}

xmlNode *saml_element(xmlNode *n)
{
	while (n && n->type != XML_ELEMENT_NODE) {
		n = n->next;
	}
	return n;
}

xmlNode *saml_only(const xmlNode *parent, const char *ns, const char *name)
{
	xmlNode *found = NULL;
	for (xmlNode *n = saml_element(parent->children); n; n = saml_element(n->next)) {
		if (saml_is(n, ns, name)) {
			if (found) {
				return NULL;
			}
			found = n;
		}
	}
	return found;
}

static bool keep(const char *text, size_t len, char *ret, size_t cap)
{
	if (len >= cap) {
		return false;
	}
	memcpy(ret, text, len);
	ret[len] = 0;
	return true;
}

bool saml_text(const xmlNode *n, char *ret, size_t cap)
{
	static const char white[] = " \t\r\n";
	const xmlNode *t = n->children;
	/* A comment in the middle of a name parts it, and canonical XML does not show it. */
	if (!t || t->next || t->type != XML_TEXT_NODE || !t->content) {
		return false;
	}
	const char *text = (const char *)t->content;
	text += strspn(text, white);
	size_t len = strlen(text);
	while (len > 0 && strchr(white, text[len - 1])) {
		len--;
	}
	return len > 0 && keep(text, len, ret, cap);
}

static const char *value_of(const xmlAttr *a)
{
	const xmlNode *t = a->children;
	return t && !t->next && t->type == XML_TEXT_NODE && t->content ? (const char *)t->content : NULL;
}

bool saml_attribute(const xmlNode *n, const char *name, char *ret, size_t cap)
{
	const xmlAttr *a = xmlHasNsProp((xmlNode *)(uintptr_t)n, (const xmlChar *)name, NULL);
	const char *value = a && a->type == XML_ATTRIBUTE_NODE ? value_of(a) : NULL;
	return value && keep(value, strlen(value), ret, cap);
}

/* ---- The whole document ---- */

struct census {
	const char *id;
	unsigned assertions, signatures, same_id;
	bool encrypted, other; /* something that an assertion need not have */
};

static void count_node(const xmlNode *n, struct census *c)
{
	static const char *const encrypted[] = {
		"EncryptedAssertion", "EncryptedID", "EncryptedAttribute", "EncryptedData"};
	const char *name = (const char *)n->name;
	if (n->type != XML_ELEMENT_NODE) {
		c->other = c->other || (n->type != XML_TEXT_NODE && n->type != XML_COMMENT_NODE);
		return;
	}
	/* Whatever its namespace: nobody who reads it otherwise should find another one. */
	c->assertions += strcasecmp(name, "Assertion") == 0;
	c->signatures += strcasecmp(name, "Signature") == 0;
	for (unsigned i = 0; i < ARRAY_LEN(encrypted); i++) {
		c->encrypted = c->encrypted || strcmp(name, encrypted[i]) == 0;
	}
	for (const xmlAttr *a = n->properties; a; a = a->next) {
		const char *value = value_of(a);
		c->same_id +=
			strcasecmp((const char *)a->name, "id") == 0 && value && strcmp(value, c->id) == 0;
	}
}

/* False: it is nested too deep. */
static bool walk(const xmlNode *root, struct census *c)
{
	const xmlNode *n = root;
	unsigned depth = 0;
	for (;;) {
		count_node(n, c);
		/* What an entity stands for is not in this tree. */
		const xmlNode *below = n->type == XML_ELEMENT_NODE ? n->children : NULL;
		if (below) {
			if (++depth > DEPTH_MOST) {
				return false;
			}
			n = below;
			continue;
		}
		while (n != root && !n->next) {
			n = n->parent;
			depth--;
		}
		if (n == root) {
			return true;
		}
		n = n->next;
	}
}

/* xs:ID, of ASCII: it goes into an expression. */
static bool is_id(const char *s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-";
	return s[0] && strchr(letters, s[0]) && strspn(s, all) == strlen(s);
}

static const char *look(struct saml *s)
{
	struct census c = {.id = s->id};
	char version[8];
	if (saml_is(s->root, saml_ns, "EncryptedAssertion")) {
		return "its SAML assertion is encrypted, which is not taken";
	}
	if (!saml_is(s->root, saml_ns, "Assertion") ||
		!saml_attribute(s->root, "Version", version, sizeof(version)) ||
		strcmp(version, "2.0") != 0) {
		return not_one;
	}
	if (!saml_attribute(s->root, "ID", s->id, sizeof(s->id)) || !is_id(s->id)) {
		return "its SAML assertion has no ID that can be used";
	}
	if (!walk(s->root, &c)) {
		return not_one;
	}
	if (c.encrypted) {
		return "its SAML assertion is encrypted in parts, which is not taken";
	}
	if (c.assertions != 1 || c.same_id != 1 || c.other) {
		return "its SAML assertion holds another one, or an ID twice, or what no assertion needs";
	}
	s->signature = saml_only(s->root, saml_signature_ns, "Signature");
	if (!s->signature || c.signatures != 1) {
		return "its SAML assertion has not one signature of its own";
	}
	return NULL;
}

/* ---- Bytes ---- */

static void has_dtd(void *arg, const xmlChar *name, const xmlChar *external, const xmlChar *system_id)
{
	xmlParserCtxt *parser = arg;
	xmlStopParser(parser);
}

static void silent(void *arg, const char *format, ...)
{
}

static xmlDoc *parse(struct span bytes)
{
	const int how = XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
	xmlParserCtxt *parser = xmlNewParserCtxt();
	xmlDoc *doc = NULL;
	if (!parser) {
		return NULL;
	}
	parser->sax->internalSubset = has_dtd;
	parser->sax->externalSubset = has_dtd;
	/* UTF-8, whatever it says of itself: what is looked at is what is signed. */
	doc = xmlCtxtReadMemory(parser, (const char *)bytes.ptr, (int)bytes.len, NULL, "UTF-8", how);
	bool whole = parser->wellFormed && doc && !doc->intSubset && !doc->extSubset;
	xmlFreeParserCtxt(parser);
	if (!whole) {
		xmlFreeDoc(doc);
		return NULL;
	}
	return doc;
}

const char *saml_read(struct span bytes, struct saml *s)
{
	xmlSetGenericErrorFunc(NULL, silent);
	s->doc = bytes.len > 0 ? parse(bytes) : NULL;
	s->root = s->doc ? xmlDocGetRootElement(s->doc) : NULL;
	return s->root ? look(s) : not_one;
}
