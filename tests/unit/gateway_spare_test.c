/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/spare.h"

#include <stdio.h>
#include <string.h>

#define CT       "1.2.840.10008.5.1.4.1.1.2"
#define US       "1.2.840.10008.5.1.4.1.1.6.1"
#define ELE      "1.2.840.10008.1.2.1"
#define ILE      "1.2.840.10008.1.2"
#define BASELINE "1.2.840.10008.1.2.4.50"
#define EXTENDED "1.2.840.10008.1.2.4.51"
#define LOSSLESS "1.2.840.10008.1.2.4.70"
#define J2K      "1.2.840.10008.1.2.4.91"
#define J2K_ONLY "1.2.840.10008.1.2.4.90"

static struct association as;
static struct associate rq, proposal;
static struct site *site;

/* A site whose one flow has these words in it. */
static void begin(const char *flow)
{
	char yaml[1024];
	struct mistakes m = {0};
	snprintf(yaml, sizeof(yaml),
		"nodes:\n  ct: { ae: [CT], from: [127.0.0.1], transport: plain }\n"
		"  pacs: { ae: [PACS], address: [\"127.0.0.1:1\"], transport: plain }\n"
		"listeners: [ { port: 11112, transport: plain } ]\ndeidentify: { key: k }\n"
		"flows:\n  - { name: all, from: [ct], to: pacs, services: [store], %s }\n",
		flow);
	memset(&as, 0, sizeof(as));
	memset(&rq, 0, sizeof(rq));
	memset(&proposal, 0, sizeof(proposal));
	assert_int_equal(site_parse(span_str(yaml), "/etc/gantry.yaml", &site, &m), 0);
	mistakes_done(&m);
	as.site = site;
	as.rq = &rq;
	as.proposal = &proposal;
	as.route = (struct route){.from = 0, .to = 1, .flows = {0}, .n_flows = 1};
}

/* What the caller proposes, and policy has let through. */
static void ask(const char *abstract, const char *first, const char *second)
{
	uint8_t id = (uint8_t)(2 * rq.n_contexts + 1);
	struct context *sides[] = {&rq.contexts[rq.n_contexts++], &proposal.contexts[proposal.n_contexts++]};
	for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
		sides[i]->id = id;
		sides[i]->abstract = span_str(abstract);
		sides[i]->n_transfer = second ? 2 : 1;
		sides[i]->transfer[0] = span_str(first);
		sides[i]->transfer[1] = span_str(second ? second : "");
	}
}

static void is_proposed(unsigned at, uint8_t id, const char *abstract, const char *transfer)
{
	const struct context *c = &proposal.contexts[at];
	assert_true(at < proposal.n_contexts);
	assert_int_equal(c->id, id);
	assert_true(span_eq(c->abstract, span_str(abstract)));
	assert_int_equal(c->n_transfer, 1);
	assert_true(span_eq(c->transfer[0], span_str(transfer)));
	assert_true(as.context[id].spare);
}

static void is_proposed_native(unsigned at, uint8_t id, const char *abstract, const char *first, unsigned n)
{
	const struct context *c = &proposal.contexts[at];
	assert_true(at < proposal.n_contexts);
	assert_int_equal(c->id, id);
	assert_true(span_eq(c->abstract, span_str(abstract)));
	assert_int_equal(c->n_transfer, n);
	assert_true(span_eq(c->transfer[0], span_str(first)));
	assert_true(n == 1 || span_eq(c->transfer[1], span_str(ILE)));
	assert_true(as.context[id].spare);
}

