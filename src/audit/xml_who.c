/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/xml_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * The participants of each message, by the tables of PS3.15 A.5.3. For what the gateway relays it is neither source nor
 * destination: it stands beside them as an application, among the "other participants" that the tables have room for.
 */

#define AE_PREFIX "AETITLES= " /* PS3.15 A.5.2.2 */

/* A.5.2.7: who began it bears a role more. */
static void add_initiator(struct participant *p)
{
	unsigned i = 0;
	while (i < PARTICIPANT_ROLES && p->roles[i] != CODE_NONE && p->roles[i] != CODE_INITIATOR_ROLE_ID) {
		i++;
	}
	if (p->requestor && i < PARTICIPANT_ROLES) {
		p->roles[i] = CODE_INITIATOR_ROLE_ID;
	}
}

static struct participant of_party(const struct out *o, const struct audit_party *p, enum audit_code role)
{
	return (struct participant){
		.id = FIRST_KNOWN(p->node, p->address, p->ae, p->subject),
		.name = p->subject,
		.access = p->address,
		.access_type = ACCESS_ADDRESS,
		.requestor = o->requestor == p,
		.comes_again = true,
		.roles = {role},
	};
}

static void put_with_ae(struct out *o, struct participant out, const struct audit_party *p)
{
	char ae[sizeof(AE_PREFIX) + sizeof(p->ae)];
	if (xml_is_known(p->ae)) {
		XML_JOIN(ae, AE_PREFIX, p->ae);
		out.alternative = ae;
	}
	xml_participant(o, &out);
}

static void party(struct out *o, const struct audit_party *p, enum audit_code role)
{
	struct participant out = of_party(o, p, role);
	add_initiator(&out);
	put_with_ae(o, out, p);
}

static void known_party(struct out *o, const struct audit_party *p, enum audit_code role)
{
	if (xml_knows_party(p)) {
		party(o, p, role);
	}
}

/* All AE titles that have room. */
static void own_ae_titles(const struct audit_source *s, char *to, size_t cap)
{
	size_t len = 0;
	to[0] = '\0';
	for (unsigned i = 0; i < s->n_ae; i++) {
		if (!xml_is_known(s->ae[i]) || strlen(s->ae[i]) + sizeof(AE_PREFIX) >= cap - len) {
			continue;
		}
		len += (size_t)snprintf(to + len, cap - len, "%s%s", len == 0 ? AE_PREFIX : ";", s->ae[i]);
	}
}

/* The gateway itself. Its UserID is what the system's log calls it by, or its name at this machine. */
static void gateway(struct out *o, enum audit_code role, enum audit_code second)
{
	char id[300], ae[1024], digits[XML_DIGITS];
	const struct audit_source *s = o->src;
	bool ip = xml_is_known(s->address);
	XML_JOIN(id, "gantry@", s->host);
	own_ae_titles(s, ae, sizeof(ae));
	struct participant out = {
		.id = s->process > 0 ? xml_decimal(s->process, digits) : id,
		.alternative = ae,
		.name = "gantry",
		.access = ip ? s->address : s->host,
		.access_type = ip ? ACCESS_ADDRESS : ACCESS_MACHINE,
		.requestor = o->requestor == s,
		.comes_again = true,
		.roles = {role, second},
	};
	add_initiator(&out);
	xml_participant(o, &out);
}

/*
 * The user, if one is known. A.5.2.1: loginName@domain-name; the domain is this machine's where the user has none. One
 * that is claimed and not proved says so in its name, and is the requestor of its own login alone.
 */
