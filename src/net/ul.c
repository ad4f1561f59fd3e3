/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ul.h"

/* An empty cell is 0, which no action's number is (UL_NONE). */
#define A1 UL_AA_1
#define A2 UL_AA_2
#define A3 UL_AA_3
#define A4 UL_AA_4
#define A6 UL_AA_6
#define A8 UL_AA_8
static const unsigned char table[UL_EVENTS][UL_STATES] = {
	/* PS3.8 Table 9-10.        Sta1      2        3        4        5        6        7        8        9       10       11       12       13 */
	[UL_EV_ASSOCIATE_REQUEST] = {UL_AE_1},
	[UL_EV_TRANSPORT_CONFIRM] = {[UL_STA4] = UL_AE_2},
	[UL_EV_ASSOCIATE_AC_PDU] = {0, A1, A8, 0, UL_AE_3, A8, A8, A8, A8, A8, A8, A8, A6},
	[UL_EV_ASSOCIATE_RJ_PDU] = {0, A1, A8, 0, UL_AE_4, A8, A8, A8, A8, A8, A8, A8, A6},
	[UL_EV_TRANSPORT_INDICATION] = {UL_AE_5},
	[UL_EV_ASSOCIATE_RQ_PDU] = {0, UL_AE_6, A8, 0, A8, A8, A8, A8, A8, A8, A8, A8, UL_AA_7},
	[UL_EV_ASSOCIATE_ACCEPT] = {[UL_STA3] = UL_AE_7},
	[UL_EV_ASSOCIATE_REJECT] = {[UL_STA3] = UL_AE_8},
	[UL_EV_P_DATA_REQUEST] = {[UL_STA6] = UL_DT_1, [UL_STA8] = UL_AR_7},
	[UL_EV_P_DATA_PDU] = {0, A1, A8, 0, A8, UL_DT_2, UL_AR_6, A8, A8, A8, A8, A8, A6},
	[UL_EV_RELEASE_REQUEST] = {[UL_STA6] = UL_AR_1},
	[UL_EV_RELEASE_RQ_PDU] = {0, A1, A8, 0, A8, UL_AR_2, UL_AR_8, A8, A8, A8, A8, A8, A6},
	[UL_EV_RELEASE_RP_PDU] = {0, A1, A8, 0, A8, A8, UL_AR_3, A8, A8, UL_AR_10, UL_AR_3, A8, A6},
	[UL_EV_RELEASE_RESPONSE] = {[UL_STA8] = UL_AR_4, [UL_STA9] = UL_AR_9, [UL_STA12] = UL_AR_4},
	[UL_EV_ABORT_REQUEST] = {0, 0, A1, A2, A1, A1, A1, A1, A1, A1, A1, A1, 0},
	[UL_EV_ABORT_PDU] = {0, A2, A3, 0, A3, A3, A3, A3, A3, A3, A3, A3, A2},
	[UL_EV_TRANSPORT_CLOSED] = {0, UL_AA_5, A4, A4, A4, A4, A4, A4, A4, A4, A4, A4, UL_AR_5},
	[UL_EV_ARTIM_EXPIRED] = {[UL_STA2] = A2, [UL_STA13] = A2},
	[UL_EV_INVALID_PDU] = {0, A1, A8, 0, A8, A8, A8, A8, A8, A8, A8, A8, UL_AA_7},
};
#undef A1
#undef A2
#undef A3
#undef A4
#undef A6
#undef A8

/* PS3.8 9.2.2: the state that each action leads to, wherever it stands. AR-8 has two, chosen by role. */
static const struct {
	const char *name;
	enum ul_state next;
} actions[UL_ACTIONS] = {
	[UL_NONE] = {"none", UL_STA1},
	[UL_AE_1] = {"AE-1", UL_STA4},
	[UL_AE_2] = {"AE-2", UL_STA5},
	[UL_AE_3] = {"AE-3", UL_STA6},
	[UL_AE_4] = {"AE-4", UL_STA1},
	[UL_AE_5] = {"AE-5", UL_STA2},
	[UL_AE_6] = {"AE-6", UL_STA3},
	[UL_AE_7] = {"AE-7", UL_STA6},
	[UL_AE_8] = {"AE-8", UL_STA13},
	[UL_DT_1] = {"DT-1", UL_STA6},
	[UL_DT_2] = {"DT-2", UL_STA6},
	[UL_AR_1] = {"AR-1", UL_STA7},
	[UL_AR_2] = {"AR-2", UL_STA8},
	[UL_AR_3] = {"AR-3", UL_STA1},
	[UL_AR_4] = {"AR-4", UL_STA13},
	[UL_AR_5] = {"AR-5", UL_STA1},
	[UL_AR_6] = {"AR-6", UL_STA7},
	[UL_AR_7] = {"AR-7", UL_STA8},
	[UL_AR_8] = {"AR-8", UL_STA10},
	[UL_AR_9] = {"AR-9", UL_STA11},
	[UL_AR_10] = {"AR-10", UL_STA12},
	[UL_AA_1] = {"AA-1", UL_STA13},
	[UL_AA_2] = {"AA-2", UL_STA1},
	[UL_AA_3] = {"AA-3", UL_STA1},
	[UL_AA_4] = {"AA-4", UL_STA1},
	[UL_AA_5] = {"AA-5", UL_STA1},
	[UL_AA_6] = {"AA-6", UL_STA13},
	[UL_AA_7] = {"AA-7", UL_STA13},
	[UL_AA_8] = {"AA-8", UL_STA13},
};

void ul_init(struct ul *m, bool requestor)
{
	*m = (struct ul){.state = UL_STA1, .requestor = requestor};
}

enum ul_action ul_step(struct ul *m, enum ul_event ev)
{
	bool known = (unsigned)ev < UL_EVENTS && (unsigned)m->state < UL_STATES;
	enum ul_action a = known ? (enum ul_action)table[ev][m->state] : UL_NONE;
	if (a == UL_NONE && m->state != UL_STA1) {
		a = UL_AA_8;
	}
	m->state = actions[a].next;
	if (a == UL_AR_8 && m->requestor) {
		m->state = UL_STA9;
	}
	return a;
}

const char *ul_state_name(enum ul_state s)
{
	static const char *const names[UL_STATES] = {"Sta1", "Sta2", "Sta3", "Sta4", "Sta5", "Sta6", "Sta7",
		"Sta8", "Sta9", "Sta10", "Sta11", "Sta12", "Sta13"};
	return (unsigned)s < UL_STATES ? names[s] : "Sta?";
}

const char *ul_action_name(enum ul_action a)
{
	return (unsigned)a < UL_ACTIONS ? actions[a].name : "?";
}
