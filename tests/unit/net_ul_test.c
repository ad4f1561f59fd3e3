/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "net/ul.h"

#include <stdio.h>

/*
 * PS3.8 Table 9-10, copied from the standard's own text cell by cell, left to right Sta1 to Sta13: "AE-1/Sta4", "-"
 * for an empty cell. "Sta9|10": by role.
 */
static const struct {
	enum ul_event event;
	const char *cells;
} table[] = {
	{UL_EV_ASSOCIATE_REQUEST, "AE-1/Sta4 - - - - - - - - - - - -"},
	{UL_EV_TRANSPORT_CONFIRM, "- - - AE-2/Sta5 - - - - - - - - -"},
	{UL_EV_ASSOCIATE_AC_PDU,
		"- AA-1/Sta13 AA-8/Sta13 - AE-3/Sta6 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-6/Sta13"},
	{UL_EV_ASSOCIATE_RJ_PDU,
		"- AA-1/Sta13 AA-8/Sta13 - AE-4/Sta1 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-6/Sta13"},
	{UL_EV_TRANSPORT_INDICATION, "AE-5/Sta2 - - - - - - - - - - - -"},
	{UL_EV_ASSOCIATE_RQ_PDU,
		"- AE-6/Sta3|13 AA-8/Sta13 - AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-7/Sta13"},
	{UL_EV_ASSOCIATE_ACCEPT, "- - AE-7/Sta6 - - - - - - - - - -"},
	{UL_EV_ASSOCIATE_REJECT, "- - AE-8/Sta13 - - - - - - - - - -"},
	{UL_EV_P_DATA_REQUEST, "- - - - - DT-1/Sta6 - AR-7/Sta8 - - - - -"},
	{UL_EV_P_DATA_PDU,
		"- AA-1/Sta13 AA-8/Sta13 - AA-8/Sta13 DT-2/Sta6 AR-6/Sta7 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-6/Sta13"},
	{UL_EV_RELEASE_REQUEST, "- - - - - AR-1/Sta7 - - - - - - -"},
	{UL_EV_RELEASE_RQ_PDU,
		"- AA-1/Sta13 AA-8/Sta13 - AA-8/Sta13 AR-2/Sta8 AR-8/Sta9|10 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-6/Sta13"},
	{UL_EV_RELEASE_RP_PDU,
		"- AA-1/Sta13 AA-8/Sta13 - AA-8/Sta13 AA-8/Sta13 AR-3/Sta1 AA-8/Sta13 AA-8/Sta13 AR-10/Sta12 AR-3/Sta1 AA-8/Sta13 AA-6/Sta13"},
	{UL_EV_RELEASE_RESPONSE, "- - - - - - - AR-4/Sta13 AR-9/Sta11 - - AR-4/Sta13 -"},
	{UL_EV_ABORT_REQUEST,
		"- - AA-1/Sta13 AA-2/Sta1 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 -"},
	{UL_EV_ABORT_PDU,
		"- AA-2/Sta1 AA-3/Sta1 - AA-3/Sta1 AA-3/Sta1 AA-3/Sta1 AA-3/Sta1 AA-3/Sta1 AA-3/Sta1 AA-3/Sta1 AA-3/Sta1 AA-2/Sta1"},
	{UL_EV_TRANSPORT_CLOSED,
		"- AA-5/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AA-4/Sta1 AR-5/Sta1"},
	{UL_EV_ARTIM_EXPIRED, "- AA-2/Sta1 - - - - - - - - - - AA-2/Sta1"},
	{UL_EV_INVALID_PDU,
		"- AA-1/Sta13 AA-8/Sta13 - AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-7/Sta13"},
};

