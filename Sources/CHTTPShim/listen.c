#define _GNU_SOURCE  // strerrordesc_np

#include "CHTTPShim.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(const struct addrinfo *address, bool is_dual_stack)
{
    int descriptor = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    int on = 1, off = 0;
    // A restarted exporter must not wait for the old connections' TIME_WAIT.
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6)
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, is_dual_stack ? &off : &on, sizeof off);
    if (bind(descriptor, address->ai_addr, address->ai_addrlen) == 0 && listen(descriptor, SOMAXCONN) == 0)
        return descriptor;
    int reason = errno;
    close(descriptor);
    errno = reason;
    return -1;
}

int chttpshim_listen(const char *host, const char *port, bool *is_in_use, const char **error)
{
    const char *hosts[] = {host == NULL ? "::" : host, "0.0.0.0"};
    for (int index = 0; index < (host == NULL ? 2 : 1); index++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
        struct addrinfo *addresses = NULL;
        int failure = getaddrinfo(hosts[index], port, &hints, &addresses);
        if (failure != 0) {
            *error = gai_strerror(failure);
            continue;
        }
        int descriptor = listen_on(addresses, host == NULL);
        int reason = errno;
        freeaddrinfo(addresses);
        if (descriptor >= 0) return descriptor;
        *error = strerrordesc_np(reason);
        *is_in_use = reason == EADDRINUSE;
        // IPv4 alone is the answer only to a system without IPv6, not to a port that is taken.
        if (reason != EAFNOSUPPORT && reason != EADDRNOTAVAIL) return -1;
    }
    return -1;
}

bool chttpshim_socket_address(int listen_socket, char *buffer, size_t capacity)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(listen_socket, (struct sockaddr *)&address, &length) != 0
        || getnameinfo(
               (struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
               NI_NUMERICHOST | NI_NUMERICSERV)
            != 0)
        return false;
    const char *format = address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s";
    return snprintf(buffer, capacity, format, host, port) < (int)capacity;
}
