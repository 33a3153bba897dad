/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is a protected message by its structure, and all that only looks like
 * one.
 */
#include "mime/protected.h"
#include "tests/mime/payload_case.h"

#define HEAD "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define ARMOR                                                                  \
	"-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n=abcd\r\n"                 \
	"-----END PGP MESSAGE-----\r\n"
#define ENC                                                                    \
	HEAD "Content-Type: multipart/encrypted; boundary=x;\r\n"              \
	     " protocol=\"application/pgp-encrypted\"\r\n\r\n"
#define VERS                                                                   \
	"--x\r\nContent-Type: application/pgp-encrypted\r\n\r\n"               \
	"Version: 1\r\n"
#define DATA "--x\r\nContent-Type: application/octet-stream\r\n\r\n"
#define SIGNED(protocol)                                                       \
	HEAD "Content-Type: multipart/signed; boundary=x; micalg=m;\r\n"       \
	     " protocol=\"application/" protocol "\"\r\n\r\n"
#define CMS  HEAD "Content-Type: application/pkcs7-mime"
#define END  "--x--\r\n"
#define LONG "This text is long enough to be a message of its own. "

static const struct {
	const char *what, *msg;
	enum mime_protected_kind kind;
	const char *octets; /* decoded */
	const char *entity;
} rows[] = {
    {"CMS",
	CMS "; smime-type=enveloped-data\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\nMIAG\r\n",
	MIME_PROTECTED_CMS, "0\x80\x06", NULL},
    {"CMS of an older name",
	HEAD "Content-Type: application/X-pkcs7-MIME\r\n"
	     "Content-Transfer-Encoding: base64\r\n\r\nMIAG\r\n",
	MIME_PROTECTED_CMS, "0\x80\x06", NULL},
    {"CMS in binary",
	CMS "\r\nContent-Transfer-Encoding: binary\r\n\r\n0\x80\x06",
	MIME_PROTECTED_CMS, "0\x80\x06", NULL},
    {"PGP/MIME", ENC VERS DATA ARMOR END, MIME_PROTECTED_PGP, ARMOR, NULL},
    {"PGP/MIME with a word for old programs",
	ENC "This is an OpenPGP/MIME encrypted message.\r\n" VERS DATA ARMOR
	    "\r\n" END "\r\n",
	MIME_PROTECTED_PGP, ARMOR, NULL},
    {"PGP/MIME without armor",
	ENC VERS "--x\r\nContent-Type: application/octet-stream\r\n"
		 "Content-Transfer-Encoding: base64\r\n\r\nhQEM\r\n" END,
	MIME_PROTECTED_PGP, "\x85\x01\x0c", NULL},
    {"armor with a header",
	HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\nVersion: x 1\r\n"
	     "Comment: y\r\n \r\nhQ==\r\n=abcd\r\n"
	     "-----END PGP MESSAGE-----  \r\n",
	MIME_PROTECTED_PGP_INLINE,
	"-----BEGIN PGP MESSAGE-----\r\nVersion: x 1\r\nComment: y\r\n \r\n"
	"hQ==\r\n=abcd\r\n-----END PGP MESSAGE-----",
	NULL},
    {"signed with OpenPGP",
	SIGNED("pgp-signature") "--x\r\nX: y\r\n\r\ntext\r\n\r\n--x\r\n"
				"Content-Type: application/pgp-signature\r\n"
				"\r\nsig\r\n" END,
	MIME_PROTECTED_PGP_SIGNED, "sig", "X: y\r\n\r\ntext\r\n"},
    {"signed with S/MIME",
	SIGNED("pkcs7-signature") "--x\r\n\r\ntext\r\n--x\r\n"
				  "Content-Type: application/"
				  "pkcs7-signature\r\n"
				  "Content-Transfer-Encoding: base64\r\n"
				  "\r\nMIAG\r\n" END,
	MIME_PROTECTED_CMS_SIGNED, "0\x80\x06", "\r\ntext"},
    {"signed with S/MIME, older names",
	SIGNED("x-pkcs7-signature") "--x\r\n\r\ntext\r\n--x\r\n"
				    "Content-Type: application/"
				    "x-pkcs7-signature\r\n"
				    "Content-Transfer-Encoding: base64\r\n"
				    "\r\nMIAG\r\n" END,
	MIME_PROTECTED_CMS_SIGNED, "0\x80\x06", "\r\ntext"},
    {"armor is all of the text", HEAD "\r\n\r\n" ARMOR "\r\n",
	MIME_PROTECTED_PGP_INLINE, "\r\n" ARMOR "\r\n", NULL},
    {"armor in quoted-printable",
	HEAD "Content-Type: text/plain\r\n"
	     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	     "-----BEGIN PGP MESSAGE-----\r\n\r\nhQ=3D=3D\r\n=3Dabcd\r\n"
	     "-----END PGP MESSAGE-----\r\n",
	MIME_PROTECTED_PGP_INLINE, ARMOR, NULL},
};

