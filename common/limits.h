/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Every limit of the program, with its unit and the reason for it. What an
 * administrator may want to change is an option (gateway/config_table.c) and
 * stands here as its default.
 */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

/* --- messages */
/* octets of one message: what other servers accept from partners */
#define LIMIT_MESSAGE_SIZE (50u * 1024 * 1024)
/* octets: the largest a configuration may allow */
#define LIMIT_MESSAGE_SIZE_MAX (100u * 1024 * 1024)
/* all variants of a message together, as a multiple of the message limit */
#define LIMIT_VARIANTS_FACTOR 20u
/* octets of a message's header block, and fields in it */
#define LIMIT_HEADER_SIZE   (256u * 1024)
#define LIMIT_HEADER_FIELDS 1000u
/* octets of one header field: bounds libetpan's stack per field */
#define LIMIT_FIELD_SIZE (64u * 1024)
/* octets of a line taken in (without CRLF), and sent out (RFC 5322 2.1.1) */
#define LIMIT_LINE_IN	 (64u * 1024)
#define LIMIT_LINE_OUT	 998u
#define LIMIT_MIME_DEPTH 32u
#define LIMIT_MIME_PARTS 1000u
/* Received fields before a message is taken to go in circles */
#define LIMIT_HOPS 50u
/* of them our own: outbound, inbound and a filter or two are no circle */
#define LIMIT_OWN_HOPS	 10u
#define LIMIT_RECIPIENTS 1000u
/* octets behind a message in memory: libetpan reads a little past the end */
#define LIMIT_MESSAGE_PADDING 16u
/* what a message may have and still be given to libetpan, which takes a level
   of stack for each nested part and each "(", and looks through a multipart
   again for each level; beyond, the message counts as ambiguous */
#define LIMIT_PARSE_COMPOSITES 100u
#define LIMIT_PARSE_DELIMITERS 10000u
#define LIMIT_PARSE_PARENS     4096u
/* addresses in one header field */
#define LIMIT_ADDRESS_LIST 10000u

/* --- SMTP sessions */
#define LIMIT_CONNECTIONS	 200u
#define LIMIT_CONNECTIONS_CLIENT 20u
#define LIMIT_SESSION_ERRORS	 10u
/* octets of a command line with SMTPUTF8 and DSN parameters */
#define LIMIT_COMMAND_LINE 4096u
/* seconds without a command (RFC 5321 4.5.3.2.7) */
#define LIMIT_IDLE_S 300u
/* octets a second below which a transfer is cut, after the first 30 s */
#define LIMIT_MIN_RATE 500u
/* seconds for one message however steadily it comes */
#define LIMIT_TRANSFER_S (4u * 3600)
/* commands without a message after which each counts as an error */
#define LIMIT_SESSION_JUNK 100u
/* milliseconds from the final dot to our answer: the client waits ten minutes
   (RFC 5321 4.5.3.2.6), and store has LIMIT_FENCE_MS of them for a last word */
#define LIMIT_JOB_MS   (9u * 60 * 1000)
#define LIMIT_FENCE_MS 30000u
/* milliseconds in which a listener says of which messages it has the client */
#define LIMIT_WAIT_CLAIM_MS 5000u
/* octets of an address (RFC 5321 4.5.3.1.3: path 256 with its brackets) */
#define LIMIT_ADDRESS 254u

/* --- keys and look-ups */
/* octets of a key or certificate taken from outside */
#define LIMIT_KEY_SIZE (1024u * 1024)
/* octets and number of keys or certificates taken at once, e.g. a key ring */
#define LIMIT_KEYS_SIZE (8u * 1024 * 1024)
#define LIMIT_KEYS	1000u
/* a file of an administrator with many keys; it is read as a whole */
#define LIMIT_IMPORT_SIZE (2u * 1024 * 1024 * 1024 - 1)
/* octets of one X.509 certificate: post-quantum signatures need 50 KiB */
#define LIMIT_CERT_SIZE	      (128u * 1024)
#define LIMIT_CERT_EXTENSIONS 64u
#define LIMIT_CERT_ADDRS      1000u
/* certificates of a path with its anchor; intermediates looked at for one */
#define LIMIT_PATH_LEN	10u
#define LIMIT_PATH_POOL 32u
/* octets and entries of a revocation list; octets of an answer about one
   certificate; of the place where either is to be had */
