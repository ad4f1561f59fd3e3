/* SPDX-License-Identifier: Apache-2.0 */
#include <krb5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * The other end of a Kerberos user identity: with the ticket of KRB5CCNAME it writes an AP-REQ in hexadecimal, and then
 * reads an AP-REP likewise and says whether it is the server's.
 *
 * usage: ap_peer PRINCIPAL [CLOCK [BACK]]
 * CLOCK: seconds by which the authenticator's clock is wrong. BACK: the ticket is looked for as so many seconds ago.
 */

static krb5_context context;

static void need(krb5_error_code e, const char *what)
{
	if (e != 0) {
		fprintf(stderr, "%s: %s\n", what, krb5_get_error_message(context, e));
		exit(1);
	}
}

static void set_clock(long seconds)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	need(krb5_set_real_time(
		     context, (krb5_timestamp)(now.tv_sec + seconds), (krb5_int32)(now.tv_nsec / 1000)),
		"clock");
}

static void read_hex(krb5_data *to)
{
	static char bytes[4096];
	unsigned v, n = 0;
	while (n < sizeof(bytes) && scanf("%2x", &v) == 1) {
		bytes[n++] = (char)v;
	}
	*to = (krb5_data){.magic = KV5M_DATA, .length = n, .data = bytes};
}

int main(int argc, char **argv)
{
	krb5_ccache cache;
	krb5_creds want = {0}, *have = NULL;
	krb5_auth_context auth = NULL;
	krb5_data request = {0}, reply;
	krb5_ap_rep_enc_part *part = NULL;
	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: ap_peer PRINCIPAL [CLOCK [BACK]]\n");
		return 2;
	}
	need(krb5_init_context(&context), "context");
	set_clock(argc > 3 ? -strtol(argv[3], NULL, 10) : 0);
	need(krb5_cc_default(context, &cache), "cache");
	need(krb5_cc_get_principal(context, cache, &want.client), "client");
	need(krb5_parse_name(context, argv[1], &want.server), "server");
	need(krb5_get_credentials(context, 0, cache, &want, &have), "ticket");
	/* The library would not use a ticket before its time. */
	have->times.authtime = have->times.starttime = have->times.starttime - 3600;
	set_clock(argc > 2 ? strtol(argv[2], NULL, 10) : 0);
	need(krb5_mk_req_extended(context, &auth, AP_OPTS_MUTUAL_REQUIRED, NULL, have, &request), "request");
	for (unsigned i = 0; i < request.length; i++) {
		printf("%02x", (unsigned char)request.data[i]);
	}
	printf("\n");
	fflush(stdout);
	read_hex(&reply);
	if (reply.length > 0) {
		need(krb5_rd_rep(context, auth, &reply, &part), "reply");
		printf("the server's\n");
	}
	return 0;
}
