/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/role.h"
#include "base/attr.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "gateway/auditor.h"
#include "gateway/forwarder.h"
#include "gateway/gate.h"
#include "gateway/key_holder.h"
#include "gateway/lookup.h"
#include "priv/spawn.h"

#include <stdio.h>
#include <string.h>

static const struct options_verb verbs[] = {
	{"init", verb_init, "write a starter site: configuration, certificates, a folder"},
	{"check", verb_check, "find every mistake in the configuration"},
	{"run", verb_run, "run the gateway in the foreground"},
	{"reload", verb_reload, "have the running gateway read its configuration again"},
	{"status", verb_status, "show what the running gateway does"},
	{"learn", verb_learn, "write the least configuration that allows what the logs saw"},
	{"audit", verb_audit, "the audit trail: search, verify, prove what is in it, make keys"},
	{"incident", verb_incident, "list whom a device or a user touched, and prove that all are in it"},
	{"record", verb_record, "have the gateway sign what was done, and check what it signed"},
	{"deidentify", verb_deidentify, "make de-identified copies of DICOM files"},
	{"reidentify", verb_reidentify, "put the encrypted originals back into DICOM files"},
	{"sign", verb_sign, "put a digital signature into a DICOM file"},
	{"verify", verb_verify, "verify the digital signatures of DICOM files"},
	{"revoke", verb_revoke, "block a certificate at once, with the gateway's own revocation list"},
	{"ca", verb_ca, "a certificate authority of the site's own"},
	{"user", verb_user, "the file of users with passcodes"},
	{"explain", verb_explain, "say what a refusal was about, and which lines would allow it"},
	{"quarantine", verb_quarantine, "what was kept from where it was bound: look, release, delete"},
	{"antivirus", verb_antivirus, "definitions of the virus scanner, tried before they are used"},
	{"inspect", verb_inspect, "say what is in DICOM files that should not be"},
	{"media", verb_media, "take in a patient's disc; seal one for its recipient, open one"},
};

static const struct options_verbs all = {.name = "gantry",
	.about = "A guard in front of DICOM devices and archives: knows who calls, lets through\n"
		 "what the configuration allows, refuses the rest with a reason.\n",
	.more = "`gantry VERB --help` says more about a verb; so do `man gantry` and\n"
		"`man gantry.yaml`. The configuration is ./gantry.yaml, or else\n"
		"/etc/gantry/gantry.yaml, unless `-c FILE` names it.\n",
	.verbs = verbs,
	.n = ARRAY_LEN(verbs)};

/* Started by the supervisor, with a channel to it at descriptor 3. */
static int run_role(const char *name)
{
	switch (role_by_name(name)) {
	case ROLE_GATE:
		return role_gate_main();
	case ROLE_LOOKUP:
		return role_lookup_main();
	case ROLE_KEYS:
		return role_keys_main();
	case ROLE_AUDIT:
		return role_audit_main();
	case ROLE_FORWARD:
		return role_forward_main();
	case ROLE_STORE:
		return archive_role_main(ROLE_CHANNEL);
	default:
		fprintf(stderr, "gantry: there is no role `%s`\n", name);
		return 2;
	}
}

/* What was printed to a full disk was not said, and who reads the exit status must know. */
static int told(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout)) {
		return code;
	}
	fputs("gantry: what was to be printed could not be written: is the disk full?\n", stderr);
	return code == 0 ? 1 : code;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("gantry " GANTRY_VERSION);
		return told(0);
	}
	if (argc == 3 && strcmp(argv[1], "--role") == 0) {
		return run_role(argv[2]);
	}
	/* The completion of shells, with the words of the line up to the one that is to be completed. */
	if (argc > 2 && strcmp(argv[1], "--complete") == 0) {
		options_completing = true;
		argc--;
		argv++;
	}
	return told(options_run(&all, argc, argv));
}