#define LIMIT_CRL_SIZE	     (8u * 1024 * 1024)
#define LIMIT_CRL_ENTRIES    250000u
#define LIMIT_OCSP_SIZE	     (64u * 1024)
#define LIMIT_REVOCATION_URL 1024u
/* octets of a serial number; RFC 5280 4.1.2.2 has 20 */
#define LIMIT_SERIAL 64u
/* anchors in a file; Debian's has 140 */
#define LIMIT_ANCHORS 1000u
/* RSA: shorter is historic (RFC 8551 2.3), longer costs seconds */
#define LIMIT_RSA_BITS_MIN 2048u
#define LIMIT_RSA_BITS_MAX 16384u
/* more makes verification slow and is made by nobody */
#define LIMIT_RSA_EXPONENT_BITS 64u
/* milliseconds a message may wait for look-ups */
#define LIMIT_LOOKUP_MS 8000u
/* milliseconds for one operation of gpg on keys that strangers bring */
#define LIMIT_ADMIT_MS 15000u
/* milliseconds that discovery waits for admission */
#define LIMIT_PROPOSED_MS 60000u
/* addresses that discovery remembers answers for, and that it asks for at a
   time */
#define LIMIT_ANSWERS_CACHED 20000u
#define LIMIT_LOOKUPS	     500u
/* milliseconds for one operation of gpg at the command line; it is killed then
   (that of the gateway: limits { engine }) */
#define LIMIT_PGP_MS 60000u
/* session keys (PKESK, SKESK) in front of an OpenPGP message: above any real
   number of recipients, each costs some parsing */
#define LIMIT_PGP_SESSION_KEYS 4096u
/* what strangers encode in DER or BER: levels, as OpenSSL has them, and
   elements; software that streams writes 100 MiB in pieces of 1000 octets */
#define LIMIT_DER_DEPTH	   30u
#define LIMIT_DER_ELEMENTS 500000u
/* certificates, and revocation lists, that a signature may bring */
#define LIMIT_CMS_CERTS 64u
/* private keys that are tried to open one message: each costs a millisecond of
   the one process that has them */
#define LIMIT_DECRYPT_TRIES 16u
/* what unpacking may make of an octet, at most */
#define LIMIT_INFLATE 100u
/* octets of a record of the audit log */
#define LIMIT_AUDIT_RECORD (256u * 1024)
/* what the trace of a decision may hold */
#define LIMIT_TRACE_RULES      64u
#define LIMIT_TRACE_CANDIDATES 16u

/* --- processes */
/* octets of a message between processes that travel in the datagram itself;
   what is larger goes in a memfd. Below the kernel's default send buffer. */
#define LIMIT_IPC_INLINE (64u * 1024)
/* octets of a payload between processes, wherever it travels */
#define LIMIT_IPC_PAYLOAD (256u * 1024 * 1024)
#define LIMIT_IPC_FDS	  72u
/* times a message may kill a worker before it is put aside unparsed */
#define LIMIT_CRASHES 3u
/* messages that are worked on at once, as keys knows of them, and addresses
   that they are from or to: far above what the listener and store have */
#define LIMIT_REGISTERED       8192u
#define LIMIT_REGISTERED_ADDRS 65536u
/* workers; more than cores helps nobody */
#define LIMIT_WORKERS_MAX 64u

/* --- store */
/* octets of a sealed body kept in the database; larger ones are files */
#define LIMIT_BODY_INLINE (256u * 1024)
/* files that must still fit on the disk of the bodies: below, no new mail */
#define LIMIT_FREE_FILES 32
/* octets of address space for the spool: far above any disk */
#define LIMIT_SPOOL_MAP (1024ull * 1024 * 1024 * 1024)
/* octets that stay free: deletes must always find room */
#define LIMIT_DISK_RESERVE (64ull * 1024 * 1024)

/* --- objects for pick-up */
/* octets of an object's index: its part table, read whole by the browser */
#define LIMIT_OBJECT_INDEX (1024u * 1024)
/* octets of an object's body; the chunk counter would reach 2^48 */
#define LIMIT_OBJECT_BODY (1ull << 40)
/* seconds after which a file that is no complete object is left-over */
#define LIMIT_OBJECT_UNFINISHED_S (24u * 3600)

/* characters of a passphrase that the sender chooses for pick-up, at least, and
   its octets and those of question and answer, at most */
#define LIMIT_FACTOR_CHARS_MIN 8u
#define LIMIT_FACTOR_SIZE      200u

/* seconds from now on until which an administrator may keep one, at most */
#define LIMIT_OBJECT_EXTEND_S (3650u * 24 * 3600)

/* whom an answer may go to, answers to one object, octets of all that wait,
   uploads at a time, and of one client; held answers, and their octets, with
   which no more to what the spool does not know are taken */