static void check_cell(enum ul_event ev, enum ul_state from, const char *cell, bool requestor)
{
	struct ul m = {.state = from, .requestor = requestor};
	enum ul_action a = ul_step(&m, ev);
	char expected[32], got[32];
	snprintf(got, sizeof(got), "%s/%s", ul_action_name(a), ul_state_name(m.state));
	snprintf(expected, sizeof(expected), "%s", cell);
	if (strcmp(cell, "-") == 0) {
		snprintf(expected, sizeof(expected), "%s", from == UL_STA1 ? "none/Sta1" : "AA-8/Sta13");
	} else if (strcmp(cell, "AE-6/Sta3|13") == 0) {
		snprintf(expected, sizeof(expected), "AE-6/Sta3"); /* the rejection is a step of its own */
	} else if (strcmp(cell, "AR-8/Sta9|10") == 0) {
		snprintf(expected, sizeof(expected), "AR-8/%s", requestor ? "Sta9" : "Sta10");
	}
	assert_string_equal(got, expected);
	assert_true(m.requestor == requestor);
}

static void every_cell(void **state)
{
	assert_int_equal(ARRAY_LEN(table), UL_EVENTS);
	unsigned cells = 0;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char row[256], *rest = row, *cell;
		assert_int_equal(table[i].event, i);
		snprintf(row, sizeof(row), "%s", table[i].cells);
		for (unsigned s = 0; (cell = strsep(&rest, " ")); s++, cells++) {
			assert_true(s < UL_STATES);
			check_cell(table[i].event, (enum ul_state)s, cell, false);
			check_cell(table[i].event, (enum ul_state)s, cell, true);
		}
	}
	assert_int_equal(cells, UL_EVENTS * UL_STATES);
}

static void run(struct ul *m, const enum ul_event *events, size_t n, const char *const *expected)
{
	for (size_t i = 0; i < n; i++) {
		char got[32];
		enum ul_action a = ul_step(m, events[i]);
		snprintf(got, sizeof(got), "%s/%s", ul_action_name(a), ul_state_name(m->state));
		assert_string_equal(got, expected[i]);
	}
}

/* PS3.8 9.2: the two sides of a release collision. */
static void release_collision(void **state)
{
	static const enum ul_event asked[] = {UL_EV_ASSOCIATE_REQUEST, UL_EV_TRANSPORT_CONFIRM,
		UL_EV_ASSOCIATE_AC_PDU, UL_EV_RELEASE_REQUEST, UL_EV_RELEASE_RQ_PDU, UL_EV_RELEASE_RESPONSE,
		UL_EV_RELEASE_RP_PDU};
	static const char *const asked_expected[] = {
		"AE-1/Sta4", "AE-2/Sta5", "AE-3/Sta6", "AR-1/Sta7", "AR-8/Sta9", "AR-9/Sta11", "AR-3/Sta1"};
	static const enum ul_event took[] = {UL_EV_TRANSPORT_INDICATION, UL_EV_ASSOCIATE_RQ_PDU,
		UL_EV_ASSOCIATE_ACCEPT, UL_EV_RELEASE_REQUEST, UL_EV_RELEASE_RQ_PDU, UL_EV_RELEASE_RP_PDU,
		UL_EV_RELEASE_RESPONSE, UL_EV_TRANSPORT_CLOSED};
	static const char *const took_expected[] = {"AE-5/Sta2", "AE-6/Sta3", "AE-7/Sta6", "AR-1/Sta7",
		"AR-8/Sta10", "AR-10/Sta12", "AR-4/Sta13", "AR-5/Sta1"};
	struct ul m;
	ul_init(&m, true);
	run(&m, asked, ARRAY_LEN(asked), asked_expected);
	ul_init(&m, false);
	run(&m, took, ARRAY_LEN(took), took_expected);
}

static void nonsense(void **state)
{
	struct ul m = {.state = UL_STA6};
	assert_int_equal(ul_step(&m, UL_EVENTS), UL_AA_8);
	assert_int_equal(m.state, UL_STA13);
	assert_string_equal(ul_state_name(UL_STATES), "Sta?");
	assert_string_equal(ul_action_name(UL_ACTIONS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell),
		cmocka_unit_test(release_collision),
		cmocka_unit_test(nonsense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
