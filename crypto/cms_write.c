/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A CMS message into a sink as OpenSSL makes it: BER of indefinite length,
 * the contents never a second time in memory. RFC 5652.
 */
#include <string.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>

#include "crypto/cms_private.h"
#include "mime/sink.h"

/* octets collected before the sink is called: OpenSSL writes many small
   pieces */
#define SINK_CHUNK 16384

/* A BIO that writes to a sink and keeps its first error: OpenSSL does not look
   at what a write returns everywhere. */
struct sink_state {
	const struct mime_sink *to;
	enum err e;
};

static int
sink_write(BIO *bio, const char *data, size_t len, size_t *written)
{
	struct sink_state *state = BIO_get_data(bio);

	if (state->e == ERR_OK)
		state->e = mime_put(state->to, SPAN(data, len));
	if (state->e != ERR_OK)
		return 0;
	*written = len;
	return 1;
}

static long
sink_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	struct sink_state *state = BIO_get_data(bio);

	return cmd == BIO_CTRL_FLUSH && state->e == ERR_OK ? 1 : 0;
}

static BIO_METHOD *
sink_method(void)
{
	static BIO_METHOD *method;
	BIO_METHOD *m;

	if (method != NULL)
		return method;
	m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sink");
	if (m == NULL || BIO_meth_set_write_ex(m, sink_write) != 1 ||
	    BIO_meth_set_ctrl(m, sink_ctrl) != 1) {
		BIO_meth_free(m);
		return NULL;
	}
	method = m;
	return method;
}

/* A buffer in front of the sink; freed by BIO_free_all(). */
static BIO *
sink_open(struct sink_state *state)
{
	BIO_METHOD *method = sink_method();
	BIO *sink = method == NULL ? NULL : BIO_new(method);
	BIO *front = BIO_new(BIO_f_buffer());

	if (sink == NULL || front == NULL ||
	    BIO_set_write_buffer_size(front, SINK_CHUNK) != 1) {
		BIO_free(sink);
		BIO_free(front);
		return NULL;
	}
	BIO_set_data(sink, state);
	BIO_set_init(sink, 1);
	return BIO_push(front, sink);
}

/* What i2d_CMS_bio_stream() does, with every return looked at. */
enum err
crypto_cms_write(CMS_ContentInfo *cms, struct span in,
    const struct mime_sink *to, struct err_why *why)
{
	struct sink_state state = {.to = to};
	BIO *end = sink_open(&state);
	BIO *chain = end == NULL ? NULL : BIO_new_CMS(end, cms);
	enum err e = ERR_OK;
	size_t written = 0;
	bool done;

	if (chain == NULL) {
		e = err_why(why, ERR_CRYPTO, "no CMS stream: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
		goto out;
	}
	done = BIO_write_ex(chain, in.data, in.len, &written) == 1 &&
	       written == in.len;
	done = done && BIO_flush(chain) == 1;
	/* the cipher's finish fails without failing the flush */
	if (done && BIO_find_type(chain, BIO_TYPE_CIPHER) != NULL &&
	    BIO_get_cipher_status(BIO_find_type(chain, BIO_TYPE_CIPHER)) != 1)
		done = false;
	if (state.e != ERR_OK)
		e = err_why(why, state.e, "%s", err_text(state.e));
	else if (!done)
		e = err_why(why, ERR_CRYPTO, "CMS not written: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
out:
	if (chain != NULL)
		BIO_free_all(chain);
	else
		BIO_free_all(end);
	return e;
}
