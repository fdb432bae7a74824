// Requests that libmicrohttpd refuses by itself.
#ifndef CHTTPSHIM_REFUSED_H
#define CHTTPSHIM_REFUSED_H

#include "exchange.h"

/// Answers the request that libmicrohttpd refuses, if `message` of its log says so and the request's headers are in.
/// Called on a server thread.
void chttpshim_refused_answer(chttpshim_loop *loop, const char *message);

#endif
