/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_XML_PARTS_H
#define AUDIT_XML_PARTS_H

#include "audit/xml.h"
#include "audit_codes.h"
#include "base/writer.h"

#include <libxml/xmlwriter.h>

/* The elements that messages are made of (PS3.15 A.5.1.1). No attribute or element is written empty (A.5.2). */

enum audit_code {
	CODE_NONE,
#define ENUM_CODE(name, code, scheme, meaning) CODE_##name,
	AUDIT_CODES(ENUM_CODE)
#undef ENUM_CODE
		CODE_COUNT,
};

/* CODE_NONE: no code value of DCM that the table has. */
enum audit_code xml_code_of(unsigned dcm);
const char *xml_code_meaning(enum audit_code c);

/* Where what is written goes. */
struct sink {
	uint8_t *buf;
	size_t cap, len; /* len: also of what had no room */
};

/* A message that is being written. Errors stick. */
struct out {
	xmlTextWriterPtr w;
	struct sink *sink; /* of the writer */
	const struct audit_event *ev;
	const struct audit_source *src;
	int err;
	bool details_done; /* the details of the whole are in the first object that was written */
	const void *
		requestor; /* whose UserIsRequestor is true: a party of the event, its user, or the source; NULL nobody */
};

/* Is anything but spaces in it? May be NULL. */
bool xml_is_known(const char *s);

/* Is anything of it? */
bool xml_knows_party(const struct audit_party *p);

void xml_begin(struct out *o, const char *element);
void xml_end(struct out *o);
void xml_attribute(struct out *o, const char *name, const char *value); /* none, if it is not known */
void xml_attribute_number(struct out *o, const char *name, uint64_t value);
void xml_text_element(struct out *o, const char *name, const char *text);    /* none, if it is not known */
void xml_base64_element(struct out *o, const char *name, struct span bytes); /* bytes must not be empty */

/* Elements that are a code of the table. */
enum coded {
	CODED_EVENT,
	CODED_EVENT_TYPE,
	CODED_ROLE,
	CODED_MEDIA,
	CODED_OBJECT,
	CODED_COUNT,
};
void xml_coded(struct out *o, enum coded element, enum audit_code code);

/*
 * What is the same in message after message is written once, and kept by all the values that it is made of, which are k->key.
 * xml_kept(): true, it was kept and is written; otherwise it is to be written now, and then xml_keep() called. That is of nodes,
 * their certificates and the gateway; nothing that has a patient or a user in it is kept.
 */
#define XML_KEY_MOST 1536
struct kept {
	struct writer key;
	size_t from; /* in the sink */
	uint8_t bytes[XML_KEY_MOST];
};
void xml_key_begin(struct kept *k, char what);       /* what: a letter a kind of part */
void xml_key_text(struct kept *k, const char *text); /* may be NULL */
bool xml_kept(struct out *o, struct kept *k);
void xml_keep(struct out *o, const struct kept *k);

/* A ParticipantObjectDetail with a text or a number. None, if the text is not known. */
void xml_detail(struct out *o, const char *type, const char *text);
void xml_detail_number(struct out *o, const char *type, uint64_t value);

#define PARTICIPANT_ROLES 3

enum access { /* NetworkAccessPointTypeCode, PS3.15 A.5.1.2.5 */
	ACCESS_MACHINE = 1,
	ACCESS_ADDRESS = 2,
	ACCESS_EMAIL = 4,
	ACCESS_URI = 5,
};

/* An ActiveParticipant. */
struct participant {
	const char *id, *alternative, *name; /* id must be known */
	const char *access;
	enum access access_type;
	bool requestor;
	bool comes_again;                         /* it is a node or the gateway */
	enum audit_code roles[PARTICIPANT_ROLES]; /* to the first CODE_NONE */
	enum audit_code media;
};

void xml_participant(struct out *o, const struct participant *p);

/* The beginning of a ParticipantObjectIdentification: the attributes, and the type of its identifier. 0: no such attribute. */
struct object {
	const char *id; /* must be known */
	unsigned type, role, life_cycle;
	enum audit_code id_type;
};

void xml_object_begin(struct out *o, const struct object *b);

#define XML_DIGITS 21                                           /* of a number, with a NUL */
const char *xml_decimal(uint64_t value, char text[XML_DIGITS]); /* it stands at the end of text */

/* Texts one behind the other, cut where there is no more room. */
#define XML_JOIN(to, ...) xml_join((to), sizeof(to), (const char *const[]){__VA_ARGS__, NULL})
void xml_join(char *to, size_t cap, const char *const *texts);

#define XML_URI_SIZE 2048

/*
 * A URI for a thing: an absolute path becomes file:///…, what begins with a scheme stays, all else becomes
 * gantry://HOST/…; what may not stand in a URI is percent-encoded.
 */
void xml_uri(const struct out *o, const char *thing, char ret_uri[XML_URI_SIZE]);

/* Does it begin with a URI's scheme, of two characters or more? */
bool xml_has_scheme(const char *s);

/* The first that is known; "unknown" (PS3.15 A.5.2 forbids to leave it empty). The list ends with NULL. */
const char *xml_first_known(const char *const *texts);

#define UNKNOWN          "unknown"
#define FIRST_KNOWN(...) xml_first_known((const char *const[]){__VA_ARGS__, NULL})

/* The participants and the objects of each kind of message; in xml_who.c and xml_what.c. */
typedef void xml_part(struct out *o);
xml_part xml_who_activity, xml_who_interrupted, xml_who_transfer, xml_who_query, xml_who_shown, xml_who_alert,
	xml_who_entry, xml_who_login, xml_who_log_used, xml_who_import, xml_who_export;
xml_part xml_what_transfer, xml_what_query, xml_what_shown, xml_what_alert, xml_what_log_used,
	xml_what_import, xml_what_export;

#endif
