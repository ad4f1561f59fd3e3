/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_UL_H
#define NET_UL_H

#include "base/attr.h"

#include <stdbool.h>

/* The upper layer's state machine, PS3.8 9.2, with its own names. One for each transport connection. */

enum ul_state {
	UL_STA1,  /* idle */
	UL_STA2,  /* transport open; awaiting A-ASSOCIATE-RQ */
	UL_STA3,  /* awaiting the local A-ASSOCIATE response */
	UL_STA4,  /* awaiting the transport to open */
	UL_STA5,  /* awaiting A-ASSOCIATE-AC or -RJ */
	UL_STA6,  /* ready for data */
	UL_STA7,  /* awaiting A-RELEASE-RP */
	UL_STA8,  /* awaiting the local A-RELEASE response */
	UL_STA9,  /* release collision, requestor: awaiting the local A-RELEASE response */
	UL_STA10, /* release collision, acceptor: awaiting A-RELEASE-RP */
	UL_STA11, /* release collision, requestor: awaiting A-RELEASE-RP */
	UL_STA12, /* release collision, acceptor: awaiting the local A-RELEASE response */
	UL_STA13, /* awaiting the transport to close */
	UL_STATES,
};

/* In the order of Table 9-10's rows. */
enum ul_event {
	UL_EV_ASSOCIATE_REQUEST, /* local user */
	UL_EV_TRANSPORT_CONFIRM, /* our connect() succeeded */
	UL_EV_ASSOCIATE_AC_PDU,
	UL_EV_ASSOCIATE_RJ_PDU,
	UL_EV_TRANSPORT_INDICATION, /* accept() */
	UL_EV_ASSOCIATE_RQ_PDU,
	UL_EV_ASSOCIATE_ACCEPT, /* local user */
	UL_EV_ASSOCIATE_REJECT, /* local user */
	UL_EV_P_DATA_REQUEST,   /* local user */
	UL_EV_P_DATA_PDU,
	UL_EV_RELEASE_REQUEST, /* local user */
	UL_EV_RELEASE_RQ_PDU,
	UL_EV_RELEASE_RP_PDU,
	UL_EV_RELEASE_RESPONSE, /* local user */
	UL_EV_ABORT_REQUEST,    /* local user */
	UL_EV_ABORT_PDU,
	UL_EV_TRANSPORT_CLOSED,
	UL_EV_ARTIM_EXPIRED,
	UL_EV_INVALID_PDU, /* unrecognized or malformed */
	UL_EVENTS,
};

/* PS3.8 9.2.2. */
enum ul_action {
	UL_NONE,  /* nothing to do: no connection to abort */
	UL_AE_1,  /* request a transport connection */
	UL_AE_2,  /* send A-ASSOCIATE-RQ */
	UL_AE_3,  /* confirm acceptance to the user */
	UL_AE_4,  /* confirm rejection, close the transport */
	UL_AE_5,  /* accept the transport, start ARTIM */
	UL_AE_6,  /* stop ARTIM, hand A-ASSOCIATE-RQ to the user */
	UL_AE_7,  /* send A-ASSOCIATE-AC */
	UL_AE_8,  /* send A-ASSOCIATE-RJ, start ARTIM */
	UL_DT_1,  /* send P-DATA-TF */
	UL_DT_2,  /* hand P-DATA to the user */
	UL_AR_1,  /* send A-RELEASE-RQ */
	UL_AR_2,  /* tell the user of the release request */
	UL_AR_3,  /* confirm the release, close the transport */
	UL_AR_4,  /* send A-RELEASE-RP, start ARTIM */
	UL_AR_5,  /* stop ARTIM */
	UL_AR_6,  /* hand P-DATA to the user (release under way) */
	UL_AR_7,  /* send P-DATA-TF (release under way) */
	UL_AR_8,  /* tell the user of the release collision */
	UL_AR_9,  /* send A-RELEASE-RP */
	UL_AR_10, /* confirm the release to the user */
	UL_AA_1,  /* send A-ABORT (service-user), start ARTIM */
	UL_AA_2,  /* stop ARTIM, close the transport */
	UL_AA_3,  /* tell the user of the abort, close the transport */
	UL_AA_4,  /* tell the user of a provider abort: the transport is gone */
	UL_AA_5,  /* stop ARTIM */
	UL_AA_6,  /* ignore the PDU */
	UL_AA_7,  /* send A-ABORT */
	UL_AA_8,  /* send A-ABORT (service-provider), tell the user, start ARTIM */
	UL_ACTIONS,
};

struct ul {
	enum ul_state state;
	bool requestor; /* of the association: decides a release collision (AR-8) */
};

/* Sta1. */
void ul_init(struct ul *m, bool requestor);

/*
 * Take an event: the state moves on, and what is to be done is returned. A cell that Table 9-10 leaves empty aborts:
 * UL_AA_8 and Sta13; in Sta1, without a connection, UL_NONE and Sta1. After AE-6 the state is Sta3: who finds the
 * request unacceptable sends UL_EV_ASSOCIATE_REJECT next.
 */
enum ul_action ul_step(struct ul *m, enum ul_event ev);

/* "Sta6", "AR-8". Static storage. */
const char *ul_state_name(enum ul_state s);
const char *ul_action_name(enum ul_action a);

#endif
