/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a step on a descriptor that never blocks may end in: the same for
 * plain sockets and for TLS, as client and as server. Only the driver of a
 * step touches the loop.
 */
#ifndef NET_IO_H
#define NET_IO_H

/* The zero value is the one nobody mistakes for success. */
enum net_io {
	NET_IO_FAILED = 0, /* broken; nothing more can be done with it */
	NET_IO_DONE,
	NET_IO_WANT_READ,  /* again when readable */
	NET_IO_WANT_WRITE, /* again when writable */
	NET_IO_CLOSED,	   /* the peer has ended it properly */
};

#endif