static void user(struct out *o, enum audit_code role, enum audit_code second)
{
	const struct audit_event *ev = o->ev;
	char id[sizeof(ev->user) + 300], name[sizeof(ev->user) + 32];
	bool ip = xml_is_known(ev->from.address);
	const char *login = FIRST_KNOWN(ev->user);
	if (!xml_is_known(ev->user) && ev->kind != AUDIT_LOGIN) {
		return;
	}
	bool whole = strchr(login, '@');
	XML_JOIN(id, login, whole ? "" : "@", whole ? "" : o->src->host);
	XML_JOIN(name, login, ev->user_proved ? "" : " (claimed, not proved)");
	struct participant out = {
		.id = id,
		.alternative = ev->user,
		.name = name,
		.access = ip ? ev->from.address : o->src->host,
		.access_type = ip ? ACCESS_ADDRESS : ACCESS_MACHINE,
		.requestor = o->requestor == ev->user,
		.roles = {role, second},
	};
	xml_participant(o, &out);
}

/* ---- By message ---- */

/* A.5.3.1: the application, and who started or stopped it. */
void xml_who_activity(struct out *o)
{
	gateway(o, CODE_APPLICATION, CODE_NONE);
	user(o, CODE_APPLICATION_LAUNCHER, CODE_NONE);
}

static void ends(struct out *o, void (*put)(struct out *, const struct audit_party *, enum audit_code))
{
	const struct audit_event *ev = o->ev;
	put(o, ev->to_caller ? &ev->to : &ev->from, CODE_SOURCE_ROLE_ID);
	put(o, ev->to_caller ? &ev->from : &ev->to, CODE_DESTINATION_ROLE_ID);
}

/* The same table; the ends of the transfer are an extension. */
void xml_who_interrupted(struct out *o)
{
	gateway(o, CODE_APPLICATION, CODE_NONE);
	ends(o, known_party);
	user(o, CODE_INITIATOR_ROLE_ID, CODE_NONE);
}

/* A.5.3.3, A.5.3.7 */
void xml_who_transfer(struct out *o)
{
	ends(o, party);
	gateway(o, CODE_APPLICATION, CODE_NONE);
	user(o, CODE_INITIATOR_ROLE_ID, CODE_NONE);
}

/* A.5.3.10: the source is who asks. */
void xml_who_query(struct out *o)
{
	const struct audit_event *ev = o->ev;
	party(o, ev->by_to ? &ev->to : &ev->from, CODE_SOURCE_ROLE_ID);
	party(o, ev->by_to ? &ev->from : &ev->to, CODE_DESTINATION_ROLE_ID);
	gateway(o, CODE_APPLICATION, CODE_NONE);
	user(o, CODE_INITIATOR_ROLE_ID, CODE_NONE);
}

/* A.5.3.14: one or two, so that there is no room for the gateway, nor for who answered. */
void xml_who_shown(struct out *o)
{
	const struct audit_event *ev = o->ev;
	party(o, ev->by_to ? &ev->to : &ev->from, CODE_DESTINATION_ROLE_ID);
	user(o, CODE_INITIATOR_ROLE_ID, CODE_NONE);
}

/* A.5.3.11: the gateway reports, the others perform. */
void xml_who_alert(struct out *o)
{
	gateway(o, CODE_APPLICATION, CODE_NONE);
	known_party(o, &o->ev->from, CODE_SOURCE_ROLE_ID);
	known_party(o, &o->ev->to, CODE_DESTINATION_ROLE_ID);
	user(o, CODE_INITIATOR_ROLE_ID, CODE_NONE);
}

/* A.5.3.9: exactly one. A node that comes or goes, or the gateway. */
void xml_who_entry(struct out *o)
{
	if (xml_knows_party(&o->ev->from)) {
		party(o, &o->ev->from, CODE_NONE);
	} else {
		gateway(o, CODE_APPLICATION, CODE_NONE);
	}
}

/* A.5.3.12; the node that the user came by is an extension. */
void xml_who_login(struct out *o)
{
	user(o, CODE_INITIATOR_ROLE_ID, CODE_NONE);
	gateway(o, CODE_APPLICATION, CODE_NONE);
	known_party(o, &o->ev->from, CODE_SOURCE_ROLE_ID);
}

