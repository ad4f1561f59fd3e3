/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "antivirus/definitions.h"
#include "antivirus/trial.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sets of definitions, their hashes and links; and the configuration of a clamd that tries one. */

static char folder[64], from[96], store[96], why[512];

static const char *path_in(const char *where, const char *name)
{
	static char path[2][400];
	static unsigned turn;
	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", where, name);
	return path[turn];
}

static void write_file(const char *where, const char *name, const char *text)
{
	FILE *f = fopen(path_in(where, name), "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/gantry-definitions-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	snprintf(from, sizeof(from), "%s/from", folder);
	snprintf(store, sizeof(store), "%s/store", folder);
	return mkdir(from, 0755);
}

static int tear_down(void **state)
{
	char command[200];
	(void)state;
	/* The tests make plain files and links alone, below their own folder. */
	snprintf(command, sizeof(command), "%s", folder);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", command, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	(void)waitpid(pid, &status, 0);
	return status;
}

static bool is_there(const char *where, const char *name)
{
	struct stat st;
	return lstat(path_in(where, name), &st) == 0;
}

static void files_are_known_by_their_suffix(void **state)
{
	(void)state;
	assert_true(definitions_is_file("main.cvd"));
	assert_true(definitions_is_file("a.b.ign2"));
	assert_false(definitions_is_file("freshclam.dat"));
	assert_false(definitions_is_file("ndb"));
	assert_false(definitions_is_file(".ndb"));
	assert_false(definitions_is_file("mirrors"));
	assert_false(definitions_is_file("gantry-set.ndb"));
}

static void a_set_is_known_by_all_its_files(void **state)
{
	struct definitions d, again;
	char link[DEFINITIONS_HASH + 1];
	(void)state;
	write_file(from, "b.ndb", "b\n");
	write_file(from, "a.hdb", "a\n");
	write_file(from, "notes.dat", "not a definition\n");
	assert_int_equal(definitions_stage(from, store, &d, why, sizeof(why)), 0);
	/* printf 'a\n' | sha256sum and so on; then sha256sum of the list. */
	assert_string_equal(d.hash, "819f85d5379ad7f9e3dbd88c9d92154482c554547f511226f46aa30e9800df6d");
	assert_int_equal(d.files, 2);
	assert_int_equal(d.bytes, 4);
	assert_int_equal(definitions_linked(store, "staged", link), 0);
	assert_string_equal(link, d.hash);
	char set[200];
	snprintf(set, sizeof(set), "%s/sets/%s", store, d.hash);
	assert_true(
		is_there(set, "a.hdb") && is_there(set, "gantry-set.txt") && is_there(set, "gantry-set.ndb"));
	assert_false(is_there(set, "notes.dat"));
	assert_int_equal(definitions_read(set, &again, why, sizeof(why)), 0);
	assert_string_equal(again.hash, d.hash);
	/* The same again is the same; one that was changed is told. */
	assert_int_equal(definitions_stage(from, store, &again, why, sizeof(why)), 0);
	assert_string_equal(again.hash, d.hash);
	write_file(set, "a.hdb", "changed\n");
	assert_int_equal(definitions_stage(from, store, &again, why, sizeof(why)), ERR_VALUE);
	assert_non_null(strstr(why, "changed"));
	assert_false(is_there(store, "sets/.new"));
}

static void what_is_no_plain_file_stages_nothing(void **state)
{
	struct definitions d;
	char link[DEFINITIONS_HASH + 1];
	(void)state;
	assert_int_equal(definitions_stage(from, store, &d, why, sizeof(why)), ERR_NOT_FOUND);
	write_file(from, "a.ndb", "a\n");
	assert_int_equal(symlink("a.ndb", path_in(from, "b.ndb")), 0);
	assert_int_equal(definitions_stage(from, store, &d, why, sizeof(why)), ERR_SYSTEM);
	assert_int_equal(unlink(path_in(from, "b.ndb")), 0);
	assert_int_equal(mkfifo(path_in(from, "b.ndb"), 0600), 0);
	assert_int_equal(definitions_stage(from, store, &d, why, sizeof(why)), ERR_SYSTEM);
	assert_int_equal(definitions_linked(store, "staged", link), ERR_NOT_FOUND);
	assert_int_equal(
		definitions_stage(path_in(folder, "nowhere"), store, &d, why, sizeof(why)), ERR_SYSTEM);
}

/* clamd's user may own the folder above, and clamd reads hostile bytes: nothing is removed where somebody else's link leads. */
static void nothing_is_removed_elsewhere(void **state)
{
	static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct definitions d;
	char victim[96], sets[200];
	(void)state;
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	snprintf(sets, sizeof(sets), "%s/sets", store);
	write_file(from, "a.ndb", "a\n");
	assert_int_equal(mkdir(victim, 0755), 0);
	write_file(victim, "dear", "to somebody");
	assert_int_equal(mkdir(store, 0755), 0);
	assert_int_equal(mkdir(sets, 0755), 0);
	assert_int_equal(symlink(victim, path_in(sets, ".new")), 0);
	assert_int_equal(symlink(victim, path_in(sets, hash)), 0);
	assert_int_equal(definitions_stage(from, store, &d, why, sizeof(why)), 0);
	assert_int_equal(definitions_tidy(store), 1);
	assert_true(is_there(victim, "dear"));
	assert_false(is_there(sets, hash));
	assert_false(is_there(sets, ".new"));
	/* Nor is anything written there. */
	assert_int_equal(rename(sets, path_in(folder, "away")), 0);
	assert_int_equal(symlink(victim, sets), 0);
	assert_int_equal(definitions_stage(from, store, &d, why, sizeof(why)), ERR_SYSTEM);
	assert_false(is_there(victim, d.hash));
}

static void links_lead_to_sets_and_the_rest_is_removed(void **state)
{
	struct definitions d[3];
	char link[DEFINITIONS_HASH + 1], set[200];
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char text[8];
		snprintf(text, sizeof(text), "%u\n", i);
		write_file(from, "a.ndb", text);
		assert_int_equal(definitions_stage(from, store, &d[i], why, sizeof(why)), 0);
	}
	assert_int_equal(definitions_link(store, "current", d[0].hash), 0);
	assert_int_equal(definitions_tidy(store), 1); /* d[1] */
	snprintf(set, sizeof(set), "sets/%s", d[1].hash);
	assert_false(is_there(store, set));
	assert_int_equal(definitions_link(store, "current", d[2].hash), 0);
	assert_int_equal(definitions_linked(store, "current", link), 0);
	assert_string_equal(link, d[2].hash);
	assert_int_equal(definitions_link(store, "current", NULL), 0);
	assert_int_equal(definitions_linked(store, "current", link), ERR_NOT_FOUND);
	/* A link to elsewhere is none, and nothing is removed while nobody knows where it leads. */
	assert_int_equal(symlink("/etc", path_in(store, "previous")), 0);
	assert_int_equal(definitions_linked(store, "previous", link), ERR_VALUE);
	assert_int_equal(definitions_tidy(store), 0);
}

