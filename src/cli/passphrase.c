/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/passphrase.h"
#include "base/attr.h"
#include "keys/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
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

/* ---- A terminal that shows nothing meanwhile ---- */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static struct termios shown; /* as the terminal was */

/* Who is stopped while he asks leaves no terminal that stays dark. tcsetattr() is async-signal-safe (POSIX 2.4.3). */
static void show_and_end(int number)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	(void)raise(number); /* as by default (SA_RESETHAND), when this handler is through */
}

static bool hide(struct sigaction before[ARRAY_LEN(ending)])
{
	struct sigaction show = {.sa_handler = show_and_end, .sa_flags = (int)SA_RESETHAND};
	struct termios quiet;
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) < 0) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(ending); i++) {
		(void)sigaction(ending[i], NULL, &before[i]);
		if (before[i].sa_handler == SIG_DFL) {
			(void)sigaction(ending[i], &show, NULL);
		}
	}
	quiet = shown;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	return true;
}

static void show(const struct sigaction before[ARRAY_LEN(ending)])
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	for (size_t i = 0; i < ARRAY_LEN(ending); i++) {
		(void)sigaction(ending[i], &before[i], NULL);
	}
}

bool passphrase_ask(const char *prompt, char *buf, size_t cap)
{
	struct sigaction before[ARRAY_LEN(ending)];
	bool hidden = hide(before);
	if (hidden) {
		fputs(prompt, stderr);
	}
	bool ok = read_line(buf, cap);
	if (hidden) {
		show(before);
		fputc('\n', stderr);
	}
	return ok;
}

bool passphrase_again(const char *buf)
{
	char again[256] = "";
	bool ok = !isatty(STDIN_FILENO) ||
	          (passphrase_ask("Again: ", again, sizeof(again)) && strcmp(buf, again) == 0);
	OPENSSL_cleanse(again, sizeof(again));
	return ok;
}

bool passphrase_ask_twice(const char *prompt, char *buf, size_t cap)
{
	return passphrase_ask(prompt, buf, cap) && passphrase_again(buf);
}

/* A byte at a time: what is behind the line is somebody else's. */
static size_t line_of_pipe(int fd, char *buf, size_t cap)
{
	size_t n = 0;
	while (n < cap) {
		ssize_t got = read(fd, buf + n, 1);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0 || buf[n] == '\n' || buf[n] == '\r' || !buf[n]) {
			break;
		}
		n++;
	}
	return n;
}

static bool complain_of_line(const char *verb, const char *path, size_t len)
{
	fprintf(stderr, "%s: the first line of %s is %s\n", verb, path, len ? "too long" : "empty");
	return false;
}

static bool of_pipe(const char *verb, const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		fprintf(stderr, "%s: cannot read %s: %s\n", verb, path, strerror(errno));
		return false;
	}
	size_t len = line_of_pipe(fd, buf, cap);
	close(fd);
	if (len == 0 || len >= cap) {
		OPENSSL_cleanse(buf, cap);
		return complain_of_line(verb, path, len);
	}
	buf[len] = 0;
	return true;
}

bool passphrase_of_file(const char *verb, const char *path, char *buf, size_t cap)
{
	struct stat st;
	if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) {
		return of_pipe(verb, path, buf, cap);
	}
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
		return complain_of_line(verb, path, len);
	}
	memcpy(buf, f.bytes, len);
	buf[len] = 0;
	return true;
}

bool passphrase_of_key(void *way, char *buf, size_t cap)
{
	struct passphrase_way *w = way;
	w->asked = true;
	w->answered = w->file ? passphrase_of_file(w->verb, w->file, buf, cap)
	                      : passphrase_ask(w->prompt ? w->prompt : "Passphrase of the key: ", buf, cap);
	return w->answered;
}

int passphrase_of_pem(char *buf, int cap, int writing, void *way)
{
	const struct passphrase_way *w = way;
	(void)writing;
	if (w->asked && !w->answered) {
		return -1;
	}
	return passphrase_of_key(way, buf, (size_t)cap) ? (int)strlen(buf) : -1;
}
