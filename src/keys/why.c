/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/link.h"
#include "keys/note.h"
#include "keys/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct row {
	int reason;
	const char *text;
};

/* Alerts that the peer sent: OpenSSL's reason less SSL_AD_REASON_OFFSET. */
static const struct row alerts[] = {
	{SSL_AD_HANDSHAKE_FAILURE,
		"the peer refuses our offer (alert handshake_failure): no cipher suite, curve or "
		"certificate type in common, or it wants another certificate"},
	{SSL_AD_BAD_CERTIFICATE,
		"the peer cannot use our certificate (alert bad_certificate): see its own log"},
	{SSL_AD_UNSUPPORTED_CERTIFICATE,
		"the peer does not accept our kind of certificate (alert unsupported_certificate): check its key type "
		"and extended key usage"},
	{SSL_AD_CERTIFICATE_REVOKED,
		"the peer says that our certificate is revoked (alert certificate_revoked)"},
	{SSL_AD_CERTIFICATE_EXPIRED,
		"the peer says that our certificate has expired or is not valid yet (alert certificate_expired): renew "
		"it, or set the peer's clock"},
	{SSL_AD_CERTIFICATE_UNKNOWN,
		"the peer does not accept our certificate (alert certificate_unknown): see its own log"},
	{SSL_AD_UNKNOWN_CA,
		"the peer does not trust our certificate (alert unknown_ca): give it the certificate of "
		"the authority that issued ours"},
	{SSL_AD_ACCESS_DENIED, "the peer denies us access (alert access_denied)"},
	{SSL_AD_DECRYPT_ERROR, "the peer could not verify a signature of ours (alert decrypt_error)"},
	{SSL_AD_PROTOCOL_VERSION,
		"the peer speaks no TLS version of ours (alert protocol_version): we offer 1.2 and "
		"1.3"},
	{SSL_AD_INSUFFICIENT_SECURITY, "the peer asks for stronger ciphers (alert insufficient_security)"},
	{SSL_AD_INTERNAL_ERROR, "the peer had an internal error (alert internal_error): see its own log"},
	{SSL_AD_USER_CANCELLED, "the peer gave up (alert user_canceled)"},
	{SSL_AD_UNRECOGNIZED_NAME,
		"the peer does not know the name that we called it by (alert unrecognized_name): check server-name"},
	{TLS13_AD_CERTIFICATE_REQUIRED,
		"the peer asks for a certificate and got none (alert certificate_required)"},
	{SSL_AD_UNEXPECTED_MESSAGE,
		"the peer got a message that it did not expect (alert unexpected_message)"},
	{SSL_AD_BAD_RECORD_MAC, "the peer got bytes that were altered on the way (alert bad_record_mac)"},
	{SSL_AD_DECODE_ERROR, "the peer could not read a message of ours (alert decode_error)"},
	{SSL_AD_ILLEGAL_PARAMETER, "the peer found a value out of range (alert illegal_parameter)"},
};

