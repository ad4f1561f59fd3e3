/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_slab.h"
#include "gateway/gate_state.h"
#include "gateway/state.h"
#include "keys/cert.h"
#include "keys/crl.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * One JSON document for whoever connects to the control socket and asks for nothing else (gate_request.c). A forked process
 * writes it: it has the gate's memory as of one moment, and a reader that takes its time holds nobody up.
 */

#define REPORTS_MOST    4
#define REPORT_SECONDS  10
#define RECENT_REFUSALS 20

static const char *text_of(bool yes, const char *a, const char *b)
{
	return yes ? a : b;
}

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

/* Peers' texts may be no UTF-8; jansson takes none that is not. */
static void set_text(json_t *o, const char *key, const char *text)
{
	json_t *value = json_string(text);
	set(o, key, value ? value : json_string("(not printable)"));
}

static void set_number(json_t *o, const char *key, uint64_t n)
{
	set(o, key, json_integer((json_int_t)n));
}

static void set_time(json_t *o, const char *key, int64_t wall_ms)
{
	char iso[CLOCK_ISO_LEN] = "";
	if (wall_ms > 0) {
		clock_iso(wall_ms, iso);
	}
	set(o, key, wall_ms > 0 ? json_string(iso) : json_null());
}

static json_t *listeners(const struct site *s)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];
		json_t *o = json_object();
		set_text(o, "name", l->name);
		set_text(o, "address", l->address);
		set_number(o, "port", l->port);
		set_text(o, "transport", text_of(l->transport == TRANSPORT_TLS, "tls", "plain"));
		set_text(o, "profile", l->transport == TRANSPORT_TLS ? tls_profile_words[l->profile] : "");
		set(o, "transparent", json_boolean(l->transparent));
		(void)json_array_append_new(list, o);
	}
	return list;
}

static const struct node_count *count_of(const struct counts *c, const char *name)
{
	const struct node_count *n = c->nodes;
	while (n && strcmp(n->name, name) != 0) {
		n = n->next;
	}
	return n;
}

