/* The two ends of a race between CoAP proxies: an origin that answers at once, and a load that counts.
 *
 *   coap_load origin PORT COUNT
 *       answers every request at COUNT ports with 2.04 and 32 bytes; says "ready" first
 *   coap_load load HOST PORT WINDOW REQUESTS con|non NAME COUNT [DIRECT | NAMES]
 *       asks WINDOW different things at once, REQUESTS in all, over COUNT sockets, by POST, whose answers no proxy
 *       keeps; prints one line of JSON.
 *       NAME: Uri-Host is NAME and a number below NAMES (COUNT without it), each in its turn, and Proxy-Scheme is coap;
 *       "-": no such options, and socket n asks port PORT + n.  NAME with ":" in front: Uri-Host is NAME and Uri-Port
 *       is DIRECT + n.
 *
 * One thread, no retransmission: an answer that does not come within a second counts as lost.  Loopback only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SOCKETS 1024
#define AT_ONCE 64
#define RING 65536
#define BODY_LEN 32
#define LOST_MS 1000

static struct pollfd polled[MAX_SOCKETS];
static uint64_t sent_ns[RING];
static uint32_t *taken_us;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int udp(void)
{
    int size = 1 << 21;
    int made = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (made < 0) {
        perror("socket");
        exit(1);
    }
    setsockopt(made, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return made;
}

static struct sockaddr_in at(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static int origin(int port, int count)
{
    uint8_t got[2048];
    uint16_t mid = 0;
    struct epoll_event ready[AT_ONCE];
    int watched = epoll_create1(0), found;
    for (int i = 0; i < count; i++) {
        struct sockaddr_in address = at("127.0.0.1", port + i);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = udp()};
        if (bind(event.data.fd, (struct sockaddr *)&address, sizeof address) ||
            epoll_ctl(watched, EPOLL_CTL_ADD, event.data.fd, &event)) {
            perror("bind");
            return 1;
        }
    }
    puts("ready");
    fflush(stdout);
    while ((found = epoll_wait(watched, ready, AT_ONCE, -1)) > 0) {
        for (int i = 0; i < found; i++) {
            struct sockaddr_in from;
            socklen_t from_len = sizeof from;
            int fd = ready[i].data.fd;
            ssize_t len;
            while ((len = recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)&from, &from_len)) >= 4) {
                uint8_t out[64];
                size_t token_len = got[0] & 15;
                uint8_t *end = out + 4 + token_len;
                if (got[1] == 0 || got[1] > 31 || token_len > 8 || (size_t)len < 4 + token_len) {
                    continue;
                }
                memcpy(out, got, 4 + token_len);
                out[1] = 0x44;
                if ((got[0] >> 4 & 3) == 0) {
                    out[0] = (uint8_t)(0x60 | token_len);
                } else {
                    mid++;
                    out[2] = (uint8_t)(mid >> 8);
                    out[3] = (uint8_t)mid;
                }
                *end++ = 0xff;
                memset(end, 'x', BODY_LEN);
                end += BODY_LEN;
                sendto(fd, out, (size_t)(end - out), 0, (struct sockaddr *)&from, from_len);
            }
        }
    }
    return 0;
}

static uint8_t *option(uint8_t *end, unsigned *last, unsigned number, const void *value, size_t len)
{
    unsigned delta = number - *last;
    uint8_t *head = end++;
    *last = number;
    *head = (uint8_t)((delta < 13 ? delta : 13) << 4 | (len < 13 ? len : 13));
    if (delta >= 13) {
        *end++ = (uint8_t)(delta - 13);
    }
    if (len >= 13) {
        *end++ = (uint8_t)(len - 13);
    }
    memcpy(end, value, len);
    return end + len;
}

struct load {
    const char *name;
    int is_con, direct, names;
    uint16_t mid[MAX_SOCKETS];
};

static void ask(struct load *load, int i, uint32_t serial)
{
    uint8_t out[128], *end = out + 8;
    char text[32];
    unsigned last = 0;
    uint16_t mid = load->mid[i]++;
    out[0] = load->is_con ? 0x44 : 0x54;
    out[1] = 2;
    out[2] = (uint8_t)(mid >> 8);
    out[3] = (uint8_t)mid;
    memcpy(out + 4, &serial, 4);
    if (load->name[0] == ':') {
        uint8_t port[2] = {(uint8_t)((load->direct + i) >> 8), (uint8_t)(load->direct + i)};
        end = option(end, &last, 3, load->name + 1, strlen(load->name + 1));
        end = option(end, &last, 7, port, 2);
    } else if (load->name[0] != '-') {
        int len = snprintf(text, sizeof text, "%s%d", load->name, (int)(serial % (uint32_t)load->names));
        end = option(end, &last, 3, text, (size_t)len);
    }
    end = option(end, &last, 11, "sensors", 7);
    end = option(end, &last, 11, "temp", 4);
    end = option(end, &last, 15, text, (size_t)snprintf(text, sizeof text, "n=%u", (unsigned)serial));
    if (load->name[0] != '-') {
        end = option(end, &last, 39, "coap", 4);
    }
    sent_ns[serial % RING] = now_ns();
    send(polled[i].fd, out, (size_t)(end - out), 0);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int run(const char *host, int port, int window, uint32_t requests, struct load *load, int count)
{
    uint32_t serial = 0, answered = 0, lost = 0, wrong = 0;
    int under_way[MAX_SOCKETS] = {0};
    uint64_t begun, ended;
    taken_us = calloc(requests, sizeof *taken_us);
    if (taken_us == NULL) {
        return 1;
    }
    for (int i = 0; i < count; i++) {
        struct sockaddr_in address = at(host, load->name[0] == '-' ? port + i : port);
        polled[i] = (struct pollfd){.fd = udp(), .events = POLLIN};
        if (connect(polled[i].fd, (struct sockaddr *)&address, sizeof address)) {
            perror("connect");
            return 1;
        }
        load->mid[i] = (uint16_t)(getpid() * 31 + i);
    }
    begun = now_ns();
    for (int i = 0; i < window; i++) {
        under_way[i % count]++;
        ask(load, i % count, serial++);
    }
    while (answered + lost < requests) {
        if (poll(polled, (nfds_t)count, LOST_MS) == 0) {
            for (int i = 0; i < count; i++) {
                lost += (uint32_t)under_way[i];
                for (int n = under_way[i]; n > 0; n--) {
                    if (serial < requests) {
                        ask(load, i, serial++);
                    } else {
                        under_way[i]--;
                    }
                }
            }
            continue;
        }
        for (int i = 0; i < count; i++) {
            uint8_t got[2048];
            ssize_t len;
            while (polled[i].revents & POLLIN && (len = recv(polled[i].fd, got, sizeof got, 0)) >= 4) {
                uint32_t which;
                if ((got[0] >> 4 & 3) == 0) {
                    uint8_t ack[4] = {0x60, 0, got[2], got[3]};
                    send(polled[i].fd, ack, sizeof ack, 0);
                }
                if (got[1] == 0 || len < 8 || (got[0] & 15) != 4) {
                    continue;
                }
                memcpy(&which, got + 4, 4);
                wrong += got[1] != 0x44;
                if (which < requests && taken_us[which] == 0) {
                    uint64_t us = (now_ns() - sent_ns[which % RING]) / 1000;
                    taken_us[which] = us == 0 ? 1 : (uint32_t)us;
                    answered++;
                    under_way[i]--;
                    if (serial < requests) {
                        under_way[i]++;
                        ask(load, i, serial++);
                    }
                }
            }
        }
    }
    ended = now_ns();
    qsort(taken_us, requests, sizeof *taken_us, by_size);
    {
        uint32_t *first = taken_us + (requests - answered);
        uint32_t n = answered == 0 ? 1 : answered;
        if (answered == 0) {
            first = taken_us;
        }
        printf("{\"requests\": %u, \"seconds\": %.4f, \"lost\": %u, \"wrong\": %u, "
               "\"p50_us\": %u, \"p95_us\": %u, \"p99_us\": %u}\n",
               answered, (double)(ended - begun) / 1e9, lost, wrong, first[n / 2], first[(uint64_t)n * 95 / 100],
               first[(uint64_t)n * 99 / 100]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "origin") == 0 && atoi(argv[3]) <= MAX_SOCKETS) {
        return origin(atoi(argv[2]), atoi(argv[3]));
    }
    if (argc >= 9 && strcmp(argv[1], "load") == 0 && atoi(argv[8]) <= MAX_SOCKETS) {
        struct load load = {.name = argv[7], .is_con = strcmp(argv[6], "con") == 0};
        load.direct = argc > 9 ? atoi(argv[9]) : 0;
        load.names = load.direct > 0 ? load.direct : atoi(argv[8]);
        return run(argv[2], atoi(argv[3]), atoi(argv[4]), (uint32_t)atoi(argv[5]), &load, atoi(argv[8]));
    }
    fputs("usage: see the head of coap_load.c\n", stderr);
    return 2;
}