/* A.5.3.2: the person and the process. */
void xml_who_log_used(struct out *o)
{
	user(o, CODE_INITIATOR_ROLE_ID, CODE_NONE);
	gateway(o, CODE_APPLICATION, CODE_NONE);
}

/* ---- Media ---- */

/* CID 405, by the word that a medium's description begins with (A.5.2.1: "a description of the media type"). */
static enum audit_code media_of(const char *object)
{
	static const struct {
		const char *word;
		enum audit_code media;
	} words[] = {{"mailto:", CODE_MEDIA_EMAIL}, {"cd", CODE_MEDIA_CD}, {"dvd", CODE_MEDIA_DVD},
		{"usb", CODE_MEDIA_USB_DISK_EMULATION}, {"cf", CODE_MEDIA_COMPACT_FLASH},
		{"mmc", CODE_MEDIA_MULTI_MEDIA_CARD}, {"sd", CODE_MEDIA_SECURE_DIGITAL_CARD},
		{"film", CODE_MEDIA_FILM}, {"paper", CODE_MEDIA_PAPER_DOCUMENT}};
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i].word);
		bool whole = words[i].word[n - 1] == ':' || object[n] == ' ' || object[n] == '\0';
		if (strncasecmp(object, words[i].word, n) == 0 && whole) {
			return words[i].media;
		}
	}
	return CODE_MEDIA_URI;
}

/* A medium: what moved is on it. The tables want an access point where it is not a thing that one can hold. */
static void medium(struct out *o, enum audit_code role)
{
	const char *object = o->ev->object;
	char uri[XML_URI_SIZE];
	struct participant out = {.id = object, .roles = {role}, .media = media_of(object)};
	if (out.media == CODE_MEDIA_URI) {
		xml_uri(o, object, uri);
		out.access = uri;
		out.access_type = ACCESS_URI;
	} else if (out.media == CODE_MEDIA_EMAIL) {
		out.access = object + strlen("mailto:");
		out.access_type = ACCESS_EMAIL;
	}
	xml_participant(o, &out);
}

/* A node of another domain in the medium's place (A.5.2.7: "network access points"); never the requestor there. */
static void node_as_medium(struct out *o, const struct audit_party *p, enum audit_code role)
{
	struct participant out = of_party(o, p, role);
	out.requestor = false;
	out.media = CODE_MEDIA_URI;
	if (!xml_is_known(out.access)) {
		out.access = out.id;
		out.access_type = ACCESS_MACHINE;
	}
	put_with_ae(o, out, p);
}

static void medium_or_node(
	struct out *o, const struct audit_party *remote, enum audit_code media, enum audit_code node)
{
	if (xml_is_known(o->ev->object)) {
		medium(o, media);
	} else {
		node_as_medium(o, remote, node);
	}
}

/* The process at this side of a medium, and its user: the gateway itself where no node is known. */
static void local_side(struct out *o, const struct audit_party *local, enum audit_code role)
{
	bool node = xml_knows_party(local);
	known_party(o, local, role);
	gateway(o, node ? CODE_APPLICATION : role, node ? CODE_NONE : CODE_APPLICATION);
	user(o, role, CODE_INITIATOR_ROLE_ID);
}

/* A.5.3.5 */
void xml_who_import(struct out *o)
{
	local_side(o, &o->ev->to, CODE_DESTINATION_ROLE_ID);
	medium_or_node(o, &o->ev->from, CODE_SOURCE_MEDIA, CODE_SOURCE_ROLE_ID);
	known_party(o, &o->ev->from, CODE_SOURCE_ROLE_ID);
}

/* A.5.3.4 */
void xml_who_export(struct out *o)
{
	known_party(o, &o->ev->to, CODE_DESTINATION_ROLE_ID);
	local_side(o, &o->ev->from, CODE_SOURCE_ROLE_ID);
	medium_or_node(o, &o->ev->to, CODE_DESTINATION_MEDIA, CODE_DESTINATION_ROLE_ID);
}