static json_t *nodes(const struct gate *g, const struct site *s)
{
	static const struct node_count none;
	json_t *list = json_array();
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *node = &s->nodes[i];
		const struct node_count *n = count_of(g->counts, node->name);
		n = n ? n : &none;
		uint64_t now = 0;
		for (const struct child *c = g->children; c; c = c->next) {
			now += (c->from || c->to) && (c->from == n || c->to == n);
		}
		json_t *o = json_object();
		set_text(o, "name", node->name);
		set_text(o, "transport", text_of(node->transport == TRANSPORT_TLS, "tls", "plain"));
		set_text(o, "profile", tls_profile_words[node->profile]);
		set_text(o, "mode", text_of(node->mode == MODE_OBSERVE, "observe", "enforce"));
		set_number(o, "live", now);
		set_number(o, "associations", n->associations);
		set_number(o, "called", n->called);
		set_number(o, "objects", n->objects);
		set_number(o, "bytes_in", n->bytes_in);
		set_number(o, "bytes_out", n->bytes_out);
		set_number(o, "refusals", n->refusals);
		set_number(o, "tolerated", n->tolerated);
		set_time(o, "last_seen", n->last_seen_ms);
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *flows(const struct gate *g, const struct site *s)
{
	json_t *list = json_array();
	int64_t now = clock_mono_ms();
	for (unsigned i = 0; i < s->n_flows; i++) {
		struct flow_count *f = counts_flow(g->counts, s->flows[i].name, now);
		json_t *o = json_object();
		set_text(o, "name", s->flows[i].name);
		set_text(o, "mode", text_of(s->flows[i].mode == MODE_OBSERVE, "observe", "enforce"));
		set_number(o, "at_once", f ? f->at_once : 0);
		set_number(o, "associations", f ? f->associations : 0);
		set_number(o, "objects", f ? f->objects : 0);
		set_number(o, "bytes", f ? f->bytes : 0);
		if (s->flows[i].deidentify) {
			set_number(o, "deidentified", f ? f->remade : 0);
		}
		set_number(o, "associations_last_minute", f ? window_sum(&f->minute, now) : 0);
		set_number(o, "objects_last_hour", f ? window_sum(&f->seen_objects, now) : 0);
		set_number(o, "bytes_last_hour", f ? window_sum(&f->seen_bytes, now) : 0);
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *associations(const struct gate *g)
{
	static const char *const states[] = {"negotiating", "idle", "in a message", "closing"};
	json_t *list = json_array();
	for (const struct child *c = g->children; c; c = c->next) {
		char from[46];
		netaddr_text(&c->ip, from);
		json_t *o = json_object();
		set_number(o, "id", c->id);
		set_text(o, "address", from);
		set_number(o, "port", c->port);
		set_text(o, "listener", c->listener);
		set_text(o, "from", c->from ? c->from->name : "");
		set_text(o, "to", c->to ? c->to->name : "");
		set_text(o, "flow", c->n_flows > 0 ? c->flows[0]->name : "");
		set_text(o, "calling", c->who.calling);
		set_text(o, "called", c->who.called);
		set(o, "tls", json_boolean(c->who.tls));
		set_text(o, "tls_version", c->who.tls_version);
		set_text(o, "suite", c->who.suite);
		set_text(o, "subject", c->who.subject);
		set_text(o, "state", c->reject_only ? "refusing" : states[c->progress.state]);
		set_time(o, "since", c->since_ms);
		set_number(o, "messages", c->progress.messages);
		set_number(o, "objects", c->progress.objects);
		set_number(o, "bytes_in", c->progress.bytes_in);
		set_number(o, "bytes_out", c->progress.bytes_out);
		set_number(o, "refusals", c->progress.refusals);
		set_number(o, "generation", c->generation);
		(void)json_array_append_new(list, o);
	}
	return list;
}

static bool of_context(const struct refusal *r)
{
	return (r->rule == RULE_SOP_CLASS || r->rule == RULE_TRANSFER_SYNTAX) && !r->service[0];
}

static bool has_text(const json_t *o, const char *key, const char *text)
{
	const char *has = json_string_value(json_object_get(o, key));
	return has && strcmp(has, text) == 0;
}

/* Contexts refused to the same caller: many devices propose a hundred and use one. They are told together. */
static json_t *find_like(const json_t *recent, const struct refusal *r)
{
	size_t i;
	json_t *one;
	json_array_foreach(recent, i, one)
	{
		if (has_text(one, "rule", rule_name((enum rule)r->rule)) &&
			has_text(one, "address", r->address) && has_text(one, "calling", r->calling) &&
			has_text(one, "called", r->called)) {
			return one;
		}
	}
	return NULL;
}

static json_t *refusals(const struct gate *g)
{
	json_t *o = json_object(), *rules = json_object(), *recent = json_array();
	for (unsigned i = 1; i < RULE_COUNT; i++) {
		if (g->counts->refusals[i] > 0) {
			set_number(rules, rule_name((enum rule)i), g->counts->refusals[i]);
		}
	}
	const struct refusal *r;
	for (unsigned i = 0; (r = ledger_recent(g->ledger, i)); i++) {
		json_t *like = of_context(r) ? find_like(recent, r) : NULL;
		if (like) {
			set_number(like, "alike",
				(uint64_t)json_integer_value(json_object_get(like, "alike")) + 1);
			continue;
		}
		if (json_array_size(recent) == RECENT_REFUSALS) {
			continue;
		}
		json_t *one = json_object();
		set_number(one, "number", r->number);
		set_number(one, "alike", 0);
		set_number(one, "count", r->count);
		set_time(one, "last", r->last_ms);
		set_text(one, "rule", rule_name((enum rule)r->rule));
		set_text(one, "answered", r->answered);
		set_text(one, "address", r->address);
		set_text(one, "calling", r->calling);
		set_text(one, "called", r->called);
		set_text(one, "sentence", r->sentence);
		(void)json_array_append_new(recent, one);
	}
	set_number(o, "last_number", ledger_last_number(g->ledger));
	set(o, "by_rule", rules);
	set(o, "recent", recent);
	return o;
}

static void add_certificate(json_t *list, const struct blob *b, const char *use)
{
	char subject[256] = "";
	int days = 0;
	int e = cert_days_left(b->bytes, clock_wall_ms() / 1000, &days, subject);
	json_t *o = json_object();
	set_text(o, "file", b->path);
	set_text(o, "use", use);
	set_text(o, "subject", subject);
	set(o, "days_left", e == 0 ? json_integer(days) : json_null());
	(void)json_array_append_new(list, o);
}

static void add_crl(json_t *list, const struct blob *b)
{
	char issuer[256] = "";
	int days = 0;
	int e = crl_days_left(b->bytes, clock_wall_ms() / 1000, &days, issuer);
	json_t *o = json_object();
	set_text(o, "file", b->path);
	set_text(o, "use", "crl");
	set_text(o, "subject", issuer);
	set(o, "days_left", e == 0 ? json_integer(days) : json_null());
	(void)json_array_append_new(list, o);
}

static json_t *certificates(const struct site *s)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < s->n_crl; i++) {
		if (!blob_is_list(&s->crl[i])) {
			continue; /* the lookup's affair, and in the log when it is not to be had; or nobody is blocked yet */
		}
		add_crl(list, &s->crl[i]);
	}
	for (unsigned i = 0; i < s->signatures.n_crl; i++) {
		add_crl(list, &s->signatures.crl[i]);
	}
	for (unsigned i = 0; i < s->n_identities; i++) {
		add_certificate(list, &s->identities[i].certificate, "identity");
	}
	for (unsigned i = 0; i < s->n_trust; i++) {
		add_certificate(list, &s->trust[i], "trust");
	}
	if (s->revocation.certificate.path) {
		add_certificate(list, &s->revocation.certificate, "revocation");
	}
	if (s->signatures.certificate.path) {
		add_certificate(list, &s->signatures.certificate, "signatures");
	}
	return list;
}

/* "; until 2027-06-30", with what has become of it. */
static void ending_text(const struct ending *e, char *buf, size_t cap)
{
	time_t last = (time_t)(e->until_s - 1);
	struct tm day;
	buf[0] = 0;
	if (e->until_s == 0 || !localtime_r(&last, &day)) {
		return;
	}
	bool over = clock_wall_ms() / 1000 >= e->until_s;
	snprintf(buf, cap, "%s%04d-%02d-%02d%s", over ? ": its end date, " : ", until ", day.tm_year + 1900,
		day.tm_mon + 1, day.tm_mday,
		!over                    ? ""
		: e->over == OVER_REFUSE ? ", has passed: refused"
					 : ", has passed");
}

static void add_transport_debt(json_t *list, const char *what, const char *name, enum transport t,
	enum tls_profile p, const struct ending *e)
{
	char end[80];
	ending_text(e, end, sizeof(end));
	if (t == TRANSPORT_PLAIN) {
		(void)json_array_append_new(
			list, json_sprintf("%s %s speaks plain DICOM, without TLS%s", what, name, end));
	} else if (p == PROFILE_LEGACY_NON_DOWNGRADING) {
		(void)json_array_append_new(list, json_sprintf("%s %s has a retired TLS profile, %s%s", what,
							  name, tls_profile_words[p], end));
	}
}

/* What is configured less strictly than it could be: it is shown until it is paid off. */
static json_t *debts(const struct site *s)
{
	json_t *list = json_array();
	if (!s->audit.has) {
		(void)json_array_append_new(
			list, json_string("no audit trail is kept (there is no `audit:`)"));
	} else if (s->audit.unrecorded == UNRECORDED_PASS) {
		(void)json_array_append_new(
			list, json_string("what cannot be recorded passes all the same (unrecorded: pass)"));
	}
	for (unsigned i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];
		/* A plain listener is there for plain nodes, and they are the debt; unless it has an end of its own. */
		if (l->transport == TRANSPORT_TLS || l->transport_until.until_s > 0) {
			add_transport_debt(
				list, "listener", l->name, l->transport, l->profile, &l->transport_until);
		}
	}
	if (s->mode == MODE_OBSERVE) {
		(void)json_array_append_new(
			list, json_string("the site only observes: nothing is refused by policy"));
	}
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];
		if (n->mode == MODE_OBSERVE) {
			(void)json_array_append_new(list, json_sprintf("node %s is only observed", n->name));
		}
		bool folder = n->n_address > 0 && n->address[0].folder && n->address[0].folder[0];
		if (!folder) {
			add_transport_debt(
				list, "node", n->name, n->transport, n->profile, &n->transport_until);
		}
		if (n->tolerate) {
			(void)json_array_append_new(
				list, json_sprintf("node %s is allowed to misbehave (tolerate)", n->name));
		}
	}
	for (unsigned i = 0; i < s->n_flows; i++) {
		if (s->flows[i].mode == MODE_OBSERVE) {
			(void)json_array_append_new(
				list, json_sprintf("flow %s is only observed", s->flows[i].name));
		}
	}
	return list;
}

