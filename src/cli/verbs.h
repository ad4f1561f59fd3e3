/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

/*
 * One function a verb, in a file of its name. argv[0] is the verb. Returns the exit status: 0 ok, 1 failed or mistakes
 * found, 2 wrong usage.
 */
int verb_init(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_incident(int argc, char **argv);
int verb_antivirus(int argc, char **argv);
int verb_audit(int argc, char **argv);
int verb_ca(int argc, char **argv);
int verb_user(int argc, char **argv);
int verb_record(int argc, char **argv);
int verb_revoke(int argc, char **argv);
int verb_deidentify(int argc, char **argv);
int verb_reidentify(int argc, char **argv);
int verb_sign(int argc, char **argv);
int verb_verify(int argc, char **argv);
int verb_reload(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_learn(int argc, char **argv);
int verb_explain(int argc, char **argv);
int verb_media(int argc, char **argv);
int verb_quarantine(int argc, char **argv);
int verb_inspect(int argc, char **argv);

#endif
