/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/xml_parts.h"

#include <stdio.h>
#include <string.h>

/* The objects of each message, by the tables of PS3.15 A.5.3. */

enum object_type { /* ParticipantObjectTypeCode, A.5.2 */
	TYPE_PERSON = 1,
	TYPE_SYSTEM = 2,
};

enum object_role { /* ParticipantObjectTypeCodeRole, A.5.1.2.2 */
	ROLE_PATIENT = 1,
	ROLE_REPORT = 3,
	ROLE_MASTER_FILE = 5,
	ROLE_SECURITY_RESOURCE = 13,
};

enum life_cycle { /* ParticipantObjectDataLifeCycle, A.5.1.2.3 */
	LIFE_NONE = 0,
	LIFE_IMPORT = 2,
	LIFE_ACCESS = 6,
	LIFE_EXPORT = 10,
};

/* What the element or attribute cannot be without and the object's header lacked. */
static void missing(struct out *o, const char *text, const char *name)
{
	if (!xml_is_known(text)) {
		xml_detail(o, "Missing", name);
	}
}

/* A number is nothing without its issuer: both are one detail. */
static void serial(struct out *o, const char *name, const struct audit_party *p)
{
	char text[sizeof(p->serial) + sizeof(p->issuer) + 4];
	if (xml_is_known(p->serial)) {
		XML_JOIN(text, p->serial, p->issuer[0] ? " of " : "", p->issuer);
		xml_detail(o, name, text);
	}
}

/* A subject may be another certificate's too, by renewal or another authority; no attribute of the schema is for more. */
static void certificate(
	struct out *o, bool of_caller, const struct audit_fingerprint *f, const struct audit_party *p)
{
	struct kept k;
	char text[AUDIT_FINGERPRINT_TEXT];
	if (!f->known && !xml_is_known(p->serial)) {
		return;
	}
	xml_key_begin(&k, of_caller ? 'c' : 'C');
	writer_u8(&k.key, f->known);
	writer_bytes(&k.key, f->at, f->known ? AUDIT_FINGERPRINT : 0);
	xml_key_text(&k, p->serial);
	xml_key_text(&k, p->issuer);
	if (xml_kept(o, &k)) {
		return;
	}
	audit_fingerprint_text(f, text);
	xml_detail(o, of_caller ? "Caller's Certificate" : "Called Node's Certificate", text);
	serial(o, of_caller ? "Caller's Certificate Serial" : "Called Node's Certificate Serial", p);
	xml_keep(o, &k);
}

/* What belongs to the message as a whole stands in its first object, once. */
static void whole_details(struct out *o)
{
	const struct audit_event *ev = o->ev;
	if (o->details_done) {
		return;
	}
	o->details_done = true;
	if (ev->association > 0) {
		xml_detail_number(o, "Association", ev->association);
	}
	if (ev->refusal > 0) {
		xml_detail_number(o, "Refusal", ev->refusal);
	}
	if (ev->times > 1) {
		xml_detail_number(o, "Times", ev->times);
	}
	if (ev->failed > 0) {
		xml_detail_number(o, "Failed Instances", ev->failed);
	}
	if (!ev->user_proved) {
		xml_detail(o, "Claimed User", ev->user);
	}
	certificate(o, true, &ev->from_certificate, &ev->from);
	certificate(o, false, &ev->to_certificate, &ev->to);
	if (ev->kind == AUDIT_PATIENT_SHOWN) {
		xml_detail(o, "Answered By", ev->by_to ? ev->from.node : ev->to.node);
	}
	/* Elsewhere it is an object or a participant. */
	if (ev->kind != AUDIT_ALERT && ev->kind != AUDIT_LOG_USED && ev->kind != AUDIT_IMPORT &&
		ev->kind != AUDIT_EXPORT) {
		xml_detail(o, "Object", ev->object);
	}
}

static void accessions(struct out *o)
{
	for (unsigned i = 0; i < o->ev->n_accession; i++) {
		if (xml_is_known(o->ev->accession[i])) {
			xml_begin(o, "Accession");
			xml_attribute(o, "Number", o->ev->accession[i]);
			xml_end(o);
		}
	}
}

