/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_FACTS_H
#define POLICY_FACTS_H

/*
 * The names under which a decision's facts stand in the log and in the ledger: who writes them, and `gantry learn` and
 * `gantry explain` who read them, have them from here. Scripts rely on them.
 */
#define FACT_EVENT           "decision" /* the log line's event */
#define FACT_DECISION        "decision" /* DECISION_… */
#define FACT_RULE            "rule"
#define FACT_NUMBER          "number"
#define FACT_FROM            "from" /* the caller's address */
#define FACT_PORT            "port"
#define FACT_CALLING         "calling"
#define FACT_CALLED          "called"
#define FACT_NODE            "node"
#define FACT_TARGET          "target"
#define FACT_FLOW            "flow"
#define FACT_LINE            "line"      /* of gantry.yaml */
#define FACT_TRANSPORT       "transport" /* tls, plain */
#define FACT_LISTENER        "listener"
#define FACT_SUBJECT         "subject"
#define FACT_SAN             "san" /* the first; the others: */
#define FACT_SAN_2           "san_2"
#define FACT_SAN_3           "san_3"
#define FACT_SAN_4           "san_4"
#define FACT_SPKI            "spki"        /* SHA-256, hex */
#define FACT_CERTIFICATE     "certificate" /* SHA-256 of the whole, hex */
#define FACT_SERIAL          "serial"      /* its number, hex */
#define FACT_ISSUER          "issuer"      /* of whom */
#define FACT_SERVICE         "service"
#define FACT_SOP_CLASS       "sop_class"       /* UID */
#define FACT_TRANSFER_SYNTAX "transfer_syntax" /* UID */
#define FACT_DESTINATION     "destination"
#define FACT_ANSWERED        "answered"
#define FACT_COUNT           "count"

/* Of the ledger alone. */
#define FACT_FIRST_MS    "first_ms"
#define FACT_LAST_MS     "last_ms"
#define FACT_TIME        "time"
#define FACT_SENTENCE    "message"

#define DECISION_ALLOW   "allow"
#define DECISION_OBSERVE "observe"
#define DECISION_REFUSE  "refuse"
#define DECISION_ALARM   "alarm"

#define LEDGER_FILE      "refusals.jsonl" /* in the site's `state` folder */
#define LEDGER_KEPT      4                /* generations before it, refusals.jsonl.1 the youngest */

#endif