#define LIMIT_ANSWER_RCPTS	    50u
#define LIMIT_ANSWERS		    20u
#define LIMIT_ANSWERS_SIZE	    (2ull * 1024 * 1024 * 1024)
#define LIMIT_ANSWER_UPLOADS	    16u
#define LIMIT_ANSWER_UPLOADS_CLIENT 4u
#define LIMIT_STRAYS		    100u
#define LIMIT_STRAYS_SIZE	    (512ull * 1024 * 1024)

/* --- portal */
/* octets of one file of the page */
#define LIMIT_PORTAL_ASSET (1024u * 1024)
/* octets of a logo in the file that a message comes as: it is in every mail */
#define LIMIT_ATTACHED_LOGO (128u * 1024)
/* octets of memory for a connection, its request header included */
#define LIMIT_PORTAL_MEMORY (32u * 1024)
/* octets of a request's body: an id and a proof */
#define LIMIT_PORTAL_BODY 1024u
/* octets a second below which an answer is cut, as is an upload that has less
   of them within the time of a request */
#define LIMIT_PORTAL_MIN_RATE 4096u
/* octets of an object's keys, sealed to the certificate for recovery: a name
   of its issuer, and RSA of 16384 bits */
#define LIMIT_OBJECT_RECOVERY (16u * 1024)
/* reports to store that wait while there is none, and objects that could not be
   taken in yet */
#define LIMIT_PORTAL_REPORTS 4096u
/* wrong proofs in a row from one client, and the time one of them takes to be
   forgotten; the same for one object */
#define LIMIT_PROOF_CLIENT    30u
#define LIMIT_PROOF_CLIENT_MS 5000u
#define LIMIT_PROOF_OBJECT    10u
#define LIMIT_PROOF_OBJECT_MS 30000u

/* wrong proofs for one object with a second factor until nobody gets it any
   more, and objects whose wrong proofs wait to be written, for a second */
#define LIMIT_PROOF_LOCK   20u
#define LIMIT_PORTAL_WRONG 64u

/* codes at the door: those of one object in an hour, attempts for one, their
   life and that of what they open, in milliseconds; tickets in memory */
#define LIMIT_DOOR_CODES     5u
#define LIMIT_DOOR_TRIES     5u
#define LIMIT_DOOR_CODE_MS   (10u * 60 * 1000)
#define LIMIT_DOOR_OPEN_MS   (3600u * 1000)
#define LIMIT_PORTAL_TICKETS 4096u

/* --- the portal in a DMZ */
/* octets of a piece of a file, and of a frame with one */
#define LIMIT_DMZ_PIECE (64u * 1024)
#define LIMIT_DMZ_FRAME (LIMIT_DMZ_PIECE + 256)
/* octets that wait for the connection before no piece is added, and at most */
#define LIMIT_DMZ_QUEUE	    (512u * 1024)
#define LIMIT_DMZ_QUEUE_MAX (4u * 1024 * 1024)
/* connections that have not said yet who they are; milliseconds for the
   handshake, without an octet until something is said, and until it is cut */
#define LIMIT_DMZ_STRANGERS    8u
#define LIMIT_DMZ_HANDSHAKE_MS 10000u
#define LIMIT_DMZ_PING_MS      15000u
#define LIMIT_DMZ_SILENCE_MS   45000u
/* milliseconds between two attempts to connect, and until what a DMZ could not
   take is offered again */
#define LIMIT_DMZ_RETRY_MS 1000u
/* events that a DMZ keeps, octets of their file, of one; those a gateway takes
   at once, and in a second after that */
#define LIMIT_DMZ_EVENTS       4096u
#define LIMIT_DMZ_EVENTS_SIZE  (4u * 1024 * 1024)
#define LIMIT_DMZ_EVENT	       1024u
#define LIMIT_DMZ_EVENTS_BURST 2000u
#define LIMIT_DMZ_EVENTS_RATE  20u
/* objects that have gone here, of which a DMZ may still tell who opened them */
#define LIMIT_DMZ_GONE 4096u
/* places of events for what is no opening; codes, which have a place each */
#define LIMIT_DMZ_EVENTS_RESERVED 512u
#define LIMIT_DMZ_CODES		  512u
/* of these, accounts that are to be set */
#define LIMIT_DMZ_ACCOUNTS 256u
/* openings that are remembered for an hour; clients of an object of whom it is
   told, and one more time of all others */
#define LIMIT_DMZ_SEEN	       4096u
#define LIMIT_DMZ_SEEN_CLIENTS 16u
/* octets of a published file, files, and milliseconds until it is looked
   whether they have changed, and until all are told anew to a DMZ that could
   not keep one */
