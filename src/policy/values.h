/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_VALUES_H
#define POLICY_VALUES_H

#include "base/attr.h"
#include "policy/site.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The words of gantry.yaml: text to value. Pure; nothing is touched on failure. All return 0 or ERR_VALUE.
 */

/* Decimal digits only, at most `most`. */
MUST_USE int value_number(const char *s, uint64_t most, uint64_t *ret);

/* "30" or "30s", "10m", "2h", "1d": seconds. */
MUST_USE int value_seconds(const char *s, uint64_t *ret);

/* "131072", "128K", "50M", "2G", "1T": bytes, by powers of 1024. */
MUST_USE int value_bytes(const char *s, uint64_t *ret);

/* yes no true false on off */
MUST_USE int value_bool(const char *s, bool *ret);

/* "0xA700", "A700H", "42752": a DIMSE status. */
MUST_USE int value_status(const char *s, uint16_t *ret);

/* "2027-06-30": the first moment after that day, local time. */
MUST_USE int value_until(const char *s, int64_t *ret_s);

/* "mon-fri 07:00-19:00", "sat 08:00-12:00", "daily 22:00-06:00" (past midnight belongs to the day it starts on). */
MUST_USE int value_hours(const char *s, struct hours *ret);

/* An IPv4 or IPv6 address, the former as IPv4-mapped. */
MUST_USE int value_ip(const char *s, struct in6_addr *ret);

/* An address or CIDR network. *ret_stray: bits after the prefix were set; they are cleared. Host stays "". */
MUST_USE int value_network(const char *s, struct network *ret, bool *ret_stray);

/* A host name by RFC 1123: letters, digits, hyphens, dots; not all digits. */
bool value_is_host(const char *s);

/* "10.1.1.7:11112", "[::1]:104", "ct1.hospital:11112": host without brackets, NUL-terminated, at most cap bytes. */
MUST_USE int value_host_port(const char *s, char *ret_host, size_t cap, uint16_t *ret_port);

/* "sha256:<64 hex digits>", with or without colons between the octets. */
MUST_USE int value_spki(const char *s, uint8_t ret_sha256[32]);

/* What a certificate may be known by: a host name, an address, a URI or a mail address; printable, no spaces. */
bool value_is_san(const char *s);

/* 1..16 characters of the default repertoire without backslash and control characters, not only spaces: PS3.5 6.2. */
bool value_is_ae(const char *s);

/* A user's name, or a group's after an '@'. */
bool value_is_user(const char *s);

/* An environment variable with its value: NAME=value. */
bool value_is_environment(const char *s);

#endif