static bool has_accession(const struct audit_event *ev)
{
	for (unsigned i = 0; i < ev->n_accession; i++) {
		if (xml_is_known(ev->accession[i])) {
			return true;
		}
	}
	return false;
}

static void class_element(struct out *o, const char *uid, uint64_t instances)
{
	xml_begin(o, "SOPClass");
	xml_attribute(o, "UID", uid);
	xml_attribute_number(o, "NumberOfInstances", instances);
	xml_end(o);
}

/* A.5.2, SOPClass: where there is an Accession there is one of these too. */
static void study_description(struct out *o)
{
	const struct audit_event *ev = o->ev;
	if (ev->n_sop == 0 && !has_accession(ev) && ev->failed == 0) {
		return;
	}
	xml_begin(o, "ParticipantObjectDescription");
	accessions(o);
	for (unsigned i = 0; i < ev->n_sop; i++) {
		class_element(o, ev->sop[i].uid, ev->sop[i].instances);
	}
	if (ev->n_sop == 0) {
		class_element(o, "", ev->failed);
	}
	if (ev->encrypted) {
		xml_text_element(o, "Encrypted", "true");
	}
	if (ev->anonymized) {
		xml_text_element(o, "Anonymized", "true");
	}
	xml_end(o);
}

/* A study has no name of its own: its UID stands for it, as one of name and query must be there. */
static void study_begin(struct out *o, enum life_cycle life)
{
	const char *uid = FIRST_KNOWN(o->ev->study);
	xml_object_begin(o, &(struct object){.id = uid,
				    .type = TYPE_SYSTEM,
				    .role = ROLE_REPORT,
				    .life_cycle = life,
				    .id_type = CODE_STUDY_INSTANCE_UID});
	xml_text_element(o, "ParticipantObjectName", uid);
}

static void study(struct out *o, enum life_cycle life)
{
	const struct audit_event *ev = o->ev;
	study_begin(o, life);
	for (unsigned i = 0; i < ev->n_sop; i++) {
		xml_detail(o, "ContainsSOPClass", ev->sop[i].uid);
	}
	missing(o, ev->study, "Study Instance UID");
	whole_details(o);
	study_description(o);
	xml_end(o);
}

/* describe: the accession numbers stand here, not in a study. */
static void patient(struct out *o, enum life_cycle life, bool describe)
{
	const struct audit_event *ev = o->ev;
	xml_object_begin(o, &(struct object){.id = FIRST_KNOWN(ev->patient_id),
				    .type = TYPE_PERSON,
				    .role = ROLE_PATIENT,
				    .life_cycle = life,
				    .id_type = CODE_PATIENT_NUMBER});
	xml_text_element(o, "ParticipantObjectName", FIRST_KNOWN(ev->patient_name));
	xml_detail(o, "Issuer of Patient ID", ev->patient_issuer);
	missing(o, ev->patient_id, "Patient ID");
	missing(o, ev->patient_name, "Patient's Name");
	whole_details(o);
	if (describe && has_accession(ev)) {
		xml_begin(o, "ParticipantObjectDescription");
		accessions(o);
		xml_end(o);
	}
	xml_end(o);
}

static bool knows_patient(const struct audit_event *ev)
{
	return xml_is_known(ev->patient_id) || xml_is_known(ev->patient_name);
}

/* ---- By message ---- */

/* A.5.3.3, A.5.3.7: one patient, one study. */
void xml_what_transfer(struct out *o)
{
	study(o, LIFE_NONE);
	patient(o, LIFE_NONE, false);
}

static void import_or_export(struct out *o, enum life_cycle life)
{
	if (xml_is_known(o->ev->study) || o->ev->n_sop > 0 || has_accession(o->ev)) {
		study(o, life);
	}
	patient(o, life, false);
}

/* A.5.3.5 */
void xml_what_import(struct out *o)
{
	import_or_export(o, LIFE_IMPORT);
}

/* A.5.3.4 */
void xml_what_export(struct out *o)
{
	import_or_export(o, LIFE_EXPORT);
}

