/*
 * Who may ask. Any page that a browser shows can send requests to this machine, so an address is no
 * secret: a random token is. It is part of the address that is printed, and becomes a cookie that
 * scripts can't read and that other sites' requests don't carry. Host and origin are checked beside
 * it: a page whose name is made to lead to this machine ("DNS rebinding") has another host, and one
 * of another site or port another origin.
 */
#include "serve.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

bool az_guard_init(az_guard *g, const az_serve_options *opt) {
    uint8_t random[TOKEN_LENGTH / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    *g = (az_guard){.address = opt->address, .hosts = opt->hosts, .n_hosts = opt->n_hosts};
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(g->token + 2 * i, 3, "%02x", random[i]);
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, opt->address, &v4) == 1) {
        g->is_loopback = (ntohl(v4.s_addr) >> 24) == 127;
        g->is_any = v4.s_addr == htonl(INADDR_ANY);
    } else if (inet_pton(AF_INET6, opt->address, &v6) == 1) {
        g->is_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
        g->is_any = IN6_IS_ADDR_UNSPECIFIED(&v6);
    }
    return true;
}

void az_guard_set_port(az_guard *g, unsigned port) {
    g->port = port;
    snprintf(g->cookie, sizeof g->cookie, "aizip-%u", port);
}

/* Takes as long for any wrong text of the right length. */
bool az_guard_is_token(const az_guard *g, const char *text) {
    if (!text || strlen(text) != TOKEN_LENGTH)
        return false;
    unsigned different = 0;
    for (size_t i = 0; i < TOKEN_LENGTH; i++)
        different |= (unsigned)(text[i] ^ g->token[i]);
    return different == 0;
}

static bool is_numeric(const char *name) {
    uint8_t address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* A name without port and brackets. Numbers can't be made to lead elsewhere, as names can. */
static bool is_own_name(const az_guard *g, const char *name) {
    if (strcasecmp(name, g->address) == 0 || (g->is_any && is_numeric(name)))
        return true;
    if ((g->is_loopback || g->is_any) && strcasecmp(name, "localhost") == 0)
        return true;
    for (size_t i = 0; i < g->n_hosts; i++)
        if (strcasecmp(name, g->hosts[i]) == 0)
            return true;
    return false;
}

/* NAME:PORT, [NAME]:PORT, and without a port where it is HTTP's own. */
bool az_guard_is_host(const az_guard *g, const char *host) {
    char name[256], port[8];
    if (!host || strlen(host) >= sizeof name)
        return false;
    const char *begin = host, *end, *colon;
    if (*host == '[') {
        begin = host + 1;
        end = strchr(begin, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        colon = end[1] ? end + 1 : NULL;
    } else {
        colon = strchr(host, ':');
        end = colon ? colon : host + strlen(host);
    }
    snprintf(name, sizeof name, "%.*s", (int)(end - begin), begin);
    snprintf(port, sizeof port, "%u", g->port);
    return is_own_name(g, name) && (colon ? strcmp(colon + 1, port) == 0 : g->port == 80);
}

bool az_guard_is_origin(const az_guard *g, const char *origin) {
    static const char scheme[] = "http://";
    return origin && strncasecmp(origin, scheme, sizeof scheme - 1) == 0 &&
           az_guard_is_host(g, origin + sizeof scheme - 1);
}