#define LIMIT_DMZ_PUBLISHED	  (16ull * 1024 * 1024)
#define LIMIT_DMZ_PUBLISHED_FILES 1000000u
#define LIMIT_DMZ_PUBLISHED_MS	  10000u
#define LIMIT_DMZ_PUBLISHED_AGAIN 60000u
/* answers that a DMZ has announced and that wait to be fetched */
#define LIMIT_DMZ_ANSWERS 256u
/* seconds that two clocks may differ before it is told */
#define LIMIT_DMZ_SKEW_S 60u

/* --- retries */
#define LIMIT_RETRY_MIN_S 300u
#define LIMIT_RETRY_MAX_S (4u * 3600)
#define LIMIT_WARN_S	  (4u * 3600)
#define LIMIT_EXPIRE_S	  (5u * 24 * 3600)

/* --- what rules look for in messages */
/* group files: all are handed over at once, see LIMIT_IPC_FDS */
#define LIMIT_GROUP_FILES 64u
/* documents that text is taken out of: of one message, seconds of computing
   for each, and octets of memory of a program that does it */
#define LIMIT_EXTRACT_DOCUMENTS 16u
#define LIMIT_EXTRACT_CPU_S	60u
#define LIMIT_EXTRACT_MEMORY	(1024ull * 1024 * 1024)
/* archives of office documents: entries, octets of one of them unpacked,
   documents in one another; what is larger than the second and more than so
   many times what it was packed to is a bomb (DESIGN 9) */
#define LIMIT_EXTRACT_ENTRIES 10000u
#define LIMIT_EXTRACT_PART    (128u * 1024 * 1024)
#define LIMIT_EXTRACT_DEPTH   3u
#define LIMIT_EXTRACT_PLAIN   (1024u * 1024)
#define LIMIT_EXTRACT_RATIO   100u
/* values of a group of a directory, and octets of all of them */
#define LIMIT_GROUP_MEMBERS 200000u
#define LIMIT_GROUP_TEXT    (16u * 1024 * 1024)
/* octets of text of one part; of more the rest counts as not readable */
#define LIMIT_CONTENT_PART (32u * 1024 * 1024)
/* CPU time for the patterns of all rules over one message, or one header
   field: of a machine that stands still nothing is concluded */
#define LIMIT_CONTENT_MS 2000u

/* --- configuration */
/* octets of the file: thousands of rules */
#define LIMIT_CONFIG_FILE (4u * 1024 * 1024)
/* octets of a bare word and of a string on one line */
#define LIMIT_CONFIG_WORD   64u
#define LIMIT_CONFIG_STRING 4096u
/* octets of a path in it; leaves room for names below it (PATH_MAX) */
#define LIMIT_CONFIG_PATH 1024u
#define LIMIT_CONFIG_URL  512u
/* entries of a list, options of a section, sections: above any real one */
#define LIMIT_CONFIG_LIST     10000u
#define LIMIT_CONFIG_OPTIONS  64u
#define LIMIT_CONFIG_SECTIONS 17000u
/* names that a next hop may be verified by: how many, octets with blanks; of
   the size of net/tls_client.h's list */
#define LIMIT_TLS_NAMES	     8u
#define LIMIT_TLS_NAMES_SIZE 511u
/* octets of the name of a user at a next hop */
#define LIMIT_LOGIN_USER 255u
/* recipients that our own server is asked about at once, and how many answers
   are remembered: a large company's, and time for them to change */
#define LIMIT_PROBES	     64u
#define LIMIT_VERIFIED	     65536u
#define LIMIT_VERIFIED_YES_S (24u * 3600)
#define LIMIT_VERIFIED_NO_S  3600u
/* how many of them outlive a restart, the octets of these, and seconds between
   two times that they are written */
#define LIMIT_VERIFIED_KEPT   16384u
#define LIMIT_VERIFIED_OCTETS (512u * 1024)
#define LIMIT_VERIFIED_KEEP_S 300u
/* failures to sign in: in one session, and of one client in ten minutes */
#define LIMIT_AUTH_SESSION 3u
#define LIMIT_AUTH_CLIENT  12u
/* octets of a file of users or of recipients, of what one user may write as,
   and of a user's name */
#define LIMIT_ACCOUNT_FILE (64u * 1024 * 1024)
#define LIMIT_ACCOUNT_LINE (16u * 1024)
#define LIMIT_ACCOUNT_NAME 255u
/* findings that are shown; the rest is counted */
#define LIMIT_CONFIG_FINDINGS 100u
/* octets of memory that a configuration may take */
#define LIMIT_CONFIG_MEMORY (64u * 1024 * 1024)

#endif