/* A.5.3.10. exception: a query of no bytes has a name in place of the empty element that A.5.2 forbids. */
void xml_what_query(struct out *o)
{
	const struct audit_event *ev = o->ev;
	xml_object_begin(o, &(struct object){.id = FIRST_KNOWN(ev->query_class),
				    .type = TYPE_SYSTEM,
				    .role = ROLE_REPORT,
				    .id_type = CODE_SOP_CLASS_UID});
	if (ev->query.len > 0) {
		xml_base64_element(o, "ParticipantObjectQuery", ev->query);
	} else {
		xml_text_element(o, "ParticipantObjectName", "no identifier");
	}
	xml_detail(o, "TransferSyntax", FIRST_KNOWN(ev->query_syntax));
	missing(o, ev->query_class, "SOP Class UID");
	missing(o, ev->query_syntax, "TransferSyntax");
	whole_details(o);
	xml_end(o);
	/* What the query asked for by name; an extension. */
	if (xml_is_known(ev->study)) {
		study(o, LIFE_NONE);
	}
	if (knows_patient(ev)) {
		patient(o, LIFE_NONE, !xml_is_known(ev->study));
	}
}

/* A.5.3.14; the study is an extension, and without numbers, which a query's answer does not tell. */
void xml_what_shown(struct out *o)
{
	patient(o, LIFE_ACCESS, true);
	if (xml_is_known(o->ev->study)) {
		study_begin(o, LIFE_ACCESS);
		xml_end(o);
	}
}

static void alert_details(struct out *o)
{
	xml_detail(o, "Alert Description",
		FIRST_KNOWN(o->ev->text, xml_code_meaning(xml_code_of(o->ev->alert))));
	whole_details(o);
}

/* Table A.5.3.11-1: "either in the form of node_name@domain_name or as an IP address". */
static void alert_node(struct out *o, const struct audit_party *p)
{
	char id[sizeof(p->subject) + 300];
	const char *name = FIRST_KNOWN(p->node, p->ae, p->subject, p->address);
	XML_JOIN(id, name, "@", o->src->host);
	xml_object_begin(o, &(struct object){.id = xml_is_known(p->address) ? p->address : id,
				    .type = TYPE_SYSTEM,
				    .id_type = CODE_NODE_ID});
	xml_text_element(o, "ParticipantObjectName", name);
	alert_details(o);
	xml_end(o);
}

static void alert_thing(struct out *o, const char *thing)
{
	char uri[XML_URI_SIZE];
	enum audit_alert a = o->ev->alert;
	bool file = a == ALERT_NETWORK_CONFIGURATION || a == ALERT_SECURITY_CONFIGURATION ||
	            a == ALERT_SOFTWARE_CONFIGURATION;
	xml_uri(o, thing, uri);
	xml_object_begin(o, &(struct object){.id = uri,
				    .type = TYPE_SYSTEM,
				    .role = file ? ROLE_MASTER_FILE : ROLE_SECURITY_RESOURCE,
				    .id_type = CODE_URI});
	xml_text_element(o, "ParticipantObjectName", thing);
	alert_details(o);
	xml_end(o);
}

/* A.5.3.11: the thing, the node that did it; at least the gateway. Whose data it was about is an extension. */
void xml_what_alert(struct out *o)
{
	const struct audit_event *ev = o->ev;
	const struct audit_party *p = ev->by_to ? &ev->to : &ev->from;
	bool node = xml_knows_party(p);
	if (xml_is_known(ev->object)) {
		alert_thing(o, ev->object);
	}
	if (node) {
		alert_node(o, p);
	} else if (!xml_is_known(ev->object)) {
		struct audit_party self = {.node = "gantry"};
		alert_node(o, &self);
	}
	if (xml_is_known(ev->study)) {
		study(o, LIFE_NONE);
	}
	if (knows_patient(ev)) {
		patient(o, LIFE_NONE, !xml_is_known(ev->study));
	}
}

/* A.5.3.2 */
void xml_what_log_used(struct out *o)
{
	char uri[XML_URI_SIZE];
	xml_uri(o, xml_is_known(o->ev->object) ? o->ev->object : "journal", uri);
	xml_object_begin(o,
		&(struct object){
			.id = uri, .type = TYPE_SYSTEM, .role = ROLE_SECURITY_RESOURCE, .id_type = CODE_URI});
	xml_text_element(o, "ParticipantObjectName", "Security Audit Log");
	whole_details(o);
	xml_end(o);
}