static void
check_row(size_t i)
{
	struct mime_protected p;
	struct parsed parsed;
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	parsed_init(&parsed, span_str(rows[i].msg));
	mime_protected_find(parsed.tree, &p);
	cr_assert(p.kind == rows[i].kind, "%s: %s", rows[i].what, p.reason);
	cr_assert(mime_protected_write(&p, &sink) == ERR_OK);
	cr_assert(span_eq_str(span_trim(buf_span(&out)), rows[i].octets) ||
		      span_eq(span_trim(buf_span(&out)),
			  span_trim(span_str(rows[i].octets))),
	    "%s: %s", rows[i].what, buf_cstr(&out));
	if (rows[i].entity != NULL)
		cr_assert(span_eq_str(p.signed_entity, rows[i].entity),
		    "%s: %.*s", rows[i].what, (int)p.signed_entity.len,
		    (const char *)p.signed_entity.data);
	parsed_clear(&parsed);
	buf_clear(&out);
}

Test(protected, messages_that_are)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(i);
}

static const struct {
	const char *what, *msg;
} hostile[] = {
    {"plain text", HEAD "\r\nhello\r\n"},
    {"nothing", ""},
    {"a CMS object that is not the whole",
	HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
	     "Content-Type: application/pkcs7-mime\r\n\r\nMIAG\r\n" END},
    {"an empty CMS object", CMS "\r\n\r\n\r\n"},
    {"two types", CMS "\r\nContent-Type: text/plain\r\n\r\nhello\r\n"},
    {"a CMS object in broken base64",
	CMS "\r\nContent-Transfer-Encoding: base64\r\n\r\nhello!\r\n"},
    {"a type in another case of words",
	HEAD "Content-Type: application/pkcs7-mime2\r\n\r\nMIAG\r\n"},
    {"only a file name",
	HEAD "Content-Type: application/octet-stream; name=smime.p7m\r\n\r\n"
	     "MIAG\r\n"},
    {"multipart/encrypted around plain text",
	ENC VERS DATA "the secret text\r\n" END},
    {"around text in base64",
	ENC VERS "--x\r\nContent-Type: application/octet-stream\r\n"
		 "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n" END},
    {"around armor with text before it",
	ENC VERS DATA "the secret text\r\n" ARMOR END},
    {"around armor with text behind it",
	ENC VERS DATA ARMOR "the secret text\r\n" END},
    {"around two pieces of armor with text between",
	ENC VERS DATA ARMOR "the secret text\r\n" ARMOR END},
    {"around a signature only",
	ENC VERS DATA "-----BEGIN PGP SIGNATURE-----\r\n\r\nx\r\n"
		      "-----END PGP SIGNATURE-----\r\n" END},
    {"around another type",
	ENC VERS "--x\r\nContent-Type: text/plain\r\n\r\n" ARMOR END},
    {"without its version", ENC DATA ARMOR END},
    {"with another version",
	ENC "--x\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
	    "the secret text\r\n" DATA ARMOR END},
    {"in the wrong order", ENC DATA ARMOR VERS END},
    {"with a third part",
	ENC VERS DATA ARMOR "--x\r\n\r\nthe secret text\r\n" END},
    {"without its end", ENC VERS DATA ARMOR},
    {"with text behind its end", ENC VERS DATA ARMOR END "the secret text\r\n"},
    {"with a message before its first part",
	ENC LONG LONG LONG LONG LONG LONG "\r\n" VERS DATA ARMOR END},
    {"of another protocol",
	HEAD "Content-Type: multipart/encrypted; boundary=x;\r\n"
	     " protocol=\"application/x\"\r\n\r\n" VERS DATA ARMOR END},
    {"of no protocol",
	HEAD "Content-Type: multipart/encrypted; boundary=x\r\n\r\n" VERS DATA
	    ARMOR END},
    {"with its parts in a multipart/mixed",
	HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n" VERS DATA ARMOR
	    END},
    {"multipart/signed without a signature",
	SIGNED("pgp-signature") "--x\r\n\r\ntext\r\n" END},
    {"with an empty signature",
	SIGNED("pgp-signature") "--x\r\n\r\ntext\r\n--x\r\n"
				"Content-Type: application/pgp-signature\r\n"
				"\r\n" END},
    {"with a signature of the other kind",
	SIGNED("pgp-signature") "--x\r\n\r\ntext\r\n--x\r\n"
				"Content-Type: application/pkcs7-signature\r\n"
				"\r\nMIAG\r\n" END},
    {"with a signature that is text",
	SIGNED("pgp-signature") "--x\r\n\r\ntext\r\n--x\r\n\r\nsig\r\n" END},
    {"with the signature first",
	SIGNED("pgp-signature") "--x\r\nContent-Type: "
				"application/pgp-signature\r\n\r\nsig\r\n"
				"--x\r\n\r\ntext\r\n" END},
    {"with three parts",
	SIGNED("pgp-signature") "--x\r\n\r\ntext\r\n--x\r\n"
				"Content-Type: application/pgp-signature\r\n"
				"\r\nsig\r\n--x\r\n\r\nmore\r\n" END},
    {"with text behind its end",
	SIGNED("pgp-signature") "--x\r\n\r\ntext\r\n--x\r\n"
				"Content-Type: application/pgp-signature\r\n"
				"\r\nsig\r\n" END "more\r\n"},
    {"of another protocol",
	SIGNED(
	    "x") "--x\r\n\r\ntext\r\n--x\r\n"
		 "Content-Type: application/pgp-signature\r\n\r\nsig\r\n" END},
    {"armor quoted in a text", HEAD "\r\n> " ARMOR},
    {"armor behind a text", HEAD "\r\nhello\r\n" ARMOR},
    {"armor before a text", HEAD "\r\n" ARMOR "hello\r\n"},
    {"armor twice", HEAD "\r\n" ARMOR ARMOR},
    {"armor with armor inside",
	HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n" ARMOR},
    {"armor that does not end",
	HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n"},
    {"armor that does not begin",
	HEAD "\r\nhQ==\r\n-----END PGP MESSAGE-----\r\n"},
    {"armor of a key",
	HEAD "\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nhQ==\r\n"
	     "-----END PGP PUBLIC KEY BLOCK-----\r\n"},
    {"a text with its signature",
	HEAD "\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nhello\r\n"
	     "-----BEGIN PGP SIGNATURE-----\r\n\r\nhQ==\r\n"
	     "-----END PGP SIGNATURE-----\r\n"},
    {"the two lines on one",
	HEAD "\r\n-----BEGIN PGP MESSAGE----------END PGP MESSAGE-----\r\n"},
    {"armor around a text",
	HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nthe secret text\r\n"
	     "-----END PGP MESSAGE-----\r\n"},
    {"armor with a text in its header",
	HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\nComment: " LONG LONG LONG LONG
	    LONG LONG LONG LONG LONG LONG
	     "\r\n\r\nhQ==\r\n-----END PGP MESSAGE-----\r\n"},
    {"armor without the line before its data",
	HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\nhQ==\r\n"
	     "-----END PGP MESSAGE-----\r\n"},
    {"armor in HTML", HEAD "Content-Type: text/html\r\n\r\n" ARMOR},
    {"armor in one of two parts", HEAD
	"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" ARMOR
	"--x\r\n\r\nhello\r\n" END},
    {"armor in a message that is in doubt",
	"From: a@b.example\r\nno field\r\n\r\n" ARMOR},
};

Test(protected, messages_that_only_look_so)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct mime_protected p;
		struct parsed parsed;
		struct mime_sink sink;
		struct buf out;

		buf_init(&out, 65536);
		sink = mime_sink_buf(&out);
		parsed_init(&parsed, span_str(hostile[i].msg));
		mime_protected_find(parsed.tree, &p);
		cr_assert(p.kind == MIME_PROTECTED_NOT, "%s", hostile[i].what);
		cr_assert(
		    p.reason != NULL && p.part == NULL, "%s", hostile[i].what);
		cr_assert(mime_protected_write(&p, &sink) == ERR_USAGE);
		parsed_clear(&parsed);
		buf_clear(&out);
	}
}

static enum err
put_once(void *ctx, struct span s)
{
	(void)s;
	return (*(int *)ctx)++ == 0 ? ERR_CLOSED : ERR_INTERNAL;
}

Test(protected, a_sink_may_stop_it)
{
	struct mime_protected p;
	struct parsed parsed;
	int n = 0;
	struct mime_sink sink = {put_once, &n};

	parsed_init(&parsed, span_str(rows[0].msg));
	mime_protected_find(parsed.tree, &p);
	cr_assert(mime_protected_write(&p, &sink) == ERR_CLOSED);
	cr_assert(n == 1);
	parsed_clear(&parsed);
}