static void a_set_has_a_mark_of_its_own(void **state)
{
	uint8_t a[DEFINITIONS_MARK], b[DEFINITIONS_MARK];
	char name_a[DEFINITIONS_NAME], name_b[DEFINITIONS_NAME];
	(void)state;
	definitions_mark("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", a, name_a);
	definitions_mark("1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", b, name_b);
	assert_string_equal(name_a, "Gantry.Set.0123456789ab");
	assert_memory_not_equal(a, b, DEFINITIONS_MARK);
}

static void a_trial_takes_the_sites_limits_and_nothing_that_acts(void **state)
{
	const struct trial t = {.folder = "/tmp/trial", .socket = "/tmp/trial/clamd.ctl"};
	static const char site[] =
		"# a comment\nExample\nUser clamav\nMaxFileSize 4M\nVirusEvent /bin/evil\n"
		"virusevent=/bin/evil\nOnAccessPrevention yes\nTCPSocket 3310\nDatabaseDirectory /var/lib/clamav\n"
		"LocalSocket /run/clamav/clamd.ctl\nAlertExceedsMax yes";
	char text[1024], small[100];
	(void)state;
	assert_int_equal(trial_config(&t, site, "/sets/x", text, sizeof(text)), 0);
	assert_string_equal(text,
		"MaxFileSize 4M\nAlertExceedsMax yes\nLocalSocket /tmp/trial/clamd.ctl\nDatabaseDirectory /sets/x\n"
		"TemporaryDirectory /tmp/trial\nForeground yes\nSelfCheck 0\nDisableCache yes\n");
	assert_int_equal(trial_config(&t, "", "/sets/x", text, sizeof(text)), 0);
	assert_int_equal(trial_config(&t, site, "/sets/x", small, sizeof(small)), ERR_SPACE);
}

static void a_trial_that_does_not_start_says_why(void **state)
{
	struct trial t;
	const struct trial_how how = {
		.program = "/bin/false", .config = "/nonexistent", .definitions = "/", .timeout_ms = 1000};
	(void)state;
	assert_int_equal(trial_start(&t, &how, why, sizeof(why)), 0);
	assert_int_equal(trial_ready(&t, 10000, why, sizeof(why)), ERR_CLOSED);
	assert_non_null(strstr(why, "does not start"));
	char left[64];
	memcpy(left, t.folder, sizeof(left));
	trial_stop(&t);
	assert_int_equal(access(left, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_known_by_their_suffix),
		TEST(a_set_is_known_by_all_its_files),
		TEST(what_is_no_plain_file_stages_nothing),
		TEST(nothing_is_removed_elsewhere),
		TEST(links_lead_to_sets_and_the_rest_is_removed),
		cmocka_unit_test(a_set_has_a_mark_of_its_own),
		cmocka_unit_test(a_trial_takes_the_sites_limits_and_nothing_that_acts),
		cmocka_unit_test(a_trial_that_does_not_start_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
