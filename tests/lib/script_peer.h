/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A server on loopback that does what a script says, in a thread, and keeps
 * every octet it was sent. For peers that misbehave.
 */
#ifndef TESTS_LIB_SCRIPT_PEER_H
#define TESTS_LIB_SCRIPT_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct script_peer;

/* A script is lines, one step each:
     < text   send text and CRLF ("<- text": without, "$" is CRLF)
     > word   read a line; it must begin with word
     body     read until a line with a dot
     bdat     read a BDAT command and its chunk
     tls      become a TLS server
     junk     send octets that are not TLS
     long     send a reply line without end
     gate     wait for script_peer_open()
     hang     wait until the client closes
     again    go back to the first "mark"
     mark     where "again" goes to
   At the end the connection is closed. Connection k gets script k, the last
   script serves all further ones. */
struct script_peer *script_peer_new(const char *const *scripts, unsigned n);
/* Wait for the threads, free. */
void script_peer_free(struct script_peer *p);
uint16_t script_peer_port(const struct script_peer *p);
unsigned script_peer_connections(struct script_peer *p);
/* How many of them came to hang. */
unsigned script_peer_hanging(struct script_peer *p);
/* Open the gate, for all and for good. */
void script_peer_open(struct script_peer *p);
/* Did these octets arrive, in clear or inside TLS? */
bool script_peer_saw_plain(struct script_peer *p, const char *what);
bool script_peer_saw_secret(struct script_peer *p, const char *what);
/* How often, both together. */
unsigned script_peer_count(struct script_peer *p, const char *what);
/* The first step that did not go as written, "" if none. */
const char *script_peer_complaint(struct script_peer *p);

#endif