static void proposed(void **state)
{
	(void)state;
	begin("deidentify: { clean-pixels: yes }");
	ask(CT, ELE, BASELINE);
	ask(CT, EXTENDED, NULL);
	ask(US, J2K, NULL);
	ask(US, BASELINE, NULL);
	ask(US, LOSSLESS, NULL); /* that is asked for already */
	spare_propose(&as);
	assert_int_equal(proposal.n_contexts, 9);
	is_proposed(5, 11, CT, LOSSLESS);
	is_proposed(6, 13, US, J2K_ONLY);
	is_proposed_native(7, 15, CT, ELE, 2); /* of ELE and BASELINE the target may take the other */
	is_proposed_native(8, 17, US, ELE, 2);
	site_free(site);
	begin("transfer-syntaxes: [ " BASELINE ", " LOSSLESS ", " ELE
	      " ], deidentify: { clean-pixels: yes }");
	ask(CT, BASELINE, NULL);
	ask(US, BASELINE, NULL);
	ask(US, ELE, NULL);
	ask(US, LOSSLESS, NULL);
	spare_propose(&as);
	assert_int_equal(proposal.n_contexts, 6);
	is_proposed(4, 9, CT, LOSSLESS);
	is_proposed_native(5, 11, CT, ELE, 1);
	site_free(site);
	begin("deidentify: { clean-pixels: yes }");
	ask(US, BASELINE, NULL);
	ask(US, ILE, NULL);
	ask(US, LOSSLESS, NULL);
	spare_propose(&as);
	assert_int_equal(proposal.n_contexts, 4);
	is_proposed_native(3, 7, US, ELE, 1);
	site_free(site);
}

static void not_proposed(void **state)
{
	(void)state;
	begin("deidentify: yes");
	ask(CT, BASELINE, NULL);
	spare_propose(&as);
	assert_int_equal(proposal.n_contexts, 1);
	site_free(site);
	/* What the flow does not let pass. */
	begin("transfer-syntaxes: [ " BASELINE ", " J2K ", " J2K_ONLY
	      " ], deidentify: { clean-pixels: yes }");
	ask(CT, BASELINE, J2K);
	spare_propose(&as);
	assert_int_equal(proposal.n_contexts, 2);
	is_proposed(1, 3, CT, J2K_ONLY);
	as.context[1].abstract = span_str(CT);
	assert_non_null(strstr(spare_why_not(&as, &as.a, 1, span_str(LOSSLESS)), "`transfer-syntaxes`"));
	assert_non_null(
		strstr(spare_why_not(&as, &as.a, 1, span_str(J2K_ONLY)), "the called node has not accepted"));
	assert_non_null(
		strstr(spare_why_not(&as, &as.b, 1, span_str(J2K_ONLY)), "the caller has not accepted"));
	site_free(site);
	/* All identifiers are the caller's. */
	begin("deidentify: { clean-pixels: yes }");
	for (unsigned i = 0; i < LIMIT_CONTEXTS; i++) {
		ask(CT, BASELINE, NULL);
	}
	spare_propose(&as);
	assert_int_equal(proposal.n_contexts, LIMIT_CONTEXTS);
	as.context[1].abstract = span_str(CT);
	assert_non_null(strstr(spare_why_not(&as, &as.a, 1, span_str(LOSSLESS)), "all of the 128"));
	site_free(site);
}

static void agree(uint8_t id, const char *abstract, const char *transfer, bool spare)
{
	as.context[id] = (struct agreed){.accepted = true,
		.abstract = span_str(abstract),
		.transfer = span_str(transfer),
		.spare = spare};
}

static void found(void **state)
{
	uint8_t by = 99;
	(void)state;
	memset(&as, 0, sizeof(as));
	agree(1, CT, BASELINE, false);
	agree(3, US, LOSSLESS, false);
	assert_false(spare_find(&as, &as.a, 1, span_str(LOSSLESS), &by)); /* of another SOP class */
	assert_int_equal(by, 99);
	assert_true(spare_find(&as, &as.a, 1, span_str(BASELINE), &by));
	assert_int_equal(by, 1);
	agree(5, CT, LOSSLESS, true);
	assert_true(spare_find(&as, &as.a, 1, span_of(LOSSLESS "\0", sizeof(LOSSLESS)), &by));
	assert_int_equal(by, 5);
	/* Not to who has not asked for it, nor where it was not accepted again. */
	assert_false(spare_find(&as, &as.b, 1, span_str(LOSSLESS), &by));
	as.context[5].reopened_out = true;
	assert_false(spare_find(&as, &as.a, 1, span_str(LOSSLESS), &by));
	agree(7, CT, LOSSLESS, false);
	assert_true(spare_find(&as, &as.b, 1, span_str(LOSSLESS), &by));
	assert_int_equal(by, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proposed),
		cmocka_unit_test(not_proposed),
		cmocka_unit_test(found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