/* The audit trail: whether records are made now, and what vouches for them. */
static json_t *audit(const struct gate *g, const struct site *s)
{
	const struct msg_journal *j = &g->journal;
	json_t *o = json_object(), *checkpoint = json_object();
	bool known = g->journal_known;
	if (!s->audit.has) {
		set_text(o, "state", "off");
		json_decref(checkpoint);
		return o;
	}
	set_text(o, "state", !known ? "away" : text_of(j->failing, "failing", "recording"));
	set_time(o, "since", known ? j->since_ms : g->auditor_lost_ms ? g->auditor_lost_ms : g->started_ms);
	set_text(
		o, "why", known ? j->why : "the auditor, which keeps the journal, is away; the log says why");
	set_text(o, "journal", s->audit.journal);
	set_text(o, "unrecorded",
		s->audit.unrecorded == UNRECORDED_PASS
			? "pass"
			: text_of(s->audit.unrecorded == UNRECORDED_HOLD, "hold", "refuse"));
	set_number(o, "records", j->records);
	set_number(o, "open_transfers", j->open);
	set_number(checkpoint, "records", j->vouched);
	set_time(checkpoint, "signed", j->signed_ms);
	set(checkpoint, "age",
		j->signed_ms > 0 ? json_integer((clock_wall_ms() - j->signed_ms) / 1000) : json_null());
	set_text(checkpoint, "why", j->unsigned_why);
	set_text(checkpoint, "copy_why", j->uncopied_why);
	set(o, "checkpoint", checkpoint);
	set_number(o, "not_sent", j->unsent);
	set_text(o, "cold_why", j->cold_why);
	return o;
}

