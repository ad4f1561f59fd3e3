/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_USERS_SAML_MADE_H
#define UNIT_USERS_SAML_MADE_H

/*
 * Made for these tests, with openssl and xmlsec1; the private keys are gone. An identity provider's certificate, an
 * assertion that it has signed, and one by somebody else's key, which stands in its KeyInfo.
 */

static const char saml_certificate[] = "-----BEGIN CERTIFICATE-----\n"
				       "MIIBcTCCARegAwIBAgIUG8ETcOe9A9VqjppXttVGH9j/YMwwCgYIKoZIzj0EAwIw\n"
				       "DjEMMAoGA1UEAwwDaWRwMB4XDTI2MTEyNTIyNTAxM1oXDTI2MTEzMDIyNTAxM1ow\n"
				       "DjEMMAoGA1UEAwwDaWRwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC5k41WWG\n"
				       "IlGH2MuGfekIodt/6sqSOosl1JSxkAkFJGAypviHhpB/be9Sk0ke1uD4acdjVLH4\n"
				       "T4E7XARswgHzE6NTMFEwHQYDVR0OBBYEFNBsNR+ZIj74OUzbiSjbwRdl86cZMB8G\n"
				       "A1UdIwQYMBaAFNBsNR+ZIj74OUzbiSjbwRdl86cZMA8GA1UdEwEB/wQFMAMBAf8w\n"
				       "CgYIKoZIzj0EAwIDSAAwRQIhAMkRBo5ZqMwLxvPvOpRDxVTK6XF2gobBUMLg/m3q\n"
				       "/K8yAiATXSz4iQ9T/fkpFkxqgw6A/NXh+m1mp/GAatZvR5gcAw==\n"
				       "-----END CERTIFICATE-----\n";

static const char saml_good[] =
	"<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_22056dc4dd1fccb91\" Version=\"2.0\""
	" IssueInstant=\"2026-01-01T00:00:00Z\"><saml:Issuer>https://idp.hospital.example</saml:Issuer><ds:Signature xm"
	"lns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"http://www"
	".w3.org/2001/10/xml-exc-c14n#\"/><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-"
	"sha256\"/><ds:Reference URI=\"#_22056dc4dd1fccb91\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org"
	"/2000/09/xmldsig#enveloped-signature\"/><ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><"
	"/ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>bORCKVG"
	"vJIACLo5Lzg2F+KmsnGnSgZXU72tCMQ9fRuk=</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>dXNAGT"
	"iRsJcDGcpU9/K6KDmJ0LWyyKC19OqyVqwSxy+r9u36rMBfKyN3shcG6IyO\n"
	"gBrcw4YJjgmcKWx5OcfLug==</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>MIIBcTCCARegAwIBAgIUG"
	"8ETcOe9A9VqjppXttVGH9j/YMwwCgYIKoZIzj0EAwIw\n"
	"DjEMMAoGA1UEAwwDaWRwMB4XDTI2MTEyNTIyNTAxM1oXDTI2MTEzMDIyNTAxM1ow\n"
	"DjEMMAoGA1UEAwwDaWRwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC5k41WWG\n"
	"IlGH2MuGfekIodt/6sqSOosl1JSxkAkFJGAypviHhpB/be9Sk0ke1uD4acdjVLH4\n"
	"T4E7XARswgHzE6NTMFEwHQYDVR0OBBYEFNBsNR+ZIj74OUzbiSjbwRdl86cZMB8G\n"
	"A1UdIwQYMBaAFNBsNR+ZIj74OUzbiSjbwRdl86cZMA8GA1UdEwEB/wQFMAMBAf8w\n"
	"CgYIKoZIzj0EAwIDSAAwRQIhAMkRBo5ZqMwLxvPvOpRDxVTK6XF2gobBUMLg/m3q\n"
	"/K8yAiATXSz4iQ9T/fkpFkxqgw6A/NXh+m1mp/GAatZvR5gcAw==\n"
	"</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature><saml:Subject><saml:NameID>ann</saml:NameID><sa"
	"ml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData Recipien"
	"t=\"https://gw\" NotOnOrAfter=\"2026-01-01T01:00:00Z\"/></saml:SubjectConfirmation></saml:Subject><saml:Condit"
	"ions NotBefore=\"2026-01-01T00:00:00Z\" NotOnOrAfter=\"2026-01-01T01:00:00Z\"><saml:AudienceRestriction><saml:"
	"Audience>other</saml:Audience><saml:Audience>gantry</saml:Audience></saml:AudienceRestriction></saml:Condition"
	"s><saml:AttributeStatement><saml:Attribute Name=\"groups\"><saml:AttributeValue>readers</saml:AttributeValue><"
	"saml:AttributeValue>staff</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>\n";

