/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/learn.h"
#include "policy/site_parse.h"
#include "policy/suggest.h"

#include <stdlib.h>
#include <string.h>

/*
 * Logs for `gantry learn`, and a line of the ledger for `gantry explain`. What they write must be YAML that joins the
 * site, save for what they ask to be filled in.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char yaml[] =
	"listeners: [ { name: plain, address: 127.0.0.1, port: 11112, transport: plain } ]\n"
	"nodes:\n"
	"  archive: { ae: [ ARCHIVE ], address: folder:archive }\n"
	"  ct1: { ae: [ CT1 ], from: [ 10.1.1.7 ], transport: plain }\n"
	"  tls1: { ae: [ TLS1 ], certificate: { san: [ tls1.hospital ] } }\n"
	"flows:\n"
	"  - name: f\n"
	"    from: [ ct1, tls1 ]\n"
	"    to: archive\n"
	"    services: [ echo, store ]\n"
	"    sop-classes: [ CTImageStorage ]\n"
	"    limits: { object-size: 5 }\n";

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

/* Only an unknown address, and what it brings, may be missing. */
static void joins(const char *lines)
{
	struct site_text text = {.yaml = span_str(yaml), .overlay = span_str(lines), .file = "/g.yaml"};
	struct site *s = NULL;
	struct mistakes m;
	(void)!site_parse_text(&text, &s, &m);
	for (unsigned i = 0; i < m.n_errors; i++) {
		must(strstr(m.at[i].text, "no `address`") || strstr(m.at[i].text, "no authority"));
	}
	mistakes_done(&m);
	site_free(s);
}

static void learn(const struct site *s, const uint8_t *data, size_t size)
{
	struct learn *l = learn_new(s, LEARN_TRANSFER_SYNTAXES);
	char *lines;
	must(l != NULL);
	for (size_t from = 0; from < size;) {
		const uint8_t *end = memchr(data + from, '\n', size - from);
		size_t n = end ? (size_t)(end - data) - from + 1 : size - from;
		uint8_t *line = malloc(n);
		must(line != NULL);
		memcpy(line, data + from, n);
		int err = learn_log_line(l, span_of(line, n));
		must(err >= ERR_LIMIT);
		(void)!learn_is_log_line(span_of(line, n));
		free(line);
		from += n;
	}
	must(learn_write(l, &lines) == 0);
	joins(lines);
	free(lines);
	learn_free(l);
}

static void explain(const struct site *s, const uint8_t *data, size_t size)
{
	struct refusal r;
	struct suggestion g;
	bool is_count;
	if (refusal_from_json(span_of(data, size), &r, &is_count) < 0 || is_count) {
		return;
	}
	must(refusal_same(&r, &r));
	must(suggest(s, &r, &g) == 0);
	joins(g.yaml);
	suggestion_done(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct site *s = NULL;
	struct mistakes m;
	must(site_parse(span_str(yaml), "/g.yaml", &s, &m) == 0);
	mistakes_done(&m);
	learn(s, data, size);
	explain(s, data, size);
	site_free(s);
	return 0;
}