/* The quarantine: what is in it, and whether there is room for more. */
static json_t *quarantine(const struct gate *g, const struct site *s)
{
	const struct msg_quarantined *q = &g->quarantined;
	json_t *o = json_object();
	bool full = (s->quarantine.size_most > 0 && q->bytes >= s->quarantine.size_most) ||
	            (s->quarantine.objects_most > 0 && q->objects >= s->quarantine.objects_most);
	if (!site_quarantines(s)) {
		set_text(o, "state", "off");
		return o;
	}
	set_text(o, "state", !g->quarantined_known ? "away" : text_of(full, "full", "open"));
	set_text(o, "folder", s->quarantine.folder);
	set_number(o, "objects", q->objects);
	set_number(o, "objects_most", s->quarantine.objects_most);
	set_number(o, "bytes", q->bytes);
	set_number(o, "bytes_most", s->quarantine.size_most);
	set_number(o, "released", q->released);
	set_time(o, "oldest", q->oldest_ms);
	set_number(o, "not_kept", q->not_kept);
	set_time(o, "last_not_kept", q->not_kept_ms);
	set_text(o, "why", q->why);
	return o;
}

static json_t *couriers(const struct gate *g, const struct site *s)
{
	static const char *const states[COURIER_STATES] = {"idle", "sending", "away"};
	json_t *list = json_array();
	for (unsigned i = 0; s->audit.has && i < MSG_COURIERS_MOST; i++) {
		const struct msg_courier *c = &g->couriers[i];
		if (!c->name[0]) {
			continue;
		}
		json_t *o = json_object();
		set_text(o, "name", c->name);
		set_text(o, "kind", text_of(c->witness, "witness", "repository"));
		set_text(o, "state", states[c->state]);
		set_text(o, "address", c->address);
		set_number(o, "waiting", c->waiting);
		set_number(o, "waiting_bytes", c->bytes);
		set_number(o, "delivered", c->delivered);
		set_number(o, "sent_again", c->resent);
		set_number(o, "lost", c->lost);
		set_number(o, "cut", c->cut);
		set_number(o, "damaged", c->damaged);
		set_time(o, "last_delivered", c->delivered_ms);
		set_time(o, "last_failed", c->failed_ms);
		set_text(o, "error", c->error);
		(void)json_array_append_new(list, o);
	}
	return list;
}