static const char saml_by_another[] =
	"<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_e68effe51adb819d1\" Version=\"2.0\""
	" IssueInstant=\"2026-01-01T00:00:00Z\"><saml:Issuer>https://idp.hospital.example</saml:Issuer><ds:Signature xm"
	"lns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"http://www"
	".w3.org/2001/10/xml-exc-c14n#\"/><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-"
	"sha256\"/><ds:Reference URI=\"#_e68effe51adb819d1\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org"
	"/2000/09/xmldsig#enveloped-signature\"/><ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><"
	"/ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>pLZ3T16"
	"7CB9F6rjKNi2JkNN7vu/bpp026ly13F1U3w8=</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>fYyYgS"
	"prQ5bKmpO+fQw6iXT5p18PuKiTv7AUCWh0CaiJJTW0s5Hgt1QdGLGVkAiF\n"
	"tDg1ALloTBILSot0/Lg9kQ==</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>MIIBczCCARmgAwIBAgIUY"
	"2tdqOf4Ch9DZ9CUxcq6wcyrJwIwCgYIKoZIzj0EAwIw\n"
	"DzENMAsGA1UEAwwEZXZpbDAeFw0yNjExMjUyMjUwMTNaFw0yNjExMzAyMjUwMTNa\n"
	"MA8xDTALBgNVBAMMBGV2aWwwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATCs2L9\n"
	"lEXScJXRSe2Zde4bPq04efmyukRSPCBFqhAXZOoYPC1KB/UdQ+iyoDGlPyCoYtVa\n"
	"ebprJfEvqGYznPBNo1MwUTAdBgNVHQ4EFgQU5a4V3LC+szTeDPi4N97hIP2NBI0w\n"
	"HwYDVR0jBBgwFoAU5a4V3LC+szTeDPi4N97hIP2NBI0wDwYDVR0TAQH/BAUwAwEB\n"
	"/zAKBggqhkjOPQQDAgNIADBFAiA8d0XiINZ78FJ0K7Pu1+IIzaW660JIB8AfI/KX\n"
	"WX80wgIhAPpQgMZq3W+ldNZjCerKjZYB2NaEodKXijqw/f9EJ4GR\n"
	"</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature><saml:Subject><saml:NameID>ann</saml:NameID><sa"
	"ml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData Recipien"
	"t=\"https://gw\" NotOnOrAfter=\"2026-01-01T01:00:00Z\"/></saml:SubjectConfirmation></saml:Subject><saml:Condit"
	"ions NotBefore=\"2026-01-01T00:00:00Z\" NotOnOrAfter=\"2026-01-01T01:00:00Z\"><saml:AudienceRestriction><saml:"
	"Audience>other</saml:Audience><saml:Audience>gantry</saml:Audience></saml:AudienceRestriction></saml:Condition"
	"s><saml:AttributeStatement><saml:Attribute Name=\"groups\"><saml:AttributeValue>readers</saml:AttributeValue><"
	"/saml:Attribute></saml:AttributeStatement></saml:Assertion>\n";

#endif
