/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"
#include "policy/site_parse.h"

#include <stdlib.h>
#include <string.h>

/*
 * gantry.yaml. A site that is read is put to use: identities are decided, a packed copy reads the same, and laid over
 * itself it is still a site.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void check_mistakes(int err, const struct site *s, const struct mistakes *m)
{
	must(err == 0 || err == ERR_VALUE || err == ERR_NO_MEMORY);
	must((err == 0) == (s != NULL));
	must(err != ERR_VALUE || m->n_errors > 0);
	must(err != 0 || m->n_errors == 0);
	for (unsigned i = 0; i < m->n; i++) {
		must(m->at[i].text && m->at[i].text[0]);
	}
}

static void check_names(const struct site *s)
{
	must(s->name && s->state && s->run && s->user && s->log_file && s->implementation_class);
	for (unsigned i = 0; i < s->n_nodes; i++) {
		must(s->nodes[i].name[0] && s->nodes[i].server_name);
	}
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];
		must(f->name[0] && f->title_calling && f->title_called && f->to < s->n_nodes);
		for (unsigned j = 1; j < f->sop_classes.n; j++) {
			must(strcmp(f->sop_classes.at[j - 1], f->sop_classes.at[j]) < 0);
		}
	}
}

static void decide(const struct site *s)
{
	struct caller c = {.transport = TRANSPORT_PLAIN, .calling = "CT1", .called = "ARCHIVE"};
	struct route r;
	struct verdict v;
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];
		c.calling = n->ae.n ? n->ae.at[0] : "X";
		c.transport = n->transport;
		c.ip = n->n_from ? n->from[0].ip : c.ip;
		int err = decide_route(s, NULL, &c, &r, &v);
		must(err == 0 || err == ERR_DENIED);
		must(v.refuse == (err < 0) && (err == 0 || v.sentence[0]));
		must(err < 0 || r.to >= 0);
		struct request_facts f = {.command = &(struct command){.field = C_STORE_RQ},
			.abstract_syntax = span_str("1.2.840.10008.5.1.4.1.1.2"),
			.transfer_syntax = span_str("1.2.840.10008.1.2"),
			.wall_s = 1795392000};
		if (err == 0) {
			err = decide_request(s, &r, &f, &v);
			must(v.refuse == (err < 0));
		}
	}
}

static void pack(const struct site *s)
{
	uint8_t *bytes;
	size_t len;
	struct site *t = NULL;
	struct mistakes m;
	must(site_pack(s, &bytes, &len) == 0);
	must(site_unpack(span_of(bytes, len), &t, &m) == 0);
	must(t->n_nodes == s->n_nodes && t->n_flows == s->n_flows && t->n_listeners == s->n_listeners);
	mistakes_done(&m);
	site_free(t);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy) {
		return 0;
	}
	memcpy(copy, data, size);
	struct site *s = NULL, *t = NULL;
	struct mistakes m;
	int err = site_parse(span_of(copy, size), "/etc/gantry/gantry.yaml", &s, &m);
	check_mistakes(err, s, &m);
	mistakes_done(&m);
	if (s) {
		check_names(s);
		decide(s);
		pack(s);
		struct site_text over = {.yaml = s->yaml, .overlay = s->yaml, .file = s->file};
		err = site_parse_text(&over, &t, &m);
		check_mistakes(err, t, &m);
		mistakes_done(&m);
	}
	site_free(t);
	site_free(s);
	free(copy);
	return 0;
}