/* The virus scanner, as the lookup saw it last. */
static json_t *antivirus(const struct gate *g, const struct site *s)
{
	const struct msg_antivirus *a = &g->antivirus;
	json_t *o = json_object();
	if (!s->antivirus.has) {
		set_text(o, "state", "off");
		return o;
	}
	set_text(o, "state", !g->antivirus_known ? "unknown" : text_of(a->good, "ready", "away"));
	set_time(o, "since", a->since_ms);
	set_text(o, "why", a->why);
	set_text(o, "socket", s->antivirus.socket);
	set_text(o, "version", a->version);
	set_number(o, "largest", a->most);
	set_number(o, "clean", a->scanned);
	set_number(o, "found", a->found);
	set_number(o, "partly", a->partly);
	set_number(o, "not_scanned", a->not_scanned);
	return o;
}

static json_t *document(const struct gate *g)
{
	const struct site *s = gate_newest(g);
	json_t *o = json_object();
	set_text(o, "version", GANTRY_VERSION);
	set_text(o, "site", s->name);
	set_text(o, "file", s->file);
	set_text(o, "mode", text_of(s->mode == MODE_OBSERVE, "observe", "enforce"));
	set_time(o, "now", clock_wall_ms());
	set_time(o, "since", g->started_ms);
	set_time(o, "configured", g->sites->since_ms);
	set_number(o, "generation", g->sites->generation);
	set_number(o, "pid", (uint64_t)g->supervisor_pid);
	set(o, "stopping", json_boolean(g->stopping));
	set_time(o, "reload_refused", g->kept_ms);
	set_text(o, "reload_refused_why", g->kept_ms ? g->kept : "");
	set_number(o, "live", g->n_children);
	set_number(o, "connections", g->accepted);
	set_number(o, "closed_at_once", g->closed_at_once);
	set_number(o, "crashed", g->crashed);
	set(o, "listeners", listeners(s));
	set(o, "nodes", nodes(g, s));
	set(o, "flows", flows(g, s));
	set(o, "associations", associations(g));
	set(o, "refusals", refusals(g));
	set(o, "audit", audit(g, s));
	set(o, "audit_repositories", couriers(g, s));
	set(o, "quarantine", quarantine(g, s));
	set(o, "antivirus", antivirus(g, s));
	set(o, "certificates", certificates(s));
	set(o, "debts", debts(s));
	return o;
}

static void write_report(const struct gate *g, int fd) __attribute__((noreturn));
static void write_report(const struct gate *g, int fd)
{
	/* A reader that never reads ends with us, and we end by the clock. */
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(REPORT_SECONDS);
	(void)fcntl(fd, F_SETFL, 0);
	if (gate_request(g, fd)) {
		_exit(0);
	}
	char *text = json_dumps(document(g), JSON_INDENT(2));
	size_t len = text ? strlen(text) : 0;
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR) {
			break;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	_exit(0);
}

void gate_status_ready(struct gate *g, struct source *s, uint32_t events)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0) {
		return;
	}
	if (g->sites && g->n_reports < REPORTS_MOST) {
		slab_share(true);
		pid_t pid = fork();
		if (pid == 0) {
			write_report(g, fd);
		}
		slab_share(false);
		g->n_reports += pid > 0;
	}
	close(fd);
}
