/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/passphrase.h"
#include "base/attr.h"
#include "keys/key_file.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static bool read_line(char *buf, size_t cap)
{
	setvbuf(stdin, NULL, _IONBF, 0);
	bool ok = fgets(buf, (int)cap, stdin) != NULL;
	buf[ok ? strcspn(buf, "\r\n") : 0] = 0;
	return ok && buf[0];
}

bool passphrase_asks(void)
{
	return isatty(STDIN_FILENO);
}

bool passphrase_ask(const char *prompt, char *buf, size_t cap)
{
	struct termios before, quiet;
	bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	if (terminal) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
		fputs(prompt, stderr);
	}
	bool ok = read_line(buf, cap);
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	return ok;
}

bool passphrase_ask_twice(const char *prompt, char *buf, size_t cap)
{
	char again[256] = "";
	bool ok = passphrase_ask(prompt, buf, cap);
	if (ok && isatty(STDIN_FILENO)) {
		ok = passphrase_ask("Again: ", again, sizeof(again)) && strcmp(buf, again) == 0;
	}
	OPENSSL_cleanse(again, sizeof(again));
	return ok;
}

bool passphrase_of_file(const char *verb, const char *path, char *buf, size_t cap)
{
	struct key_file f CLEANUP(key_file_done) = {0};
	char why[512] = "";
	if (key_file_read(path, "passphrase", S_IRWXO, &f, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s: %s\n", verb, why[0] ? why : "no memory");
		return false;
	}
	size_t len = 0;
	while (len < f.len && f.bytes[len] != '\n' && f.bytes[len] != '\r' && f.bytes[len]) {
		len++;
	}
	if (len == 0 || len >= cap) {
		fprintf(stderr, "%s: the first line of %s is %s\n", verb, path, len ? "too long" : "empty");
		return false;
	}
	memcpy(buf, f.bytes, len);
	buf[len] = 0;
	return true;
}
