/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/release.h"
#include <stdio.h>

/* Close in good order once the peer has read our last PDU: association.c waits in Sta13. */
void release_answer(struct association *as, struct side *s)
{
	/* Told before the caller is: who may have one association at once may open the next right after this. */
	if (s == &as->a) {
		gate_progress(as, PROGRESS_CLOSING);
		audit_end_transfers(as, NULL); /* the answer waits until that is recorded */
	}
	(void)ul_step(&s->ul, UL_EV_RELEASE_RESPONSE);
	side_send_release(s, true);
}

static void ask_release(struct side *s)
{
	if (s->up && s->ul.state == UL_STA6) {
		(void)ul_step(&s->ul, UL_EV_RELEASE_REQUEST);
		side_send_release(s, false);
	}
}

/* Who asked for release waits until the other side has released too: nothing is said to be over that is not. */
static void indicated(struct association *as, struct side *s)
{
	struct side *o = other_side(as, s);
	if (o->up && o->ul.state == UL_STA6) {
		ask_release(o);
		return;
	}
	if (o->up) {
		return; /* the other is releasing already; release_confirmed() answers */
	}
	report_ended(as, "released");
	release_answer(as, s);
}

static void confirmed(struct association *as, struct side *s)
{
	struct side *o = other_side(as, s);
	side_close(s);
	report_ended(as, "released");
	if (o->up && (o->ul.state == UL_STA8 || o->ul.state == UL_STA12)) {
		release_answer(as, o);
	}
}

/*
 * Both asked at once (PS3.8 9.2, AR-8). As requestor (towards the target) we answer at once and wait for the
 * confirmation; as acceptor (towards the caller) we wait for the confirmation first.
 */
static void collided(struct association *as, struct side *s)
{
	if (s->ul.state == UL_STA9) {
		release_answer(as, s);
	}
}

/* Sta12: the caller confirmed ours. Its own request is answered when the target has released too. */
static void both_asked(struct association *as, struct side *s)
{
	struct side *o = other_side(as, s);
	if (o->up && o->ul.state == UL_STA8) {
		release_answer(as, o);
	} else if (o->up && o->ul.state != UL_STA13) {
		return; /* confirmed() answers */
	}
	report_ended(as, "released");
	release_answer(as, s);
}

static void aborted(struct association *as, struct side *s, struct span body)
{
	struct reader r = reader_of(body);
	struct pdu_abort why = {0};
	struct side *o = other_side(as, s);
	/* An A-ABORT that is malformed aborts all the same. */
	if (pdu_read_abort(&r, &why, NULL) != 0) {
		why = (struct pdu_abort){.source = 2, .reason = 0};
	}
	if (s == &as->b) {
		target_end(as, false, "the target aborted the association");
		return;
	}
	report_ended(as, "the caller aborted the association (source %u, reason %u)", why.source, why.reason);
	side_close(s);
	if (o->up) {
		/* A user's abort stays one; a provider's is ours to the target. PS3.8 9.3.8 */
		side_send_abort(o, why.source == 0 ? 0 : 2, why.source == 0 ? 0 : why.reason);
		side_goodbye(o);
		side_close(o);
	}
	as->over = true;
}

static enum ul_event event_of(uint8_t type)
{
	switch (type) {
	case PDU_ASSOCIATE_RQ:
		return UL_EV_ASSOCIATE_RQ_PDU;
	case PDU_ASSOCIATE_AC:
		return UL_EV_ASSOCIATE_AC_PDU;
	case PDU_ASSOCIATE_RJ:
		return UL_EV_ASSOCIATE_RJ_PDU;
	case PDU_RELEASE_RQ:
		return UL_EV_RELEASE_RQ_PDU;
	case PDU_RELEASE_RP:
		return UL_EV_RELEASE_RP_PDU;
	case PDU_ABORT:
		return UL_EV_ABORT_PDU;
	default:
		return UL_EV_INVALID_PDU;
	}
}

static int act_on(
	struct association *as, struct side *s, enum ul_action act, struct span body, struct parse_fail *fail)
{
	switch (act) {
	case UL_AR_2:
		indicated(as, s);
		return 0;
	case UL_AR_3:
		confirmed(as, s);
		return 0;
	case UL_AR_8:
		collided(as, s);
		return 0;
	case UL_AR_10:
		both_asked(as, s);
		return 0;
	case UL_AA_2:
	case UL_AA_3:
		aborted(as, s, body);
		return 0;
	case UL_AA_6:
		return 0; /* Sta13 ignores */
	default:
		return parse_fail(fail, ERR_ORDER, s->in_pos, "PS3.8 9.2: PDU not expected in this state");
	}
}

int release_take_control(struct association *as, struct side *s, struct parse_fail *fail)
{
	struct pdu_head head = {0};
	struct span body = {0};
	int e = side_whole_pdu(s, &head, &body);
	if (e == ERR_AGAIN) {
		return e;
	}
	if (e != 0) {
		return parse_fail(fail, e, s->in_pos, "PS3.8 9.3.1");
	}
	if (s->ul.state != UL_STA13 && (s->msg.phase != BETWEEN_MESSAGES || s->in_pdv) &&
		head.type != PDU_ABORT) {
		return parse_fail(fail, ERR_ORDER, s->in_pos, "PS3.8 9.2: in the middle of a message");
	}
	struct reader r = reader_of(body);
	if ((head.type == PDU_RELEASE_RQ || head.type == PDU_RELEASE_RP) && pdu_read_release(&r, fail) != 0) {
		return fail->code;
	}
	enum ul_action act = ul_step(&s->ul, event_of(head.type));
	side_consume(s, 6 + head.len);
	return act_on(as, s, act, body, fail);
}

void release_lost(struct association *as, struct side *s, int err)
{
	const char *why = s->t.why[0] ? s->t.why : err_str(err);
	if (s->ul.state == UL_STA13) {
		side_close(s);
		as->over = s == &as->a;
		return;
	}
	(void)ul_step(&s->ul, UL_EV_TRANSPORT_CLOSED);
	if (s == &as->b) {
		char text[160];
		snprintf(text, sizeof(text), "the target closed the connection (%.100s)", why);
		target_end(as, false, text);
		return;
	}
	report_ended(as, "the caller closed the connection without release (%s)", why);
	side_close(s);
	if (as->b.up) {
		side_send_abort(&as->b, 2, 0);
		side_goodbye(&as->b);
		side_close(&as->b);
	}
	as->over = true;
}