/* What we found ourselves. */
static const struct row reasons[] = {
	{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
		"the peer showed no certificate: install one on it, issued by an authority listed in tls: trust"},
	{SSL_R_NO_SHARED_CIPHER,
		"no shared cipher: the peer offers no suite that we allow, or none for the type of our certificates"},
	{SSL_R_UNSUPPORTED_PROTOCOL,
		"the peer offers no TLS version that we allow: it must speak TLS 1.2 or 1.3"},
	{SSL_R_UNKNOWN_PROTOCOL,
		"the peer offers no TLS version that we allow: it must speak TLS 1.2 or 1.3"},
	{SSL_R_INAPPROPRIATE_FALLBACK,
		"the peer tried a lower TLS version than its best, after a failure (RFC 7507): something on the way may cut "
		"the better one"},
	{SSL_R_VERSION_TOO_LOW, "the peer offers no TLS version that we allow: it must speak TLS 1.2 or 1.3"},
	{SSL_R_WRONG_SSL_VERSION,
		"the peer offers no TLS version that we allow: it must speak TLS 1.2 or 1.3"},
	{SSL_R_WRONG_VERSION_NUMBER, "the bytes are not TLS: is the peer set to plain DICOM?"},
	{SSL_R_BAD_RECORD_TYPE, "the bytes are not TLS: is the peer set to plain DICOM?"},
	{SSL_R_UNEXPECTED_MESSAGE, "the peer sent a TLS message out of order"},
	{SSL_R_HTTP_REQUEST, "the bytes are an HTTP request: this port is for DICOM over TLS"},
	{SSL_R_HTTPS_PROXY_REQUEST,
		"the bytes are a request to an HTTP proxy: this port is for DICOM over TLS"},
	{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
		"no signature algorithm in common for the type of our certificates: it may need an RSA or ECDSA one"},
	{SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS,
		"no signature algorithm in common for the type of our certificates: it may need an RSA or ECDSA one"},
	{SSL_R_NO_SUITABLE_KEY_SHARE, "no curve in common: the peer must offer P-256 or P-384"},
	{SSL_R_NO_SUITABLE_GROUPS, "no curve in common: the peer must offer P-256 or P-384"},
	{SSL_R_EE_KEY_TOO_SMALL, "a certificate's key is too short: RSA needs 2048 bits or more, ECC 256"},
	{SSL_R_CA_KEY_TOO_SMALL, "an authority's key is too short: RSA needs 2048 bits or more, ECC 256"},
	{SSL_R_CA_MD_TOO_WEAK, "a certificate is signed with a hash weaker than SHA-256"},
	{SSL_R_BAD_SIGNATURE,
		"the peer's signature is wrong: it does not hold the key of the certificate it shows"},
	{SSL_R_EXCESSIVE_MESSAGE_SIZE,
		"the peer sent a TLS message over our limit: is its certificate chain huge?"},
	{SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
		"bytes were altered on the way, or the peer's TLS is broken"},
	{SSL_R_NO_RENEGOTIATION, "the peer asked to renegotiate, which is not allowed"},
	{SSL_R_UNEXPECTED_EOF_WHILE_READING, "the peer closed the connection in the middle of TLS"},
	{SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED,
		"the peer lacks secure renegotiation (RFC 5746): its TLS is too old to be safe"},
	{SSL_R_INCONSISTENT_EXTMS, "the peer changed its mind about the extended master secret"},
};

#define NO_AUTHORITY                                                                                                 \
	"is by no authority that we trust: add its authority to tls: trust, or have the peer send its intermediate " \
	"certificates"
#define WRONG_NAME                                                                                           \
	"does not hold the name that we called: check server-name, or add it to the subject alternative names"

static const char *look_up(const struct row *rows, size_t n, int reason)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].reason == reason) {
			return rows[i].text;
		}
	}
	return NULL;
}

/* A certificate that failed (X509_V_ERR_*): what stands after "the peer's certificate "CN=…" ". */
static const struct row faults[] = {
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, NO_AUTHORITY},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, NO_AUTHORITY},
	{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, NO_AUTHORITY},
	{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
		"is self-signed and not trusted: issue the peer one by an authority that is, or, if the certificate is "
		"known to be the peer's own, add it to tls: trust"},
	{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
		"ends a chain that we do not trust: add it to tls: trust if you do"},
	{X509_V_ERR_CERT_SIGNATURE_FAILURE,
		"is not by the authority that it names: another one of the same name is in tls: trust"},
	{X509_V_ERR_HOSTNAME_MISMATCH, WRONG_NAME},
	{X509_V_ERR_IP_ADDRESS_MISMATCH, WRONG_NAME},
	{X509_V_ERR_EE_KEY_TOO_SMALL, "has a key that is too short: RSA needs 2048 bits or more, ECC 256"},
	{X509_V_ERR_CA_KEY_TOO_SMALL, "has a key that is too short: RSA needs 2048 bits or more, ECC 256"},
	{X509_V_ERR_CA_MD_TOO_WEAK, "is signed with a hash weaker than SHA-256"},
	{X509_V_ERR_CERT_CHAIN_TOO_LONG, "is at the end of a chain that is too long"},
	{X509_V_ERR_INVALID_CA,
		"has issued another without being an authority: its basic constraints do not say CA:TRUE"},
	{X509_V_ERR_PATH_LENGTH_EXCEEDED,
		"may not have so many authorities below it (path length constraint)"},
	{X509_V_ERR_PERMITTED_VIOLATION, "holds a name that its authority may not give (name constraints)"},
	{X509_V_ERR_EXCLUDED_VIOLATION, "holds a name that its authority may not give (name constraints)"},
	{X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "has a critical extension that is not understood"},
};

static void why_purpose(const struct note *note, bool server, const char *whose, char *buf, size_t cap)
{
	const char *for_whom = server ? "clients" : "servers";
	if (note->extended) {
		snprintf(buf, cap, "%s is not for %s: its extended key usage lacks %s", whose, for_whom,
			server ? "clientAuth" : "serverAuth");
	} else if (note->depth > 0) {
		snprintf(buf, cap, "%s is not for an authority of %s: see its key usage and Netscape type",
			whose, for_whom);
	} else {
		snprintf(buf, cap, "%s is not for %s: its key usage lacks digitalSignature", whose, for_whom);
	}
}

static void why_certificate(const SSL *ssl, char *buf, size_t cap)
{
	static const struct note none;
	const struct note *note = note_of(ssl);
	int error = note ? note->error : (int)SSL_get_verify_result(ssl);
	note = note ? note : &none;
	char whose[320];
	snprintf(whose, sizeof(whose), "%s%s%s%s",
		note->depth == 0 ? "the peer's certificate"
				 : "an authority's certificate in the peer's chain",
		note->subject[0] ? " \"" : "", note->subject, note->subject[0] ? "\"" : "");
	const char *fault = look_up(faults, ARRAY_LEN(faults), error);
	if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
		snprintf(buf, cap, "%s expired on %s: renew it", whose, note->until);
	} else if (error == X509_V_ERR_CERT_NOT_YET_VALID) {
		snprintf(buf, cap, "%s is valid only from %s: check the clocks", whose, note->from);
	} else if (error == X509_V_ERR_INVALID_PURPOSE) {
		why_purpose(note, SSL_is_server(ssl), whose, buf, cap);
	} else if (error == X509_V_ERR_CERT_REVOKED) {
		snprintf(buf, cap, "%s %s", whose, note->revoked[0] ? note->revoked : "was revoked");
	} else if (fault) {
		snprintf(buf, cap, "%s %s", whose, fault);
	} else {
		snprintf(buf, cap, "%s was refused: %s", whose, X509_verify_cert_error_string(error));
	}
}

/* The first error of TLS itself; below it may lie what a signature that does not verify left. */
static unsigned long take_error(void)
{
	unsigned long first = ERR_peek_error(), e;
	while ((e = ERR_get_error()) != 0) {
		if (ERR_GET_LIB(e) == ERR_LIB_SSL) {
			return e;
		}
	}
	return first;
}

static void why_ssl(const SSL *ssl, char *buf, size_t cap)
{
	unsigned long first = take_error();
	int reason = ERR_GET_REASON(first);
	const char *text = NULL;
	if (!SSL_is_init_finished(ssl) && link_why()[0]) {
		snprintf(buf, cap, "%s", link_why());
		return;
	}
	if (ERR_GET_LIB(first) == ERR_LIB_SSL) {
		if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
			why_certificate(ssl, buf, cap);
			return;
		}
		text = reason >= SSL_AD_REASON_OFFSET
		               ? look_up(alerts, ARRAY_LEN(alerts), reason - SSL_AD_REASON_OFFSET)
		               : look_up(reasons, ARRAY_LEN(reasons), reason);
	}
	if (text) {
		snprintf(buf, cap, "%s", text);
		return;
	}
	text = ERR_reason_error_string(first);
	snprintf(buf, cap, "TLS failed: %s", text ? text : "OpenSSL gives no reason");
}

void tls_why(SSL *ssl, int ssl_error, char *buf, size_t cap)
{
	int system_error = errno;
	const char *when = SSL_is_init_finished(ssl) ? "" : " during the TLS handshake";
	if (cap == 0) {
		return;
	}
	switch (ssl_error) {
	case SSL_ERROR_NONE:
		snprintf(buf, cap, "no error");
		break;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		snprintf(buf, cap, "the peer has not answered yet%s", when);
		break;
	case SSL_ERROR_ZERO_RETURN:
		snprintf(buf, cap, "the peer closed the connection%s", when);
		break;
	case SSL_ERROR_SYSCALL:
		if (ERR_peek_error()) {
			why_ssl(ssl, buf, cap);
		} else if (system_error) {
			snprintf(buf, cap, "the connection broke%s: %s", when, strerror(system_error));
		} else {
			snprintf(buf, cap, "the peer closed the connection%s", when);
		}
		break;
	default:
		why_ssl(ssl, buf, cap);
		break;
	}
	ERR_clear_error();
}
